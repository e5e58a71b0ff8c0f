//! From YAML (and so JSON) events to the tree. It owns the language's own subset: one document, no
//! anchors, aliases or tags, no duplicate keys, no scalars that readers disagree on, bounded depth and
//! size. It refuses to know the schema.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use super::offsets::Offsets;
use super::{Entry, Fields, File, Kind, MAX_BYTES, MAX_DEPTH, Node, Role, Span, json, numbers, traps};
use crate::diagnostics::{Code, Finding};

/// Reads one file of a source. `None` when no tree can be had; findings may come with a tree as well.
pub(crate) fn read_part(file: File<'_>, findings: &mut Vec<Finding>) -> Option<Node> {
    if file.text.len() > MAX_BYTES {
        let message = format!("the manifest is {} bytes long, more than 64 MiB", file.text.len());
        findings.push(
            Finding::new(Code::TooLarge, message)
                .at(Span { start: file.start, end: file.start }, "")
                .help("split what it describes over several gateways"),
        );
        return None;
    }
    match json::read(file.text) {
        Some(root) => Some(root.moved(file.start)),
        None => read_events(file, findings),
    }
}

/// Reads YAML, of which JSON is a part.
pub(super) fn read_events(file: File<'_>, findings: &mut Vec<Finding>) -> Option<Node> {
    let mut found = Vec::new();
    let mut reader = Reader {
        offsets: Offsets::new(file.text),
        findings: &mut found,
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    let read = reader.run(file.text);
    let root = reader.root.take().filter(|root| read.is_some() && root.kind != Kind::Null);
    if root.is_none() && read.is_some() {
        let what = if file.role == Role::Root { "the manifest is empty" } else { "the file is empty" };
        found.push(
            Finding::new(Code::OneDocument, what)
                .at(Span::default(), "")
                .help("`sluicegate init` writes a first manifest"),
        );
    }
    findings.extend(found.into_iter().map(|finding| finding.moved(file.start)));
    root.map(|root| root.moved(file.start))
}

/// As many keys are looked through faster than looked up, and most maps have no more.
const FEW: usize = 16;

/// A map or list that has begun and not ended.
struct Open {
    start: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    /// `seen` has the keys once there are more than [`FEW`].
    Map {
        entries: Vec<Entry>,
        seen: BTreeMap<String, Span>,
        key: Option<Key>,
    },
}

/// A key whose value has not come yet.
struct Key {
    name: String,
    span: Span,
    /// Of a key written twice the first value stays.
    repeated: bool,
}

struct Reader<'t, 'f> {
    offsets: Offsets<'t>,
    findings: &'f mut Vec<Finding>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Reader<'_, '_> {
    /// Runs to the end of the stream; `None` when it had to stop.
    fn run(&mut self, text: &str) -> Option<()> {
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => {
                    let span = self.offsets.span(&span);
                    self.event(event, span)?;
                }
                Err(error) => {
                    self.syntax(text, &error);
                    return None;
                }
            }
        }
        Some(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.second_document(span);
                    return None;
                }
            }
            Event::Alias(_) => {
                self.refuse_indirection(span, "an alias");
                self.value(Node { span, kind: Kind::Null });
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.indirection(anchor, tag.is_some(), span);
                self.scalar(&text, style, span);
            }
            Event::SequenceStart(anchor, tag) => {
                self.indirection(anchor, tag.is_some(), span);
                self.begin(Content::List(Vec::new()), span)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.indirection(anchor, tag.is_some(), span);
                self.begin(Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None }, span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(self.offsets.bracket(span)),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    fn begin(&mut self, content: Content, span: Span) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            self.findings.push(
                Finding::new(Code::TooDeep, format!("maps and lists are nested more than {MAX_DEPTH} deep"))
                    .at(span, "one level too many")
                    .help("no field of a manifest needs that depth: look for a missing closing bracket"),
            );
            return None;
        }
        self.open.push(Open { start: span.start, content });
        Some(())
    }

    fn end(&mut self, span: Span) {
        let Some(Open { start, content }) = self.open.pop() else { return };
        let (first, last, kind) = match content {
            Content::List(items) => {
                let last = items.last().map_or(start, |item| item.span.end);
                (start, last, Kind::List(items))
            }
            Content::Map { entries, .. } => {
                let first = entries.first().map_or(start, |entry| entry.key_span.start);
                let last = entries.last().map_or(start, |entry| entry.value.span.end.max(entry.key_span.end));
                (first, last, Kind::Map(Fields::new(entries)))
            }
        };
        // A flow collection ends with its bracket, a block collection with its last value.
        let end = if span.is_empty() { last } else { last.max(span.end) };
        self.value(Node { span: Span { start: start.min(first), end }, kind });
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) {
        let plain = style == ScalarStyle::Plain;
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let span = if quoted { self.offsets.quoted(span) } else { span };
        if plain && let Some(trap) = traps::trap(text) {
            let message = format!("`{text}` is ambiguous: some readers of YAML take it for {}", trap.reading);
            self.findings.push(
                Finding::new(Code::AmbiguousScalar, message).at(span, "read in two ways").help(trap.fix),
            );
        }
        if self.key_expected() {
            self.key(text, span);
        } else {
            let kind = if plain { numbers::plain(text) } else { Kind::Text(text.to_owned()) };
            self.value(Node { span, kind });
        }
    }

    fn key_expected(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: &str, span: Span) {
        let Some(Open { content: Content::Map { key, seen, entries }, .. }) = self.open.last_mut() else {
            return;
        };
        let first = match seen.get(text) {
            Some(first) => Some(*first),
            None if entries.len() > FEW => None,
            None => entries.iter().find(|entry| entry.key == text).map(|entry| entry.key_span),
        };
        *key = Some(Key { name: text.to_owned(), span, repeated: first.is_some() });
        if let Some(first) = first {
            self.findings.push(
                Finding::new(Code::DuplicateKey, format!("`{text}` is written twice in one map"))
                    .at(span, "again here")
                    .also(first, "first here")
                    .help("keep one of the two, or give them different names"),
            );
        } else if entries.len() >= FEW {
            if seen.is_empty() {
                *seen = entries.iter().map(|entry| (entry.key.clone(), entry.key_span)).collect();
            }
            seen.insert(text.to_owned(), span);
        }
    }

    /// Places a finished value into what is open.
    fn value(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key, .. }) => match key.take() {
                Some(Key { repeated: true, .. }) => {}
                Some(Key { name, span, .. }) => {
                    entries.push(Entry { key: name, key_span: span, value: node })
                }
                None => {
                    self.findings.push(
                        Finding::new(Code::KeyNotText, "a map or list stands where a name is expected")
                            .at(node.span, "not a name")
                            .help("write `name: value`; a text that begins with `{` or `[` needs quotes, and there are no templates"),
                    );
                    *key = Some(Key { name: String::new(), span: node.span, repeated: true });
                }
            },
        }
    }

    fn indirection(&mut self, anchor: usize, tagged: bool, span: Span) {
        if anchor > 0 {
            self.refuse_indirection(span, "an anchor");
        }
        if tagged {
            self.refuse_indirection(span, "a tag");
        }
    }

    fn refuse_indirection(&mut self, span: Span, what: &str) {
        self.findings.push(
            Finding::new(Code::Indirection, format!("{what} is not part of the manifest language"))
                .at(span, format!("{what} here"))
                .help(if what == "an alias" {
                    "put a text that begins with `*` in quotes; what is shared is shared by name"
                } else {
                    "write the value where it is used; what is shared is shared by name"
                }),
        );
    }

    fn second_document(&mut self, span: Span) {
        self.findings.push(
            Finding::new(Code::OneDocument, "a manifest is one YAML document, but a second one begins here")
                .at(span, "second document")
                .help("remove the `---` and what follows it, or keep it in its own file"),
        );
    }

    fn syntax(&mut self, text: &str, error: &ScanError) {
        let at = self.offsets.byte(error.marker());
        // An error at the very end is easier seen on the last thing that was written.
        let at = if at >= text.len() { text.trim_end().len() } else { at };
        let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
        let span = Span { start: at, end };
        let info = error.info();
        if info.contains("unknown anchor") {
            self.refuse_indirection(span, "an alias");
            return;
        }
        let finding =
            Finding::new(Code::NotYaml, format!("not readable as YAML or JSON: {info}")).at(span, "here");
        let finding = match unclosed(text.get(..at).unwrap_or_default()) {
            Some(opened) if info.contains("flow") => {
                finding.also(opened, "opened here").help("close the bracket, and separate fields by commas")
            }
            _ => finding.help(syntax_help(text, at, info)),
        };
        self.findings.push(finding);
    }
}

/// The last bracket that is opened and not closed, as far as can be told without a parse.
fn unclosed(text: &str) -> Option<Span> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut comment = false;
    let mut previous = ' ';
    for (at, character) in text.char_indices() {
        match (character, quote) {
            ('\n', _) => comment = false,
            _ if comment => {}
            (c, Some(mark)) if c == mark => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(character),
            ('#', None) if previous.is_whitespace() => comment = true,
            ('{' | '[', None) => open.push(at),
            ('}' | ']', None) => {
                open.pop();
            }
            _ => {}
        }
        previous = character;
    }
    open.last().map(|at| Span { start: *at, end: at + 1 })
}

/// The usual cause, told by the line at fault.
fn syntax_help(text: &str, at: usize, info: &str) -> &'static str {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let indent = line.len() - line.trim_start().len();
    if line.get(..indent).is_some_and(|space| space.contains('\t')) {
        return "indent with spaces: YAML does not allow tabs";
    }
    if info.contains("trailing content") {
        return "put a comma between fields, or the whole value in quotes";
    }
    let quotes = |quote: char| line.matches(quote).count() % 2 == 1;
    if quotes('"') || quotes('\'') {
        return "close the quotation mark on this line";
    }
    if line.matches(": ").count() > 1 && !line.contains('{') {
        return "put the value in quotes, since it has a colon and a space in it";
    }
    if info.contains("expected key") {
        return "indent this line like its neighbours, and write `name: value`";
    }
    "look at this line and the one above: indentation, a missing `:` or a missing quotation mark"
}
