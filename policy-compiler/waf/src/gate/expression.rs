//! Patterns as trees. It owns one question asked of a value before it is put in lower case; it refuses the search.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

use crate::operator::PrepareError;

/// The pattern over bytes; with `lower`, one that matches a value exactly where the pattern matches the value's lower
/// case.
pub(super) fn parsed(expression: &str, lower: bool) -> Result<Hir, PrepareError> {
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(expression)
        .map_err(|error| PrepareError::new(expression, &error))?;
    Ok(if lower { of_lowercase(&parsed) } else { parsed })
}

fn of_lowercase(pattern: &Hir) -> Hir {
    match pattern.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Literal(literal) => {
            Hir::concat(literal.0.iter().map(|byte| Hir::class(becoming(|one| one == *byte))).collect())
        }
        HirKind::Class(Class::Bytes(class)) => {
            let within =
                |byte| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte));
            Hir::class(becoming(within))
        }
        // Only of ASCII where Unicode is off, as it is here.
        HirKind::Class(Class::Unicode(class)) => {
            let within = |byte| {
                let byte = char::from(byte);
                class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
            };
            Hir::class(becoming(within))
        }
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            min: repetition.min,
            max: repetition.max,
            greedy: repetition.greedy,
            sub: Box::new(of_lowercase(&repetition.sub)),
        }),
        HirKind::Capture(capture) => Hir::capture(Capture {
            index: capture.index,
            name: capture.name.clone(),
            sub: Box::new(of_lowercase(&capture.sub)),
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(of_lowercase).collect()),
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(of_lowercase).collect()),
    }
}

/// The bytes whose lower case is one of these.
fn becoming(within: impl Fn(u8) -> bool) -> Class {
    let bytes = (0..=255u8).filter(|byte| within(byte.to_ascii_lowercase()));
    Class::Bytes(ClassBytes::new(bytes.map(|byte| ClassBytesRange::new(byte, byte))))
}
