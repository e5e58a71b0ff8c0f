//! Which of many patterns can match a value, in one pass. It owns the sets of automata, their bounds and the way
//! out when a value makes them slow; it refuses to say that a pattern does match: its answer may hold too many
//! patterns, never too few.

mod bits;
mod expression;
mod literals;
mod shard;

#[cfg(test)]
mod tests;

pub(crate) use bits::Bits;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use regex_syntax::hir::Hir;

use crate::operator::PrepareError;
use shard::{Scanned, Shard};

/// Patterns an automaton of one set holds at most, and states of the NFA behind it. Larger sets run out of cache on
/// code-like text, smaller ones read a value more often.
const PATTERNS: usize = 48;
const STATES: usize = 40_000;

/// Literals of up to so many bytes get the faster automaton, which takes some hundred times as much memory.
const DFA_BYTES: usize = 48 << 10;

/// A member of the gate: its number is the bit it is told as.
#[derive(Debug, Clone)]
pub(crate) enum Member {
    /// A pattern, as [`crate::program::Pattern`] has it, that does not look around or back.
    Pattern(String),
    /// The same, asked of a value in lower case that is here as it came.
    OfLowercase(String),
    /// Any of these, in lower case, without regard to ASCII case.
    Phrases(Vec<Vec<u8>>),
}

/// Sets of automata over all members.
#[derive(Debug)]
pub(crate) struct Gate {
    shards: Vec<Shard>,
    phrases: Option<Literals>,
    /// For values that make automata slow: what must stand in a value for a pattern to match it.
    required: Option<Literals>,
    /// Patterns of which nothing is required.
    unconditional: Bits,
}

/// Literals with the members each stands for.
#[derive(Debug)]
struct Literals {
    automaton: AhoCorasick,
    members: Vec<Vec<u32>>,
    /// All of them.
    concerned: Bits,
}

/// What scanning needs to write to: one per thread that scans at a time.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: Vec<shard::Cache>,
}

impl Gate {
    /// A gate for these of `size` members.
    pub(crate) fn new(size: usize, members: &[(u32, Member)]) -> Result<Self, PrepareError> {
        let mut unconditional = Bits::new(size);
        let mut required = Vec::new();
        let mut phrases = Vec::new();
        let mut patterns = Vec::new();
        for (number, member) in members {
            let number = *number;
            match member {
                Member::Pattern(expression) | Member::OfLowercase(expression) => {
                    let lower = matches!(member, Member::OfLowercase(_));
                    patterns.push((number, expression::parsed(expression, lower)?));
                    match literals::required(expression) {
                        Some(literals) => required.extend(literals.into_iter().map(|one| (one, number))),
                        None => unconditional.set(number),
                    }
                }
                Member::Phrases(of_member) => {
                    phrases.extend(of_member.iter().map(|one| (one.to_ascii_lowercase(), number)));
                }
            }
        }
        Ok(Self {
            shards: shards(patterns)?,
            phrases: Literals::new(phrases, size)?,
            required: Literals::new(required, size)?,
            unconditional,
        })
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache { shards: self.shards.iter().map(Shard::cache).collect() }
    }

    /// Adds those of the members `wanted` that may match the value; others of them may be added too.
    pub(crate) fn scan(&self, value: &[u8], wanted: &Bits, cache: &mut Cache, found: &mut Bits) {
        if let Some(phrases) = self.phrases.as_ref().filter(|phrases| phrases.concern(wanted)) {
            phrases.find(value, found);
        }
        let mut slow: Option<Bits> = None;
        for (shard, cache) in self.shards.iter().zip(&mut cache.shards) {
            if !shard.members().iter().any(|number| wanted.has(*number)) {
                continue;
            }
            if shard.scan(value, cache, found) == Scanned::GaveUp {
                let may = slow.get_or_insert_with(|| self.by_literals(value));
                shard
                    .members()
                    .iter()
                    .filter(|number| may.has(**number))
                    .for_each(|number| found.set(*number));
            }
        }
    }

    fn by_literals(&self, value: &[u8]) -> Bits {
        let mut found = self.unconditional.clone();
        if let Some(required) = &self.required {
            required.find(value, &mut found);
        }
        found
    }
}

/// Cuts the patterns into sets whose automata stay small.
fn shards(patterns: Vec<(u32, Hir)>) -> Result<Vec<Shard>, PrepareError> {
    let mut sized = patterns
        .into_iter()
        .map(|(number, pattern)| Ok((shard::states(&pattern)?, number, pattern)))
        .collect::<Result<Vec<_>, PrepareError>>()?;
    sized.sort_unstable_by_key(|(size, number, _)| (*size, *number));
    let mut shards = Vec::new();
    let mut open: Vec<(u32, Hir)> = Vec::new();
    let mut states = 0usize;
    for (size, number, pattern) in sized {
        if !open.is_empty() && (open.len() >= PATTERNS || states.saturating_add(size) > STATES) {
            shards.push(Shard::new(&open)?);
            open.clear();
            states = 0;
        }
        states = states.saturating_add(size);
        open.push((number, pattern));
    }
    if !open.is_empty() {
        shards.push(Shard::new(&open)?);
    }
    Ok(shards)
}

impl Literals {
    fn new(mut pairs: Vec<(Vec<u8>, u32)>, size: usize) -> Result<Option<Self>, PrepareError> {
        pairs.retain(|(literal, _)| !literal.is_empty());
        pairs.sort_unstable();
        pairs.dedup();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for (literal, number) in pairs {
            if texts.last() == Some(&literal) {
                members.last_mut().into_iter().for_each(|numbers| numbers.push(number));
            } else {
                texts.push(literal);
                members.push(vec![number]);
            }
        }
        if texts.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(if texts.iter().map(Vec::len).sum::<usize>() < DFA_BYTES {
                AhoCorasickKind::DFA
            } else {
                AhoCorasickKind::ContiguousNFA
            }))
            .build(&texts)
            .map_err(|error| PrepareError::new("literals", &error))?;
        let mut concerned = Bits::new(size);
        members.iter().flatten().for_each(|number| concerned.set(*number));
        Ok(Some(Self { automaton, members, concerned }))
    }

    fn find(&self, value: &[u8], found: &mut Bits) {
        for one in self.automaton.find_overlapping_iter(value) {
            if let Some(members) = self.members.get(one.pattern().as_usize()) {
                members.iter().for_each(|number| found.set(*number));
            }
        }
    }

    fn concern(&self, wanted: &Bits) -> bool {
        self.concerned.meets(wanted)
    }
}
