//! What an inspection told, for a person and for a script. It owns the words; what matched is shown as it was sent.

use std::fmt;

use serde::Serialize;
use waf::run::Inspection;

/// Scores of CRS 3 and CRS 4 that are worth telling.
const SCORES: [&str; 9] = [
    "anomaly_score",
    "blocking_inbound_anomaly_score",
    "inbound_anomaly_score_threshold",
    "sql_injection_score",
    "xss_score",
    "rce_score",
    "lfi_score",
    "php_injection_score",
    "rfi_score",
];

/// What an inspection told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    /// The refusal, when there is one.
    pub(super) refused: Option<Refused>,
    scores: Vec<(&'static str, i64)>,
    rules: Vec<Matched>,
}

#[derive(Debug, Serialize)]
pub(super) struct Refused {
    status: u16,
    rule: u32,
}

#[derive(Debug, Serialize)]
struct Matched {
    id: u32,
    message: String,
    target: String,
    data: String,
}

impl Told {
    pub(super) fn of(inspection: &Inspection) -> Self {
        let refused = inspection.refusal().map(|one| Refused { status: one.status, rule: one.rule });
        let score = |name: &'static str| {
            inspection.score(name).filter(|score| *score != 0).map(|score| (name, score))
        };
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let rules = inspection.matches().iter().map(|one| Matched {
            id: one.id,
            message: text(&one.message),
            target: text(&one.target),
            data: text(&one.data),
        });
        Self { refused, scores: SCORES.into_iter().filter_map(score).collect(), rules: rules.collect() }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refused {
            Some(refused) => writeln!(f, "refused with {} by rule {}", refused.status, refused.rule)?,
            None => writeln!(f, "passes")?,
        }
        for (name, score) in &self.scores {
            writeln!(f, "  {name} {score}")?;
        }
        for rule in &self.rules {
            writeln!(f, "{:>7}  {}", rule.id, rule.message)?;
            if !rule.target.is_empty() {
                writeln!(f, "         in {}", short(&rule.target))?;
            }
            if !rule.data.is_empty() {
                writeln!(f, "         {}", short(&rule.data))?;
            }
        }
        if self.rules.is_empty() {
            writeln!(f, "no rule matched")?;
        }
        Ok(())
    }
}

/// As much as fits a line.
fn short(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}
