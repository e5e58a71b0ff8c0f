//! From character indices, which the YAML parser counts in, to byte offsets. It owns that table and
//! clamping; it refuses to know about lines.

use saphyr_parser::Marker;

use super::Span;

/// Byte offsets of a text's characters.
pub(super) struct Offsets<'t> {
    text: &'t str,
    /// Empty for ASCII, where both counts agree.
    starts: Vec<usize>,
}

impl<'t> Offsets<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let starts =
            if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { text, starts }
    }

    pub(super) fn byte(&self, marker: &Marker) -> usize {
        if self.starts.is_empty() {
            marker.index().min(self.text.len())
        } else {
            self.starts.get(marker.index()).copied().unwrap_or(self.text.len())
        }
    }

    /// The byte span without the white space the parser counts to a token's end.
    pub(super) fn span(&self, span: &saphyr_parser::Span) -> Span {
        let start = self.byte(&span.start);
        let end = self.byte(&span.end).max(start);
        let text = self.text.get(start..end).unwrap_or_default();
        Span { start, end: start + text.trim_end().len() }
    }

    /// The span of a scalar in quotes, without the comment behind it, which the parser counts to it.
    pub(super) fn quoted(&self, span: Span) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        let Some(quote) = text.chars().next() else { return span };
        let mut escaped = false;
        let mut inside = text.char_indices().skip(1).peekable();
        while let Some((at, character)) = inside.next() {
            if escaped {
                escaped = false;
            } else if character == '\\' && quote == '"' {
                escaped = true;
            } else if character == quote {
                // In single quotes, two of them are one.
                if quote == '\'' && inside.next_if(|(_, next)| *next == quote).is_some() {
                    continue;
                }
                return Span { start: span.start, end: span.start + at + quote.len_utf8() };
            }
        }
        span
    }

    /// The span of a closing bracket, likewise; empty where a collection ends without one.
    pub(super) fn bracket(&self, span: Span) -> Span {
        let bracket = self.text.get(span.start..span.end).is_some_and(|text| text.starts_with(['}', ']']));
        Span { start: span.start, end: if bracket { span.start + 1 } else { span.start } }
    }
}
