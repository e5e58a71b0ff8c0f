//! Conditions on paths taken one by one, without an index. It owns what each kind of them means; it refuses
//! to be fast about many.

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
