//! Addresses: schemes that run scripts, documents inside an address, and addresses that carry data to a host. It owns
//! how they are told apart; it refuses to resolve or fetch any.

use crate::leak::cursor::Cursor;

/// A query of at least this many bytes in a link is taken for data carried out.
const MUCH: usize = 100;

/// A path this long is taken for data too.
const LONG: usize = 200;

/// The length of the scheme here, with its colon, if it runs scripts. Letters may be written as character references
/// and have line breaks and tabs between them, which browsers drop.
pub(super) fn script_scheme(cursor: &Cursor<'_>) -> Option<usize> {
    let schemes = ["javascript:", "vbscript:", "livescript:"];
    schemes.iter().find_map(|scheme| {
        let mut at = 0;
        for wanted in scheme.bytes() {
            let (byte, next) = letter(cursor, at)?;
            if byte.to_ascii_lowercase() != wanted {
                return None;
            }
            at = next;
        }
        cursor.at(at).is_some_and(|byte| !byte.is_ascii_whitespace()).then_some(at)
    })
}

/// The character at `from` once references are resolved and breaks dropped, and where the next one begins.
fn letter(cursor: &Cursor<'_>, from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    for _ in 0..8 {
        match cursor.at(at)? {
            b'\t' | b'\n' | b'\r' => at += 1,
            b'&' if cursor.has_folded(at, "&tab;") => at += 5,
            b'&' if cursor.has_folded(at, "&newline;") => at += 9,
            b'&' if cursor.has_folded(at, "&colon;") => return Some((b':', at + 7)),
            b'&' => match reference(cursor, at)? {
                (b'\t' | b'\n' | b'\r', next) => at = next,
                found => return Some(found),
            },
            byte => return Some((byte, at + 1)),
        }
    }
    None
}

/// A numeric character reference of an ASCII character, its semicolon optional.
fn reference(cursor: &Cursor<'_>, at: usize) -> Option<(u8, usize)> {
    if cursor.at(at + 1)? != b'#' {
        return None;
    }
    let hex = matches!(cursor.at(at + 2)?, b'x' | b'X');
    let (start, radix) = if hex { (at + 3, 16_u32) } else { (at + 2, 10) };
    let count = cursor.run(start, 8, |byte| char::from(byte).is_digit(radix));
    let digits =
        cursor.bytes(start, start + count).iter().filter_map(|byte| char::from(*byte).to_digit(radix));
    let value = digits.fold(0_u32, |sum, digit| sum.saturating_mul(radix).saturating_add(digit));
    let end = start + count;
    let semicolon = usize::from(cursor.at(end) == Some(b';'));
    (count > 0).then_some((u8::try_from(value).ok().filter(u8::is_ascii)?, end + semicolon))
}

/// The length of the head of an address that holds a document able to run scripts.
pub(super) fn data_document(cursor: &Cursor<'_>) -> Option<usize> {
    if !cursor.has_folded(0, "data:") {
        return None;
    }
    let types = ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml"];
    let name = types.iter().find(|name| cursor.has_folded(5, name))?;
    let end = 5 + name.len();
    matches!(cursor.at(end)?, b',' | b';').then_some(end)
}

/// An address and where it ends within the window.
pub(super) struct Address {
    pub(super) end: usize,
    /// Whether it may go on past the window.
    pub(super) open: bool,
}

/// Whether a byte can be part of an address written in Markdown or in an attribute.
pub(super) fn is_part(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b')' | b'>' | b'<' | b'"' | b'\'' | b'\\')
}

/// The address at `from` if it carries data to a host that is not trusted: any query for what is fetched at once
/// (`shown`), a long one for a link, or a very long path.
pub(super) fn carrier(cursor: &Cursor<'_>, from: usize, shown: bool, trusted: &[String]) -> Option<Address> {
    let head = ["https://", "http://", "//", "ftp://"].iter().find(|head| cursor.has_folded(from, head))?;
    let host = from + head.len();
    let count = cursor.run(host, 254, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || byte > 0x7f
    });
    let name = cursor.bytes(host, host + count);
    // With a user before it or a bracket, what was read is not the host.
    let plain =
        matches!(cursor.at(host + count), None | Some(b'/' | b'?' | b'#' | b')' | b'"' | b'\'' | b':'));
    if plain && trusted.iter().any(|host| below(name, host.as_bytes())) {
        return None;
    }
    let length = cursor.run(from, 256, is_part);
    let address = cursor.bytes(from, from + length);
    let open = from + length >= crate::leak::cursor::WINDOW;
    let query = address.iter().position(|byte| *byte == b'?').map_or(0, |place| length - place - 1);
    let carries = if shown { query > 0 || length >= LONG } else { query >= MUCH || length >= LONG };
    (carries || open).then_some(Address { end: from + length, open })
}

/// Whether `name` is `host` or below it.
fn below(name: &[u8], host: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(host.len()) else { return false };
    let (before, end) = name.split_at_checked(start).unwrap_or_default();
    end.eq_ignore_ascii_case(host) && before.last().is_none_or(|byte| *byte == b'.')
}
