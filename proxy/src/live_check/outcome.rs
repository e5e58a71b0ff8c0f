//! What a question about a backend came to. It owns the words for it; it refuses to hold a secret or any
//! text that a backend wrote.

use std::time::Duration;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Can its secrets, certificates and keys be read?
    Secrets,
    /// Does its name resolve?
    Names,
    /// Can a connection be opened, and its certificate be verified?
    Connection,
    /// Can a token be had?
    Token,
    /// Does its health path answer?
    Health,
    /// Does a deployment generate?
    Completion,
}

/// What it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Requests would fail.
    Failed,
    /// Nothing to ask, or no use in asking.
    Skipped,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The backend, or `backend/deployment`.
    pub subject: String,
    /// What was asked.
    pub step: Step,
    /// What it came to.
    pub verdict: Verdict,
    /// A few words, for people.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

impl Step {
    /// In lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Names => "names",
            Self::Connection => "connection",
            Self::Token => "token",
            Self::Health => "health",
            Self::Completion => "completion",
        }
    }
}

impl Verdict {
    /// In lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}
