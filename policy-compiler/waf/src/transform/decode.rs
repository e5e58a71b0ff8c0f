//! Transformations that undo an encoding, forgiving as an attacker's target would be. What is no valid escape stays
//! as it is, unless the language says otherwise.

use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

/// A hexadecimal digit's value.
fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The byte that two digits at the start stand for.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let [high, low] = text.first_chunk::<2>()?;
    Some(hex_digit(*high)? << 4 | hex_digit(*low)?)
}

/// The code point that up to `most` digits at the start stand for, and their number.
fn hex_number(text: &[u8], most: usize) -> (u32, usize) {
    let digits = text.iter().take(most).map_while(|byte| hex_digit(*byte));
    digits.fold((0u32, 0usize), |(value, count), digit| {
        (value.wrapping_shl(4) | u32::from(digit), count.saturating_add(1))
    })
}

/// The byte a full-width form (U+FF01 to U+FF5E) stands for.
fn full_width(high: u8, low: u8) -> u8 {
    let is_full_width = high == 0xff && (1..0x5f).contains(&low);
    if is_full_width { low.wrapping_add(0x20) } else { low }
}

fn rest(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

/// Cuts before each `mark`; `decode` gets what follows the mark, writes what it stands for and says how many bytes
/// that took. 0 leaves the mark as it is.
fn each(value: &[u8], mark: u8, mut decode: impl FnMut(&[u8], &mut Vec<u8>) -> usize) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut left = value;
    while let Some(at) = memchr::memchr(mark, left) {
        made.extend_from_slice(left.get(..at).unwrap_or_default());
        let after = rest(left, at.saturating_add(1));
        let taken = decode(after, &mut made);
        if taken == 0 {
            made.push(mark);
        }
        left = rest(after, taken);
    }
    made.extend_from_slice(left);
    made
}

/// `%XX`, and `+` for a blank.
pub(super) fn url(value: &[u8]) -> Vec<u8> {
    url_unicode_or_not(value, None)
}

/// `%XX`, `%uXXXX` and `+`. A code point above 255 is looked up in the map; without an entry its low byte counts, and
/// a full-width form is the character it is the full width of.
pub(super) fn url_unicode(value: &[u8], map: &[(u32, u8)]) -> Vec<u8> {
    url_unicode_or_not(value, Some(map))
}

fn url_unicode_or_not(value: &[u8], map: Option<&[(u32, u8)]>) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut left = value;
    while let Some((first, after)) = left.split_first() {
        left = after;
        match first {
            b'+' => made.push(b' '),
            b'%' => {
                if let Some(byte) = hex_byte(after) {
                    made.push(byte);
                    left = rest(after, 2);
                } else if let Some((map, byte)) = map.zip(code_point(after)) {
                    made.push(mapped(byte, map));
                    left = rest(after, 5);
                } else {
                    made.push(b'%');
                }
            }
            other => made.push(*other),
        }
    }
    made
}

/// `uXXXX` at the start.
fn code_point(after: &[u8]) -> Option<u32> {
    let digits = after.strip_prefix(b"u").or_else(|| after.strip_prefix(b"U"))?;
    match hex_number(digits, 4) {
        (value, 4) => Some(value),
        _ => None,
    }
}

fn mapped(code_point: u32, map: &[(u32, u8)]) -> u8 {
    let known = map.binary_search_by_key(&code_point, |(from, _)| *from).ok();
    match known.and_then(|place| map.get(place)) {
        Some((_, byte)) => *byte,
        None => full_width((code_point >> 8) as u8, code_point as u8),
    }
}

/// JavaScript's escapes: `\uXXXX` (the low byte, or what a full-width form stands for), `\xXX`, up to three octal
/// digits, the letters of C, and any other character for itself.
pub(super) fn js(value: &[u8]) -> Vec<u8> {
    each(value, b'\\', |after, made| {
        let Some((first, more)) = after.split_first() else { return 0 };
        if *first == b'u' && more.len() >= 4 && hex_number(more, 4).1 == 4 {
            let (code_point, _) = hex_number(more, 4);
            made.push(full_width((code_point >> 8) as u8, code_point as u8));
            return 5;
        }
        if *first == b'x'
            && let Some(byte) = hex_byte(more)
        {
            made.push(byte);
            return 3;
        }
        if matches!(first, b'0'..=b'7') {
            return octal(after, made);
        }
        made.push(c_letter(*first).unwrap_or(*first));
        1
    })
}

/// Up to three octal digits; a third that would pass 255 is not one of them.
fn octal(text: &[u8], made: &mut Vec<u8>) -> usize {
    let digits: Vec<u8> =
        text.iter().take(3).copied().take_while(|byte| matches!(byte, b'0'..=b'7')).collect();
    let count = if digits.len() == 3 && digits.first() > Some(&b'3') { 2 } else { digits.len() };
    let value = digits
        .iter()
        .take(count)
        .fold(0u32, |value, digit| value.wrapping_mul(8) + u32::from(digit.wrapping_sub(b'0')));
    made.push(value as u8);
    count
}

fn c_letter(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}

/// C's escapes (ANSI C): letters, `\xXX`, octal digits; any other character stands for itself.
pub(super) fn escape_sequences(value: &[u8]) -> Vec<u8> {
    each(value, b'\\', |after, made| {
        let Some((first, more)) = after.split_first() else { return 0 };
        if let Some(byte) = c_letter(*first) {
            made.push(byte);
            return 1;
        }
        if matches!(first, b'x' | b'X')
            && let Some(byte) = hex_byte(more)
        {
            made.push(byte);
            return 3;
        }
        if matches!(first, b'0'..=b'7') {
            return octal_wrapping(after, made);
        }
        made.push(*first);
        1
    })
}

/// Up to three octal digits, of which the low byte counts.
fn octal_wrapping(text: &[u8], made: &mut Vec<u8>) -> usize {
    let digits = text.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7'));
    let (value, count) = digits.fold((0u32, 0usize), |(value, count), digit| {
        (value.wrapping_mul(8) + u32::from(digit.wrapping_sub(b'0')), count.saturating_add(1))
    });
    made.push(value as u8);
    count
}

/// CSS 2.1's escapes: up to six digits (of which the last two count, unless it is a full-width form) and one white
/// space after them; a backslash before a line feed goes; before anything else it makes that the character.
pub(super) fn css(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut left = value;
    while let Some((first, after)) = left.split_first() {
        left = after;
        if *first != b'\\' {
            made.push(*first);
            continue;
        }
        let (_, count) = hex_number(after, 6);
        match (count, after.split_first()) {
            (0, None) => {}
            (0, Some((b'\n', more))) => left = more,
            (0, Some((other, more))) => {
                made.push(*other);
                left = more;
            }
            _ => {
                made.push(css_digits(after.get(..count).unwrap_or_default()));
                left = rest(after, count);
                if left.first().is_some_and(|byte| matches!(byte, b'\t'..=b'\r' | b' ')) {
                    left = rest(left, 1);
                }
            }
        }
    }
    made
}

fn css_digits(digits: &[u8]) -> u8 {
    let (value, _) = hex_number(digits, 6);
    let low = value as u8;
    // A full-width form needs its `ff`; five digits need a 0 before, six need two.
    let high = match digits.len() {
        4 => (value >> 8) as u8,
        5 if digits.first() == Some(&b'0') => (value >> 8) as u8,
        6 if digits.starts_with(b"00") => (value >> 8) as u8,
        _ => 0,
    };
    full_width(high, low)
}

/// Pairs of digits become bytes; a digit alone at the end goes.
pub(super) fn hex(value: &[u8]) -> Vec<u8> {
    value
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[high, low]| loose(*high).wrapping_mul(16).wrapping_add(loose(*low)))
        .collect()
}

/// A digit's value as C code computes it without checking.
fn loose(byte: u8) -> u8 {
    hex_digit(byte).unwrap_or_else(|| {
        if byte >= b'A' { (byte & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { byte.wrapping_sub(b'0') }
    })
}

/// `0x…` with at least one pair of digits becomes bytes.
pub(super) fn sql_hex(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut left = value;
    while let Some((first, after)) = left.split_first() {
        let marked = *first == b'0' && after.first().is_some_and(|byte| matches!(byte, b'x' | b'X'));
        let digits = rest(after, 1);
        if marked && hex_byte(digits).is_some() {
            left = digits;
            while let Some(byte) = hex_byte(left) {
                made.push(byte);
                left = rest(left, 2);
            }
        } else {
            made.push(*first);
            left = after;
        }
    }
    made
}

/// Base64 (RFC 4648, section 4) with line ends anywhere; what is none as a whole stays as it is.
pub(super) fn base64(value: &[u8]) -> Vec<u8> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let lines: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    ENGINE.decode(&lines).unwrap_or_else(|_| value.to_vec())
}

/// Base64 without what is none; it may end anywhere.
pub(super) fn forgiving_base64(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in value {
        let six = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits.wrapping_shl(6) | u32::from(six);
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            made.push(bits.wrapping_shr(count) as u8);
        }
    }
    made
}

/// Entities of HTML: decimal and hexadecimal, and the five names everybody decodes. The semicolon may be missing, and
/// then the name ends where browsers end it; libmodsecurity drops the rest of the word.
pub(super) fn html_entities(value: &[u8]) -> Vec<u8> {
    each(value, b'&', |after, made| {
        let closed = |end: usize| end.saturating_add(usize::from(after.get(end) == Some(&b';')));
        if let Some(number) = after.strip_prefix(b"#") {
            let (skip, code_point, count) = match number.split_first() {
                Some((b'x' | b'X', digits)) => {
                    let count = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                    (2usize, hex_number(digits, count).0, count)
                }
                _ => {
                    let digits = number.iter().take_while(|byte| byte.is_ascii_digit());
                    let (value, count) = digits.fold((0u32, 0usize), |(value, count), digit| {
                        let value = value.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')));
                        (value, count.saturating_add(1))
                    });
                    (1, value, count)
                }
            };
            if count == 0 {
                return 0;
            }
            made.push(code_point as u8);
            return closed(skip.saturating_add(count));
        }
        const NAMES: [(&[u8], u8); 5] =
            [(b"quot", b'"'), (b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"nbsp", 0xa0)];
        let named = NAMES
            .iter()
            .find(|(name, _)| after.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)));
        let Some((name, byte)) = named else { return 0 };
        made.push(*byte);
        closed(name.len())
    })
}

/// Each sequence of UTF-8 beyond ASCII becomes `%uXXXX`, also one that is longer than it need be, a surrogate or out
/// of range; those keep their first byte beside it. A first byte that too few others follow goes.
pub(super) fn utf8_to_unicode(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut left = value;
    while let Some((first, after)) = left.split_first() {
        left = after;
        let (length, bits) = match first {
            0xc0..=0xdf => (1usize, first & 0x1f),
            0xe0..=0xef => (2, first & 0x0f),
            0xf0..=0xf7 => (3, first & 0x07),
            _ => {
                made.push(*first);
                continue;
            }
        };
        let more = after.get(..length).filter(|more| more.iter().all(|byte| byte & 0xc0 == 0x80));
        let Some(more) = more else { continue };
        let code_point =
            more.iter().fold(u32::from(bits), |value, byte| value.wrapping_shl(6) | u32::from(byte & 0x3f));
        if *first >= 0xf5 {
            made.push(*first);
        }
        made.extend_from_slice(format!("%u{code_point:04x}").as_bytes());
        let shortest = [0x80, 0x800, 0x1_0000].get(length.saturating_sub(1)).copied().unwrap_or_default();
        if code_point < shortest || (0xd800..0xe000).contains(&code_point) {
            made.push(*first);
        }
        left = rest(after, length);
    }
    made
}
