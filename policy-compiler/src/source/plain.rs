//! Writing a text as a YAML scalar. It owns when quotes are needed.

use super::{Kind, numbers, traps};

/// The text as it may stand in YAML: bare where every reader takes it for the same text, otherwise in
/// double quotes.
#[must_use]
pub(crate) fn plain_yaml(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._/-%:* @".contains(c);
    let bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(safe)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && traps::trap(text).is_none()
        && matches!(numbers::plain(text), Kind::Text(_));
    // JSON's escapes are YAML's.
    if bare { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
