//! Operators made ready, and their answers about one value. It owns what a match is; it refuses where values come
//! from and what follows from a match.

mod checks;
mod needed;
mod pattern;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::program::{ByteRange, Operator, Text};
use pattern::Prepared as PreparedPattern;
pub(crate) use pattern::automaton;

/// What an operator needs to know beyond the value.
pub trait Surroundings {
    /// Text with its macros replaced.
    fn expand<'t>(&'t self, text: &'t Text) -> Cow<'t, [u8]>;
    /// The ISO 3166 code of an address's country.
    fn country(&self, address: IpAddr) -> Option<String>;
}

/// Where an operator matched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The part of the value that matched.
    pub span: Range<usize>,
    /// What its groups matched, the whole first; for `capture`.
    pub groups: SmallVec<[Option<Range<usize>>; 4]>,
    /// Told instead of groups: a fingerprint, a phrase, a country.
    pub captured: Option<Vec<u8>>,
}

/// A pattern that does not build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` does not build: {why}")]
pub struct PrepareError {
    pattern: String,
    why: String,
}

impl PrepareError {
    pub(crate) fn new(pattern: &str, why: &dyn std::fmt::Display) -> Self {
        Self { pattern: pattern.chars().take(200).collect(), why: why.to_string() }
    }
}

/// An operator, ready to be asked.
#[derive(Debug)]
pub struct Prepared(Ask);

#[derive(Debug)]
enum Ask {
    Rx(PreparedPattern),
    RxOf(Text),
    Pm(AhoCorasick, Vec<Vec<u8>>),
    Compare(Comparison, Text),
    Number(fn(i64, i64) -> bool, Text),
    Networks(Vec<IpNet>),
    Bytes([u64; 4]),
    UrlEncoding,
    Utf8,
    Sqli,
    Xss,
    Digits(PreparedPattern, fn(&[u8]) -> bool),
    Country,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Contains,
    ContainsWord,
    Is,
    BeginsWith,
    EndsWith,
    Within,
}

impl Prepared {
    /// Builds its patterns.
    ///
    /// # Errors
    ///
    /// A pattern that does not build.
    pub fn new(operator: &Operator) -> Result<Self, PrepareError> {
        let compare = |how, text: &Text| Ask::Compare(how, text.clone());
        let number = |how, text: &Text| Ask::Number(how, text.clone());
        Ok(Self(match operator {
            Operator::Rx(pattern) | Operator::RxGlobal(pattern) => Ask::Rx(PreparedPattern::new(pattern)?),
            Operator::RxOf(text) => Ask::RxOf(text.clone()),
            Operator::Pm(phrases) => phrase_finder(phrases)?,
            Operator::Contains(text) => compare(Comparison::Contains, text),
            Operator::ContainsWord(text) => compare(Comparison::ContainsWord, text),
            Operator::StrEq(text) => compare(Comparison::Is, text),
            Operator::BeginsWith(text) => compare(Comparison::BeginsWith, text),
            Operator::EndsWith(text) => compare(Comparison::EndsWith, text),
            Operator::Within(text) => compare(Comparison::Within, text),
            Operator::Eq(text) => number(|value, with| value == with, text),
            Operator::Ge(text) => number(|value, with| value >= with, text),
            Operator::Gt(text) => number(|value, with| value > with, text),
            Operator::Le(text) => number(|value, with| value <= with, text),
            Operator::Lt(text) => number(|value, with| value < with, text),
            Operator::IpMatch(networks) => Ask::Networks(networks.clone()),
            Operator::ValidateByteRange(ranges) => Ask::Bytes(allowed(ranges)),
            Operator::ValidateUrlEncoding => Ask::UrlEncoding,
            Operator::ValidateUtf8Encoding => Ask::Utf8,
            Operator::DetectSqli => Ask::Sqli,
            Operator::DetectXss => Ask::Xss,
            Operator::VerifyCc(pattern) => Ask::Digits(PreparedPattern::new(pattern)?, checks::card),
            Operator::VerifySsn(pattern) => Ask::Digits(PreparedPattern::new(pattern)?, checks::ssn),
            Operator::VerifyCpf(pattern) => Ask::Digits(PreparedPattern::new(pattern)?, checks::cpf),
            Operator::VerifySvnr(pattern) => Ask::Digits(PreparedPattern::new(pattern)?, checks::svnr),
            Operator::GeoLookup => Ask::Country,
            Operator::UnconditionalMatch => Ask::Always,
            Operator::Rbl(_) | Operator::NoMatch => Ask::Never,
        }))
    }

    /// Where the operator matches the value, if it does.
    pub fn find(&self, value: &[u8], surroundings: &dyn Surroundings) -> Option<Found> {
        match &self.0 {
            Ask::Rx(pattern) => pattern.find(value).map(|groups| Found::of(groups, None)),
            Ask::RxOf(text) => {
                let expression = String::from_utf8_lossy(&surroundings.expand(text)).into_owned();
                let built = PreparedPattern::of_text(&format!("(?sm:{expression})")).ok()?;
                built.find(value).map(|groups| Found::of(groups, None))
            }
            Ask::Pm(finder, phrases) => {
                let one = finder.find(value)?;
                let phrase = phrases.get(one.pattern().as_usize()).cloned();
                Some(Found::span(one.range(), phrase))
            }
            Ask::Compare(how, text) => compare(*how, value, &surroundings.expand(text)),
            Ask::Number(how, text) => {
                let with = crate::run::number(&surroundings.expand(text));
                how(crate::run::number(value), with).then(|| Found::whole(value))
            }
            Ask::Networks(networks) => {
                let address: IpAddr = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
                networks.iter().any(|network| network.contains(&address)).then(|| Found::whole(value))
            }
            Ask::Bytes(allowed) => {
                let at = value.iter().position(|byte| !has(allowed, *byte))?;
                Some(Found::span(at..at.saturating_add(1), None))
            }
            Ask::UrlEncoding => checks::bad_url_encoding(value).map(|at| Found::span(at..value.len(), None)),
            Ask::Utf8 => std::str::from_utf8(value)
                .err()
                .map(|error| Found::span(error.valid_up_to()..value.len(), None)),
            Ask::Sqli => {
                let fingerprint = checks::sqli(value)?;
                Some(Found::span(0..value.len(), Some(fingerprint)))
            }
            Ask::Xss => checks::xss(value).then(|| Found::whole(value)),
            Ask::Digits(pattern, check) => pattern
                .all(value)
                .into_iter()
                .find(|range| value.get(range.clone()).is_some_and(check))
                .map(|range| Found::span(range, None)),
            Ask::Country => {
                let address: IpAddr = std::str::from_utf8(value).ok()?.parse().ok()?;
                let country = surroundings.country(address)?;
                Some(Found::span(0..value.len(), Some(country.into_bytes())))
            }
            Ask::Always => Some(Found::whole(value)),
            Ask::Never => None,
        }
    }
}

impl Found {
    fn of(groups: SmallVec<[Option<Range<usize>>; 4]>, captured: Option<Vec<u8>>) -> Self {
        let span = groups.first().cloned().flatten().unwrap_or_default();
        Self { span, groups, captured }
    }

    fn span(span: Range<usize>, captured: Option<Vec<u8>>) -> Self {
        Self { span: span.clone(), groups: SmallVec::from_iter([Some(span)]), captured }
    }

    fn whole(value: &[u8]) -> Self {
        Self { span: 0..value.len(), groups: SmallVec::new(), captured: None }
    }
}

fn phrase_finder(phrases: &[Vec<u8>]) -> Result<Ask, PrepareError> {
    let phrases: Vec<Vec<u8>> = phrases.iter().filter(|phrase| !phrase.is_empty()).cloned().collect();
    let finder = AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(&phrases)
        .map_err(|error| PrepareError::new("@pm", &error))?;
    Ok(Ask::Pm(finder, phrases))
}

fn allowed(ranges: &[ByteRange]) -> [u64; 4] {
    let mut bits = [0u64; 4];
    for byte in ranges.iter().flat_map(|range| range.from..=range.to) {
        if let Some(word) = bits.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
    }
    bits
}

fn has(bits: &[u64; 4], byte: u8) -> bool {
    bits.get(usize::from(byte / 64)).is_some_and(|word| word & (1 << (byte % 64)) != 0)
}

fn compare(how: Comparison, value: &[u8], with: &[u8]) -> Option<Found> {
    let find = |haystack: &[u8], needle: &[u8]| memchr::memmem::find(haystack, needle);
    let span = match how {
        Comparison::Contains => {
            let at = find(value, with)?;
            at..at.saturating_add(with.len())
        }
        Comparison::ContainsWord => checks::word(value, with)?,
        Comparison::Is => (value == with).then_some(0..value.len())?,
        Comparison::BeginsWith => value.starts_with(with).then_some(0..with.len())?,
        Comparison::EndsWith => {
            value.ends_with(with).then(|| value.len().saturating_sub(with.len())..value.len())?
        }
        Comparison::Within => {
            find(with, value)?;
            0..value.len()
        }
    };
    Some(Found { span, groups: SmallVec::new(), captured: None })
}
