//! What is longer than the window: it is known by its head, and the rest of it is let go as it comes. It owns where
//! such a thing ends; it refuses to hold more than one byte of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cursor::Cursor;

/// Sets of bytes that tokens are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Letters and digits.
    Alnum,
    /// Letters, digits, underscore and hyphen.
    Word,
    /// Hexadecimal digits in lower case.
    Hex,
    /// Capital letters and 2 to 7.
    Base32,
    /// Base64 with its padding.
    Base64,
    /// Letters, digits and hyphen.
    Dashed,
    /// What a bearer token is made of (RFC 6750).
    Bearer,
    /// What a value without quotes and spaces is made of.
    Value,
}

impl Class {
    pub(super) fn has(self, byte: u8) -> bool {
        match self {
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Dashed => byte.is_ascii_alphanumeric() || byte == b'-',
            Self::Bearer => {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
            }
            Self::Value => {
                byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`' | b',' | b';' | b'\\')
            }
        }
    }
}

/// What follows a head that has been recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Any number of a class.
    Run(Class),
    /// The rest of a JSON web token; how many of its dots may come yet.
    Jwt(u8),
    /// The body of a private key and its last line.
    Pem(Pem),
}

/// How far the body of a private key has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pem {
    dashes: u8,
    closing: bool,
    taken: u32,
}

/// No key's text is longer: RSA of 16,384 bits takes 13 KB.
const LONGEST_PEM: u32 = 16 * 1024;

impl Tail {
    /// How many bytes of `rest` belong to it, and whether it ended there. Where it has not, what was not taken has to
    /// be shown again with more behind it; `last` when nothing follows.
    pub(super) fn take(&mut self, rest: &[u8], last: bool) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            let goes_on = match self {
                Self::Run(class) => class.has(byte),
                Self::Jwt(_) if Class::Word.has(byte) => true,
                Self::Jwt(dots) if byte == b'.' && *dots > 0 => match rest.get(at + 1) {
                    None if !last => return (at, false),
                    next => {
                        *dots -= 1;
                        next.is_some_and(|byte| Class::Word.has(*byte))
                    }
                },
                Self::Jwt(_) => false,
                Self::Pem(pem) => match pem.read(byte) {
                    Reading::More => true,
                    Reading::Last => return (at + 1, true),
                    Reading::Not => false,
                },
            };
            if !goes_on {
                return (at, true);
            }
            at += 1;
        }
        (at, last)
    }
}

enum Reading {
    More,
    Last,
    Not,
}

impl Pem {
    fn read(&mut self, byte: u8) -> Reading {
        self.taken += 1;
        if self.taken > LONGEST_PEM {
            return Reading::Not;
        }
        if byte == b'-' {
            self.dashes += 1;
            if self.dashes == 5 {
                self.dashes = 0;
                if self.closing {
                    return Reading::Last;
                }
                self.closing = true;
            }
            return Reading::More;
        }
        self.dashes = 0;
        let body =
            Class::Base64.has(byte) || matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\\' | b':' | b',');
        if body { Reading::More } else { Reading::Not }
    }
}

/// The length of the head of a private key in PEM form (RFC 7468): its first line and the beginning of a body, which
/// a mere mention of the line lacks.
pub(super) fn pem(cursor: &Cursor<'_>) -> Option<usize> {
    if !cursor.has(0, "-----BEGIN ") {
        return None;
    }
    let label = cursor.run(11, 40, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let end = 11 + label;
    let text = cursor.bytes(11, end);
    if !(text.ends_with(b"PRIVATE KEY") || text.ends_with(b"PRIVATE KEY BLOCK")) || !cursor.has(end, "-----")
    {
        return None;
    }
    let filler = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\\');
    let breaks = cursor.run(end + 5, 12, filler);
    // The letter of an escaped line break reads as the first of the body.
    let body =
        cursor.run(end + 5 + breaks, 24, |byte| Class::Base64.has(byte) || matches!(byte, b':' | b'-'));
    (body >= 8).then_some(end + 5)
}

/// The length of the head of a JSON web token (RFC 7519): a header that names its algorithm, a dot, and the beginning
/// of a second part.
pub(super) fn jwt(cursor: &Cursor<'_>) -> Option<usize> {
    if !cursor.has(0, "eyJ") {
        return None;
    }
    let header = cursor.run(0, 201, |byte| Class::Word.has(byte));
    if header > 200
        || cursor.at(header)? != b'.'
        || cursor.run(header + 1, 10, |byte| Class::Word.has(byte)) < 10
    {
        return None;
    }
    let mut decoded = [0_u8; 152];
    let count = URL_SAFE_NO_PAD.decode_slice(cursor.bytes(0, header), &mut decoded).ok()?;
    let named = decoded.get(..count)?.windows(5).any(|part| part == b"\"alg\"");
    named.then_some(header + 1)
}
