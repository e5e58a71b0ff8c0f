//! What a change of policy does to requests: changes that matter are found with a request that shows them, and
//! changes of form are not.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the workbench is test code outside a test function"
)]

mod agreement;
mod seeded;
mod unchanged;

use foresight::{Diff, diff};
use policy_compiler::{Source, compile};
use rule_table::Policy;

/// 2026-11-23, a Monday.
const NOW: u64 = 1_795_392_000;

const GATEWAY: &str = include_str!("gateway.yaml");

/// # Panics
/// Where the manifest has errors.
fn policy(text: &str) -> Policy {
    let outcome = compile(&Source::new("gateway.yaml", text.to_owned()));
    let errors: Vec<String> = outcome.findings.iter().map(policy_compiler::Finding::one_line).collect();
    let Some(bundle) = outcome.bundle else { panic!("{errors:#?}") };
    bundle.into_policy()
}

/// The base with `old` written as `new`.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GATEWAY.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "`{old}` is not there to be changed");
        text.replacen(old, new, 1)
    })
}

fn compared(edits: &[(&str, &str)]) -> (Policy, Policy, Diff) {
    let (old, new) = (policy(GATEWAY), policy(&edited(edits)));
    let found = diff(&old, &new, NOW);
    (old, new, found)
}
