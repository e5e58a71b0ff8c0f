//! `sluicegate why`: the story of one request, for whoever is awake. It owns the words; the gateway has the
//! facts.

use std::fmt::Write;

use vocabulary::admin::story::Story;
use vocabulary::admin::{Candidate, DecisionRecord};

use super::asking::{Asking, Question};
use crate::clock::wall_time;

const EXAMPLES: &str = "\
Examples:
  sluicegate why 019ab3c4d5e67f8091a2b3c4d5e6f708      the id is in the header x-request-id
  sluicegate why 019ab3c4d5e67f8091a2b3c4d5e6f708 --output json | jq .request.attempts

Told are errors, refusals, cut streams and failovers of the last 24 hours.";

/// Tell why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The request's id
    id: String,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args) -> u8 {
    // What is not an id must not become another path.
    let id: String = args.id.chars().filter(char::is_ascii_alphanumeric).collect();
    args.asking.show(Question::get(&format!("/v1/requests/{id}")), rendered)
}

/// The story as a page of text.
fn rendered(story: &Story) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, story);
    page
}

fn write_page(page: &mut String, story: &Story) -> std::fmt::Result {
    let request = &story.request;
    let path = request.path_template.as_deref().unwrap_or("(no route)");
    writeln!(page, "{}", request.request_id)?;
    writeln!(page, "  {} {path}  at {}", request.method, wall_time(request.arrival_ms))?;
    let how = match (request.reason, request.attempts.len()) {
        (Some(reason), _) => format!("ended as `{reason}`"),
        (None, 0 | 1) => "served".to_owned(),
        (None, attempts) => format!("served at attempt {attempts}"),
    };
    write!(page, "  answered {}, {how}, after {}", request.status, time(request.duration_ms))?;
    match request.ttft_ms.filter(|_| request.stream) {
        Some(first) => writeln!(page, ", first output after {}", time(first))?,
        None => writeln!(page)?,
    }
    if let Some(told) = &story.told {
        writeln!(page, "  told the caller: {}", told.message)?;
        if let Some(after) = told.retry_after_s {
            writeln!(page, "                   try again in {after:.0} s")?;
        }
    }
    for reason in &request.would_refuse {
        writeln!(page, "  a rule in shadow mode would have refused it: `{reason}`")?;
    }
    write_caller(page, story)?;
    write_attempts(page, story)?;
    write_picks(page, story)?;
    if !story.holds.is_empty() {
        writeln!(page, "\nheld by operators then")?;
        for hold in &story.holds {
            let (kind, until) = (hold.kind.name(), wall_time(hold.until_ms));
            writeln!(page, "  {kind} {}  until {until}  by {}  \"{}\"", hold.target, hold.by, hold.reason)?;
        }
    }
    Ok(())
}

fn write_caller(page: &mut String, story: &Story) -> std::fmt::Result {
    let request = &story.request;
    let mut row = |name: &str, value: Option<&str>| match value {
        Some(value) => writeln!(page, "  {name:<9} {value}"),
        None => Ok(()),
    };
    row("consumer", request.consumer.as_deref())?;
    row("team", story.team.as_deref())?;
    row("subject", story.subject.as_deref())?;
    row("route", request.route.as_deref())?;
    row("pool", request.pool.as_deref())?;
    row("model", request.model.as_deref())?;
    let policy = format!("generation {}, {}", story.generation, request.bundle);
    row("policy", Some(&policy))
}

fn write_attempts(page: &mut String, story: &Story) -> std::fmt::Result {
    if story.request.attempts.is_empty() {
        return writeln!(page, "\nno backend was asked");
    }
    writeln!(page, "\nattempts")?;
    for (number, attempt) in (1..).zip(&story.request.attempts) {
        let status = attempt.status.map_or("no answer".to_owned(), |status| status.to_string());
        let outcome = attempt.reason.map_or("served".to_owned(), |reason| format!("failed: `{reason}`"));
        let first =
            attempt.ttft_ms.map_or(String::new(), |first| format!(", first output after {}", time(first)));
        let took = time(attempt.duration_ms);
        writeln!(page, "  {number}  {:<28} {status:<9} {outcome}, took {took}{first}", attempt.backend)?;
    }
    Ok(())
}

fn write_picks(page: &mut String, story: &Story) -> std::fmt::Result {
    if story.decisions.is_empty() {
        let asked = !story.request.attempts.is_empty();
        return if asked { writeln!(page, "\nhow it was picked is no longer known") } else { Ok(()) };
    }
    writeln!(page, "\npicks")?;
    for pick in &story.decisions {
        let chosen = pick.chosen.as_deref().unwrap_or("nobody");
        writeln!(page, "  {}  pool {} ({}): {chosen}", pick.attempt, pick.pool, pick.strategy)?;
        writeln!(page, "     {}", pick.why)?;
        for candidate in &pick.candidates {
            write_candidate(page, pick, candidate)?;
        }
    }
    Ok(())
}

fn write_candidate(page: &mut String, pick: &DecisionRecord, candidate: &Candidate) -> std::fmt::Result {
    let mark = if pick.chosen.as_deref() == Some(&candidate.member) { '*' } else { ' ' };
    let Candidate { member, standing, total_usd, predicted_ttft_s, miss_probability, .. } = candidate;
    if pick.strategy != "adaptive" || standing == "not_eligible" {
        return writeln!(page, "    {mark} {member:<28} {standing}");
    }
    let miss = miss_probability * 100.0;
    writeln!(
        page,
        "    {mark} {member:<28} {standing:<13} {total_usd:.6} USD in all, first token in {predicted_ttft_s:.2} s, miss {miss:.0} %"
    )
}

/// Milliseconds for people.
fn time(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.2} s", ms / 1000.0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_over_request_reads_as_a_page() {
        let candidate = |member: &str, standing: &str| {
            json!({"member": member, "standing": standing, "cost_usd": 0.0, "miss_usd": 0.0, "queue_usd": 0.0,
                "pace_usd": 0.0, "total_usd": 0.0012, "miss_probability": 0.02, "predicted_ttft_s": 0.31})
        };
        let story = json!({
            "request": {"v": 1, "arrival_ms": 1_795_000_000_000_u64, "request_id": "019ab3c4", "route": "chat",
                "method": "POST", "path_template": "/v1/chat/completions", "consumer": "acme", "model": "gpt-4o",
                "stream": true, "pool": "chat", "status": 200, "ttft_ms": 412.0, "duration_ms": 1240.0,
                "overhead_us": 90, "cost_nanos": 5, "bundle": "blake3:1a2b",
                "attempts": [
                    {"backend": "eastus/gpt-4o", "status": 503, "reason": "backend_error", "duration_ms": 210.0},
                    {"backend": "westeurope/gpt-4o", "status": 200, "ttft_ms": 120.0, "duration_ms": 980.0}]},
            "generation": 7, "team": "research",
            "decisions": [{"at_s": 1.0, "request_id": "019ab3c4", "attempt": 2, "pool": "chat",
                "strategy": "adaptive", "prompt_tokens": 10, "slack_s": 1.0, "chosen": "westeurope/gpt-4o",
                "why": "lowest total", "candidates":
                    [candidate("eastus/gpt-4o", "not_eligible"), candidate("westeurope/gpt-4o", "ready")]}],
        });
        let page = rendered(&serde_json::from_value(story).unwrap());
        for line in [
            "  POST /v1/chat/completions  at 2026-11-18T11:06:40Z",
            "  answered 200, served at attempt 2, after 1.24 s, first output after 412 ms",
            "  team      research",
            "  1  eastus/gpt-4o                503       failed: `backend_error`, took 210 ms",
            "    * westeurope/gpt-4o            ready         0.001200 USD in all, first token in 0.31 s, miss 2 %",
        ] {
            assert!(page.lines().any(|one| one == line), "{line:?} is not in\n{page}");
        }
    }
}
