//! A strict JSON (RFC 8259) reader that is pulled value by value. It owns syntax: UTF-8, nesting,
//! escapes, numbers, positions. It refuses to build a tree, to convert what nobody asked for, and to
//! forgive anything a second parser might read differently.

mod scan;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

pub use text::{Piece, Pieces, Text};

/// Deepest nesting that is read: arrays and objects, the outermost included.
pub const MAX_DEPTH: usize = 128;

/// Where and why a document is not the JSON that was expected. Never quotes the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct Fault {
    /// What is wrong.
    pub problem: Problem,
    /// Bytes from the start of the document.
    pub offset: usize,
}

/// The ways a document can fail to be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    Utf8,
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// An escape that JSON does not know, or half of a surrogate pair.
    #[error("invalid escape in a string")]
    Escape,
    /// A raw control character inside a string.
    #[error("unescaped control character in a string")]
    Control,
    /// The document ends too early.
    #[error("unexpected end")]
    End,
    /// Arrays and objects nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than 128 levels")]
    Depth,
    /// Something follows the document.
    #[error("unexpected data after the document")]
    Trailing,
}

/// The kind of the next value, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Reads a document from front to back.
///
/// Containers are entered with [`begin_object`](Self::begin_object) or
/// [`begin_array`](Self::begin_array) and walked with [`next_key`](Self::next_key) or
/// [`next_element`](Self::next_element) until those return nothing; between two such calls exactly
/// one value is read or [skipped](Self::skip).
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// No member of the innermost container has been read yet.
    first: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `document`.
    ///
    /// # Errors
    /// [`Problem::Utf8`] at the first byte that is not UTF-8.
    pub fn new(document: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(document) {
            Ok(text) => Ok(Self { text, at: 0, depth: 0, first: false }),
            Err(error) => Err(Fault { problem: Problem::Utf8, offset: error.valid_up_to() }),
        }
    }

    /// Offset of the next unread byte.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The kind of the next value; moves past white space.
    ///
    /// # Errors
    /// When no value begins here.
    pub fn peek(&mut self) -> Result<Kind, Fault> {
        self.space();
        match self.byte() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.expected("a value")),
        }
    }

    /// Enters an object.
    ///
    /// # Errors
    /// When the next value is not an object, or lies too deep.
    pub fn begin_object(&mut self) -> Result<(), Fault> {
        self.begin(b'{', "an object")
    }

    /// Enters an array.
    ///
    /// # Errors
    /// When the next value is not an array, or lies too deep.
    pub fn begin_array(&mut self) -> Result<(), Fault> {
        self.begin(b'[', "an array")
    }

    /// The key of the next member, its value being next to read; nothing at the end of the object,
    /// which is then left.
    ///
    /// # Errors
    /// On a syntax error.
    pub fn next_key(&mut self) -> Result<Option<Text<'a>>, Fault> {
        if !self.advance(b'}', "`,` or `}`")? {
            return Ok(None);
        }
        self.space();
        if self.byte() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        self.space();
        self.take(b':', "`:`")?;
        self.space();
        Ok(Some(key))
    }

    /// Whether another element follows, which is then next to read; at the end of the array, that
    /// is left.
    ///
    /// # Errors
    /// On a syntax error.
    pub fn next_element(&mut self) -> Result<bool, Fault> {
        self.advance(b']', "`,` or `]`")
    }

    /// Reads a string.
    ///
    /// # Errors
    /// When the next value is not a string, or a malformed one.
    pub fn string(&mut self) -> Result<Text<'a>, Fault> {
        self.space();
        self.take(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += scan::plain_run(self.rest());
            match self.byte() {
                Some(b'"') => {
                    let text = self.slice(start..self.at);
                    self.at += 1;
                    return Ok(Text::new(text, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    match text::escape(self.rest()) {
                        Some((_, length)) => self.at += length,
                        None => return Err(self.fault(Problem::Escape)),
                    }
                }
                Some(_) => return Err(self.fault(Problem::Control)),
                None => return Err(self.fault(Problem::End)),
            }
        }
    }

    /// Reads a number as it is written.
    ///
    /// # Errors
    /// When the next value is not a number, or a malformed one.
    pub fn number(&mut self) -> Result<&'a str, Fault> {
        self.space();
        let start = self.at;
        self.accept(b'-');
        if !self.accept(b'0') {
            self.digits()?;
        }
        if self.accept(b'.') {
            self.digits()?;
        }
        if self.accept(b'e') || self.accept(b'E') {
            if !self.accept(b'+') {
                self.accept(b'-');
            }
            self.digits()?;
        }
        Ok(self.slice(start..self.at))
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// When the next value is neither.
    pub fn boolean(&mut self) -> Result<bool, Fault> {
        self.space();
        let truth = self.byte() == Some(b't');
        self.word(if truth { "true" } else { "false" }, "`true` or `false`")?;
        Ok(truth)
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// When the next value is something else.
    pub fn null(&mut self) -> Result<(), Fault> {
        self.space();
        self.word("null", "`null`")
    }

    /// Reads over the next value, whatever it is, and checks it; returns where it stands.
    ///
    /// # Errors
    /// On a syntax error.
    pub fn skip(&mut self) -> Result<Range<usize>, Fault> {
        let kind = self.peek()?;
        let start = self.at;
        match kind {
            Kind::Object => {
                self.begin_object()?;
                while self.next_key()?.is_some() {
                    self.skip()?;
                }
            }
            Kind::Array => {
                self.begin_array()?;
                while self.next_element()? {
                    self.skip()?;
                }
            }
            Kind::String => {
                self.string()?;
            }
            Kind::Number => {
                self.number()?;
            }
            Kind::Bool => {
                self.boolean()?;
            }
            Kind::Null => self.null()?,
        }
        Ok(start..self.at)
    }

    /// Ends the document: nothing but white space may follow.
    ///
    /// # Errors
    /// [`Problem::Trailing`].
    pub fn finish(mut self) -> Result<(), Fault> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault(Problem::Trailing)) }
    }

    fn begin(&mut self, open: u8, what: &'static str) -> Result<(), Fault> {
        self.space();
        if self.depth == MAX_DEPTH && self.byte() == Some(open) {
            return Err(self.fault(Problem::Depth));
        }
        self.take(open, what)?;
        self.depth += 1;
        self.first = true;
        Ok(())
    }

    /// Moves to the next member of the innermost container, or out of it.
    fn advance(&mut self, close: u8, what: &'static str) -> Result<bool, Fault> {
        self.space();
        if self.accept(close) {
            self.depth = self.depth.saturating_sub(1);
            // Whatever encloses this container now has a member.
            self.first = false;
            return Ok(false);
        }
        if !std::mem::take(&mut self.first) {
            self.take(b',', what)?;
        }
        Ok(true)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, what: &'static str) -> Result<(), Fault> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.expected(what));
        }
        self.at += word.len();
        Ok(())
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        if self.accept(byte) { Ok(()) } else { Err(self.expected(what)) }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn expected(&self, what: &'static str) -> Fault {
        self.fault(if self.at >= self.text.len() { Problem::End } else { Problem::Expected(what) })
    }

    fn fault(&self, problem: Problem) -> Fault {
        Fault { problem, offset: self.at }
    }
}

/// The member whose value ends at `end` and before which the last value, or the opening brace, ended at
/// `began`; with one comma: the one before it or, for the first member, the one after it.
pub(crate) fn member(document: &[u8], began: usize, end: usize, first: bool) -> Range<usize> {
    let rest = document.get(end..).unwrap_or_default();
    let space = rest.len() - rest.trim_ascii_start().len();
    let comma = first && rest.get(space) == Some(&b',');
    began..if comma { end + space + 1 } else { end }
}
