//! Which findings are denied, warned of or left unsaid. It owns the order in which the command line, the
//! manifest and the registry are asked; it refuses to let an error of the language be anything else.

use std::collections::BTreeMap;

use super::{Code, Finding, Severity};
use crate::manifest::FindingLevel;
use crate::source::Document;

/// What is done about findings, by code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    by_code: BTreeMap<Code, FindingLevel>,
    deny_warnings: bool,
}

/// Why a level cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelFault {
    /// No finding has this code.
    Unknown,
    /// The code is an error of the language: no bundle can be made of such a manifest.
    Fixed(Code),
}

impl std::fmt::Display for LevelFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such finding; codes look like SG0504"),
            Self::Fixed(code) => write!(f, "{code} is an error of the language and is always denied"),
        }
    }
}

impl Levels {
    /// Sets the level of a code; `warnings`, in place of one, denies every warning that has no level of its
    /// own.
    ///
    /// # Errors
    /// The code is not known, or an error that is to be less than that.
    pub fn set(&mut self, code: &str, level: FindingLevel) -> Result<(), LevelFault> {
        if code == "warnings" && level == FindingLevel::Deny {
            self.deny_warnings = true;
            return Ok(());
        }
        let code = Code::find(code).ok_or(LevelFault::Unknown)?;
        if code.severity() == Severity::Error && level != FindingLevel::Deny {
            return Err(LevelFault::Fixed(code));
        }
        self.by_code.insert(code, level);
        Ok(())
    }

    /// As the manifest says in `findings`; what it says wrongly is left to a check.
    pub(crate) fn written(document: &Document) -> Self {
        let mut levels = Self::default();
        let section = document.value(&["findings"]);
        for entry in section.map_or(&[][..], |section| section.entries()) {
            if let Some(level) = entry.value.text().and_then(FindingLevel::find) {
                // A fault has a finding of its own.
                let _ = levels.set(&entry.key, level);
            }
        }
        levels
    }

    /// These, and the `outer` ones where they say something.
    #[must_use]
    pub fn under(mut self, outer: &Self) -> Self {
        self.by_code.extend(outer.by_code.iter().map(|(code, level)| (*code, *level)));
        self.deny_warnings |= outer.deny_warnings;
        self
    }

    /// Drops what is allowed and gives the rest its severity.
    pub fn apply(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| {
            finding.code.severity() == Severity::Error
                || self.by_code.get(&finding.code) != Some(&FindingLevel::Allow)
        });
        for finding in findings {
            let own = finding.code.severity();
            finding.level = match self.by_code.get(&finding.code) {
                Some(FindingLevel::Deny) => Some(Severity::Error),
                Some(FindingLevel::Warn) if own != Severity::Error => Some(Severity::Warning),
                None if self.deny_warnings && own == Severity::Warning => Some(Severity::Error),
                _ => None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(levels: &Levels) -> Vec<Severity> {
        let mut findings = [Code::NotYaml, Code::OpenRoute, Code::Unused, Code::PlainKeys]
            .map(|code| Finding::new(code, ""))
            .to_vec();
        levels.apply(&mut findings);
        findings.iter().map(Finding::severity).collect()
    }

    #[test]
    fn an_error_of_the_language_cannot_be_allowed() {
        let mut levels = Levels::default();
        let fixed = Err(LevelFault::Fixed(Code::NotYaml));
        assert_eq!(levels.set("SG0001", FindingLevel::Allow), fixed);
        assert_eq!(levels.set("sg0001", FindingLevel::Warn), fixed);
        assert_eq!(levels.set("SG9999", FindingLevel::Deny), Err(LevelFault::Unknown));
        assert_eq!(levels.set("SG0001", FindingLevel::Deny), Ok(()));
        assert_eq!(levels.set("warnings", FindingLevel::Allow), Err(LevelFault::Unknown));
    }

    #[test]
    fn the_command_line_comes_before_the_manifest_and_a_code_before_all_warnings() {
        use Severity::{Error, Note, Warning};
        let mut manifest = Levels::default();
        manifest.set("SG0504", FindingLevel::Allow).unwrap();
        manifest.set("SG0509", FindingLevel::Warn).unwrap();
        assert_eq!(severities(&Levels::default()), [Error, Warning, Warning, Note]);
        assert_eq!(severities(&manifest), [Error, Warning, Warning]);
        let mut line = Levels::default();
        line.set("SG0504", FindingLevel::Warn).unwrap();
        line.set("warnings", FindingLevel::Deny).unwrap();
        assert_eq!(severities(&manifest.clone().under(&line)), [Error, Warning, Error, Warning]);
        line.set("SG0504", FindingLevel::Deny).unwrap();
        assert_eq!(severities(&manifest.under(&line)), [Error, Error, Error, Warning]);
    }
}
