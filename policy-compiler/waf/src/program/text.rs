//! Text with macros in it (`%{tx.anomaly_score}`). It owns the shape; it refuses to expand it.

use serde::{Deserialize, Serialize};

use super::Variable;

/// Text of a rule, cut at its macros. Empty is the empty text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Text(pub Vec<Piece>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// As it is.
    Literal(Vec<u8>),
    /// The value of a variable when it is asked for.
    Macro(Macro),
}

/// `%{VARIABLE}` or `%{VARIABLE.name}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Macro {
    /// The variable. [`Variable::Rule`] with `id`, `msg`, `severity`, … tells of the rule itself.
    pub variable: Variable,
    /// The one of a collection, in lower case.
    pub name: Option<String>,
}

impl Text {
    /// Text without macros.
    #[must_use]
    pub fn literal(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self(Vec::new()) } else { Self(vec![Piece::Literal(bytes)]) }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, when there is no macro in it.
    #[must_use]
    pub fn constant(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(b""),
            [Piece::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }
}
