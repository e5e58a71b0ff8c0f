//! The tree of a manifest: values as written, each with its place. It owns lookup by path and the JSON
//! form that the schema validates; it refuses to interpret values.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::{Source, Span};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its place; of a map or list, from its first to its last character.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is, in the terms of JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing was written, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; whole ones are integers however they were written.
    Number(Number),
    /// Anything else that is one scalar.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Fields),
}

/// The fields of a map, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    entries: Vec<Entry>,
    /// Places in `entries`, where there are more than [`FEW`]: a section may hold tens of thousands of names.
    index: BTreeMap<String, usize>,
}

/// As many fields are looked through faster than looked up, and most maps have no more.
const FEW: usize = 16;

impl Fields {
    /// Fields whose keys differ.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut fields = Self { entries, index: BTreeMap::new() };
        if fields.entries.len() > FEW {
            fields.build_index();
        }
        fields
    }

    fn build_index(&mut self) {
        let places = self.entries.iter().enumerate();
        self.index = places.map(|(at, entry)| (entry.key.clone(), at)).collect();
    }

    fn place(&self, key: &str) -> Option<usize> {
        if self.entries.len() > FEW {
            self.index.get(key).copied()
        } else {
            self.entries.iter().position(|entry| entry.key == key)
        }
    }

    /// A field's value, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.place(key).and_then(|at| self.entries.get_mut(at))
    }

    /// Adds a field at the end, or puts it in the place of the one with its key.
    pub(crate) fn put(&mut self, entry: Entry) {
        if let Some(old) = self.get_mut(&entry.key) {
            *old = entry;
        } else {
            let last = self.entries.len();
            if last > FEW {
                self.index.insert(entry.key.clone(), last);
            }
            self.entries.push(entry);
            if last == FEW {
                self.build_index();
            }
        }
    }

    /// Takes a field out; whether there was one.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        let removed = self.entries.len() < before;
        if removed {
            *self = Self::new(std::mem::take(&mut self.entries));
        }
        removed
    }

    /// The fields, in the order of the text.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

/// A field of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The same tree, `by` bytes further on in the text.
    pub(super) fn moved(mut self, by: usize) -> Self {
        if by > 0 {
            self.shift(by);
        }
        self
    }

    fn shift(&mut self, by: usize) {
        self.span = self.span.moved(by);
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Kind::Map(fields) => {
                for entry in &mut fields.entries {
                    entry.key_span = entry.key_span.moved(by);
                    entry.value.shift(by);
                }
            }
            _ => {}
        }
    }

    /// The fields of a map; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(fields) => &fields.entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a textual scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A field of a map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(fields) => fields.place(key).and_then(|at| fields.entries.get(at)),
            _ => None,
        }
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// What JSON calls its type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(fields) => {
                let fields = fields.entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// A source and the tree read from it.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// The text.
    pub source: Source,
    /// Its tree.
    pub root: Node,
}

/// Sections that may be too long to have in two forms at once.
const LONG: [&str; 3] = ["routes", "acl", "consumers"];
/// As many entries of each of them are in one piece.
const PIECE: usize = 5_000;

impl Document {
    /// Whether a path leads into a section that is in several pieces.
    pub(crate) fn is_long(&self, path: &[String]) -> bool {
        path.first().is_some_and(|section| LONG.contains(&section.as_str()))
    }

    /// How many pieces [`Self::piece`] gives.
    pub(crate) fn pieces(&self) -> usize {
        let long = self.root.entries().iter().filter(|entry| LONG.contains(&entry.key.as_str()));
        let longest = long.map(|entry| entry.value.entries().len()).max().unwrap_or_default();
        longest.div_ceil(PIECE).max(1)
    }

    /// The document as JSON in pieces, each with another part of what the long sections hold and with all of the
    /// rest; nothing after the last one. A short document is one piece.
    pub(crate) fn piece(&self, number: usize) -> Option<Value> {
        let sections = self.root.entries();
        let long = |entry: &Entry| LONG.contains(&entry.key.as_str());
        let longest = sections.iter().filter(|entry| long(entry)).map(|entry| entry.value.entries().len());
        let begin = number.saturating_mul(PIECE);
        if number > 0 && begin >= longest.max().unwrap_or_default() {
            return None;
        }
        if !matches!(self.root.kind, Kind::Map(_)) {
            return Some(self.root.to_json());
        }
        let json = |entry: &Entry| match &entry.value.kind {
            Kind::Map(fields) if long(entry) => {
                let part = fields.entries.iter().skip(begin).take(PIECE);
                Value::Object(part.map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
            _ => entry.value.to_json(),
        };
        Some(Value::Object(sections.iter().map(|entry| (entry.key.clone(), json(entry))).collect()))
    }
}

/// Without the tree, for the same reason as [`Source`].
impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The deepest node that a path reaches, and what is known of it.
struct Reached<'d> {
    node: &'d Node,
    key_span: Option<Span>,
    whole: bool,
}

impl Document {
    fn reach<S: AsRef<str>>(&self, path: &[S]) -> Reached<'_> {
        let mut reached = Reached { node: &self.root, key_span: None, whole: true };
        for segment in path {
            let segment = segment.as_ref();
            let next = match &reached.node.kind {
                Kind::Map(_) => reached.node.entry(segment).map(|e| (&e.value, Some(e.key_span))),
                // A list of names may stand for a map with those keys.
                Kind::List(items) => segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .or_else(|| items.iter().find(|item| item.text() == Some(segment)))
                    .map(|item| (item, None)),
                _ => None,
            };
            let Some((node, key_span)) = next else {
                reached.whole = false;
                return reached;
            };
            reached = Reached { node, key_span, whole: true };
        }
        reached
    }

    /// The value at a path.
    #[must_use]
    pub fn value<S: AsRef<str>>(&self, path: &[S]) -> Option<&Node> {
        let reached = self.reach(path);
        reached.whole.then_some(reached.node)
    }

    /// Where to point for the value at a path: a scalar itself, a map or list by its key; the nearest
    /// value above it that was written, when it was not.
    #[must_use]
    pub fn value_span<S: AsRef<str>>(&self, path: &[S]) -> Span {
        let Reached { node, key_span, whole } = self.reach(path);
        let scalar = !matches!(node.kind, Kind::Map(_) | Kind::List(_));
        match key_span {
            Some(key) if !whole || !scalar || node.span.is_empty() => key,
            None if !scalar && path.is_empty() => first_line(&self.source, node.span),
            _ => node.span,
        }
    }

    /// Where to point for the key at a path, or for the item of a list.
    #[must_use]
    pub fn key_span<S: AsRef<str>>(&self, path: &[S]) -> Span {
        let reached = self.reach(path);
        reached.key_span.unwrap_or_else(|| self.value_span(path))
    }
}

/// The root has no key to point at; its first line stands for it.
fn first_line(source: &Source, span: Span) -> Span {
    let length = source.slice(span).lines().next().map_or(0, |line| line.trim_end().len());
    Span { start: span.start, end: span.start + length }
}
