//! One set of patterns as a lazily built automaton with a bounded cache. It owns the search and when it gives up;
//! it refuses to answer for a value it gave up on.

use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson;
use regex_automata::{Input, MatchKind, PatternSet};
use regex_syntax::hir::Hir;

use super::Bits;
use crate::operator::PrepareError;

/// Bytes of states a cache holds before it is cleared.
const CAPACITY: usize = 4 << 20;
/// Clearing this often within a search is allowed whatever it costs; beyond, a search has to read
/// [`BYTES_PER_STATE`] bytes for each state it builds, or it gives up.
const CLEARS: usize = 1;
const BYTES_PER_STATE: usize = 10;

/// Patterns searched for together.
#[derive(Debug)]
pub(crate) struct Shard {
    automaton: dfa::DFA,
    members: Vec<u32>,
}

/// What a search writes to.
#[derive(Debug)]
pub(crate) struct Cache {
    automaton: dfa::Cache,
    found: PatternSet,
}

/// Whether the answer is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned {
    Whole,
    GaveUp,
}

fn compiler() -> thompson::Compiler {
    let mut compiler = thompson::Compiler::new();
    compiler.configure(
        thompson::Config::new()
            .utf8(false)
            .which_captures(thompson::WhichCaptures::None)
            .nfa_size_limit(Some(64 << 20)),
    );
    compiler
}

/// The size of a pattern's NFA.
pub(crate) fn states(pattern: &Hir) -> Result<usize, PrepareError> {
    compiler()
        .build_from_hir(pattern)
        .map(|nfa| nfa.states().len())
        .map_err(|error| PrepareError::new(&pattern.to_string(), &error))
}

impl Shard {
    pub(crate) fn new(patterns: &[(u32, Hir)]) -> Result<Self, PrepareError> {
        let expressions: Vec<&Hir> = patterns.iter().map(|(_, pattern)| pattern).collect();
        let nfa = compiler()
            .build_many_from_hir(&expressions)
            .map_err(|error| PrepareError::new("a set", &error))?;
        let automaton = dfa::DFA::builder()
            .configure(
                dfa::Config::new()
                    .match_kind(MatchKind::All)
                    .cache_capacity(CAPACITY)
                    .skip_cache_capacity_check(true)
                    .minimum_cache_clear_count(Some(CLEARS))
                    .minimum_bytes_per_state(Some(BYTES_PER_STATE)),
            )
            .build_from_nfa(nfa)
            .map_err(|error| PrepareError::new("a set", &error))?;
        Ok(Self { automaton, members: patterns.iter().map(|(number, _)| *number).collect() })
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache { automaton: self.automaton.create_cache(), found: PatternSet::new(self.members.len()) }
    }

    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// Adds the members that match. Most values match none, and that is known after one search that stops at the
    /// first match.
    pub(crate) fn scan(&self, value: &[u8], cache: &mut Cache, found: &mut Bits) -> Scanned {
        let input = Input::new(value);
        match self.automaton.try_search_fwd(&mut cache.automaton, &input.clone().earliest(true)) {
            Ok(None) => return Scanned::Whole,
            Ok(Some(_)) => {}
            Err(_) => return Scanned::GaveUp,
        }
        cache.found.clear();
        if self
            .automaton
            .try_which_overlapping_matches(&mut cache.automaton, &input, &mut cache.found)
            .is_err()
        {
            return Scanned::GaveUp;
        }
        for pattern in cache.found.iter() {
            if let Some(number) = self.members.get(pattern.as_usize()) {
                found.set(*number);
            }
        }
        Scanned::Whole
    }
}
