use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn usage(operation: Operation, usage: Value) -> Option<Usage> {
    let body = json!({"id": "x", "usage": usage, "choices": []});
    usage_in_body(operation, body.to_string().as_bytes())
}

fn chat(block: Value) -> Option<Usage> {
    usage(Operation::Chat, block)
}

#[test]
fn usage_of_a_chat_is_read_with_its_parts() {
    let full = json!({
        "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30},
    });
    let expected =
        Usage { input: 100, cached_input: 60, output: 40, reasoning_output: 30, ..Usage::default() };
    assert_eq!(chat(full), Some(expected));
    let nulls = json!({"prompt_tokens": 7, "completion_tokens": null, "prompt_tokens_details": null});
    assert_eq!(chat(nulls), Some(Usage { input: 7, ..Usage::default() }));
    let total_only = json!({"prompt_tokens": 8, "total_tokens": 11});
    assert_eq!(chat(total_only).map(|usage| usage.output), Some(3));
    let impossible =
        json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}});
    assert_eq!(chat(impossible).map(|usage| usage.cached_input), Some(5));
    for nothing in [
        Value::Null,
        json!({}),
        json!([]),
        json!(3),
        json!({"prompt_tokens": -1}),
        json!({"total_tokens": 3}),
        json!({"input_tokens": 3, "output_tokens": 4}),
    ] {
        assert_eq!(chat(nothing.clone()), None, "{nothing}");
    }
}

#[test]
fn embeddings_have_input_only() {
    let block = json!({"prompt_tokens": 8, "total_tokens": 8});
    assert_eq!(usage(Operation::Embeddings, block), Some(Usage { input: 8, ..Usage::default() }));
}

#[test]
fn usage_of_responses_is_read_under_its_own_names() {
    let full = json!({
        "input_tokens": 100, "output_tokens": 40, "total_tokens": 140,
        "input_tokens_details": {"cached_tokens": 60}, "output_tokens_details": {"reasoning_tokens": 30},
    });
    let expected =
        Usage { input: 100, cached_input: 60, output: 40, reasoning_output: 30, ..Usage::default() };
    assert_eq!(usage(Operation::Responses, full), Some(expected));
}

#[test]
fn usage_of_messages_adds_what_was_cached_to_the_input() {
    let full = json!({
        "input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 70,
        "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 40, "service_tier": "standard",
    });
    let expected = Usage {
        input: 280,
        cached_input: 200,
        cache_write_input: 50,
        cache_write_1h_input: 20,
        output: 40,
        reasoning_output: 0,
    };
    assert_eq!(usage(Operation::Messages, full), Some(expected));
    assert_eq!(expected.uncached_input(), 10);
    let plain = json!({
        "input_tokens": 10, "cache_read_input_tokens": null, "cache_creation_input_tokens": 0, "output_tokens": 4,
    });
    let expected = Usage { input: 10, output: 4, ..Usage::default() };
    assert_eq!(usage(Operation::Messages, plain), Some(expected));
}

#[test]
fn a_breakdown_of_cache_writes_stands_in_for_their_total_and_never_beats_it() {
    let written = |block: Value| {
        let usage = usage(Operation::Messages, block).unwrap();
        (usage.input, usage.cache_write_input, usage.cache_write_1h_input)
    };
    let breakdown = json!({"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20});
    let alone = json!({"input_tokens": 1, "output_tokens": 1, "cache_creation": breakdown});
    assert_eq!(written(alone), (51, 30, 20));
    let more = json!({
        "input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 90, "cache_creation": breakdown,
    });
    assert_eq!(written(more), (91, 70, 20));
    let less = json!({
        "input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 5, "cache_creation": breakdown,
    });
    assert_eq!(written(less), (6, 0, 5));
}

#[test]
fn counting_tokens_uses_none() {
    assert_eq!(usage_in_body(Operation::CountTokens, br#"{"input_tokens":9}"#), Some(Usage::default()));
    assert_eq!(&count_tokens_body(9)[..], br#"{"input_tokens":9}"#);
}

#[test]
fn a_response_is_known_by_the_key_that_its_successor_names() {
    let body = json!({"id": "resp_1", "object": "response", "output": [{"id": "msg_1"}]}).to_string();
    let key = response_id(Operation::Responses, body.as_bytes());
    assert_eq!(key, Some(response_key("resp_1")));
    let next = json!({"model": "m", "input": "on", "previous_response_id": "resp_1"}).to_string();
    let facts = crate::extract(Operation::Responses, next.as_bytes()).unwrap();
    assert_eq!(facts.previous_response, key);
    assert_eq!(response_id(Operation::Chat, body.as_bytes()), None);
    // Written down, because a restarted gateway has to find what another wrote.
    assert_eq!(key, Some(5_544_413_235_959_239_110));
}

proptest! {
    #[test]
    fn no_block_has_parts_larger_than_their_whole(counts in prop::collection::vec(any::<u64>(), 9)) {
        let block = json!({
            "input_tokens": counts[0], "output_tokens": counts[1], "cache_read_input_tokens": counts[2],
            "cache_creation_input_tokens": counts[3],
            "cache_creation": {"ephemeral_5m_input_tokens": counts[4], "ephemeral_1h_input_tokens": counts[5]},
            "prompt_tokens": counts[6], "completion_tokens": counts[7],
            "prompt_tokens_details": {"cached_tokens": counts[8], "cache_write_tokens": counts[0]},
            "completion_tokens_details": {"reasoning_tokens": counts[1]},
        });
        for operation in [Operation::Chat, Operation::Responses, Operation::Messages] {
            let usage = usage(operation, block.clone()).unwrap();
            let parts = [usage.cached_input, usage.cache_write_input, usage.cache_write_1h_input];
            prop_assert!(parts.iter().map(|part| u128::from(*part)).sum::<u128>() <= u128::from(usage.input));
            prop_assert!(usage.reasoning_output <= usage.output);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        for operation in Operation::ALL {
            let _ = (usage_in_body(operation, &body), response_id(operation, &body));
        }
    }
}
