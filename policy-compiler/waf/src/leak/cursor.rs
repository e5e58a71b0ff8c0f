//! A window on text that may go on: a matcher reads through it, and it remembers whether the matcher asked for a
//! byte that has not come yet. It owns that bookkeeping; it refuses to show more than the window.

use std::cell::Cell;

/// How many bytes from a position decide what begins there.
pub(crate) const WINDOW: usize = 256;

/// What can be read from one position on.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    before: Option<u8>,
    last: bool,
    starved: Cell<bool>,
}

impl<'a> Cursor<'a> {
    /// A window on `rest`, after the byte `before`; `last` when nothing follows `rest`.
    pub(crate) fn new(rest: &'a [u8], before: Option<u8>, last: bool) -> Self {
        Self { rest, before, last, starved: Cell::new(false) }
    }

    /// The byte before the window.
    pub(crate) fn before(&self) -> Option<u8> {
        self.before
    }

    /// Whether a byte was asked for that has yet to come, so that nothing said so far may be relied on.
    pub(crate) fn starved(&self) -> bool {
        self.starved.get()
    }

    /// The byte at `index`; none past the window or past the end.
    pub(crate) fn at(&self, index: usize) -> Option<u8> {
        if index >= WINDOW {
            return None;
        }
        let byte = self.rest.get(index).copied();
        if byte.is_none() && !self.last {
            self.starved.set(true);
        }
        byte
    }

    /// How many bytes from `from` on, at most `most`, satisfy `class`.
    pub(crate) fn run(&self, from: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
        let shown = self.rest.get(from..WINDOW.min(self.rest.len())).unwrap_or_default();
        let count = shown.iter().take(most).take_while(|byte| class(**byte)).count();
        if count == shown.len() && count < most {
            // Asking for the byte behind the last notes that it is missing.
            let _ = self.at(from + count);
        }
        count
    }

    /// Whether `literal` stands at `from`. It reads no further than the first difference.
    pub(crate) fn has(&self, from: usize, literal: &str) -> bool {
        match self.rest.get(from) {
            Some(first) if literal.as_bytes().first() != Some(first) => false,
            _ => literal.bytes().zip(from..).all(|(byte, index)| self.at(index) == Some(byte)),
        }
    }

    /// As [`Self::has`], whatever the case of ASCII letters; `literal` is in lower case.
    pub(crate) fn has_folded(&self, from: usize, literal: &str) -> bool {
        literal
            .bytes()
            .zip(from..)
            .all(|(byte, index)| self.at(index).is_some_and(|b| b.to_ascii_lowercase() == byte))
    }

    /// The bytes from `from` to before `to`, no more than are there.
    pub(crate) fn bytes(&self, from: usize, to: usize) -> &'a [u8] {
        self.rest.get(from..to.min(self.rest.len())).unwrap_or_default()
    }

    /// Whether a number or a word may end before `index`: no letter, digit or underscore follows, nor a dot or a
    /// hyphen that goes on with one.
    pub(crate) fn ends(&self, index: usize) -> bool {
        match self.at(index) {
            None => true,
            Some(b'.' | b'-') => !self.at(index + 1).is_some_and(|byte| byte.is_ascii_digit()),
            Some(byte) => !is_word(byte),
        }
    }

    /// Whether a number may begin here: not in the middle of a word, a decimal fraction or a hyphenated number.
    pub(crate) fn begins_number(&self) -> bool {
        !self.before.is_some_and(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
    }

    /// Digits laid out as `pattern` says from `from` on: `d` is a digit, `?` one separator (the same throughout)
    /// out of space, hyphen and dot, anything else is itself. They must end there.
    pub(crate) fn laid_out(&self, from: usize, pattern: &str) -> Option<Digits> {
        let mut digits = Digits::default();
        let mut separator = None;
        let mut at = from;
        for wanted in pattern.bytes() {
            let byte = self.at(at)?;
            match wanted {
                b'd' => digits.add(byte)?,
                b'?' if matches!(byte, b' ' | b'-' | b'.') => {
                    if *separator.get_or_insert(byte) != byte {
                        return None;
                    }
                }
                _ if wanted == byte && wanted != b'?' => {}
                _ => return None,
            }
            at += 1;
        }
        digits.end = at;
        self.ends(at).then_some(digits)
    }
}

/// Whether a byte is part of a word.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Up to 24 digits and where they end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Digits {
    values: [u8; 24],
    count: usize,
    /// The place after the last.
    pub(crate) end: usize,
}

impl Digits {
    /// Adds the digit `byte` is.
    pub(crate) fn add(&mut self, byte: u8) -> Option<()> {
        if !byte.is_ascii_digit() {
            return None;
        }
        *self.values.get_mut(self.count)? = byte - b'0';
        self.count += 1;
        Some(())
    }

    /// Their values.
    pub(crate) fn values(&self) -> &[u8] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// The number that the `count` digits from `from` on write.
    pub(crate) fn number(&self, from: usize, count: usize) -> u64 {
        self.values().iter().skip(from).take(count).fold(0, |sum, &digit| sum * 10 + u64::from(digit))
    }

    /// Whether all of them are one digit.
    pub(crate) fn all_same(&self) -> bool {
        self.values().windows(2).all(|pair| pair.first() == pair.last())
    }
}
