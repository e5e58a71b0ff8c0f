//! What `check --live` shows: a table for people, a line of JSON per question for programs, and how far it
//! has come on a terminal. It refuses to ask anything itself.

use std::io::{IsTerminal, stderr, stdout};
use std::path::Path;

use rule_table::Policy;

use crate::cli::output::{colour, complain, say};
use crate::cli::{FAILURE, Output};
use crate::live_check::{Outcome, Verdict, live_check};

pub(super) fn run(policy: &Policy, base: &Path, spend_tokens: bool, output: Output) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("sluicegate: the runtime cannot start: {error}\n"));
            return FAILURE;
        }
    };
    let (watched, all) = (stderr().is_terminal(), policy.backends.len());
    let progress = |done: usize| {
        if watched {
            complain(&format!("\r\x1b[Kasked {done} of {all} backends"));
        }
    };
    progress(0);
    let outcomes = runtime.block_on(live_check(policy, base, spend_tokens, progress));
    // A resolver that hangs is not worth waiting for.
    runtime.shutdown_background();
    if watched {
        complain("\r\x1b[K");
    }
    say(&match output {
        Output::Text => table(&outcomes, colour(stdout().is_terminal())),
        Output::Json => outcomes.iter().map(json).collect(),
    });
    if outcomes.iter().any(|outcome| outcome.verdict == Verdict::Failed) { FAILURE } else { 0 }
}

fn json(outcome: &Outcome) -> String {
    let line = serde_json::json!({
        "subject": outcome.subject,
        "check": outcome.step.name(),
        "verdict": outcome.verdict.name(),
        "detail": outcome.detail,
        "milliseconds": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
    });
    format!("{line}\n")
}

/// One line per question, and a last one that says what it came to.
fn table(outcomes: &[Outcome], colour: bool) -> String {
    let width = |of: fn(&Outcome) -> &str| outcomes.iter().map(|o| of(o).chars().count()).max().unwrap_or(0);
    let subjects = width(|outcome| &outcome.subject);
    let steps = width(|outcome| outcome.step.name());
    let mut text = String::new();
    for outcome in outcomes {
        let painted = paint(outcome.verdict, colour);
        let (subject, step) = (&outcome.subject, outcome.step.name());
        let took = match outcome.verdict {
            Verdict::Skipped => String::new(),
            _ => format!("{} ms", outcome.took.as_millis()),
        };
        text.push_str(&format!(
            "{subject:subjects$}  {step:steps$}  {painted}  {took:>8}  {}\n",
            outcome.detail
        ));
    }
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let (passed, failed) = (count(Verdict::Passed), count(Verdict::Failed));
    text.push_str(&format!("{passed} passed, {failed} failed, {} skipped\n", count(Verdict::Skipped)));
    text
}

/// All of one width.
fn paint(verdict: Verdict, colour: bool) -> String {
    let name = format!("{:7}", verdict.name());
    let tone = match verdict {
        Verdict::Passed => "32",
        Verdict::Failed => "31",
        Verdict::Skipped => "2",
    };
    if colour { format!("\x1b[{tone}m{name}\x1b[0m") } else { name }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live_check::Step;

    fn outcome(subject: &str, step: Step, verdict: Verdict, detail: &str) -> Outcome {
        let took = Duration::from_millis(12);
        Outcome { subject: subject.into(), step, verdict, detail: detail.into(), took }
    }

    #[test]
    fn the_table_is_aligned_and_ends_with_the_sum() {
        let outcomes = [
            outcome("swe", Step::Connection, Verdict::Passed, "TLS, verified as swe.example"),
            outcome("swe/std", Step::Completion, Verdict::Failed, "status 401, invalid_api_key"),
            outcome("vllm", Step::Names, Verdict::Skipped, "an address needs no look-up"),
        ];
        assert_eq!(
            table(&outcomes, false),
            "swe      connection  passed      12 ms  TLS, verified as swe.example\n\
             swe/std  completion  failed      12 ms  status 401, invalid_api_key\n\
             vllm     names       skipped            an address needs no look-up\n\
             1 passed, 1 failed, 1 skipped\n"
        );
        assert!(table(&outcomes, true).contains("\x1b[31mfailed "));
    }

    #[test]
    fn a_program_reads_a_line_per_question() {
        let line = json(&outcome("swe", Step::Token, Verdict::Passed, "of Microsoft Entra ID"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["check"], "token");
        assert_eq!(value["milliseconds"], 12);
        assert!(line.ends_with("}\n"));
    }
}
