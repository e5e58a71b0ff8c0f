//! Two minutes of the soak: no request lost, nothing left booked, every token counted, memory flat.

use std::time::Duration;

use e2e::binary::sluicegate;
use e2e::soak::{Soak, judge};

#[tokio::test(flavor = "multi_thread")]
async fn long_two_minutes_of_load_with_random_faults_lose_leak_and_miscount_nothing() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let soak = Soak { program, lasting: Duration::from_secs(120), seed: 7 };
    let soaked = Box::pin(soak.run(folder.path(), |line| eprintln!("{line}"))).await;
    let verdict = judge(&soaked);
    assert!(verdict.failures.is_empty(), "{:#?}\n{:#?}", verdict.failures, verdict.figures);
}
