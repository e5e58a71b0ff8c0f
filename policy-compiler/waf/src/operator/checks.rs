//! Checks that are no pattern: digits, encodings, words, injections. Pure functions over bytes.

use std::ops::Range;

/// The fingerprint, when libinjection calls the value an SQL injection.
pub(super) fn sqli(value: &[u8]) -> Option<Vec<u8>> {
    let verdict = libinjectionrs::detect_sqli(value);
    verdict.is_injection().then(|| {
        verdict
            .fingerprint
            .map(|one| one.to_string().trim_end_matches('\0').as_bytes().to_vec())
            .unwrap_or_default()
    })
}

/// Whether libinjection calls the value a script injection. Whatever it looks for needs a tag or an attribute with a
/// value, so text without `<` and `=` is none.
pub(super) fn xss(value: &[u8]) -> bool {
    memchr::memchr2(b'<', b'=', value).is_some() && libinjectionrs::detect_xss(value).is_injection()
}

/// The first `%` that no two hexadecimal digits follow.
pub(super) fn bad_url_encoding(value: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    while let Some(offset) = value.get(at..).and_then(|rest| memchr::memchr(b'%', rest)) {
        at = at.saturating_add(offset);
        let digits = value.get(at.saturating_add(1)..at.saturating_add(3));
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Some(at);
        }
        at = at.saturating_add(3);
    }
    None
}

/// Where the word stands with no word character beside it.
pub(super) fn word(value: &[u8], word: &[u8]) -> Option<Range<usize>> {
    if word.is_empty() {
        return Some(0..0);
    }
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    memchr::memmem::find_iter(value, word).map(|at| at..at.saturating_add(word.len())).find(|range| {
        let before = range.start.checked_sub(1).and_then(|at| value.get(at));
        !before.is_some_and(is_word) && !value.get(range.end).is_some_and(is_word)
    })
}

fn digits(text: &[u8]) -> Vec<u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte.wrapping_sub(b'0'))).collect()
}

/// Luhn's check digit (ISO/IEC 7812-1, annex B).
pub(super) fn card(text: &[u8]) -> bool {
    let digits = digits(text);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match digit * (1 + (place as u32 & 1)) {
            doubled if doubled > 9 => doubled.saturating_sub(9),
            other => other,
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// A US social security number: nine digits of areas, groups and serials that are given out.
pub(super) fn ssn(text: &[u8]) -> bool {
    let digits = digits(text);
    let number = |range: Range<usize>| {
        digits
            .get(range)
            .unwrap_or_default()
            .iter()
            .fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(*digit))
    };
    let (area, group, serial) = (number(0..3), number(3..5), number(5..9));
    digits.len() == 9 && area != 0 && area != 666 && area < 740 && group != 0 && serial != 0
}

/// A Brazilian CPF: eleven digits, the last two computed (Receita Federal).
pub(super) fn cpf(text: &[u8]) -> bool {
    let digits = digits(text);
    let check = |length: usize| {
        let weights = (2..=length as u32 + 1).rev();
        let sum: u32 = digits.iter().zip(weights).take(length).map(|(digit, weight)| digit * weight).sum();
        match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    let same = digits.windows(2).all(|pair| pair.first() == pair.last());
    digits.len() == 11 && !same && digits.get(9) == Some(&check(9)) && digits.get(10) == Some(&check(10))
}

/// An Austrian social security number: ten digits, the fourth computed.
pub(super) fn svnr(text: &[u8]) -> bool {
    let digits = digits(text);
    let weights = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    digits.len() == 10 && digits.first() != Some(&0) && digits.get(3) == Some(&(sum % 11))
}
