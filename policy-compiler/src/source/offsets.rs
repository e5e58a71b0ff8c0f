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
}
