//! Exact counts of a request's input, by the tokenizer of its model. It owns which model has which tokenizer
//! and how much text is counted at most; it refuses to decide when counting is worth its time.
//!
//! # The count
//! The whole body is counted as text, JSON and all. A chat template puts three or four tokens around a
//! message; the JSON around it takes more, and an escape in a string takes no fewer tokens than what it
//! stands for. So the count bounds what the provider bills, and for English is near a quarter of the bytes.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use bpe_openai::Tokenizer;
use bytes::Bytes;
use rule_table::{BackendKind, Deployment};

use crate::gate::Gate;

/// The longest body that is counted: it holds its thread for some milliseconds.
const LONGEST: usize = 256 * 1024;

/// A body that may be counted. Nothing shows what it says.
#[derive(Clone)]
pub(crate) struct Countable(Bytes);

impl Countable {
    /// The body, unless it is too long.
    pub(crate) fn of(body: &Bytes) -> Option<Self> {
        (body.len() <= LONGEST).then(|| Self(Bytes::clone(body)))
    }

    /// The most tokens it has by any of `tokenizers`; nothing while one of them is not built, or when it is
    /// no text.
    pub(crate) fn count(&self, tokenizers: &BTreeSet<Tokens>) -> Option<u64> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let counts: Option<Vec<u64>> = tokenizers.iter().map(|tokens| tokens.count(text)).collect();
        counts?.into_iter().max()
    }
}

impl std::fmt::Debug for Countable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Countable({} bytes)", self.0.len())
    }
}

/// Beginnings of names of models that count with `o200k_base`; they come before those of the other.
const O200K: [&str; 8] = ["gpt-4o", "chatgpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "o1", "o3", "o4-"];
/// Beginnings of names of models that count with `cl100k_base`.
const CL100K: [&str; 5] = ["gpt-4", "gpt-3.5", "gpt-35", "text-embedding-3-", "text-embedding-ada-002"];

/// A tokenizer by what it is called where it comes from (OpenAI's `tiktoken`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tokens {
    O200kBase,
    Cl100kBase,
}

static O200K_BASE: OnceLock<&'static Tokenizer> = OnceLock::new();
static CL100K_BASE: OnceLock<&'static Tokenizer> = OnceLock::new();

impl Tokens {
    /// The tokenizer of what a deployment serves, where it is known: only OpenAI's own models, by name.
    pub(crate) fn of(deployment: &Deployment, kind: BackendKind) -> Option<Self> {
        if !matches!(kind, BackendKind::Openai | BackendKind::AzureOpenai) {
            return None;
        }
        let model = deployment.model.as_deref()?;
        let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
        if begins(&O200K) {
            return Some(Self::O200kBase);
        }
        begins(&CL100K).then_some(Self::Cl100kBase)
    }

    /// Tokens of `text`; nothing until the tokenizer has been built.
    pub(crate) fn count(self, text: &str) -> Option<u64> {
        Some(self.built().get()?.count(text) as u64)
    }

    /// Builds its table, once. Takes about a tenth of a second.
    fn build(self) {
        self.built().get_or_init(|| match self {
            Self::O200kBase => bpe_openai::o200k_base(),
            Self::Cl100kBase => bpe_openai::cl100k_base(),
        });
    }

    const fn built(self) -> &'static OnceLock<&'static Tokenizer> {
        match self {
            Self::O200kBase => &O200K_BASE,
            Self::Cl100kBase => &CL100K_BASE,
        }
    }
}

impl Gate {
    /// Builds the tokenizers that hard limits of this policy may count with, if any. Until then they hold
    /// room by bytes. Takes tenths of a second: not for a thread that serves requests.
    pub fn build_tokenizers(&self) {
        if !self.has_hard_limit() {
            return;
        }
        let policy = self.policy();
        let kind = |one: &Deployment| policy.backends.get(one.backend as usize).map(|backend| backend.kind);
        let known = policy.deployments.iter().filter_map(|one| Tokens::of(one, kind(one)?));
        known.collect::<BTreeSet<_>>().into_iter().for_each(Tokens::build);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn o200k(text: &str) -> u64 {
        Tokens::O200kBase.build();
        Tokens::O200kBase.count(text).unwrap()
    }

    /// What OpenAI's cookbook says a chat takes: 3 tokens around each message, 3 before the answer.
    fn billed(messages: &[(String, String)]) -> u64 {
        messages.iter().map(|(role, content)| 3 + o200k(role) + o200k(content)).sum::<u64>() + 3
    }

    #[test]
    fn english_takes_about_a_quarter_of_its_bytes() {
        assert_eq!(o200k("hello world"), 2);
        let text = "The quick brown fox jumps over the lazy dog, again and again. ".repeat(50);
        assert!((text.len() as u64 / 6..text.len() as u64 / 3).contains(&o200k(&text)), "{}", o200k(&text));
    }

    #[test]
    fn the_longest_body_is_counted_in_bounded_time_however_odd_its_text() {
        for text in ["a".repeat(LONGEST), " \n".repeat(LONGEST / 2), "\u{1f9a6}".repeat(LONGEST / 4)] {
            let begun = std::time::Instant::now();
            assert!(o200k(&text) <= text.len() as u64);
            assert!(begun.elapsed().as_secs() < 20, "{:?} for {} bytes", begun.elapsed(), text.len());
        }
    }

    proptest! {
        #[test]
        fn a_body_takes_no_fewer_tokens_than_its_messages_are_billed(
            messages in prop::collection::vec(
                (prop::sample::select(vec!["user", "system", "assistant"]), "(\\PC|\n|\t|\"|  )*"),
                1..5,
            ),
        ) {
            let messages: Vec<_> = messages.into_iter().map(|(role, text)| (role.to_owned(), text)).collect();
            let listed: Vec<_> = messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
            let body = json!({"model": "gpt-4o", "messages": listed}).to_string();
            prop_assert!(o200k(&body) >= billed(&messages), "{body}: {} of {}", o200k(&body), billed(&messages));
        }
    }
}
