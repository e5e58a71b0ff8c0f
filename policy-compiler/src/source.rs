//! A manifest as text, and the tree read from it with the place of every value. It owns byte spans,
//! lines and columns; it refuses to know what any field means.

mod gather;
mod glob;
mod json;
mod numbers;
mod offsets;
mod plain;
mod traps;
mod tree;
mod yaml;

pub use gather::{Files, gather};
pub(crate) use plain::plain_yaml;
pub use tree::{Document, Entry, Fields, Kind, Node};
pub(crate) use yaml::read_part;

use std::sync::Arc;

use crate::diagnostics::Finding;
use crate::seclang::RuleFiles;

/// The text of a whole manifest, all its files together.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// Maps and lists within each other.
const MAX_DEPTH: usize = 64;

/// A manifest and the name it is known by, usually a path. One made of several files holds them all in one
/// text, one after the other, so that a byte's offset alone tells its file.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// What to call it in findings: the name of its first file.
    pub name: String,
    /// YAML or JSON; of every file, the first one first.
    pub text: String,
    /// The files after the first, in the order of the text.
    others: Vec<Part>,
    /// What went wrong while they were gathered.
    faults: Vec<Finding>,
    /// Whether what it includes is here.
    gathered: bool,
    rules: Rules,
}

/// Where rule sets that a manifest names are read; it is no part of what the manifest says.
#[derive(Clone, Default)]
struct Rules(Option<Arc<dyn RuleFiles + Send + Sync>>);

impl PartialEq for Rules {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rules {}

/// What a file is to the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The first file.
    Root,
    /// It adds.
    Include,
    /// It replaces.
    Overlay,
}

#[derive(Clone, PartialEq, Eq)]
struct Part {
    name: String,
    role: Role,
    start: usize,
}

/// One of a source's files.
#[derive(Clone, Copy)]
pub struct File<'s> {
    /// What to call it.
    pub name: &'s str,
    /// Its own text.
    pub text: &'s str,
    /// Where its text begins in the source's.
    pub start: usize,
    pub(crate) role: Role,
}

/// A range of bytes in a source, on character boundaries. Of a manifest in several files it tells the file
/// as well: [`Source::file_at`].
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

    /// `by` bytes further on.
    #[must_use]
    pub(crate) fn moved(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}

impl Source {
    /// A source from its name and text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            others: Vec::new(),
            faults: Vec::new(),
            gathered: false,
            rules: Rules::default(),
        }
    }

    /// The same with a place to read the rule sets from that its section `waf` names.
    #[must_use]
    pub fn with_rules(self, files: Arc<dyn RuleFiles + Send + Sync>) -> Self {
        Self { rules: Rules(Some(files)), ..self }
    }

    pub(crate) fn rules(&self) -> Option<&dyn RuleFiles> {
        self.rules.0.as_deref().map(|files| files as &dyn RuleFiles)
    }

    fn add(&mut self, name: String, text: &str, role: Role) {
        // So that no file's last line runs into the next file.
        self.text.push('\n');
        self.others.push(Part { name, role, start: self.text.len() });
        self.text.push_str(text);
    }

    /// Its files, the first one first.
    pub fn files(&self) -> impl Iterator<Item = File<'_>> {
        (0..=self.others.len()).map(|index| self.file(index))
    }

    /// How many files it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.others.len() + 1
    }

    /// The file that byte `offset` is in.
    #[must_use]
    pub fn file_at(&self, offset: usize) -> File<'_> {
        self.file(self.others.partition_point(|part| part.start <= offset))
    }

    fn file(&self, index: usize) -> File<'_> {
        let end = self.others.get(index).map_or(self.text.len(), |next| next.start - 1);
        let part = index.checked_sub(1).and_then(|index| self.others.get(index));
        let (name, start, role) =
            part.map_or((&self.name, 0, Role::Root), |part| (&part.name, part.start, part.role));
        File { name, text: self.text.get(start..end).unwrap_or_default(), start, role }
    }

    /// Where byte `offset` is in its file; past the end, where the text ends.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let file = self.file_at(offset);
        let before = file.text.get(..(offset - file.start).min(file.text.len())).unwrap_or(file.text);
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

    /// The same files with another text of the same length, as when something is masked in it.
    pub(crate) fn with_text(&self, text: String) -> Self {
        Self { text, ..self.clone() }
    }

    pub(crate) fn faults(&self) -> &[Finding] {
        &self.faults
    }

    pub(crate) fn is_gathered(&self) -> bool {
        self.gathered
    }
}
