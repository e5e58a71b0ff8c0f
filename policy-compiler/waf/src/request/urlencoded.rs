//! `application/x-www-form-urlencoded`, in queries and bodies (WHATWG URL, section 5), forgiving.

use super::Pair;

/// The arguments, and whether a `%` had no two digits.
pub(super) fn read(text: &[u8], separator: u8) -> (Vec<Pair>, bool) {
    let mut error = false;
    let mut args = Vec::new();
    if text.is_empty() {
        return (args, error);
    }
    let mut parts: Vec<&[u8]> = text.split(|byte| *byte == separator).collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    for part in parts {
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => {
                (part.get(..at).unwrap_or_default(), part.get(at.saturating_add(1)..).unwrap_or_default())
            }
            None => (part, &[][..]),
        };
        args.push(Pair { name: decoded(name, true, &mut error), value: decoded(value, true, &mut error) });
    }
    (args, error)
}

/// `%XX` decoded, `+` left alone.
pub(super) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    decoded(text, false, &mut false)
}

fn decoded(text: &[u8], plus: bool, error: &mut bool) -> Vec<u8> {
    let mut made = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((first, after)) = left.split_first() {
        left = after;
        match first {
            b'+' if plus => made.push(b' '),
            b'%' => match after.first_chunk::<2>().and_then(|[high, low]| pair(*high, *low)) {
                Some(byte) => {
                    made.push(byte);
                    left = after.get(2..).unwrap_or_default();
                }
                None => {
                    *error = true;
                    made.push(b'%');
                }
            },
            other => made.push(*other),
        }
    }
    made
}

fn pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}
