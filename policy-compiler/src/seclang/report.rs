//! What an import read: files, rules, what does nothing here and what is done otherwise. It owns the words for a
//! person; numbers are also for scripts.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use waf::program::{Operator, Program};

use super::build::Read;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Files with their bytes, in the order they were read.
    pub files: Vec<(String, usize)>,
    /// `SecComponentSignature`.
    pub signature: String,
    /// Rules and actions read, a chain being one.
    pub rules: usize,
    /// Those that are left once everything that can be known is computed.
    pub kept: usize,
    /// Kept rules by phase, from 1.
    pub by_phase: [usize; 5],
    /// Kept rules by paranoia level, from their tags.
    pub by_paranoia: BTreeMap<String, usize>,
    /// Directives and actions that do nothing here, with how often they came.
    pub without_effect: BTreeMap<String, u32>,
    /// What is done otherwise than in ModSecurity, with the rules it concerns.
    pub different: BTreeMap<String, Vec<u32>>,
}

impl Report {
    pub(super) fn of(read: &Read) -> Self {
        Self {
            files: read.files.clone(),
            signature: read.signature.clone(),
            rules: read.rules.len(),
            without_effect: read.without_effect.clone(),
            ..Self::default()
        }
    }

    pub(super) fn kept(&mut self, program: &Program) {
        self.kept = program.rules.len();
        for rule in &program.rules {
            if let Some(count) = self.by_phase.get_mut(rule.phase as usize) {
                *count = count.saturating_add(1);
            }
            for level in rule.tags.iter().filter_map(|tag| tag.strip_prefix("paranoia-level/")) {
                let count = self.by_paranoia.entry(level.to_owned()).or_default();
                *count = count.saturating_add(1);
            }
            for test in rule.links.iter().filter_map(|link| link.test.as_ref()) {
                let what = match &test.operator {
                    Operator::Rbl(_) => "@rbl asks no DNS zone and never matches",
                    Operator::Rx(pattern) if pattern.backtracks => {
                        "a pattern that looks around or back stops after 200,000 steps"
                    }
                    _ => continue,
                };
                self.different.entry(what.to_owned()).or_default().push(rule.id);
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.files.iter().map(|(_, bytes)| bytes).sum();
        writeln!(f, "{} files, {} KB", self.files.len(), bytes.div_ceil(1024))?;
        if !self.signature.is_empty() {
            writeln!(f, "signature  {}", self.signature)?;
        }
        writeln!(f, "rules      {} read, {} left to run", self.rules, self.kept)?;
        let phases: Vec<String> = self.by_phase.iter().map(usize::to_string).collect();
        writeln!(f, "by phase   {} (1 to 5)", phases.join(" / "))?;
        if !self.by_paranoia.is_empty() {
            let levels: Vec<String> =
                self.by_paranoia.iter().map(|(level, count)| format!("PL{level} {count}")).collect();
            writeln!(f, "paranoia   {}", levels.join(", "))?;
        }
        for (what, ids) in &self.different {
            let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
            writeln!(f, "different  {what}: {}", ids.join(", "))?;
        }
        if !self.without_effect.is_empty() {
            let names: Vec<String> =
                self.without_effect.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            writeln!(f, "no effect  {}", names.join(", "))?;
        }
        Ok(())
    }
}
