//! The most a request can take, for limits that are hard. It owns the bound, the ceiling that is sent
//! upstream for it and the moment a stream has to be cut; it refuses to count (the ledger does) or to cut
//! (the relay does).
//!
//! # The bound
//! A token stands for at least one byte of the body, and the JSON around a message is longer than the few
//! tokens a chat template adds for it; so the body's length bounds the input. Where that leaves no room, the
//! body's tokens are counted, if all its models have a tokenizer that is known (`exact`). Where part of the input is
//! not in the body (an image, a file, an earlier response), the largest context window among the backends
//! does. The output is bounded by what the caller or the manifest says, which is then sent upstream.

use std::collections::BTreeSet;

use rule_table::{BackendKind, BodyOperation, Deployment, Pool, Rewrite};
use vocabulary::{Operation, Usage, Usd};

use crate::exact::Tokens;
use crate::{AnswerStream, Exchange};

/// Bytes of text per token that no ordinary answer comes to.
const LONG_TOKEN_BYTES: u64 = 8;

/// Names in a body that may stand for more tokens than they have bytes.
const ELSEWHERE: [&[u8]; 9] =
    [b"image", b"audio", b"file", b"document", b"video", b"_id\"", b"\"source\"", b"tool_use", b"\\u00"];

/// What a body says about the size of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodySize {
    bytes: u64,
    /// Whether all of the input is in the body as text.
    whole: bool,
}

impl BodySize {
    pub(crate) fn of(body: &[u8]) -> Self {
        let elsewhere = ELSEWHERE.iter().any(|name| body.windows(name.len()).any(|here| here == *name));
        Self { bytes: body.len() as u64, whole: !elsewhere }
    }
}

impl Exchange {
    /// The most input and output the request can take, with `tokens` in the body where they were counted;
    /// saturated where nobody can say.
    pub(crate) fn most(&mut self, tokens: Option<u64>) -> Usage {
        let Some(facts) = &self.facts else { return Usage::default() };
        let whole = self.is_whole();
        let windows = || {
            let mut windows = self.reachable().map(|deployment| deployment.context_window);
            windows.try_fold(0, |most: u64, window| Some(most.max(window?))).unwrap_or(u64::MAX)
        };
        let body = tokens.unwrap_or(self.body_size.bytes);
        let input = if whole { body.saturating_add(self.added_bytes()) } else { windows() };
        let output = match (facts.operation, facts.max_output_tokens) {
            (Operation::Embeddings | Operation::CountTokens, _) => 0,
            (_, Some(named)) => named,
            (_, None) => {
                let mut stated = self.reachable().map(|deployment| deployment.max_output);
                stated.try_fold(0, |most: u64, output| Some(most.max(output?))).unwrap_or(u64::MAX)
            }
        };
        let usage = Usage { input, output: output.saturating_mul(facts.choices), ..Usage::default() };
        self.output_ceiling = Some(output);
        self.held_at_most = Some(usage);
        usage
    }

    /// Whether all of the input is in the body as text.
    fn is_whole(&self) -> bool {
        self.body_size.whole && self.facts.as_ref().is_some_and(|facts| facts.previous_response.is_none())
    }

    /// Tokens of the body, by the tokenizers of all deployments it can come to: the most of them. Nothing
    /// where one of them is not known or not built yet, or the body is too long or not all of the input.
    pub(crate) fn count_exactly(&mut self) -> Option<u64> {
        let body = self.countable.take().filter(|_| self.is_whole())?;
        let policy = self.gate.policy();
        let kind = |one: &Deployment| policy.backends.get(one.backend as usize).map(|backend| backend.kind);
        let known: Option<BTreeSet<Tokens>> =
            self.reachable().map(|one| Tokens::of(one, kind(one)?)).collect();
        self.counted_tokens = body.count(&known?);
        self.counted_tokens
    }

    /// What the operator's edits can add to the body on its way.
    fn added_bytes(&self) -> u64 {
        let added = |rewrite: &Rewrite| {
            let prefix = rewrite.system_prefix.as_ref().map_or(0, String::len);
            let fields = rewrite.body.iter().map(|edit| match &edit.operation {
                BodyOperation::Set(value) | BodyOperation::Default(value) => value.len(),
                BodyOperation::Remove | BodyOperation::Clamp { .. } => 0,
            });
            (prefix + fields.sum::<usize>()) as u64
        };
        let policy = self.gate.policy();
        let backends = self.reachable().filter_map(|one| policy.backends.get(one.backend as usize));
        let at_backends = backends.map(|backend| added(&backend.rewrite)).max().unwrap_or(0);
        self.route().map_or(0, |route| added(&route.rewrite)).saturating_add(at_backends)
    }

    /// Every deployment a request on this route can come to, fallbacks included.
    fn reachable(&self) -> impl Iterator<Item = &Deployment> {
        let policy = self.gate.policy();
        let mut pools: Vec<u32> = self.route().map(|route| route.pool).into_iter().collect();
        let mut next = 0;
        while let Some(pool) = pools.get(next).and_then(|id| policy.pools.get(*id as usize)) {
            let further = pool.fallback.iter().map(|fallback| fallback.pool);
            let new: Vec<u32> = further.filter(|id| !pools.contains(id)).collect();
            pools.extend(new);
            next += 1;
        }
        let members = |pool: &Pool| pool.members.iter().map(|member| member.deployment).collect::<Vec<_>>();
        let ids = pools.into_iter().filter_map(|id| policy.pools.get(id as usize)).flat_map(members);
        ids.filter_map(|id| self.gate.deployment(id))
    }

    /// What `usage` costs, by `price`, where it costs most.
    pub(crate) fn dearest(&self, usage: &Usage, price: impl Fn(&Deployment, &Usage) -> Option<Usd>) -> u64 {
        let costs = self.reachable().filter_map(|deployment| price(deployment, usage));
        costs.max().map_or(0, |cost| cost.nanos)
    }

    /// The output ceiling that `deployment` must be sent, where a hard limit holds room for no more.
    pub(crate) fn ceiling_for(&self, deployment: &Deployment) -> Option<u64> {
        let unnamed = self.facts.as_ref().is_some_and(|facts| facts.max_output_tokens.is_none());
        let ceiling = self.output_ceiling?;
        let stated = deployment.max_output.filter(|_| unnamed);
        Some(stated.map_or(ceiling, |stated| stated.min(ceiling)))
    }

    /// Whether a hard limit holds room for one generation, and none for a second.
    pub(crate) fn is_held_once(&self) -> bool {
        self.held_at_most.is_some()
    }

    /// Whether a stream has generated more than was reserved for it, so that it has to be cut.
    #[must_use]
    pub fn overdrawn(&self, stream: &AnswerStream) -> bool {
        let (Some(ceiling), Some(facts)) = (self.output_ceiling, self.facts.as_ref()) else { return false };
        let seen = stream.observed();
        let output = match seen.usage.filter(|_| !seen.usage_lacks_output) {
            Some(counted) => counted.output,
            // Rather low: an answer that ends at its ceiling must not be cut for words that are long.
            None => seen.output_events.max(seen.output_bytes / LONG_TOKEN_BYTES),
        };
        output > ceiling.saturating_mul(facts.choices)
    }
}

/// The field in which an operation takes its output ceiling.
pub(crate) fn ceiling_field(kind: BackendKind, operation: Operation) -> Option<&'static str> {
    match (operation, kind) {
        (Operation::Chat, BackendKind::Openai | BackendKind::AzureOpenai) => Some("max_completion_tokens"),
        (Operation::Chat | Operation::TextCompletion | Operation::Messages, _) => Some("max_tokens"),
        (Operation::Responses, _) => Some("max_output_tokens"),
        _ => None,
    }
}

/// Every field in which an operation may be told an output ceiling.
pub(crate) fn ceiling_fields(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Chat => &["max_tokens", "max_completion_tokens"],
        Operation::TextCompletion | Operation::Messages => &["max_tokens"],
        Operation::Responses => &["max_output_tokens"],
        _ => &[],
    }
}
