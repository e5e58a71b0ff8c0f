//! The most a request can take, for limits that are hard. It owns the bound, the ceiling that is sent
//! upstream for it and the moment a stream has to be cut; it refuses to count (the ledger does) or to cut
//! (the relay does).
//!
//! # The bound
//! A token stands for at least one byte of the body, and the JSON around a message is longer than the few
//! tokens a chat template adds for it; so the body's length bounds the input. Where part of the input is
//! not in the body (an image, a file, an earlier response), the largest context window among the backends
//! does. The output is bounded by what the caller or the manifest says, which is then sent upstream.

use rule_table::{BackendKind, Deployment, Pool};
use vocabulary::{Operation, Prices, Usage, Usd};

use crate::{AnswerStream, Exchange};

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
    /// The most input and output the request can take; saturated where nobody can say.
    pub(crate) fn most(&mut self) -> Usage {
        let Some(facts) = &self.facts else { return Usage::default() };
        let whole = self.body_size.whole && facts.previous_response.is_none();
        let windows = || {
            let mut windows = self.reachable().map(|deployment| deployment.context_window);
            windows.try_fold(0, |most: u64, window| Some(most.max(window?))).unwrap_or(u64::MAX)
        };
        let input = if whole { self.body_size.bytes } else { windows() };
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
        usage
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

    /// What `usage` costs where it costs most.
    pub(crate) fn dearest(&self, usage: &Usage) -> u64 {
        self.reachable()
            .filter_map(|deployment| Some(deployment.prices?.cost(usage).nanos))
            .max()
            .unwrap_or(0)
    }

    /// What `usage` can cost at most, however the input is cached.
    pub(crate) fn dearest_at_most(&self, usage: &Usage) -> u64 {
        self.reachable()
            .filter_map(|deployment| Some(at_most(&deployment.prices?, usage).nanos))
            .max()
            .unwrap_or(0)
    }

    /// The output ceiling to send to `deployment`, where a hard limit needs one and the caller names none.
    pub(crate) fn ceiling_for(&self, deployment: &Deployment) -> Option<u64> {
        let unnamed = self.facts.as_ref().is_some_and(|facts| facts.max_output_tokens.is_none());
        let ceiling = self.output_ceiling.filter(|_| unnamed)?;
        Some(deployment.max_output.map_or(ceiling, |stated| stated.min(ceiling)))
    }

    /// Whether a stream has generated more than was reserved for it, so that it has to be cut.
    #[must_use]
    pub fn overdrawn(&self, stream: &AnswerStream) -> bool {
        let (Some(ceiling), Some(facts)) = (self.output_ceiling, self.facts.as_ref()) else { return false };
        let (seen, _) = stream.observed().usage_or_estimate(facts.prompt_tokens);
        seen.output > ceiling.saturating_mul(facts.choices)
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

fn at_most(prices: &Prices, usage: &Usage) -> Usd {
    let kinds = [prices.input, prices.cached_input, prices.cache_write, prices.cache_write_1h];
    let dearest = kinds.into_iter().max().unwrap_or_default();
    // Four kinds are rounded for themselves, each by less than a nano-dollar.
    let rounding = Usd { nanos: 4 };
    Prices { input: dearest, ..*prices }.cost(&Usage {
        input: usage.input,
        output: usage.output,
        ..Usage::default()
    }) + rounding
}
