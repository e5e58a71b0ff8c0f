//! Edits of requests and answers on their way. It owns the plain data of them and the order in which they
//! apply; it refuses to apply them (`decision` and the edge do).

use serde::{Deserialize, Serialize};

use crate::rare::Absent;

/// All edits of one route or backend. A request takes the route's first, then the backend's; an answer
/// the backend's first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// Headers of the request.
    pub request_headers: HeaderEdits,
    /// Headers of the answer.
    pub response_headers: HeaderEdits,
    /// The path of piped requests.
    pub path: Option<PathRewrite>,
    /// Fields of the JSON body, in the order in which they apply.
    pub body: Vec<BodyEdit>,
    /// Text put before the caller's own system prompt.
    pub system_prefix: Option<String>,
}

impl Rewrite {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Absent for Rewrite {
    const ABSENT: &'static Self = &Self {
        request_headers: HeaderEdits { set: Vec::new(), remove: Vec::new() },
        response_headers: HeaderEdits { set: Vec::new(), remove: Vec::new() },
        path: None,
        body: Vec::new(),
        system_prefix: None,
    };
}

/// Edits of headers: first removals, then settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderEdits {
    /// Lower-case names and their only value.
    pub set: Vec<(String, String)>,
    /// Lower-case names.
    pub remove: Vec<String>,
}

impl HeaderEdits {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// Replaces a path's beginning, on a segment boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRewrite {
    /// What the path begins with, without trailing slash.
    pub prefix: String,
    /// What stands there instead, without trailing slash; may be empty.
    pub replacement: String,
}

/// An edit of one field of a JSON body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyEdit {
    /// Keys from the outermost object inwards; at least one. Objects on the way are made where missing
    /// and only by `set` and `default`.
    pub field: Vec<String>,
    /// What is done.
    pub operation: BodyOperation,
}

/// What is done to a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyOperation {
    /// Becomes this JSON text, whatever it was.
    Set(String),
    /// Becomes this JSON text where the field is absent or `null`.
    Default(String),
    /// Goes.
    Remove,
    /// A number is kept within these JSON numbers; anything else is left as it is.
    Clamp {
        /// Least.
        min: Option<String>,
        /// Most.
        max: Option<String>,
    },
}
