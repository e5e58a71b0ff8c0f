//! Which of two matching routes wins. It owns the order; it refuses to know file order, which never
//! decides.

use crate::sections::{HostMatch, PathMatch, RouteMatch};

/// How specific a match is. The greater wins; the first difference in this order decides:
/// host (exact, then the longer suffix), path (exact, then the longer prefix), methods (some over
/// any), number of headers, headers with a value, model (one over any).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    host: (u8, usize),
    path: (u8, usize),
    methods: bool,
    headers: usize,
    header_values: usize,
    model: bool,
}

impl Specificity {
    /// The specificity of a match.
    #[must_use]
    pub fn of(matching: &RouteMatch) -> Self {
        Self {
            // The length of an exact host or path cannot decide: two different ones never both match.
            host: match &matching.host {
                HostMatch::Exact(_) => (2, 0),
                HostMatch::Suffix(suffix) => (1, suffix.len()),
                HostMatch::Any => (0, 0),
            },
            path: match &matching.path {
                PathMatch::Exact(_) => (1, 0),
                PathMatch::Prefix(prefix) => (0, prefix.len()),
            },
            methods: !matching.methods.is_empty(),
            headers: matching.headers.len(),
            header_values: matching.headers.iter().filter(|h| h.value.is_some()).count(),
            model: matching.model.is_some(),
        }
    }
}
