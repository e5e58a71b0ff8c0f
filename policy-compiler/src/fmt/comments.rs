//! The comments of a text, each with the place it belongs to. It owns telling a comment from a `#` in a
//! scalar, by the spans of the scalars.

use crate::source::{Kind, Node, Span};

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comment {
    /// Where it begins.
    pub(super) at: usize,
    /// Characters before it on its line.
    pub(super) column: usize,
    /// With its `#`, without white space at the end.
    pub(super) text: String,
    /// Whether nothing but white space stands before it on its line.
    pub(super) own_line: bool,
    /// Whether a blank line stands before it.
    pub(super) after_blank: bool,
}

/// All comments, in the order of the text, of which each is taken once.
#[derive(Debug)]
pub(super) struct Comments {
    all: Vec<Comment>,
    next: usize,
}

impl Comments {
    /// The comments of a text whose scalars stand in `root`.
    pub(super) fn of(text: &str, root: &Node) -> Self {
        let mut scalars = Vec::new();
        spans(root, &mut scalars);
        scalars.sort_unstable();
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find('#')) {
            let at = from + found;
            let inside = scalars.partition_point(|span| span.end <= at);
            if let Some(span) = scalars.get(inside).filter(|span| span.start <= at) {
                from = span.end.max(at + 1);
                continue;
            }
            let line = text.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let before = text.get(..at).unwrap_or_default();
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            all.push(Comment {
                at,
                column: before.get(start..).map_or(0, |left| left.chars().count()),
                text: line.trim_end().to_owned(),
                own_line: before.get(start..).is_some_and(|space| space.trim().is_empty()),
                after_blank: blank_before(text, start),
            });
            from = at + line.len();
        }
        Self { all, next: 0 }
    }

    /// Those that begin before `end` and were not taken yet.
    pub(super) fn before(&mut self, end: usize) -> Vec<Comment> {
        let rest = self.all.get(self.next..).unwrap_or_default();
        let count = rest.partition_point(|comment| comment.at < end);
        let taken = rest.get(..count).unwrap_or_default().to_vec();
        self.next += count;
        taken
    }

    /// The next ones before `end`, as long as they are such.
    pub(super) fn take_while(&mut self, end: usize, such: impl Fn(&Comment) -> bool) -> Vec<Comment> {
        let rest = self.all.get(self.next..).unwrap_or_default();
        let taken: Vec<Comment> =
            rest.iter().take_while(|comment| comment.at < end && such(comment)).cloned().collect();
        self.next += taken.len();
        taken
    }

    /// The first one between two places that stands alone on its line, indented by less than `column`.
    pub(super) fn first_alone(&self, span: Span, column: usize) -> Option<usize> {
        let first = self.all.partition_point(|comment| comment.at < span.start);
        let rest = self.all.get(first..).unwrap_or_default().iter();
        let mut inside = rest.take_while(|comment| comment.at < span.end);
        inside.find(|comment| comment.own_line && comment.column < column).map(|comment| comment.at)
    }

    /// Goes to the first comment at or after `at`, wherever the last one was taken.
    pub(super) fn seek(&mut self, at: usize) {
        self.next = self.all.partition_point(|comment| comment.at < at);
    }

    /// Whether one stands between two places.
    pub(super) fn any_in(&self, span: Span) -> bool {
        let first = self.all.partition_point(|comment| comment.at < span.start);
        self.all.get(first).is_some_and(|comment| comment.at < span.end)
    }
}

/// Whether the line before the one that begins at `start` is blank.
pub(super) fn blank_before(text: &str, start: usize) -> bool {
    let before = text.get(..start.saturating_sub(1)).unwrap_or_default();
    let line = before.get(before.rfind('\n').map_or(0, |newline| newline + 1)..).unwrap_or_default();
    start > 0 && line.trim().is_empty()
}

fn spans(node: &Node, all: &mut Vec<Span>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| spans(item, all)),
        Kind::Map(_) => {
            for entry in node.entries() {
                all.push(entry.key_span);
                spans(&entry.value, all);
            }
        }
        _ if node.span.is_empty() => {}
        _ => all.push(node.span),
    }
}
