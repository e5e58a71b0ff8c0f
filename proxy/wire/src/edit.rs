//! Edits of a request body on its way to a backend. It owns the splice and what each edit means; it
//! refuses to touch a byte outside the edited fields, so that what a backend sees is what the caller
//! wrote.

mod field;
mod layout;
mod splice;
mod system;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::json::Fault;
pub use layout::Layout;
pub(crate) use layout::{Inside, Options};

/// What to change. The gateway's own edits (`model`, `include_usage`) come first, so that the
/// operator's have the last word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// The `model` to set; nothing leaves the caller's in place, as Azure OpenAI ignores it.
    pub model: Option<&'a str>,
    /// Set `stream_options.include_usage` to true. For streams of chat and completions only: backends
    /// refuse the field otherwise, and it does not exist in the other operations, where this is without
    /// effect.
    pub include_usage: bool,
    /// Edits of single fields, one after the other.
    pub fields: &'a [FieldEdit<'a>],
    /// Text to put before the system prompt, with an empty line between the two.
    ///
    /// In a chat it goes into the first message where that is a system or developer message, and into a
    /// new message before it otherwise: many chat templates refuse a second system message. In
    /// Messages it goes into `system`, in Responses into `instructions`; other operations have no place
    /// for it and are left as they are.
    pub system_prefix: Option<&'a str>,
}

/// An edit of one field of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldEdit<'a> {
    /// Keys from the outermost object inwards; none is no edit. Where an object has the key several
    /// times, each of them is edited.
    pub path: &'a [String],
    /// What is done.
    pub operation: FieldOperation<'a>,
}

/// What is done to a field. Values are JSON texts and are not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOperation<'a> {
    /// Becomes this value. Objects on the way are made where they are missing, and take the place of
    /// anything there that is not an object.
    Set(&'a str),
    /// Becomes this value where it is absent or `null`. Objects on the way are made where they are
    /// absent or `null`; anything else that is not an object stays.
    Default(&'a str),
    /// Goes.
    Remove,
    /// A number is kept within these numbers; anything else is left as it is.
    Clamp {
        /// Least.
        min: Option<&'a str>,
        /// Most.
        max: Option<&'a str>,
    },
}

impl Layout {
    /// The body with the edits made. `body` must be the one this layout was made of. A body that needs
    /// no edit comes back as it is, without a copy. Edits of fields and of the system prompt walk the
    /// body again, once each.
    ///
    /// # Errors
    /// When a field's edit finds no JSON object: `body` is another one, or an edit before put something
    /// there that is not JSON.
    pub fn apply(&self, body: &Bytes, edits: &Edits<'_>) -> Result<Bytes, Fault> {
        let mut body = self.set(body, edits.model, edits.include_usage);
        for edit in edits.fields {
            body = field::edit(&body, edit)?;
        }
        match edits.system_prefix {
            Some(prefix) if !prefix.is_empty() => system::prepend(self.operation(), &body, prefix),
            _ => Ok(body),
        }
    }
}

/// A JSON string with this value.
fn quoted(text: &str) -> String {
    // A string and nothing else: this cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// The inside of a JSON string with this value.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let quoted = quoted(text);
    Cow::Owned(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned())
}
