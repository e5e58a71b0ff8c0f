//! A JSON string as it stands in the document. It owns unescaping; it refuses to copy a string that
//! has nothing to unescape.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

/// The inside of a string whose escapes have been checked. Its `Debug` form shows only the length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The string's value; borrowed unless it has escapes.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(self.pieces().collect()) } else { Cow::Borrowed(self.raw) }
    }

    /// The string's value in pieces, so that a long one can be counted or hashed without a copy.
    #[must_use]
    pub fn pieces(self) -> Pieces<'a> {
        Pieces { raw: self.raw, escaped: self.escaped }
    }

    /// Bytes of the string's value.
    #[must_use]
    pub fn len(self) -> usize {
        if !self.escaped {
            return self.raw.len();
        }
        self.pieces()
            .map(|piece| match piece {
                Piece::Plain(plain) => plain.len(),
                Piece::Escaped(value) => value.len_utf8(),
            })
            .sum()
    }

    /// Whether the value is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("raw_bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

/// A piece of a string's value.
#[derive(Clone, Copy)]
pub enum Piece<'a> {
    /// Text that stands in the document as it is.
    Plain(&'a str),
    /// What an escape stands for.
    Escaped(char),
}

/// Iterator over the pieces of a string's value.
#[derive(Clone)]
pub struct Pieces<'a> {
    raw: &'a str,
    escaped: bool,
}

impl fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("raw_bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.raw.is_empty() {
            return None;
        }
        let plain = if self.escaped { memchr(b'\\', self.raw.as_bytes()) } else { None };
        match plain {
            Some(0) => {
                let (value, length) = escape(self.raw.as_bytes())?;
                self.raw = self.raw.get(length..)?;
                Some(Piece::Escaped(value))
            }
            Some(length) => {
                let (plain, rest) = self.raw.split_at_checked(length)?;
                self.raw = rest;
                Some(Piece::Plain(plain))
            }
            None => Some(Piece::Plain(std::mem::take(&mut self.raw))),
        }
    }
}

impl<'a> FromIterator<Piece<'a>> for String {
    fn from_iter<T: IntoIterator<Item = Piece<'a>>>(pieces: T) -> Self {
        let mut text = Self::new();
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Escaped(value) => text.push(value),
            }
        }
        text
    }
}

/// The character that the escape at the start of `bytes` stands for, and the escape's length.
pub(super) fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(bytes),
        _ => return None,
    };
    Some((simple, 2))
}

fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let unit = code_unit(bytes)?;
    if !(0xD800..0xDC00).contains(&unit) {
        return Some((char::from_u32(unit)?, 6));
    }
    let low = code_unit(bytes.get(6..)?)?;
    if !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?, 12))
}

/// The value of `\uXXXX`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let hex = bytes.strip_prefix(b"\\u")?.get(..4)?;
    hex.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
