//! What a firewall tells of a request: rules by number, kinds by name, never a value. It owns which names may be told;
//! it refuses to tell what a caller could have chosen freely.

use vocabulary::access_log::{WafOutcome, WafRecord, WafRule};
use waf::program::Rule;
use waf::run::{Inspection, Match};

/// Rules told of one request at most.
const MOST_RULES: usize = 24;
/// The longest name of an argument that is told.
const LONGEST_NAME: usize = 64;

/// What a firewall tells of a request.
pub(super) type WafNote = WafRecord;

pub(super) fn new(firewall: &str) -> WafNote {
    WafRecord {
        firewall: firewall.to_owned(),
        outcome: WafOutcome::Passed,
        rule: None,
        score: None,
        rules: Vec::new(),
        bot: None,
        jailbreak: None,
        leaks: Vec::new(),
        shape: Vec::new(),
        answer: Vec::new(),
    }
}

/// Raises what came of it: what is refused is not noted any more.
pub(super) fn raise(note: &mut WafNote, outcome: WafOutcome) {
    note.outcome = note.outcome.max(outcome);
}

/// Adds a name once.
pub(super) fn add(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// Takes over what rules said.
pub(super) fn rules(note: &mut WafNote, inspection: &Inspection, all: &[Rule]) {
    note.rules = inspection.matches().iter().take(MOST_RULES).map(|one| of_match(one, all)).collect();
    let scores = ["blocking_inbound_anomaly_score", "inbound_anomaly_score", "anomaly_score"];
    note.score = scores.iter().filter_map(|name| inspection.score(name)).max();
    note.rule = inspection.refusal().or(inspection.would_refuse()).map(|refusal| refusal.rule);
    if !note.rules.is_empty() {
        raise(note, WafOutcome::Noted);
    }
}

fn of_match(one: &Match, all: &[Rule]) -> WafRule {
    let rule = usize::try_from(one.rule).ok().and_then(|place| all.get(place));
    let tags = rule.map_or(&[][..], |rule| &rule.tags);
    let family = tags.iter().find_map(|tag| tag.strip_prefix("attack-"));
    WafRule {
        id: one.id,
        family: family.map(str::to_owned),
        target: (!one.target.is_empty()).then(|| target(&one.target)),
    }
}

/// `ARGS:id`, and `ARGS:json.messages.*.name` for an element of a list; `ARGS:*` for a name that looks like anything
/// else than a name.
fn target(matched: &[u8]) -> String {
    let text = String::from_utf8_lossy(matched);
    let Some((variable, name)) = text.split_once(':') else {
        return text.chars().filter(|char| char.is_ascii_uppercase() || *char == '_').collect();
    };
    let plain =
        |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '*' | '@');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        return format!("{variable}:*");
    }
    let element =
        |step: &str| step.strip_prefix("array_").is_some_and(|number| number.parse::<u32>().is_ok());
    let steps: Vec<&str> = name.split('.').map(|step| if element(step) { "*" } else { step }).collect();
    format!("{variable}:{}", steps.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_tells_names_and_no_values() {
        for (matched, told) in [
            ("ARGS:id", "ARGS:id"),
            ("ARGS:json.messages.array_12.name", "ARGS:json.messages.*.name"),
            ("ARGS:my secret", "ARGS:*"),
            ("REQUEST_HEADERS:User-Agent", "REQUEST_HEADERS:User-Agent"),
            ("REQUEST_FILENAME", "REQUEST_FILENAME"),
        ] {
            assert_eq!(target(matched.as_bytes()), told);
        }
    }
}
