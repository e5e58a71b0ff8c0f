//! How `check` writes findings, and what the command line says about their levels.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use policy_compiler::manifest::FindingLevel;
use policy_compiler::{Finding, Levels, Source, Style, render};

use crate::cli::output::colour;
use crate::cli::{complain, say};

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Report {
    /// For people
    #[default]
    #[value(alias = "text")]
    Human,
    /// One object per line
    Json,
    /// A log of SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

/// What is done about findings, by code; comes before the manifest's `findings`.
#[derive(Debug, clap::Args)]
pub(super) struct LevelArgs {
    /// Fail on this finding, such as SG0504; `warnings` for every warning
    #[arg(long, value_name = "CODE")]
    deny: Vec<String>,
    /// Warn of this finding
    #[arg(long, value_name = "CODE")]
    warn: Vec<String>,
    /// Say nothing of this finding; an error of the language cannot be allowed
    #[arg(long, value_name = "CODE")]
    allow: Vec<String>,
}

impl LevelArgs {
    /// The levels; where a code is named twice the strictest holds.
    pub(super) fn levels(&self) -> Result<Levels, String> {
        let mut levels = Levels::default();
        let named = [
            (&self.allow, FindingLevel::Allow, "--allow"),
            (&self.warn, FindingLevel::Warn, "--warn"),
            (&self.deny, FindingLevel::Deny, "--deny"),
        ];
        for (codes, level, flag) in named {
            for code in codes {
                levels.set(code, level).map_err(|fault| format!("sluicegate: {flag} {code}: {fault}\n"))?;
            }
        }
        Ok(levels)
    }
}

/// Findings for people go to standard error, for programs to standard output.
pub(super) fn show(findings: &[Finding], source: &Source, report: Report) {
    let style = match report {
        Report::Json => Style::Json,
        Report::Sarif => Style::Sarif,
        Report::Github => Style::Github,
        Report::Human if stderr().is_terminal() => Style::Terminal { colour: colour(true) },
        Report::Human => Style::Plain,
    };
    let text = render(findings, source, style);
    if report == Report::Human { complain(&text) } else { say(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(deny: &[&str], allow: &[&str]) -> LevelArgs {
        let owned = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        LevelArgs { deny: owned(deny), warn: Vec::new(), allow: owned(allow) }
    }

    #[test]
    fn a_code_that_cannot_be_allowed_is_named_with_its_flag() {
        assert!(args(&["SG0504", "warnings"], &["SG0208"]).levels().is_ok());
        let fault = args(&[], &["SG0202"]).levels().unwrap_err();
        assert_eq!(
            fault,
            "sluicegate: --allow SG0202: SG0202 is an error of the language and is always denied\n"
        );
        assert!(
            args(&["SG9999"], &[])
                .levels()
                .unwrap_err()
                .starts_with("sluicegate: --deny SG9999: there is no")
        );
    }
}
