//! A run as text: for a terminal, as a page of `docs/` and as the short table of the README. It owns the
//! words around the tables, with the caveats; the figures are `report`'s. It refuses to touch anything of a
//! file outside its marks.

use std::path::Path;

use crate::ladder::{BARE, EVERYTHING};
use crate::machine::Machine;
use crate::report::Report;
use crate::table::Table;
use crate::{Fallible, Settings};

/// Rungs of the short table.
const SHORT: [&str; 7] = [BARE, "nginx", "envoy", "litellm", "route", "adaptive", EVERYTHING];
const BEGIN: &str = "<!-- table: bench -->\n";
const END: &str = "<!-- /table: bench -->";

const METHOD: &str = "
Every server has one worker thread and is started afresh for each measurement; bare Pingora and the gateway have the
same allocator and build profile. Callers, backend and collector are one thread that never sleeps, so that no server
is charged for waking them. CPU time is what the kernel booked for all threads of the server's processes while the
counted requests ran (`/proc/<pid>/task/*/schedstat`). Rungs run in turn within a round; ratios and differences
compare rungs of the same round, and tables show medians over rounds. A run fails when an answer is not a whole 200,
when a line of the access log is missing or when nothing reaches the collector.

Peers are configured to do as little as they can: nginx and Envoy forward without logging; LiteLLM has one worker, one
model, its own defaults and a master key, without which it does not start. LiteLLM gets one request in fifty.

Half load is half of what one worker could do by its CPU time per request. Requests leave on a fixed schedule and
their times run from when they were due; each is paired with one straight to the backend half a beat later. What is
added is the difference within pairs, not between quantiles. A round in which one request in a hundred left more than
100 µs late does not count and is taken again, a few times at most. Streams of the crowd are slow, so that all of them are
open when the last one begins.

Take your own figures with `make bench`.
";

/// For people at a terminal.
pub(crate) fn text(report: &Report) -> String {
    let mut text = format!("{}\n", circumstances(report));
    for (title, table) in report.tables() {
        text.push_str(&format!("\n{title}\n\n{}", table.columns()));
    }
    for paragraph in remarks(report) {
        text.push_str(&format!("\n{paragraph}\n"));
    }
    text
}

/// For `docs/`.
pub(crate) fn page(report: &Report) -> String {
    let mut text = format!(
        "<!-- Generated: scripts/bench --markdown docs/benchmarks.md. Do not edit. -->\n\n# Benchmarks\n\n{}\n",
        circumstances(report)
    );
    text.push_str(METHOD);
    for (title, table) in report.tables() {
        text.push_str(&format!("\n## {title}\n\n{}", table.markdown()));
    }
    text.push_str("\n## Remarks\n");
    for paragraph in remarks(report) {
        text.push_str(&format!("\n- {paragraph}"));
    }
    text.push('\n');
    text
}

/// Puts the short table into `file`.
pub(crate) fn insert(report: &Report, file: &Path) -> Fallible<()> {
    let named = |error| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(named)?;
    let text = between_marks(&text, &short(report))
        .ok_or_else(|| format!("{} has no lines `{}` and `{END}`", file.display(), BEGIN.trim_end()))?;
    Ok(std::fs::write(file, text).map_err(named)?)
}

fn short(report: &Report) -> String {
    let mut table = Table::new(&["server, one core, small POST", "µs CPU per request", "× bare Pingora"]);
    for row in report.request_rows().into_iter().filter(|row| SHORT.contains(&row.name)) {
        let what = match row.name {
            "adaptive" => "+ API key, limits, adaptive pick".to_owned(),
            EVERYTHING => "+ access log, OTLP metrics, 10 % of traces, rewrites".to_owned(),
            _ => row.what,
        };
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
        table.push(vec![what, format!("{:.1}", row.us.median), ratio]);
    }
    format!(
        "{}\nStreams, latency, memory, stages and method are in [docs/benchmarks.md](docs/benchmarks.md).\n",
        table.markdown()
    )
}

/// `text` with `block` in place of what stands between the marks.
fn between_marks(text: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{block}{END}{after}"))
}

fn circumstances(report: &Report) -> String {
    let Machine { processor, cpus, kernel, compiler, load_before, date, .. } = &report.machine;
    let Settings { requests, warm_up, rounds, connections, streams, events, pairs, stage_requests, .. } =
        &report.settings;
    format!(
        "{date}; {processor}, {cpus} CPUs, Linux {kernel}, {compiler}, load average {load_before} before the run. \
         {rounds} rounds of {requests} requests after {warm_up}, and of {streams} streams with {events} events, on \
         {connections} connections; {pairs} pairs for latency; {stage_requests} requests through the stages."
    )
}

fn remarks(report: &Report) -> Vec<String> {
    let mut remarks = vec![match report.machine.pinned {
        Some((server, load)) => format!(
            "The server under test ran on CPU {server}; load, backend and collector shared CPU {load}. Other programs \
             of the machine were not kept off either: compare figures of one run only."
        ),
        None => "Nothing was pinned to a CPU: the figures include what load and backend did to the caches."
            .to_owned(),
    }];
    let rows = report.request_rows();
    let of = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.us.median);
    if let (Some(full), Some(bare), false) = (of(EVERYTHING), of(BARE), report.stages.is_empty()) {
        let (over, sum) = (full - bare, report.stage_sum());
        remarks.push(format!(
            "With everything on, a request costs {over:.1} µs more than on bare Pingora. The stages account for \
             {sum:.1} µs of them on the serving thread; other threads (access log, export) have a column of their own; \
             the rest is the edge: larger heads on both sides, watching the caller while waiting, timers, colder caches."
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = format!("a\n{BEGIN}old\n{END}\nz\n");
        assert_eq!(between_marks(&text, "new\n").unwrap(), format!("a\n{BEGIN}new\n{END}\nz\n"));
        assert_eq!(between_marks("a\nz\n", "new\n"), None);
    }
}
