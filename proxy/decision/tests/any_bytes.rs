//! Tokens and sets of keys of any bytes: the properties that fuzzing asks, asked of some by every test run.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the properties are test code outside a test function"
)]

mod properties;

use proptest::prelude::*;
use serde_json::json;

/// Values where claims have values, of the right type and others.
fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!("https://login.example")),
        Just(json!("api://llm")),
        Just(json!(["api://llm"])),
        Just(json!("ada")),
        Just(json!(1_795_000_600_u64)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,300}".prop_map(|text| json!(text)),
        Just(json!(null)),
        Just(json!({"groups": [1]})),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_no_token(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        properties::token(&bytes);
    }

    #[test]
    fn any_claims_are_believed_as_they_are_or_not_at_all(
        claims in prop::collection::btree_map("iss|aud|sub|exp|nbf|scp|roles|groups", value(), 0..8),
    ) {
        properties::token(json!(claims).to_string().as_bytes());
    }
}
