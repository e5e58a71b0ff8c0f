//! Collections that rules write: `TX` and those kept across requests. It owns names without regard to case and
//! arithmetic; it refuses to keep anything beyond the request.

use std::collections::BTreeMap;

/// Named values. Names are kept in lower case; the spelling first used is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vars {
    values: BTreeMap<Vec<u8>, Var>,
}

/// A value and how its name was spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Var {
    spelled: Vec<u8>,
    /// `None` hides a value of the setup.
    value: Option<Vec<u8>>,
}

impl Vars {
    /// The value of that name; `Some(None)` when it was unset.
    pub(crate) fn lookup(&self, name: &[u8]) -> Option<Option<&[u8]>> {
        let found = if name.iter().any(u8::is_ascii_uppercase) {
            self.values.get(name.to_ascii_lowercase().as_slice())
        } else {
            self.values.get(name)
        };
        found.map(|var| var.value.as_deref())
    }

    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.lookup(name).flatten()
    }

    /// The name as it was first spelled.
    pub(crate) fn spelled(&self, name: &[u8]) -> Option<&[u8]> {
        self.values.get(name).map(|var| var.spelled.as_slice())
    }

    /// Sets it; `None` unsets it.
    pub fn set(&mut self, name: &[u8], value: Option<Vec<u8>>) {
        match self.values.get_mut(name.to_ascii_lowercase().as_slice()) {
            Some(var) => var.value = value,
            None => {
                let var = Var { spelled: name.to_vec(), value };
                self.values.insert(name.to_ascii_lowercase(), var);
            }
        }
    }

    /// Names as they were spelled, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.values().filter_map(|var| Some((var.spelled.as_slice(), var.value.as_deref()?)))
    }

    /// Whether nothing was ever set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// Digits at the start as a number; what has none is 0, as the rule language has it.
#[must_use]
pub fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte.wrapping_sub(b'0'))));
    if negative { value.saturating_neg() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_however_it_is_spelled_and_told_as_first_spelled() {
        let mut vars = Vars::default();
        vars.set(b"Anomaly_Score", Some(b"5".to_vec()));
        vars.set(b"ANOMALY_score", Some(b"7".to_vec()));
        assert_eq!(vars.get(b"anomaly_SCORE"), Some(b"7".as_slice()));
        assert_eq!(vars.iter().next(), Some((b"Anomaly_Score".as_slice(), b"7".as_slice())));
        vars.set(b"anomaly_score", None);
        assert_eq!(vars.get(b"anomaly_score"), None);
        assert_eq!(vars.lookup(b"anomaly_score"), Some(None));
    }

    #[test]
    fn a_number_is_what_its_first_digits_say() {
        for (text, expected) in [("12x", 12), ("x1", 0), ("-5", -5), ("", 0), (" 7", 7), ("+3", 3)] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(number(b"99999999999999999999"), i64::MAX);
    }
}
