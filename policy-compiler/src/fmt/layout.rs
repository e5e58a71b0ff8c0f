//! Writing a tree with its comments. It owns lines, indentation and quotes.

use super::comments::{Comment, Comments, blank_before};
use super::ordered;
use crate::source::{Entry, Kind, Node, Span, plain_yaml};

/// What is on one line may be so long.
const WIDTH: usize = 110;
const STEP: usize = 2;

pub(super) struct Layout<'t> {
    text: &'t str,
    comments: Comments,
    out: String,
}

impl<'t> Layout<'t> {
    pub(super) fn new(text: &'t str, comments: Comments) -> Self {
        Self { text, comments, out: String::new() }
    }

    /// The whole file.
    pub(super) fn write(mut self, root: &Node) -> String {
        let (mut starts, footer) = self.chunks(root);
        starts.push(footer);
        if let Some(first) = root.entries().first() {
            let header = self.header(first);
            if let Some(start) = starts.first_mut() {
                *start = header;
            }
        }
        let mut several_lines = false;
        for (place, index) in ordered(root).into_iter().enumerate() {
            let (Some(entry), Some(start), Some(end)) =
                (root.entries().get(index), starts.get(index), starts.get(index + 1))
            else {
                continue;
            };
            self.comments.seek(*start);
            let before = self.out.len();
            self.section(entry, *end);
            let own = self.out.get(before..).unwrap_or_default().trim_start_matches('\n');
            let long = own.lines().count() > 1;
            if place > 0 && (long || several_lines) && !own.is_empty() {
                let own = own.to_owned();
                self.out.truncate(before);
                self.out.push('\n');
                self.out.push_str(&own);
            }
            several_lines = long;
        }
        self.comments.seek(footer);
        let rest = self.comments.before(usize::MAX);
        self.own_lines(&rest, 0, true);
        self.out
    }

    /// Where each section's own comments begin, and where those after all sections do.
    fn chunks(&self, root: &Node) -> (Vec<usize>, usize) {
        let mut starts = Vec::new();
        let (mut last_end, mut column) = (0, usize::MAX);
        for entry in root.entries() {
            let between = Span { start: last_end, end: entry.key_span.start };
            starts.push(self.comments.first_alone(between, column).unwrap_or(entry.key_span.start));
            last_end = entry.value.span.end.max(entry.key_span.end);
            let flow = self.is_flow(&entry.value);
            column = if flow { usize::MAX } else { self.column(&entry.value, entry.key_span) };
        }
        let after = Span { start: last_end, end: self.text.len() };
        (starts, self.comments.first_alone(after, column).unwrap_or(self.text.len()))
    }

    /// Comments about the file: those above its first blank line, all where the file begins with its
    /// version, and what editors read. Returns where the first section's own begin.
    fn header(&mut self, first: &Entry) -> usize {
        self.comments.seek(0);
        let leading = self.comments.before(first.key_span.start);
        let versioned = matches!(first.key.as_str(), "apiVersion" | "$schema");
        let line = self.line_start(first.key_span.start);
        let parted = blank_before(self.text, line);
        let last_part = leading.iter().rposition(|comment| comment.after_blank).unwrap_or(0);
        let count = if versioned || parted {
            leading.len()
        } else {
            let editor = leading.iter().rposition(|c| c.text.starts_with("# yaml-language-server:"));
            last_part.max(editor.map_or(0, |at| at + 1))
        };
        let header: Vec<Comment> = leading.get(..count).unwrap_or_default().to_vec();
        self.own_lines(&header, 0, true);
        if !header.is_empty() && (parted || !versioned) {
            self.out.push('\n');
        }
        leading.get(count).map_or(first.key_span.start, |comment| comment.at)
    }

    fn section(&mut self, entry: &Entry, end: usize) {
        self.entry(entry, 0, end, true);
        let rest = self.comments.before(end);
        self.own_lines(&rest, 0, true);
    }

    /// A field on lines of its own; `end` is where the next one's comments begin.
    fn entry(&mut self, entry: &Entry, indent: usize, end: usize, first: bool) {
        self.leading(entry.key_span.start, indent, first);
        let key = self.scalar_text(&entry.key, entry.key_span);
        self.out.push_str(&format!("{:indent$}{key}:", ""));
        let used = indent + key.chars().count() + 1;
        self.value(&entry.value, entry.key_span, indent, used, end);
    }

    /// Comments before `start`, and the blank line that was there.
    fn leading(&mut self, start: usize, indent: usize, first: bool) {
        let comments = self.comments.before(start);
        self.own_lines(&comments, indent, !first);
        let line = self.line_start(start);
        let alone =
            self.text.get(line..start).is_some_and(|left| left.trim_start_matches(['-', ' ']).is_empty());
        if (!first || !comments.is_empty()) && alone && blank_before(self.text, line) {
            self.blank();
        }
    }

    /// A value after its key or dash, whose line has `used` characters so far.
    fn value(&mut self, value: &Node, holder: Span, indent: usize, used: usize, end: usize) {
        if let Some(inline) = self.inline(value).filter(|inline| self.fits(value, inline, used)) {
            if !inline.is_empty() {
                self.out.push(' ');
                self.out.push_str(&inline);
            }
            let width = used + if inline.is_empty() { 0 } else { inline.chars().count() + 1 };
            self.beside(width, end, indent);
            return;
        }
        let start = value.span.start.max(holder.end);
        let inside = self.first_place(value).unwrap_or(start);
        self.beside(used, inside, indent + STEP);
        self.children(value, holder, indent + STEP, end);
    }

    /// What a map or list holds, a line or more each.
    fn children(&mut self, value: &Node, holder: Span, indent: usize, end: usize) {
        let flow = self.is_flow(value);
        let (end, after) = if flow { (value.span.end, end) } else { (end, end) };
        let column = self.column(value, holder);
        match &value.kind {
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let next = items.get(index + 1).map_or(end, |next| next.span.start);
                    self.item(item, indent, next, index == 0);
                }
            }
            _ => {
                let entries = value.entries();
                for (index, entry) in entries.iter().enumerate() {
                    let next = entries.get(index + 1).map_or(end, |next| next.key_span.start);
                    self.entry(entry, indent, next, index == 0);
                }
            }
        }
        let rest =
            self.comments.take_while(end, |comment| flow || (comment.own_line && comment.column >= column));
        self.own_lines(&rest, indent, true);
        // Behind the closing bracket, which is not written any more.
        let behind = self.comments.take_while(after, |comment| flow && !comment.own_line);
        self.own_lines(&behind, indent, false);
    }

    fn item(&mut self, item: &Node, indent: usize, end: usize, first: bool) {
        self.leading(item.span.start, indent, first);
        self.out.push_str(&format!("{:indent$}-", ""));
        let inline = self.inline(item).filter(|inline| self.fits(item, inline, indent + 1));
        if inline.is_some() {
            self.value(item, Span { start: item.span.start, end: item.span.start }, indent, indent + 1, end);
            return;
        }
        // The first line of what it holds stands beside the dash.
        let before = self.out.len();
        self.children(item, item.span, indent + STEP, end);
        let held = self.out.get(before..).unwrap_or_default().trim_start().to_owned();
        self.out.truncate(before);
        self.out.push_str(&format!(" {held}"));
    }

    /// A comment that stands behind something on its line goes there again, at its column if there is room.
    fn beside(&mut self, width: usize, end: usize, indent: usize) {
        let mut comments = self.comments.take_while(end, |comment| !comment.own_line).into_iter();
        if let Some(comment) = comments.next() {
            let gap = comment.column.saturating_sub(width).max(STEP);
            self.out.push_str(&format!("{:gap$}{}", "", comment.text));
        }
        self.out.push('\n');
        let rest: Vec<Comment> = comments.collect();
        self.own_lines(&rest, indent, false);
    }

    fn own_lines(&mut self, comments: &[Comment], indent: usize, blanks: bool) {
        for (index, comment) in comments.iter().enumerate() {
            if comment.own_line && comment.after_blank && (blanks || index > 0) {
                self.blank();
            }
            self.out.push_str(&format!("{:indent$}{}\n", "", comment.text));
        }
    }

    /// A blank line, one at most and none at the top.
    fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// The value on one line, where it may stand on one.
    fn inline(&self, value: &Node) -> Option<String> {
        match &value.kind {
            Kind::Map(_) if value.entries().is_empty() => Some("{}".to_owned()),
            Kind::List(items) if items.is_empty() => Some("[]".to_owned()),
            Kind::Map(_) | Kind::List(_) if !self.is_flow(value) || self.comments.any_in(value.span) => None,
            _ => Some(self.flow(value)),
        }
    }

    fn fits(&self, value: &Node, inline: &str, used: usize) -> bool {
        let scalar = value.entries().is_empty() && value.items().is_empty();
        scalar || used + 1 + inline.chars().count() <= WIDTH
    }

    fn flow(&self, value: &Node) -> String {
        match &value.kind {
            Kind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Map(_) => {
                let field = |entry: &Entry| {
                    let value = self.flow(&entry.value);
                    let key = self.scalar_text(&entry.key, entry.key_span);
                    if value.is_empty() { format!("{key}:") } else { format!("{key}: {value}") }
                };
                let fields: Vec<_> = value.entries().iter().map(field).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Kind::Text(text) => self.scalar_text(text, value.span),
            _ => self.slice(value.span).to_owned(),
        }
    }

    /// As it was written where it was bare; otherwise in quotes only where it needs them.
    fn scalar_text(&self, text: &str, span: Span) -> String {
        if self.slice(span) == text { text.to_owned() } else { plain_yaml(text) }
    }

    fn is_flow(&self, value: &Node) -> bool {
        let bracket = if matches!(value.kind, Kind::List(_)) { '[' } else { '{' };
        self.slice(value.span).starts_with(bracket)
    }

    /// How far a comment has to be indented to belong to what a map or list holds.
    fn column(&self, value: &Node, holder: Span) -> usize {
        let Some(first) = self.first_place(value) else { return usize::MAX };
        let column = first - self.line_start(first);
        if matches!(value.kind, Kind::List(_)) {
            let dash = column.saturating_sub(STEP);
            let outer = holder.start - self.line_start(holder.start);
            // A list may stand as far left as its key; then only what is further right is the list's.
            return if dash > outer { dash } else { dash + 1 };
        }
        column
    }

    fn first_place(&self, value: &Node) -> Option<usize> {
        let item = value.items().first().map(|item| item.span.start);
        item.or_else(|| value.entries().first().map(|entry| entry.key_span.start))
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}
