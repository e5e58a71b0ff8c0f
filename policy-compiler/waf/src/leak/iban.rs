//! International bank account numbers: the registry's country lengths and the check of ISO 13616. It owns both; it
//! refuses letters in lower case, which no bank prints.

use super::cursor::Cursor;

/// The length of an account number in each country that has one (SWIFT's IBAN registry).
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The countries that have such numbers.
pub(super) fn countries() -> impl Iterator<Item = [u8; 2]> {
    LENGTHS.iter().map(|(code, _)| **code)
}

/// The length of the account number here, with its spaces.
pub(super) fn iban(cursor: &Cursor<'_>) -> Option<usize> {
    if cursor.before().is_some_and(super::cursor::is_word) {
        return None;
    }
    let country =
        [cursor.at(0).filter(u8::is_ascii_uppercase)?, cursor.at(1).filter(u8::is_ascii_uppercase)?];
    if cursor.run(2, 2, |byte| byte.is_ascii_digit()) != 2 {
        return None;
    }
    let length = LENGTHS.iter().find_map(|(code, length)| (**code == country).then_some(*length))?;
    let (end, whole) = collect(cursor, length)?;
    (cursor.ends(end) && remainder(whole.get(..length)?) == 1).then_some(end)
}

/// The number without spaces, which may stand after every four characters or nowhere.
fn collect(cursor: &Cursor<'_>, length: usize) -> Option<(usize, [u8; 34])> {
    let mut whole = [0_u8; 34];
    let mut at = 0;
    let spaced = cursor.at(4)? == b' ';
    for (place, slot) in whole.iter_mut().take(length).enumerate() {
        if spaced && place > 0 && place % 4 == 0 {
            cursor.at(at).filter(|byte| *byte == b' ')?;
            at += 1;
        }
        let byte = cursor.at(at)?;
        let fits = if (2..4).contains(&place) {
            byte.is_ascii_digit()
        } else {
            byte.is_ascii_digit() || byte.is_ascii_uppercase()
        };
        if !fits {
            return None;
        }
        *slot = byte;
        at += 1;
    }
    Some((at, whole))
}

/// The number with its first four characters at its end, letters as 10 to 35, mod 97.
fn remainder(whole: &[u8]) -> u32 {
    let rest = whole.iter().skip(4).chain(whole.iter().take(4));
    rest.fold(0, |sum, &byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97,
    })
}
