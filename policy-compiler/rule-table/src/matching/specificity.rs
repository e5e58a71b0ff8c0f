//! Which of two matching routes wins. It owns the order; it refuses to know file order, which never
//! decides.

use crate::sections::{HostMatch, PathMatch, RouteMatch};

/// How specific a match is. The greater wins; the first difference in this order decides:
/// host (exact, then the longer suffix), path (exact, then a template, of two templates the one whose first
/// segment that differs in kind is stated, then the longer prefix), methods (some over any), number of headers,
/// headers with a value, number of query parameters, parameters with a value, consumers (some over any), time
/// (some over any), model (one over any).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    host: (u8, usize),
    path: (u8, u64),
    methods: bool,
    headers: usize,
    header_values: usize,
    query: usize,
    query_values: usize,
    consumers: bool,
    time: bool,
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
                PathMatch::Exact(_) => (2, 0),
                PathMatch::Template(segments) => (1, stated(segments)),
                PathMatch::Prefix(prefix) => (0, prefix.len() as u64),
            },
            methods: !matching.methods.is_empty(),
            headers: matching.headers.len(),
            header_values: matching.headers.iter().filter(|h| h.value.is_some()).count(),
            query: matching.query.len(),
            query_values: matching.query.iter().filter(|q| q.value.is_some()).count(),
            consumers: !matching.consumers.is_empty(),
            time: matching.time.is_some(),
            model: matching.model.is_some(),
        }
    }
}

/// Which segments of a template are stated, the first in the highest bit. Only templates of one length can
/// match one path, so that the first difference decides; beyond 64 segments none does.
fn stated(segments: &[Option<String>]) -> u64 {
    segments
        .iter()
        .take(64)
        .zip((0..64).rev())
        .fold(0, |bits, (segment, at)| bits | u64::from(segment.is_some()) << at)
}
