//! The table as a part of docs/faults.md. It owns its words; it refuses to touch anything of the page outside
//! its marks.

use std::collections::BTreeSet;

use vocabulary::Reason;

use super::{Fault, Measured, Outcome};

const BEGIN: &str = "<!-- table: faults -->\n";
const END: &str = "<!-- /table: faults -->";

/// The table of these rows, in Markdown.
#[must_use]
pub fn page(rows: &[(Fault, Measured)]) -> String {
    let mut text = String::from(
        "| Fault | Caller sees | Attempts | Attempt counted as | Request counted as | Tokens charged | Cost, µUSD | Traffic moved |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (fault, measured) in rows {
        let Measured { attempts, attempt_reasons, reasons, tokens, cost, .. } = measured;
        let outcomes: Vec<_> = measured.outcomes.iter().map(|outcome| seen(*outcome, fault.stream)).collect();
        text.push_str(&format!(
            "| {} | {} | {attempts} | {} | {} | {} | {} | {} |\n",
            fault.name,
            outcomes.join("; or "),
            listed(attempt_reasons),
            listed(reasons),
            span(tokens.0, tokens.1, &u64::to_string),
            span(cost.0, cost.1, &|nanos| format!("{:.1}", *nanos as f64 / 1_000.0)),
            moved(measured),
        ));
    }
    text
}

/// `text` with `table` in place of what stands between the marks; nothing without marks.
#[must_use]
pub fn between_marks(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn seen(outcome: Outcome, stream: bool) -> String {
    match outcome {
        Outcome::Served if stream => "the whole stream".to_owned(),
        Outcome::Served => "200".to_owned(),
        Outcome::Refused(reason) => format!("{} `{reason}`", reason.status()),
        Outcome::Cut => "200, then an error event and no `[DONE]`".to_owned(),
        Outcome::Garbled => "the stream, with an event that is no JSON".to_owned(),
        Outcome::Silent => "200, then silence".to_owned(),
    }
}

fn listed(reasons: &BTreeSet<Reason>) -> String {
    if reasons.is_empty() {
        return "success".to_owned();
    }
    reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", ")
}

fn span(least: u64, most: u64, shown: &dyn Fn(&u64) -> String) -> String {
    if least == most { shown(&most) } else { format!("{} to {}", shown(&least), shown(&most)) }
}

fn moved(measured: &Measured) -> String {
    let Measured { struck, sent, moved_after, moved, .. } = measured;
    if *moved {
        format!("after {struck} requests, {:.1} s", moved_after.as_secs_f64())
    } else {
        format!("no: {struck} of {sent} requests reached it")
    }
}
