//! A manifest as text, and the tree read from it with the place of every value. It owns byte spans,
//! lines and columns; it refuses to know what any field means.

mod numbers;
mod offsets;
mod plain;
mod traps;
mod tree;
mod yaml;

pub(crate) use plain::plain_yaml;
pub use tree::{Document, Entry, Fields, Kind, Node};
pub(crate) use yaml::read;

/// A manifest and the name it is known by, usually a path.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// What to call it in findings.
    pub name: String,
    /// YAML or JSON.
    pub text: String,
}

/// A range of bytes in a source, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A place in a source as people count it: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Without the text: a manifest with a mistake may hold a secret.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

impl Span {
    /// Whether it holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

impl Source {
    /// A source from its name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Where byte `offset` is; past the end, where the text ends.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// The text of a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}
