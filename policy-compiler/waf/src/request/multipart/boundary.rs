//! The boundary between parts: what the content type says, and which lines are one.

use super::Multipart;

/// The text between parts, without its dashes.
pub(super) struct Boundary(Vec<u8>);

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A part begins.
    Delimiter,
    /// The last part ended.
    Close,
    /// It begins like a boundary: 1 with the boundary itself, 2 with dashes alone.
    Unmatched(u8),
    /// Something else.
    Other,
}

impl Boundary {
    /// The one parameter of that name.
    pub(super) fn of(content_type: &[u8], multipart: &mut Multipart) -> Result<Self, &'static str> {
        let lower = content_type.to_ascii_lowercase();
        let mut places =
            memchr::memmem::find_iter(&lower, b"boundary").filter(|at| is_parameter(&lower, *at));
        let at = places.next().ok_or("no boundary in the content type")?;
        if places.next().is_some() {
            return Err("more than one boundary in the content type");
        }
        let before = lower.get(..at).unwrap_or_default().trim_ascii_end();
        if !before.ends_with(b";") {
            return Err("the boundary is no parameter of the content type");
        }
        let after = content_type.get(at.saturating_add(8)..).unwrap_or_default();
        let name_end = memchr::memchr(b'=', after).ok_or("the boundary has no value")?;
        let name_rest = after.get(..name_end).unwrap_or_default();
        let value = after.get(name_end.saturating_add(1)..).unwrap_or_default();
        multipart.boundary_whitespace =
            !name_rest.is_empty() || value.first().is_some_and(u8::is_ascii_whitespace);
        if !name_rest.trim_ascii().is_empty() {
            return Err("the boundary has no value");
        }
        let value = match value.strip_prefix(b"\"") {
            Some(quoted) => {
                multipart.boundary_quoted = true;
                let end = memchr::memchr(b'"', quoted).ok_or("the boundary's quote does not end")?;
                quoted.get(..end).unwrap_or_default()
            }
            None => {
                let end = value.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(value.len());
                value.get(..end).unwrap_or_default()
            }
        };
        if value.is_empty() || value.len() > 200 {
            return Err("the boundary is empty or too long");
        }
        if value.iter().any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'@')) {
            return Err("the boundary has characters that it must not have");
        }
        Ok(Self(value.to_vec()))
    }

    pub(super) fn of_line(&self, line: &[u8]) -> Line {
        let Some(rest) = line.strip_prefix(b"--") else { return Line::Other };
        match rest.strip_prefix(self.0.as_slice()) {
            Some(b"") => Line::Delimiter,
            Some(b"--") => Line::Close,
            Some(_) => Line::Unmatched(1),
            None => Line::Unmatched(2),
        }
    }
}

/// Whether a name at this place is that of a parameter: a separator before it, `=` after it.
fn is_parameter(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    let after = text.get(at.saturating_add(8)..).unwrap_or_default().trim_ascii_start();
    before.is_some_and(|byte| matches!(byte, b';' | b',') || byte.is_ascii_whitespace())
        && after.first() == Some(&b'=')
}
