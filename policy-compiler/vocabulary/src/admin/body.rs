//! Reading what is sent to the admin API. It owns the step from bytes to an order, the same for every path; it
//! refuses to carry out any.

use serde::de::DeserializeOwned;

/// The longest reason kept, in bytes.
pub const LONGEST_REASON: usize = 500;

/// Reads a body as JSON; an empty one is an empty object, so that a path whose fields are all optional takes none.
///
/// # Errors
/// When the body is no JSON, or not of this shape.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
}

/// A reason is fit for the audit log: one line, and not a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of at most {LONGEST_REASON} bytes")]
pub struct ReasonFault;

/// A reason, if it is fit for one line of a log; one of blanks is none.
///
/// # Errors
/// [`ReasonFault`] when it is too long or more than a line.
pub fn reason(given: Option<String>) -> Result<Option<String>, ReasonFault> {
    match given {
        Some(text) if text.len() > LONGEST_REASON || text.chars().any(char::is_control) => Err(ReasonFault),
        given => Ok(given.filter(|text| !text.trim().is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::generations::{ReasonOnly, RollbackRequest};
    use crate::admin::holds::HoldRequest;

    #[test]
    fn an_empty_body_is_an_order_without_fields_where_none_is_required() {
        assert_eq!(read::<RollbackRequest>(b"").unwrap(), RollbackRequest::default());
        assert!(read::<HoldRequest>(b"").is_err());
        assert!(
            read::<ReasonOnly>(br#"{"reason": "x", "of": "no use"}"#).is_err(),
            "unknown fields are refused"
        );
        assert!(read::<ReasonOnly>(br#"{} {}"#).is_err());
    }

    #[test]
    fn a_reason_is_one_short_line_or_nothing() {
        let longest = "x".repeat(LONGEST_REASON);
        assert_eq!(reason(Some(longest.clone())), Ok(Some(longest.clone())));
        for bad in [longest + "x", "two\nlines".to_owned(), "\u{1b}[2J".to_owned(), "\u{85}".to_owned()] {
            assert_eq!(reason(Some(bad)), Err(ReasonFault));
        }
        assert_eq!(reason(Some(" ".to_owned())), Ok(None));
        assert_eq!(reason(None), Ok(None));
    }
}
