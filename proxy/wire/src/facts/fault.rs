//! What is wrong with a body, for its sender. It owns the wording and the place; it refuses to quote
//! anything the sender wrote.

use std::fmt;

use vocabulary::Reason;

use super::place::Place;
use super::source::MAX_KEYS;
use crate::json;

/// A body that cannot be served as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFault {
    problem: Problem,
    /// Boxed, because every result of the walk is as large as this.
    place: Box<Place>,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Syntax(json::Problem),
    NotAnObject,
    NoBody,
    /// An object has the same key twice.
    DuplicateKey,
    TooManyKeys,
    /// A key is the one of this place but for the case of its letters.
    Misspelt,
    Missing,
    /// A value is not what it must be.
    Not(&'static str),
}

impl BodyFault {
    pub(super) fn new(problem: Problem, place: Place, offset: usize) -> Self {
        Self { problem, place: Box::new(place), offset }
    }

    /// [`Reason::InvalidJson`] when the body is not one unambiguous JSON object,
    /// [`Reason::InvalidField`] when a field of it is wrong or missing.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.problem {
            Problem::Missing | Problem::Misspelt | Problem::Not(_) => Reason::InvalidField,
            _ => Reason::InvalidJson,
        }
    }

    /// The top-level field at fault, for `param` of an error object.
    #[must_use]
    pub fn param(&self) -> Option<&'static str> {
        self.place.top()
    }

    /// Bytes from the start of the body.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, place, offset } = self;
        match problem {
            Problem::Syntax(problem) => write!(f, "the body is not valid JSON: {problem} at byte {offset}"),
            Problem::NotAnObject => write!(f, "the body must be one JSON object (byte {offset})"),
            Problem::NoBody => f.write_str("this operation takes no body"),
            Problem::DuplicateKey => {
                write!(
                    f,
                    "{place} has the same key twice (the second ends at byte {offset}); send each key once"
                )
            }
            Problem::TooManyKeys => write!(f, "{place} has more than {MAX_KEYS} keys (byte {offset})"),
            Problem::Misspelt => {
                write!(
                    f,
                    "a key differs from {place} in the case of its letters (byte {offset}); use lower case"
                )
            }
            Problem::Missing => write!(f, "{place} is missing; this operation needs it"),
            Problem::Not(expected) => write!(f, "{place} must be {expected} (byte {offset})"),
        }
    }
}

impl std::error::Error for BodyFault {}

impl From<json::Fault> for BodyFault {
    fn from(fault: json::Fault) -> Self {
        Self::new(Problem::Syntax(fault.problem), Place::default(), fault.offset)
    }
}
