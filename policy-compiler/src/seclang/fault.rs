//! What is wrong with a rule file, where, and how to mend it.

use std::fmt;

use serde::Serialize;

/// Something in a rule file that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// The line its directive begins on, from 1; 0 for the file as a whole.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

/// What is wrong, before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) fix: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }

    /// Something the language does not have, with the nearest thing it has.
    pub(super) fn unknown<'n>(kind: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Self {
        let shown: String = name.chars().take(60).collect();
        let near = known
            .map(|one| {
                (strsim::damerau_levenshtein(&one.to_ascii_lowercase(), &name.to_ascii_lowercase()), one)
            })
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let fix = near.map_or_else(
            || format!("remove the rule, or write it with a {kind} of ModSecurity 3"),
            |(_, one)| format!("did you mean `{one}`?"),
        );
        Self::new(format!("unknown {kind} `{shown}`"), fix)
    }

    pub(super) fn at(self, file: &str, line: u32) -> Fault {
        Fault { file: file.to_owned(), line, what: self.what, fix: self.fix }
    }
}
