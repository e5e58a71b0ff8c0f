//! The fields of a model API's request: one strict reading, a class for every path, and the bytes that were read in
//! a form that no second parser reads differently. It owns what each path is; it refuses to judge content.

mod read;
mod schema;

#[cfg(test)]
mod tests;

pub use read::{FieldFault, FieldProblem, read};
pub use schema::{PathError, Schema};

use serde::{Deserialize, Serialize};

/// What a path of a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// Words and numbers of the API itself: roles, types, options.
    Structure,
    /// Names that somebody chose: models, users, tools, ids.
    Identifier,
    /// Addresses that somebody fetches.
    Url,
    /// What people and models say to each other.
    Prose,
    /// Source code that is content.
    Code,
    /// What a tool is called with, also where it is JSON inside a string.
    ToolArguments,
    /// Images, sound and files in base64.
    Media,
    /// A path the schema does not know.
    Unknown,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Structure,
        Self::Identifier,
        Self::Url,
        Self::Prose,
        Self::Code,
        Self::ToolArguments,
        Self::Media,
        Self::Unknown,
    ];

    /// As manifests and metrics spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Identifier => "identifier",
            Self::Url => "url",
            Self::Prose => "prose",
            Self::Code => "code",
            Self::ToolArguments => "toolArguments",
            Self::Media => "media",
            Self::Unknown => "unknown",
        }
    }
}

/// Some classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes(u8);

impl Classes {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// These.
    #[must_use]
    pub fn of(classes: &[Class]) -> Self {
        Self(classes.iter().fold(0, |bits, class| bits | 1 << *class as u8))
    }

    /// Whether the class is one of them.
    #[must_use]
    pub fn has(self, class: Class) -> bool {
        self.0 & (1 << class as u8) != 0
    }
}

impl Default for Classes {
    /// What injection rules do not see unless a manifest says otherwise: prose, code and media.
    fn default() -> Self {
        Self::of(&[Class::Prose, Class::Code, Class::Media])
    }
}

/// How much a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Arrays and objects inside each other.
    pub depth: usize,
    /// Values in all.
    pub values: usize,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Characters of a number.
    pub number_digits: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { depth: 32, values: 100_000, key_bytes: 256, number_digits: 40 }
    }
}

/// A string of the request, or the key of a member nobody knows.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// `json.messages.array_0.content`, as the rule language names arguments of a JSON body.
    pub path: String,
    /// What the path holds.
    pub class: Class,
    /// Unescaped.
    pub value: String,
    /// Which message of the conversation it belongs to, from 0.
    pub message: Option<u32>,
}

impl std::fmt::Debug for Field {
    /// Without the value, which is the caller's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field")
            .field("path", &self.path)
            .field("class", &self.class)
            .field("bytes", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// A request that was read.
#[derive(Clone, Default)]
pub struct Fields {
    /// In the order of the document.
    pub fields: Vec<Field>,
    /// The same document, written one way: no white space, each string with the fewest escapes.
    pub canonical: Vec<u8>,
    /// The canonical document with the strings of exempt classes empty: what rules on the raw body see.
    pub visible: Vec<u8>,
    /// The role of each message, empty where it has none.
    pub roles: Vec<String>,
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields")
            .field("fields", &self.fields.len())
            .field("bytes", &self.canonical.len())
            .field("messages", &self.roles.len())
            .finish_non_exhaustive()
    }
}
