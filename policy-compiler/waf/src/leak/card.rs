//! Payment card numbers: issuer ranges with their lengths (ISO/IEC 7812, the schemes' published ranges) and the Luhn
//! digit. It owns their layouts; it refuses a number inside a longer one.

use super::cursor::{Cursor, Digits};

/// How card numbers are written in groups.
const GROUPED: [&str; 4] =
    ["dddd?dddd?dddd?dddd", "dddd?dddddd?ddddd", "dddd?dddddd?dddd", "dddd?dddd?dddd?dddd?ddd"];

/// The length of a card number here. `named`: the text has just spoken of a card.
pub(super) fn card(cursor: &Cursor<'_>, named: bool) -> Option<usize> {
    if !cursor.begins_number() {
        return None;
    }
    if !matches!(cursor.at(0)?, b'2'..=b'6' | b'8') {
        return None;
    }
    let digits = plain(cursor).or_else(|| GROUPED.iter().find_map(|pattern| cursor.laid_out(0, pattern)))?;
    let values = digits.values();
    let grouped = digits.end != values.len();
    (issued(&digits, named || grouped) && luhn(values) && !digits.all_same()).then_some(digits.end)
}

fn plain(cursor: &Cursor<'_>) -> Option<Digits> {
    let count = cursor.run(0, 20, |byte| byte.is_ascii_digit());
    if !(13..=19).contains(&count) || !cursor.ends(count) {
        return None;
    }
    let mut digits = Digits::default();
    for byte in cursor.bytes(0, count) {
        digits.add(*byte)?;
    }
    digits.end = count;
    Some(digits)
}

/// Whether an issuer gives out numbers of this beginning and length. Thirteen digits, a length no longer issued and
/// shared with article numbers and times, count only where `sure`.
fn issued(digits: &Digits, sure: bool) -> bool {
    let length = digits.values().len();
    let first = digits.number(0, 6);
    match first {
        400_000..=499_999 => matches!(length, 16 | 19) || (length == 13 && sure),
        340_000..=349_999 | 370_000..=379_999 => length == 15,
        510_000..=559_999 | 222_100..=272_099 | 220_000..=220_499 => length == 16,
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => {
            matches!(length, 14 | 16)
        }
        352_800..=358_999 => (16..=19).contains(&length),
        501_800..=501_899 | 502_000..=502_099 | 503_800..=503_899 | 589_300..=589_399 => length >= 16,
        508_500..=508_999 | 606_985..=608_499 => length == 16,
        601_100..=601_199 | 620_000..=629_999 | 640_000..=659_999 => length >= 16,
        630_400..=630_499 | 675_900..=675_999 | 676_100..=676_399 => length >= 16,
        817_200..=820_199 => length >= 16,
        _ => false,
    }
}

/// Whether the last digit is the Luhn digit of the others (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, u32::from(digit)) {
            (0, value) => value,
            (_, value) if value > 4 => value * 2 - 9,
            (_, value) => value * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}
