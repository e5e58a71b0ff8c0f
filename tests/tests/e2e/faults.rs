//! The table of docs/faults.md, measured again in small: what callers see is what it says.

use e2e::faults::{list, measure};
use futures_util::{StreamExt as _, stream};

/// Faults measured at once.
const AT_ONCE: usize = 4;
/// Enough for the faulty backend to be asked, and for a fault that strikes a third of its requests to strike.
const REQUESTS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_looks_to_callers_as_the_table_says() {
    let measured = stream::iter(list()).map(async |fault| {
        let measured = measure(&fault, REQUESTS).await;
        let seen: Vec<_> = measured.outcomes.iter().copied().collect();
        let as_said = !seen.is_empty() && seen.iter().all(|outcome| fault.sees.contains(outcome));
        (!as_said).then(|| format!("{}: {:?} is said, this was seen: {measured:?}", fault.name, fault.sees))
    });
    let wrong: Vec<_> = measured.buffer_unordered(AT_ONCE).filter_map(async |one| one).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
