//! "Did you mean": the nearest of the known names. It owns how near is near enough; it refuses to
//! suggest anything that is merely the least far.

/// The name among `known` that `given` is most likely a misspelling of.
#[must_use]
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let fold = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let folded = fold(given);
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let score = score(&folded, &fold(name));
        // Strictly greater, so that the first in the given order wins a tie.
        if score >= 0.7 && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Similarity between 0 and 1. Two short names may differ by a swap or one letter; one that extends
/// the other is near as well.
fn score(given: &str, known: &str) -> f64 {
    if given == known {
        return 1.0;
    }
    let extends =
        given.len() >= 3 && known.len() >= 3 && (known.starts_with(given) || given.starts_with(known));
    let edits = strsim::normalized_damerau_levenshtein(given, known);
    let one_edit = given.len() >= 3 && strsim::damerau_levenshtein(given, known) == 1;
    if extends || one_edit { edits.max(0.75) } else { edits }
}

/// A help text for an unknown name: the suggestion, else what there is.
#[must_use]
pub fn help(given: &str, known: &[&str], what: &str) -> String {
    if let Some(name) = nearest(given, known.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    match known {
        [] => format!("there are no {what} yet: define it, or leave this out"),
        _ => format!("known {what}: {}", listed(known)),
    }
}

/// Names in backticks, at most eight of them.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_find_their_origin() {
        for (given, expected) in [
            ("gtp", "gpt"),
            ("api_version", "apiVersion"),
            ("strategie", "strategy"),
            ("deploy", "deployments"),
        ] {
            assert_eq!(
                nearest(
                    given,
                    ["pool", "gpt", "api-version", "apiVersion", "strategy", "deployments"]
                        .into_iter()
                        .filter(|n| *n != "api-version")
                ),
                Some(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn what_is_merely_least_far_is_not_suggested() {
        assert_eq!(nearest("llama", ["gpt", "claude", "tools"]), None);
        assert_eq!(nearest("x", ["y", "z"]), None);
        assert_eq!(help("llama", &["gpt", "claude"], "pools"), "known pools: `gpt`, `claude`");
    }
}
