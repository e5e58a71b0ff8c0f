//! Conditions on paths: what each kind of them means, taken one by one, and templates by the segments they
//! state. It owns both; it refuses to know whose templates they are.

use hashbrown::HashTable;

use super::index::Number;
use crate::buckets::Fnv;
use crate::sections::PathMatch;

impl PathMatch {
    /// Whether it takes a path without query.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            Self::Template(segments) => fits(segments, path),
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

/// A template's segments and its number.
type Template = (Vec<Option<String>>, Number);

/// Templates of one length that state the segments at the same places.
#[derive(Clone, Debug)]
struct Mask {
    stated: Vec<bool>,
    templates: HashTable<Template>,
}

/// Templates by the places they state: few lists, however many templates.
#[derive(Clone, Debug, Default)]
pub(super) struct Templates(Vec<Mask>);

impl Templates {
    /// A template's number: the one it has, or `next`.
    pub(super) fn number(&mut self, segments: &[Option<String>], next: Number) -> Number {
        let stated: Vec<bool> = segments.iter().map(Option::is_some).collect();
        let at = self.0.iter().position(|mask| mask.stated == stated).unwrap_or_else(|| {
            self.0.push(Mask { stated, templates: HashTable::new() });
            self.0.len().saturating_sub(1)
        });
        let Some(mask) = self.0.get_mut(at) else { return next };
        let hash = |segments: &[Option<String>]| hash(segments.iter().flatten().map(String::as_str));
        let its = hash(segments);
        if let Some((_, number)) = mask.templates.find(its, |(known, _)| known == segments) {
            return *number;
        }
        mask.templates.insert_unique(its, (segments.to_vec(), next), |(known, _)| hash(known));
        next
    }

    pub(super) fn visit(&self, path: &str, seen: &mut dyn FnMut(Number)) {
        if self.0.is_empty() {
            return;
        }
        let count = path.bytes().filter(|byte| *byte == b'/').count();
        for mask in self.0.iter().filter(|mask| mask.stated.len() == count) {
            let segments = path.split('/').skip(1).zip(&mask.stated);
            let its = hash(segments.filter(|(_, stated)| **stated).map(|(segment, _)| segment));
            if let Some((_, number)) = mask.templates.find(its, |(template, _)| fits(template, path)) {
                seen(*number);
            }
        }
    }
}

fn hash<'a>(segments: impl Iterator<Item = &'a str>) -> u64 {
    segments.fold(Fnv::new(0), |hash, segment| hash.bytes(segment.as_bytes()).byte(b'/')).key()
}

/// Whether a path is a template's, segment by segment.
pub(super) fn fits(template: &[Option<String>], path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let each = template.iter().all(|wanted| match (wanted, segments.next()) {
        (Some(wanted), Some(segment)) => wanted == segment,
        (None, Some(segment)) => !segment.is_empty(),
        (_, None) => false,
    });
    each && segments.next().is_none()
}
