//! Plain scalars of the YAML 1.2 core schema: null, booleans and numbers. It owns their recognition;
//! it refuses what has no JSON form (`.inf`, `.nan`), which stays text.

use serde_json::Number;

use super::Kind;

/// The value of a plain scalar.
pub(super) fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number(text).map_or_else(|| Kind::Text(text.to_owned()), Kind::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if !unsigned.bytes().all(allowed) {
        return None;
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = plain.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = plain.parse::<u64>() {
        return Some(whole.into());
    }
    from_float(plain.parse().ok()?)
}

/// `3.0` and `1e3` are the integers 3 and 1000, as JSON Schema has it.
fn from_float(value: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_core_schema() {
        for (text, expected) in
            [("0", "0"), ("-7", "-7"), ("+7", "7"), ("3.0", "3"), ("1e3", "1000"), (".5", "0.5")]
        {
            assert_eq!(plain(text), Kind::Number(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(plain("18446744073709551615"), Kind::Number(u64::MAX.into()));
    }

    #[test]
    fn what_is_not_quite_a_number_is_text() {
        for text in
            ["1.2.3.4", "1e", ".inf", ".nan", "-", "2024-10-21", "8080:80", "1e999", ".", "0x1F", "sk-1"]
        {
            assert_eq!(plain(text), Kind::Text(text.to_owned()), "{text}");
        }
    }
}
