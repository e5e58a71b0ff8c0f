use super::*;

fn responses(body: &Value) -> RequestFacts {
    read(Operation::Responses, body)
}

/// The facts of one input item.
fn item(item: Value) -> RequestFacts {
    responses(&json!({"model": "m", "input": [item]}))
}

#[test]
fn responses_give_their_facts() {
    let facts = responses(&json!({
        "model": "gpt-5",
        "instructions": "12345678",
        "input": "1234",
        "max_output_tokens": 100,
        "stream": true,
        "stream_options": {"include_obfuscation": false},
        "previous_response_id": "resp_1",
        "reasoning": {"effort": "low"},
        "store": true,
    }));
    assert_eq!(
        facts,
        RequestFacts {
            operation: Operation::Responses,
            model: "gpt-5".to_owned(),
            stream: true,
            include_usage: false,
            max_output_tokens: Some(100),
            choices: 1,
            prompt_bytes: 12,
            prompt_tokens: 3 + 2 * MESSAGE_TOKENS,
            previous_response: Some(crate::response_key("resp_1")),
            prefix_ids: vec![],
        }
    );
}

#[test]
fn text_is_counted_in_every_item_that_holds_it() {
    let bytes = |found: Value| item(found).prompt_bytes;
    assert_eq!(bytes(json!({"role": "user", "content": "1234"})), 4);
    let parts = json!([{"type": "input_text", "text": "12"}, {"type": "output_text", "text": "345"}]);
    assert_eq!(bytes(json!({"type": "message", "role": "user", "content": parts})), 5);
    let call = json!({"type": "function_call", "call_id": "c", "name": "get", "arguments": "{\"a\":1}"});
    assert_eq!(bytes(call), 10);
    assert_eq!(bytes(json!({"type": "function_call_output", "call_id": "c", "output": "12345"})), 5);
    assert_eq!(bytes(json!({"type": "function_call_output", "call_id": "c", "output": parts})), 5);
    let reasoning = json!({
        "type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "1234"}],
        "content": null, "encrypted_content": "not counted",
    });
    assert_eq!(bytes(reasoning), 4);
    assert_eq!(bytes(json!({"type": "custom_tool_call", "call_id": "c", "name": "x", "input": "12"})), 3);
    assert_eq!(bytes(json!({"type": "item_reference", "id": "msg_1"})), 0);
}

#[test]
fn images_count_as_parts_and_their_data_not_at_all() {
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"});
    let facts = item(json!({"role": "user", "content": [image]}));
    assert_eq!((facts.prompt_bytes, facts.prompt_tokens), (0, MESSAGE_TOKENS + MEDIA_PART_TOKENS));
    let screenshot = json!({"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"});
    let facts = item(json!({"type": "computer_call_output", "call_id": "c", "output": screenshot}));
    assert_eq!((facts.prompt_bytes, facts.prompt_tokens), (0, MESSAGE_TOKENS + MEDIA_PART_TOKENS));
}

#[test]
fn tools_and_the_text_format_count_towards_the_prompt() {
    let mut body = smallest(Operation::Responses);
    let base = responses(&body).prompt_tokens;
    body["text"] = json!({"format": {"type": "json_schema", "schema": {}}});
    let bytes = body["text"].to_string().len() as u64;
    assert_eq!(responses(&body).prompt_tokens, base + bytes.div_ceil(4));
}

#[test]
fn input_may_be_missing_where_the_backend_holds_some() {
    for field in ["previous_response_id", "conversation", "prompt"] {
        let body = json!({"model": "m", field: "x"});
        assert_eq!(responses(&body).prompt_tokens, 0, "{field}");
        let null = json!({"model": "m", field: null}).to_string();
        assert_eq!(fault(Operation::Responses, &null).param(), Some("input"), "{field}");
    }
}

#[test]
fn input_of_a_wrong_kind_is_refused() {
    for input in ["[]", "7", "{}", "[1]", r#"["x"]"#, r#"[{"content":7}]"#, r#"[{"content":[{"text":1}]}]"#] {
        let found = fault(Operation::Responses, &format!(r#"{{"model":"m","input":{input}}}"#));
        assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some("input")), "{input}");
    }
    let found = fault(Operation::Responses, r#"{"model":"m","input":"x","instructions":[]}"#);
    assert_eq!(found.to_string(), "`instructions` must be a string or `null` (byte 40)");
    for id in ["\"\"", "7", "[]"] {
        let body = format!(r#"{{"model":"m","input":"x","previous_response_id":{id}}}"#);
        assert_eq!(fault(Operation::Responses, &body).param(), Some("previous_response_id"), "{id}");
    }
}
