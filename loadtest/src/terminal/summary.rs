//! A report for people: what to believe, how long they waited, what went wrong, who served, what it
//! cost. It owns the layout; it refuses to compute what the report does not say.

use std::fmt::Write;

use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};

use super::{Line, Tone, count, money, percent, seconds};
use crate::load::{Report, Summary};

/// An empty table in the house's style: first column to the left, all others to the right.
pub(crate) fn table(header: &[&str], colour: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS);
    table.set_content_arrangement(ContentArrangement::Disabled);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The whole report.
pub(crate) fn render(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", verdict(report, colour));
    let _ = writeln!(text, "{}", latencies(report, colour));
    let _ = writeln!(text, "{}", outcomes(report, colour));
    if !report.backends.is_empty() {
        let _ = writeln!(text, "{}", backends(report, colour));
    }
    for line in totals(report).iter().chain(&slowest(report)) {
        let _ = writeln!(text, "{}", line.render(usize::MAX, colour));
    }
    text
}

fn verdict(report: &Report, colour: bool) -> String {
    let validity = &report.validity;
    let mut line = match (validity.valid, validity.stopped_early) {
        (true, false) => Line::new().with(Tone::Good, "✔ valid run"),
        (true, true) => Line::new().with(Tone::Warn, "✔ valid run, stopped early"),
        (false, _) => Line::new().with(Tone::Bad, "✘ not to be believed"),
    };
    line = line.text(format!(
        "  {} requests in {:.1} s ({:.2}/s), sent within {:.1} ms of their time (p99)",
        count(validity.offered),
        report.window_s,
        report.offered_per_s,
        validity.send_lag_p99_wall_ms
    ));
    if (report.time_scale - 1.0).abs() > f64::EPSILON {
        line =
            line.with(Tone::Quiet, format!("  time scale {}: all times are policy time", report.time_scale));
    }
    let mut text = line.render(usize::MAX, colour);
    for problem in &validity.problems {
        let _ = write!(
            text,
            "\n{}",
            Line::new().with(Tone::Bad, format!("  {problem}")).render(usize::MAX, colour)
        );
    }
    text
}

fn latencies(report: &Report, colour: bool) -> Table {
    let mut table = table(&["latency", "p50", "p90", "p95", "p99", "max"], colour);
    let rows: [(&str, &Summary); 5] = [
        ("first token, from intended arrival", &report.ttft),
        ("first token, from send", &report.ttft_service),
        ("per output token", &report.time_per_output_token),
        ("longest silence in a stream", &report.stall),
        ("whole answer, from intended arrival", &report.response),
    ];
    for (name, summary) in rows.into_iter().filter(|(_, summary)| summary.count > 0) {
        let figures = [summary.p50_s, summary.p90_s, summary.p95_s, summary.p99_s, summary.max_s];
        table.add_row(
            std::iter::once(Cell::new(name)).chain(figures.map(|figure| Cell::new(seconds(figure)))),
        );
    }
    table
}

fn outcomes(report: &Report, colour: bool) -> Table {
    let mut table = table(&["outcome", "requests", "of offered"], colour);
    for (outcome, requests) in &report.outcomes {
        let tone = if *outcome == "ok" { Color::Green } else { Color::Red };
        table.add_row([
            Cell::new(outcome.replace('_', " ")).fg(tone),
            Cell::new(count(*requests)),
            Cell::new(percent(*requests as f64 / report.validity.offered.max(1) as f64)),
        ]);
    }
    for (detail, requests) in &report.details {
        table.add_row([Cell::new(format!("  {detail}")), Cell::new(count(*requests)), Cell::new("")]);
    }
    table
}

fn backends(report: &Report, colour: bool) -> Table {
    let mut table = table(
        &["backend", "share", "requests", "failed", "TTFT p50", "TTFT p95", "input", "output", "USD"],
        colour,
    );
    for (name, backend) in &report.backends {
        let priced = if report.cost.is_some() { money(backend.usd) } else { "–".to_owned() };
        let failed = Cell::new(count(backend.failed));
        table.add_row([
            Cell::new(name),
            Cell::new(percent(backend.share)),
            Cell::new(count(backend.requests)),
            if backend.failed > 0 { failed.fg(Color::Red) } else { failed },
            Cell::new(seconds(backend.ttft.p50_s)),
            Cell::new(seconds(backend.ttft.p95_s)),
            Cell::new(count(backend.usage.input)),
            Cell::new(count(backend.usage.output)),
            Cell::new(priced),
        ]);
    }
    table
}

fn totals(report: &Report) -> Vec<Line> {
    let mut lines = vec![Line::new().with(Tone::Quiet, "tokens     ").text(format!(
        "{} in, {} out, {} out/s",
        count(report.usage.input),
        count(report.usage.output),
        count(report.output_tokens_per_s.round() as u64)
    ))];
    if let Some(objective) = &report.objective {
        lines.push(Line::new().with(Tone::Quiet, "objective  ").text(format!(
            "{} of offered requests had their first token within {}",
            percent(objective.fraction),
            seconds(Some(objective.limit_s))
        )));
    }
    if let Some(cost) = &report.cost {
        let mut line = Line::new().with(Tone::Quiet, "cost       ").text(money(cost.usd));
        if let Some(per_million) = cost.usd_per_million_tokens {
            line = line.text(format!(", {} per 1M tokens", money(per_million)));
        }
        if cost.unpriced > 0 {
            line = line.with(
                Tone::Warn,
                format!(", {} answers from backends without a price", count(cost.unpriced)),
            );
        }
        lines.push(line);
    }
    if report.without_usage > 0 {
        lines.push(
            Line::new().with(Tone::Warn, format!("{} answers had no usage", count(report.without_usage))),
        );
    }
    lines
}

fn slowest(report: &Report) -> Vec<Line> {
    let label = std::iter::once("slowest    ").chain(std::iter::repeat("           "));
    let lines = report.slowest.iter().zip(label).map(|(slow, label)| {
        Line::new().with(Tone::Quiet, label).text(format!(
            "{} after {} at {:.1} s from {}",
            slow.request_id,
            seconds(Some(slow.waited_s)),
            slow.at_s,
            slow.backend.as_deref().unwrap_or("an unnamed backend")
        ))
    });
    lines.collect()
}
