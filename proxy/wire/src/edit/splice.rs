//! Bytes in place of others. It owns the copying of the rest; it refuses to know what the bytes mean.

use std::ops::Range;

use bytes::Bytes;

/// Text to stand in place of some bytes.
pub(super) struct Splice {
    pub(super) place: Range<usize>,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn insert(at: usize, text: String) -> Self {
        Self { place: at..at, text }
    }

    /// A splice, unless what it would put there stands there.
    pub(super) fn replace(body: &[u8], place: &Range<usize>, text: &str) -> Option<Self> {
        (body.get(place.clone()) != Some(text.as_bytes()))
            .then(|| Self { place: place.clone(), text: text.to_owned() })
    }
}

/// The body with the splices made, which may come in any order but may not overlap; without any, the
/// same bytes.
pub(super) fn apply(body: &Bytes, mut splices: Vec<Splice>) -> Bytes {
    if splices.is_empty() {
        return body.clone();
    }
    splices.sort_by_key(|splice| splice.place.start);
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut edited = Vec::with_capacity(body.len() + added);
    let mut at = 0;
    for splice in splices {
        edited.extend_from_slice(body.get(at..splice.place.start).unwrap_or_default());
        edited.extend_from_slice(splice.text.as_bytes());
        at = splice.place.end;
    }
    edited.extend_from_slice(body.get(at..).unwrap_or_default());
    edited.into()
}
