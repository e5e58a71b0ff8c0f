//! Globs over user agents and conditions on paths, as automata run side by side: one text for every set of
//! patterns that some text matches. It owns those automata and their bound.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rule_table::PathMatch;

use super::Exhausted;

/// States of automata side by side.
const MOST_STATES: usize = 4096;
/// The same times how many automata there are.
const MOST_WORK: usize = 1 << 15;

/// A pattern in lower case in which `*` stands for anything.
pub(super) struct Glob(Vec<char>);

impl Glob {
    pub(super) fn of(pattern: &str) -> Self {
        let mut characters: Vec<char> = pattern.chars().collect();
        characters.dedup_by(|a, b| *a == '*' && *b == '*');
        Self(characters)
    }

    /// The places reached without a character: a star may stand for nothing. From the last star reached on,
    /// whatever an earlier place accepts is accepted too, so that earlier ones need not be kept.
    fn settle(&self, mut at: BTreeSet<usize>) -> BTreeSet<usize> {
        if let Some(star) = at.iter().copied().rfind(|at| self.0.get(*at) == Some(&'*')) {
            at = at.split_off(&star);
            at.insert(star + 1);
        }
        at
    }

    fn step(&self, at: &BTreeSet<usize>, character: char) -> BTreeSet<usize> {
        let next = at.iter().filter_map(|at| match self.0.get(*at)? {
            '*' => Some(*at),
            wanted if *wanted == character => Some(at + 1),
            _ => None,
        });
        self.settle(next.collect())
    }

    fn is_end(&self, at: &BTreeSet<usize>) -> bool {
        at.contains(&self.0.len())
    }
}

/// Whether a user agent matches a pattern.
pub(super) fn matches(pattern: &str, agent: &str) -> bool {
    let glob = Glob::of(pattern);
    let begin = glob.settle(BTreeSet::from([0]));
    let end = agent.chars().flat_map(char::to_lowercase).fold(begin, |at, c| glob.step(&at, c));
    glob.is_end(&end)
}

/// A user agent for every set of patterns that some user agent matches.
pub(super) fn agents(globs: Vec<Glob>) -> Result<Vec<String>, Exhausted> {
    let mut alphabet: BTreeSet<char> = globs.iter().flat_map(|glob| &glob.0).copied().collect();
    alphabet.remove(&'*');
    // Some character that no pattern has.
    alphabet.extend(('a'..='z').chain('0'..='9').chain(['~']).find(|c| !alphabet.contains(c)));
    let begin: Vec<BTreeSet<usize>> = globs.iter().map(|glob| glob.settle(BTreeSet::from([0]))).collect();
    let most = MOST_STATES.min(MOST_WORK / globs.len().max(1));
    explore(
        most,
        begin,
        |state| {
            let step = |c: char| state.iter().zip(&globs).map(|(at, glob)| glob.step(at, c)).collect();
            alphabet.iter().map(|c| (c.to_string(), step(*c))).collect()
        },
        |state| Some(state.iter().zip(&globs).map(|(at, glob)| glob.is_end(at)).collect()),
    )
}

/// A path for every set of conditions that some path meets, and `*`, as `OPTIONS *` has it, which meets none.
pub(super) fn paths<'p>(conditions: impl Iterator<Item = &'p PathMatch>) -> Result<Vec<String>, Exhausted> {
    let patterns: Vec<Segments<'p>> =
        conditions.collect::<BTreeSet<_>>().into_iter().map(Segments::of).collect();
    let begin: Vec<(usize, usize)> = (0..patterns.len()).map(|pattern| (pattern, 0)).collect();
    let of = |pattern: usize| patterns.get(pattern);
    let step = |state: &[(usize, usize)], segment: &str| {
        let next =
            state.iter().filter_map(|(pattern, at)| Some((*pattern, of(*pattern)?.step(*at, segment)?)));
        next.collect::<Vec<_>>()
    };
    let mut found = explore(
        MOST_STATES,
        (false, begin),
        |(_, state)| {
            let literals = state.iter().filter_map(|(pattern, at)| of(*pattern)?.literal(*at));
            let mut segments: BTreeSet<&str> = literals.collect();
            let other = (0..).map(|n| format!("x{n}")).find(|text| !segments.contains(text.as_str()));
            let other = other.unwrap_or_default();
            segments.extend(["", other.as_str()]);
            segments.iter().map(|segment| (format!("/{segment}"), (true, step(state, segment)))).collect()
        },
        |(begun, state)| {
            let ends = |(pattern, at): &(usize, usize)| of(*pattern).is_some_and(|p| p.is_end(*at));
            begun.then(|| {
                let met: BTreeSet<usize> = state.iter().filter(|s| ends(s)).map(|(p, _)| *p).collect();
                (0..patterns.len()).map(|pattern| met.contains(&pattern)).collect()
            })
        },
    )?;
    found.push("*".to_owned());
    Ok(found)
}

/// Walks automata side by side, shortest texts first; one text for every set of them that accepts.
fn explore<S: Clone + Ord>(
    most: usize,
    begin: S,
    next: impl Fn(&S) -> Vec<(String, S)>,
    accepted: impl Fn(&S) -> Option<Vec<bool>>,
) -> Result<Vec<String>, Exhausted> {
    let mut seen = BTreeSet::from([begin.clone()]);
    let mut open = VecDeque::from([(String::new(), begin)]);
    let mut found: BTreeMap<Vec<bool>, String> = BTreeMap::new();
    let mut order = Vec::new();
    while let Some((text, state)) = open.pop_front() {
        if let Some(accepted) = accepted(&state)
            && !found.contains_key(&accepted)
        {
            order.push(text.clone());
            found.insert(accepted, text.clone());
        }
        for (more, state) in next(&state) {
            if seen.insert(state.clone()) {
                if seen.len() > most {
                    return Err(Exhausted);
                }
                open.push_back((format!("{text}{more}"), state));
            }
        }
    }
    Ok(order)
}

/// A condition on a path, segment by segment.
struct Segments<'p> {
    /// `None` stands for any segment that is not empty.
    wanted: Vec<Option<&'p str>>,
    /// Whether anything may follow.
    open: bool,
}

impl<'p> Segments<'p> {
    fn of(path: &'p PathMatch) -> Self {
        let split = |text: &'p str| text.split('/').skip(1).map(Some).collect();
        match path {
            PathMatch::Exact(exact) => Self { wanted: split(exact), open: false },
            PathMatch::Prefix(prefix) => Self { wanted: split(prefix), open: true },
            PathMatch::Template(segments) => {
                Self { wanted: segments.iter().map(Option::as_deref).collect(), open: false }
            }
        }
    }

    fn literal(&self, at: usize) -> Option<&'p str> {
        self.wanted.get(at).copied().flatten()
    }

    fn step(&self, at: usize, segment: &str) -> Option<usize> {
        match self.wanted.get(at) {
            Some(Some(wanted)) => (*wanted == segment).then_some(at + 1),
            Some(None) => (!segment.is_empty()).then_some(at + 1),
            None => self.open.then_some(at),
        }
    }

    fn is_end(&self, at: usize) -> bool {
        at == self.wanted.len()
    }
}

/// Whether some path meets both conditions.
pub(super) fn some_path(a: &PathMatch, b: &PathMatch) -> bool {
    let (a, b) = (Segments::of(a), Segments::of(b));
    let fits = |x: Option<&str>, y: Option<&str>| match (x, y) {
        (Some(x), Some(y)) => x == y,
        (Some(segment), None) | (None, Some(segment)) => !segment.is_empty(),
        (None, None) => true,
    };
    let common = a.wanted.iter().zip(&b.wanted).all(|(x, y)| fits(*x, *y));
    let ends = match a.wanted.len().cmp(&b.wanted.len()) {
        std::cmp::Ordering::Less => a.open,
        std::cmp::Ordering::Equal => true,
        std::cmp::Ordering::Greater => b.open,
    };
    common && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_case_does_not_matter() {
        for (pattern, agent, expected) in [
            ("curl/*", "Curl/8.0", true),
            ("*bot*", "GPTBot/1.0", true),
            ("*bot", "bots", false),
            ("a*b*c", "a-b-b-c", true),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
        ] {
            assert_eq!(matches(pattern, agent), expected, "{pattern} {agent}");
        }
    }

    #[test]
    fn there_is_a_user_agent_for_every_set_of_patterns_that_can_match_at_once() {
        let patterns = ["a*", "*b", "ab"];
        let agents = agents(patterns.iter().map(|pattern| Glob::of(pattern)).collect()).unwrap();
        let sets: BTreeSet<Vec<bool>> =
            agents.iter().map(|agent| patterns.iter().map(|p| matches(p, agent)).collect()).collect();
        // None, one of the first two, both, all three: `ab` implies the others.
        assert_eq!(sets.len(), 5);
        assert_eq!(agents.len(), 5);
    }

    #[test]
    fn there_is_a_path_for_every_set_of_conditions_that_can_hold_at_once() {
        let text = |s: &str| Some(s.to_owned());
        let conditions = [
            PathMatch::Prefix("/a".to_owned()),
            PathMatch::Template(vec![text("a"), None]),
            PathMatch::Exact("/a/b".to_owned()),
            PathMatch::Prefix(String::new()),
        ];
        let paths = paths(conditions.iter()).unwrap();
        let sets: BTreeSet<Vec<bool>> =
            paths.iter().map(|path| conditions.iter().map(|c| c.takes(path)).collect()).collect();
        assert_eq!(sets.len(), paths.len(), "{paths:?}");
        // Nothing; below the root; below /a; the template as well; all of them.
        assert_eq!(sets.len(), 5, "{paths:?}");
    }

    #[test]
    fn two_conditions_on_paths_meet_where_some_path_does() {
        let text = |text: &str| text.to_owned();
        let all = [
            PathMatch::Exact(text("/a")),
            PathMatch::Exact(text("/a/b")),
            PathMatch::Exact(text("/a/")),
            PathMatch::Prefix(text("/a")),
            PathMatch::Prefix(text("/b")),
            PathMatch::Prefix(String::new()),
            PathMatch::Template(vec![Some(text("a")), None]),
            PathMatch::Template(vec![None, Some(text("b"))]),
            PathMatch::Template(vec![None]),
        ];
        for a in &all {
            for b in &all {
                let found = paths([a, b].into_iter()).unwrap();
                let meet = found.iter().any(|path| a.takes(path) && b.takes(path));
                assert_eq!(some_path(a, b), meet, "{a:?} {b:?}");
            }
        }
    }
}
