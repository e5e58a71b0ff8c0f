//! The figures for people and programs. It owns which figures are shown, their words and their caveats; it
//! refuses to round away the spread.

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::Settings;
use crate::ladder::{BARE, Rung};
use crate::machine::Machine;
use crate::spread::Spread;
use crate::stages::Cost;
use crate::table::Table;

/// One rung over all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    name: &'static str,
    what: &'static str,
    /// CPU per request or stream, one per round.
    pub(crate) us: Vec<f64>,
}

impl Measured {
    /// A rung not measured yet.
    pub(crate) fn new(rung: &Rung) -> Self {
        Self { name: rung.name, what: rung.what, us: Vec::new() }
    }
}

/// Everything a run found out.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    /// CPU per small request.
    pub(crate) requests: Vec<Measured>,
    /// CPU per stream.
    pub(crate) streams: Vec<Measured>,
    /// CPU per stage, inside one process.
    pub(crate) stages: Vec<Cost>,
    /// What was not measured, and why.
    pub(crate) skipped: Vec<String>,
}

/// A rung summed up.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: &'static str,
    what: &'static str,
    us: Spread,
    /// Against bare Pingora in the same round.
    ratio: Option<Spread>,
    /// Against the rung before it, where that is the gateway's too.
    adds: Option<f64>,
}

/// Sums up; figures per request are divided by `per`, such as the events of a stream.
fn rows(measured: &[Measured], per: f64) -> Vec<Row> {
    let scaled = |us: &[f64]| us.iter().map(|us| us / per).collect::<Vec<f64>>();
    let bare = measured.iter().find(|rung| rung.name == BARE);
    let mut below: Option<&Measured> = None;
    let mut rows = Vec::new();
    for rung in measured {
        let Some(us) = Spread::of(scaled(&rung.us)) else { continue };
        let ratio = bare.and_then(|bare| Spread::of_pairs(&rung.us, &bare.us, |own, bare| own / bare));
        let adds =
            below.and_then(|below| Spread::of_pairs(&rung.us, &below.us, |own, below| (own - below) / per));
        rows.push(Row { name: rung.name, what: rung.what, us, ratio, adds: adds.map(|adds| adds.median) });
        if rung.name != "nginx" {
            below = Some(rung);
        }
    }
    if let Some(nginx) = rows.iter_mut().find(|row| row.name == "nginx") {
        nginx.adds = None;
    }
    rows
}

impl Report {
    fn request_rows(&self) -> Vec<Row> {
        rows(&self.requests, 1.0)
    }

    fn event_rows(&self) -> Vec<Row> {
        rows(&self.streams, self.settings.events.max(1) as f64)
    }

    /// Stages, summed, in microseconds.
    fn stage_sum(&self) -> f64 {
        self.stages.iter().map(|cost| cost.ns).sum::<f64>() / 1e3
    }

    fn stage_table(&self) -> Table {
        let mut table = Table::new(&["stage", "ns", "what"]);
        for cost in &self.stages {
            table.push(vec![cost.stage.to_owned(), format!("{:.0}", cost.ns), cost.what.to_owned()]);
        }
        table.push(vec!["sum".to_owned(), format!("{:.0}", self.stage_sum() * 1e3), String::new()]);
        table
    }

    /// For people at a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.circumstances());
        for (title, table) in self.tables() {
            text.push_str(&format!("\n{title}\n\n{}", table.columns()));
        }
        for paragraph in self.remarks() {
            text.push_str(&format!("\n{paragraph}\n"));
        }
        text
    }

    /// For `docs/`.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "<!-- Generated: scripts/bench --markdown docs/benchmarks.md. Do not edit. -->\n\n# Benchmarks\n\n{}\n",
            self.circumstances()
        );
        text.push_str(METHOD);
        for (title, table) in self.tables() {
            text.push_str(&format!("\n## {title}\n\n{}", table.markdown()));
        }
        text.push_str("\n## Remarks\n");
        for paragraph in self.remarks() {
            text.push_str(&format!("\n- {paragraph}"));
        }
        text.push('\n');
        text
    }

    fn tables(&self) -> Vec<(&'static str, Table)> {
        let mut tables = Vec::new();
        if !self.requests.is_empty() {
            tables.push(("CPU per small request", table(&self.request_rows())));
        }
        if !self.streams.is_empty() {
            tables.push(("CPU per event of a stream", table(&self.event_rows())));
        }
        if !self.stages.is_empty() {
            tables.push(("The gateway's own stages, without sockets", self.stage_table()));
        }
        tables
    }

    fn circumstances(&self) -> String {
        let Machine { processor, cpus, kernel, load_before, date, .. } = &self.machine;
        let Settings { requests, warm_up, rounds, connections, streams, events, stage_requests, .. } =
            &self.settings;
        format!(
            "{date}; {processor}, {cpus} CPUs, Linux {kernel}, load average {load_before} before the run. \
             {rounds} rounds of {requests} requests after {warm_up}, and of {streams} streams with {events} events, \
             on {connections} connections; {stage_requests} requests through the stages."
        )
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![match self.machine.pinned {
            Some((server, load)) => format!(
                "The server under test ran on CPU {server}; load, backend and collector shared CPU {load}. Other \
                 programs of the machine were not kept off either: compare figures of one run only."
            ),
            None => {
                "Nothing was pinned to a CPU: the figures include what load and backend did to the caches."
                    .to_owned()
            }
        }];
        let rows = self.request_rows();
        let of = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.us.median);
        if let (Some(full), Some(bare), false) = (of("otlp"), of(BARE), self.stages.is_empty()) {
            let (over, sum) = (full - bare, self.stage_sum());
            remarks.push(format!(
                "With everything on, a request costs {over:.1} µs more than on bare Pingora. The stages account \
                 for {sum:.1} µs of them; the rest is the edge (larger heads on both sides, watching the caller while \
                 waiting, timers), the access log's and exporters' threads, and colder caches."
            ));
        }
        remarks.extend(self.skipped.iter().map(|what| format!("Skipped: {what}.")));
        remarks
    }
}

const METHOD: &str = "
Every server has one worker thread, the same allocator and the same build profile, and is started afresh for each
measurement. Callers, backend and collector are one thread that never sleeps, so that no server is charged for waking
them. CPU time is what the kernel booked for all threads of its process while the counted requests ran
(`/proc/<pid>/task/*/schedstat`). Rungs run in turn within a round; ratios and differences compare rungs of the same
round, and tables show medians over rounds. A run fails when an answer is not a whole 200, when a line of the access
log is missing or when nothing reaches the collector. Take your own figures with `make bench`.
";

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["server", "µs", "min … max", "× bare Pingora", "adds µs"]);
    for row in rows {
        let Spread { median, min, max } = row.us;
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
        let adds = row.adds.map_or(String::new(), |adds| format!("{adds:+.1}"));
        let name = format!("{} ({})", row.what, row.name);
        table.push(vec![name, format!("{median:.1}"), format!("{min:.1} … {max:.1}"), ratio, adds]);
    }
    table
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Settings { requests, warm_up, rounds, connections, streams, events, .. } = &self.settings;
        let document = json!({
            "machine": self.machine,
            "settings": {
                "requests": requests, "warm_up": warm_up, "rounds": rounds, "connections": connections,
                "streams": streams, "events": events,
            },
            "us_per_request": self.request_rows(),
            "us_per_event": self.event_rows(),
            "stages": self.stages,
            "stages_us": self.stage_sum(),
            "skipped": self.skipped,
        });
        document.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &'static str, us: &[f64]) -> Measured {
        Measured { name, what: "", us: us.to_vec() }
    }

    #[test]
    fn a_rung_is_compared_with_bare_and_with_the_rung_below_it() {
        let rungs =
            [measured(BARE, &[20.0, 40.0]), measured("route", &[30.0, 60.0]), measured("key", &[31.0, 61.0])];
        let rows = rows(&rungs, 1.0);
        assert_eq!(rows[0].ratio.unwrap().median, 1.0);
        assert_eq!(rows[1].ratio.unwrap().median, 1.5);
        assert_eq!((rows[0].adds, rows[2].adds), (None, Some(1.0)));
    }

    #[test]
    fn nginx_stands_beside_the_ladder_and_not_on_it() {
        let rungs = [measured(BARE, &[20.0]), measured("nginx", &[10.0]), measured("route", &[30.0])];
        let rows = rows(&rungs, 1.0);
        assert_eq!((rows[1].adds, rows[2].adds), (None, Some(10.0)));
    }

    #[test]
    fn a_stream_is_divided_by_its_events() {
        assert_eq!(rows(&[measured(BARE, &[1500.0])], 100.0)[0].us.median, 15.0);
    }
}
