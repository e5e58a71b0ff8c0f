//! Any bytes as the body of any path of the admin API: read as its handler reads it, and an order that was
//! understood is understood again as it is written.
#![no_main]

use policy_compiler::{Source, compile};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vocabulary::Span;
use vocabulary::admin::body;
use vocabulary::admin::generations::{ReasonOnly, RollbackRequest};
use vocabulary::admin::holds::HoldRequest;
use vocabulary::admin::keys::{IssueKey, RotateKey};

fn order<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let order: T = body::read(bytes).ok()?;
    let written = serde_json::to_vec(&order).expect("an order can be written");
    assert_eq!(body::read::<T>(&written).expect("what was written can be read"), order);
    Some(order)
}

/// A reason that is kept is one line.
fn reason(given: Option<String>) {
    if let Ok(Some(kept)) = body::reason(given) {
        assert!(kept.len() <= body::LONGEST_REASON && !kept.contains('\n') && !kept.trim().is_empty());
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    reason(order::<ReasonOnly>(bytes).and_then(|order| order.reason));
    reason(order::<RollbackRequest>(bytes).and_then(|order| order.reason));
    order::<IssueKey>(bytes);
    order::<RotateKey>(bytes);
    if let Some(hold) = order::<HoldRequest>(bytes) {
        reason(Some(hold.reason));
        let _ = hold.for_.parse::<Span>();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let outcome = compile(&Source { name: "body".to_owned(), text: text.to_owned() });
        assert!(outcome.is_sound() || outcome.findings.iter().any(|finding| finding.is_error()));
    }
});
