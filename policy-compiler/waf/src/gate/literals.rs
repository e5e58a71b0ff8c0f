//! What must stand in a value for a pattern to match it. It owns the walk over the pattern; where it is not sure,
//! nothing is required.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

/// More than this many literals, or any shorter than this, distinguish nothing.
const MOST: usize = 250;
const SHORTEST: usize = 2;
/// A repetition is written out up to this often.
const REPEATED: u32 = 4;

/// Literals in lower case of which at least one stands, without regard to ASCII case, in every value the pattern
/// matches. `None`: there are no useful ones.
pub(crate) fn required(expression: &str) -> Option<Vec<Vec<u8>>> {
    let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(expression).ok()?;
    let literals = any_of(&hir)?;
    let useful = literals.len() <= MOST && literals.iter().all(|literal| literal.len() >= SHORTEST);
    useful.then_some(literals)
}

/// The one of all runs of a pattern that distinguishes best.
fn any_of(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Capture(capture) => any_of(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => any_of(&repetition.sub),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(any_of(branch)?);
            }
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
        HirKind::Concat(parts) => of_parts(parts),
        _ => exact(hir),
    }
}

fn of_parts(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut run: Option<Vec<Vec<u8>>> = None;
    for part in parts {
        let joined = exact(part).and_then(|next| match &run {
            Some(before) => cross(before, &next),
            None => Some(next),
        });
        if joined.is_none() {
            best = better(best, run.take());
            best = better(best, any_of(part));
        }
        run = joined;
    }
    better(best, run)
}

/// The one whose shortest literal is longer; of equals, the smaller.
fn better(one: Option<Vec<Vec<u8>>>, other: Option<Vec<Vec<u8>>>) -> Option<Vec<Vec<u8>>> {
    let worth = |literals: &Option<Vec<Vec<u8>>>| {
        literals.as_ref().filter(|all| !all.is_empty() && all.len() <= MOST).map(|all| {
            let shortest = all.iter().map(Vec::len).min().unwrap_or_default();
            (shortest.min(4), std::cmp::Reverse(all.len()))
        })
    };
    if worth(&other) > worth(&one) { other } else { one }
}

/// Every string the part can match, in lower case, when they are few.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => of_class(class),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![Vec::new()], |before, part| cross(&before, &exact(part)?))
        }
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(exact(branch)?);
            }
            all.sort_unstable();
            all.dedup();
            (all.len() <= MOST).then_some(all)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.filter(|max| *max == repetition.min && *max <= REPEATED)?;
            let one = exact(&repetition.sub)?;
            (0..times).try_fold(vec![Vec::new()], |before, _| cross(&before, &one))
        }
    }
}

/// A class of few bytes once case is ignored.
fn of_class(class: &Class) -> Option<Vec<Vec<u8>>> {
    let Class::Bytes(bytes) = class else { return None };
    let mut all = Vec::new();
    for range in bytes.ranges() {
        for byte in range.start()..=range.end() {
            all.push(vec![byte.to_ascii_lowercase()]);
            if all.len() > 40 {
                return None;
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    (all.len() <= 8).then_some(all)
}

fn cross(before: &[Vec<u8>], after: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if before.len().checked_mul(after.len())? > MOST {
        return None;
    }
    let mut all = Vec::new();
    for head in before {
        for tail in after {
            let mut joined = head.clone();
            joined.extend_from_slice(tail);
            all.push(joined);
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}
