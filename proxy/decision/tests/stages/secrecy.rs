//! What a caller wrote is in nothing that is printed, logged or sent elsewhere.

use bytes::Bytes;
use serde_json::json;

use crate::draft::{Draft, MODEL};
use crate::request::{Caller, Course, NOW, after, usage};

const CANARY: &str = "canary-6f1d";

/// A request that says it wherever something can be said.
fn loose_tongued() -> Caller {
    let body = json!({
        "model": MODEL,
        "user": CANARY,
        "messages": [
            {"role": "system", "name": CANARY, "content": CANARY},
            {"role": "user", "content": [{"type": "text", "text": CANARY}]},
        ],
        "metadata": {CANARY: CANARY},
    });
    Caller::chat().with_key(CANARY).with("x-canary", CANARY).with("cookie", CANARY).saying(&body)
}

fn draft() -> Draft {
    Draft::chat(&["a/m"]).consumer("team", CANARY)
}

#[test]
fn an_account_holds_nothing_of_what_was_said() {
    let mut exchange = loose_tongued().admitted(&draft().gate(), NOW);
    assert_eq!(exchange.consumer, Some(0));
    exchange.serve(after(1.0), Some(usage(10, 10)));
    assert!(!format!("{exchange:?}").contains(CANARY));
    let settled = exchange.end(after(1.0));
    assert!(!format!("{settled:?}").contains(CANARY));
    assert!(!serde_json::to_string(&settled.record).unwrap().contains(CANARY));
    assert!(!format!("{:?}", exchange.gate.decisions(10)).contains(CANARY));
}

#[test]
fn a_refusal_repeats_nothing_of_what_was_said() {
    let bodies = [
        format!(r#"{{"model":"{CANARY}","messages":[{{"role":"user","content":"x"}}]}}"#),
        format!(r#"{{"model":"{MODEL}","messages":"{CANARY}"}}"#),
        format!(r#"{{"model":"{MODEL}","{CANARY}":1,"{CANARY}":2,"messages":[{CANARY}]}}"#),
        format!(r#"{{"model":"{MODEL}","stream":"{CANARY}"}}"#),
        CANARY.to_owned(),
    ];
    for body in bodies {
        let refusal = loose_tongued().saying_bytes(Bytes::from(body.clone())).refused(&draft().gate(), NOW);
        assert!(!format!("{refusal:?} {refusal}").contains(CANARY), "{body}: {refusal}");
    }
    let stranger = loose_tongued().with_key("canary-unknown").refused(&draft().gate(), NOW);
    assert!(!format!("{stranger:?} {stranger}").contains("canary"), "{stranger}");
}
