//! An explanation laid out for people: one line a stage, what decided below it, the end last. It owns layout and
//! colour; it refuses to leave out what would change the reader's mind.

mod stages;

use crate::explanation::{Explanation, Outcome, PoolTold, StageVerdict};
use crate::ink::{Ink, printable};

/// How wide a stage's name stands.
const NAME: usize = 9;

/// A stage's line and what stands below it.
#[derive(Default)]
struct Lines {
    says: String,
    below: Vec<String>,
}

/// Lays an explanation out; in colour for a terminal.
#[must_use]
pub fn render(told: &Explanation, colour: bool) -> String {
    let ink = Ink { colour };
    let asked = &told.request;
    let at = vocabulary::UnixTime(asked.at);
    let mut page = format!(
        "{} {}\n\n",
        ink.strong(&printable(&format!("{} {}{}", asked.method, asked.host, asked.path))),
        ink.faint(&format!("at {at}"))
    );
    for stage in &told.stages {
        let mark = match stage.verdict {
            StageVerdict::Passed => ink.good("✓"),
            StageVerdict::Answered => ink.good("●"),
            StageVerdict::Refused => ink.bad("✗"),
            StageVerdict::NotReached | StageVerdict::NotForeseen => ink.faint("·"),
        };
        let name = format!("{:<NAME$}", stage.stage);
        if stage.verdict == StageVerdict::NotReached {
            let why =
                if told.outcome == Outcome::SentOn { "not read: it is passed on as it comes" } else { "" };
            page.push_str(format!("  {mark} {} {}", ink.faint(&name), ink.faint(why)).trim_end());
            page.push('\n');
            continue;
        }
        let lines = stages::of(told, stage.stage, ink);
        page.push_str(&format!("  {mark} {} {}\n", ink.strong(&name), lines.says));
        for line in lines.below {
            page.push_str(&format!("  {} {:NAME$} {line}\n", ink.faint("│"), ""));
        }
    }
    end(told, ink, &mut page);
    page
}

fn end(told: &Explanation, ink: Ink, page: &mut String) {
    page.push('\n');
    let line = match (told.outcome, &told.answer, &told.sending) {
        (Outcome::SentOn, _, sending) => {
            let to = sending.as_ref().map_or("its pool", |sending| sending.to.as_str());
            let able = |pool: &PoolTold| pool.members.iter().filter(|member| member.out.is_none()).count();
            let others = match told.pools.last() {
                Some(pool) if able(pool) < 2 => "",
                Some(pool) if pool.strategy == "adaptive" => ", as long as its pool has learned nothing else",
                _ => ", or to another in its turn",
            };
            format!("{} sent on to {}{}", ink.good("→"), ink.strong(to), ink.faint(others))
        }
        (Outcome::Answered, Some(answer), _) => {
            format!("{} answered {} here: {}", ink.good("→"), answer.status, answer.message)
        }
        (_, Some(answer), _) => {
            let reason = answer.reason.map(|reason| reason.code()).unwrap_or_default();
            let head = ink.strong(&format!("{} {reason}", answer.status));
            let after =
                answer.retry_after_s.map(|after| format!("; try again in {after} s")).unwrap_or_default();
            format!("{} refused: {head}: {}{after}", ink.bad("→"), answer.message)
        }
        _ => String::new(),
    };
    page.push_str(&format!("  {line}\n"));
    if let Some(body) = told.answer.as_ref().and_then(|answer| answer.body.as_ref()) {
        page.push_str(&format!("    {}\n", ink.faint(&printable(&body.to_string()))));
    }
    for reason in &told.would_refuse {
        page.push_str(&format!("  {} in shadow mode it would be refused: {reason}\n", ink.wary("!")));
    }
    for note in &told.notes {
        page.push_str(&format!("  {} {note}\n", ink.wary("!")));
    }
}
