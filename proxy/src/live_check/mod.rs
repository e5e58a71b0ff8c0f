//! Whether a policy would work here and now: secrets can be read, names resolve, handshakes succeed, tokens
//! can be had, health paths answer and, if asked, every deployment generates. It owns which questions are
//! asked and what counts as an answer; it refuses to change anything or to show a secret.

mod backend;
mod outcome;

use std::path::Path;

use futures_util::StreamExt;
use futures_util::stream;
use rule_table::Policy;

pub use outcome::{Outcome, Step, Verdict};

use crate::clock::Clock;

/// Backends that are looked at together; a policy may have many, and a name server is shared.
const AT_ONCE: usize = 8;

/// Asks every backend of a policy, and gives what was learnt in the policy's order. Files are relative to
/// `base`. One token per deployment is generated only if `spend_tokens`. `progress` hears how many backends
/// are done.
pub async fn live_check(
    policy: &Policy,
    base: &Path,
    spend_tokens: bool,
    mut progress: impl FnMut(usize),
) -> Vec<Outcome> {
    let clock = Clock::new(1.0);
    let questions = (0..).zip(&policy.backends).map(|(id, section)| async move {
        let deployments = policy.deployments.iter().filter(|deployment| deployment.backend == id);
        let deployments = if spend_tokens { deployments.collect() } else { Vec::new() };
        (id, backend::check(section, &deployments, base, clock).await)
    });
    let mut answers = stream::iter(questions).buffer_unordered(AT_ONCE);
    let mut all: Vec<(u32, Vec<Outcome>)> = Vec::new();
    while let Some(answer) = answers.next().await {
        all.push(answer);
        progress(all.len());
    }
    all.sort_by_key(|(id, _)| *id);
    all.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

#[cfg(test)]
mod tests;
