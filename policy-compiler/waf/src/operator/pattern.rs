//! One pattern, ready to be searched for in bytes. It owns the two engines; it refuses to choose between them, which
//! the compiler did.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex_automata::meta;
use regex_automata::util::syntax;
use smallvec::SmallVec;

use super::{PrepareError, needed};
use crate::program::Pattern;

/// Bytes of states a pattern's lazy automaton holds.
const CACHE: usize = 512 << 10;
/// Steps a pattern that looks around or back may take; a value that needs more does not match.
const STEPS: usize = 200_000;

type Groups = SmallVec<[Option<Range<usize>>; 4]>;

#[derive(Debug)]
pub(super) enum Prepared {
    Automaton(Box<meta::Regex>),
    /// Searches text in which each character stands for the byte of the same number, where what every match needs is
    /// there at all.
    Backtracking(Box<fancy_regex::Regex>, Option<AhoCorasick>),
}

/// An automaton over bytes.
pub(crate) fn automaton(expression: &str) -> Result<meta::Regex, PrepareError> {
    meta::Regex::builder()
        .configure(
            meta::Config::new()
                .utf8_empty(false)
                .nfa_size_limit(Some(64 << 20))
                .hybrid_cache_capacity(CACHE)
                .onepass(false),
        )
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(expression)
        .map_err(|error| PrepareError::new(expression, &error))
}

impl Prepared {
    pub(super) fn new(pattern: &Pattern) -> Result<Self, PrepareError> {
        if pattern.backtracks {
            backtracking(&pattern.expression)
        } else {
            Self::of_text(&pattern.expression)
        }
    }

    pub(super) fn of_text(expression: &str) -> Result<Self, PrepareError> {
        automaton(expression).map(|built| Self::Automaton(Box::new(built)))
    }

    /// What the first match's groups matched.
    pub(super) fn find(&self, value: &[u8]) -> Option<Groups> {
        match self {
            Self::Automaton(built) => {
                if !built.is_match(value) {
                    return None;
                }
                let mut captures = built.create_captures();
                built.captures(value, &mut captures);
                Some(
                    (0..captures.group_len())
                        .map(|group| captures.get_group(group).map(Into::into))
                        .collect(),
                )
            }
            Self::Backtracking(_, Some(needed)) if !needed.is_match(value) => None,
            Self::Backtracking(built, _) => {
                let (text, places) = as_text(value);
                let captures = built.captures(&text).ok()??;
                let range = |group: fancy_regex::Match<'_>| byte_range(&places, group.range());
                Some(captures.iter().map(|group| group.map(range)).collect())
            }
        }
    }

    /// Where it matches, one after the other.
    pub(super) fn all(&self, value: &[u8]) -> Vec<Range<usize>> {
        match self {
            Self::Automaton(built) => built.find_iter(value).map(|one| one.range()).collect(),
            Self::Backtracking(built, _) => {
                let (text, places) = as_text(value);
                let found = built.find_iter(&text).filter_map(Result::ok);
                found.map(|one| byte_range(&places, one.range())).collect()
            }
        }
    }
}

fn backtracking(expression: &str) -> Result<Prepared, PrepareError> {
    fancy_regex::RegexBuilder::new(expression)
        .backtrack_limit(STEPS)
        .build()
        .map(|built| Prepared::Backtracking(Box::new(built), needed::literals(expression)))
        .map_err(|error| PrepareError::new(expression, &error))
}

/// The value with a character for each byte, and where each byte's character begins; empty when that is the same.
fn as_text(value: &[u8]) -> (String, Vec<usize>) {
    let text: String = value.iter().map(|byte| char::from(*byte)).collect();
    let places = if value.is_ascii() {
        Vec::new()
    } else {
        text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
    };
    (text, places)
}

fn byte_range(places: &[usize], range: Range<usize>) -> Range<usize> {
    let byte = |at: usize| {
        if places.is_empty() { at } else { places.partition_point(|place| *place < at) }
    };
    byte(range.start)..byte(range.end)
}
