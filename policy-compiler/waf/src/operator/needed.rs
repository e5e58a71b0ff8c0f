//! What must stand in a value for a pattern that looks around or back to match it. It owns that reading of the
//! pattern's tree; where it cannot tell, it says so, and the pattern is asked.

use aho_corasick::AhoCorasick;
use fancy_regex::Expr;

/// More literals than this tell too little.
const MOST: usize = 64;

/// A search for literals of which every match holds one; `None` where there are none.
pub(super) fn literals(expression: &str) -> Option<AhoCorasick> {
    let tree = Expr::parse_tree(expression).ok()?;
    let literals = of(&tree.expr)?;
    AhoCorasick::builder().ascii_case_insensitive(true).build(literals).ok()
}

fn of(expression: &Expr) -> Option<Vec<Vec<u8>>> {
    match expression {
        Expr::Literal { .. } => of_sequence(std::slice::from_ref(expression)),
        Expr::Concat(parts) => of_sequence(parts),
        Expr::Alt(choices) => {
            let mut all = Vec::new();
            for choice in choices {
                all.extend(of(choice)?);
            }
            (all.len() <= MOST).then_some(all)
        }
        Expr::Group(inner) => of(inner),
        Expr::AtomicGroup(inner) => of(inner),
        Expr::Repeat { child, lo, .. } if *lo > 0 => of(child),
        _ => None,
    }
}

/// The part that tells most: the one whose shortest literal is longest.
fn of_sequence(parts: &[Expr]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut run = Vec::new();
    for part in parts.iter().map(Some).chain([None]) {
        if let Some(bytes) = part.and_then(bytes) {
            run.extend(bytes);
            continue;
        }
        let plain = std::mem::take(&mut run);
        let found = [(!plain.is_empty()).then(|| vec![plain]), part.and_then(of)];
        for found in found.into_iter().flatten() {
            if best.as_ref().is_none_or(|best| shortest(&found) > shortest(best)) {
                best = Some(found);
            }
        }
    }
    best
}

fn shortest(literals: &[Vec<u8>]) -> usize {
    literals.iter().map(Vec::len).min().unwrap_or_default()
}

/// The bytes of a literal, each character being the byte of its number. Other letters' cases are not told here.
fn bytes(expression: &Expr) -> Option<Vec<u8>> {
    let Expr::Literal { val, casei } = expression else { return None };
    val.chars()
        .map(|char| u8::try_from(u32::from(char)).ok().filter(|byte| byte.is_ascii() || !casei))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_what_every_match_holds_is_told() {
        for (pattern, with, without) in [
            (r"(?i)(?<!a)union\s+select", "x UNION  select", "un ion"),
            (r"(?:foo|ba(?!z)r)+x", "barx", "b a fo"),
            (r"(a+)bc\1", "abca", "ab"),
        ] {
            let literals = literals(pattern).unwrap();
            assert!(literals.is_match(with) && !literals.is_match(without), "{pattern}");
        }
        for pattern in [r"(?=a)\d+", r"a?b*", r"(?:abc|\d)(?!x)"] {
            assert!(literals(pattern).is_none(), "{pattern}");
        }
    }
}
