use super::*;

fn messages(body: &Value) -> RequestFacts {
    read(Operation::Messages, body)
}

/// The facts of one user turn with this content.
fn content(content: &Value) -> RequestFacts {
    messages(&json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}))
}

/// The place and wording of the fault of a body with these messages.
fn message_fault(messages: &str) -> BodyFault {
    fault(Operation::Messages, &format!(r#"{{"model":"m","max_tokens":1,"messages":{messages}}}"#))
}

#[test]
fn messages_give_their_facts() {
    let facts = messages(&json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "system": "12345678",
        "messages": [
            {"role": "user", "content": "1234"},
            {"role": "assistant", "content": [{"type": "text", "text": "é"}]},
        ],
        "stream": true,
        "thinking": {"type": "enabled", "budget_tokens": 50},
        "metadata": {"user_id": "u"},
    }));
    assert_eq!(
        facts,
        RequestFacts {
            operation: Operation::Messages,
            model: "claude-sonnet-4-5".to_owned(),
            stream: true,
            include_usage: false,
            max_output_tokens: Some(100),
            choices: 1,
            prompt_bytes: 14,
            prompt_tokens: 4 + 3 * MESSAGE_TOKENS,
            previous_response: None,
            prefix_ids: vec![],
        }
    );
}

#[test]
fn max_tokens_must_be_there_to_generate_and_not_to_count() {
    let body = r#"{"model":"m","messages":[{"content":"x"}]}"#;
    let found = fault(Operation::Messages, body);
    assert_eq!(found.to_string(), "`max_tokens` is missing; this operation needs it");
    assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some("max_tokens")));
    let null = r#"{"model":"m","max_tokens":null,"messages":[{"content":"x"}]}"#;
    assert_eq!(fault(Operation::Messages, null).param(), Some("max_tokens"));
    let counted = extract(Operation::CountTokens, body.as_bytes()).unwrap();
    assert_eq!((counted.max_output_tokens, counted.prompt_tokens), (None, 1 + MESSAGE_TOKENS));
}

#[test]
fn text_is_counted_in_every_block_that_holds_it() {
    let bytes = |block: Value| content(&json!([block])).prompt_bytes;
    assert_eq!(bytes(json!({"type": "text", "text": "1234", "cache_control": {"type": "ephemeral"}})), 4);
    assert_eq!(bytes(json!({"type": "thinking", "thinking": "123", "signature": "not counted"})), 3);
    assert_eq!(bytes(json!({"type": "redacted_thinking", "data": "12"})), 2);
    let call = json!({"type": "tool_use", "id": "t", "name": "get", "input": {"Name": "a", "b": ["cd", 1]}});
    assert_eq!(bytes(call), 6);
    assert_eq!(bytes(json!({"type": "tool_result", "tool_use_id": "t", "content": "12345"})), 5);
    let nested = json!([{"type": "text", "text": "12"}, {"type": "text", "text": "345"}]);
    assert_eq!(bytes(json!({"type": "tool_result", "tool_use_id": "t", "content": nested})), 5);
    let document = json!({"type": "text", "media_type": "text/plain", "data": "1234567"});
    assert_eq!(bytes(json!({"type": "document", "source": document, "title": "12"})), 9);
    let search = json!({"type": "search_result", "source": "url", "title": "t", "content": nested});
    assert_eq!(bytes(search), 9);
}

#[test]
fn images_and_documents_count_as_parts_and_their_data_not_at_all() {
    let base = content(&json!([])).prompt_tokens;
    let image =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    for block in [
        image.clone(),
        json!({"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}}),
        json!({"type": "document", "source": {"data": "JVBERi0=", "type": "base64"}}),
        json!({"type": "invented_later"}),
    ] {
        let facts = content(&json!([block]));
        assert_eq!((facts.prompt_bytes, facts.prompt_tokens), (0, base + MEDIA_PART_TOKENS), "{block}");
    }
    let found = json!({"type": "tool_result", "tool_use_id": "t", "content": [image]});
    assert_eq!(content(&json!([found])).prompt_tokens, base + MEDIA_PART_TOKENS);
    let nothing = json!({"type": "tool_result", "tool_use_id": "t"});
    assert_eq!(content(&json!([nothing])).prompt_tokens, base);
}

#[test]
fn tools_and_output_formats_count_towards_the_prompt() {
    let mut body = smallest(Operation::Messages);
    let base = messages(&body).prompt_tokens;
    body["tools"] = json!([{"name": "get", "input_schema": {"type": "object"}}]);
    let bytes = body["tools"].to_string().len() as u64;
    assert_eq!(messages(&body).prompt_tokens, base + bytes.div_ceil(4));
}

#[test]
fn a_system_prompt_is_a_string_or_blocks() {
    let system = |system: Value| {
        let body = json!({"model": "m", "max_tokens": 1, "messages": [{"content": ""}], "system": system});
        extract(Operation::Messages, body.to_string().as_bytes())
    };
    assert_eq!(system(json!("1234")).unwrap().prompt_bytes, 4);
    assert_eq!(system(json!([{"type": "text", "text": "12"}])).unwrap().prompt_bytes, 2);
    assert_eq!(system(Value::Null).unwrap().prompt_bytes, 0);
    let found = system(json!(7)).unwrap_err();
    assert_eq!(found.to_string(), "`system` must be a string, an array of text blocks or `null` (byte 65)");
    assert_eq!(system(json!([7])).unwrap_err().param(), Some("system"));
}

#[test]
fn a_fault_in_a_block_names_the_block() {
    let found =
        message_fault(r#"[{"content":[{"type":"tool_result","content":[{"type":"text","text":7}]}]}]"#);
    assert_eq!(found.to_string(), "`messages[0].content[0].content[0]` must be a string (byte 107)");
    for messages in ["[]", "null", "[1]", r#"[{"content":null}]"#, r#"[{"content":["x"]}]"#] {
        let found = message_fault(messages);
        assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some("messages")), "{messages}");
    }
}

#[test]
fn a_key_twice_in_a_block_is_refused() {
    for messages in [
        r#"[{"content":"","content":"long"}]"#,
        r#"[{"content":[{"text":"","text":"long"}]}]"#,
        r#"[{"content":[{"source":{"data":"","data":"long"}}]}]"#,
    ] {
        assert_eq!(message_fault(messages).reason(), Reason::InvalidJson, "{messages}");
    }
}

#[test]
fn equal_system_prompts_give_equal_leading_ids_wherever_they_stand() {
    let ids = |system: &str, text: &str, system_first: bool| {
        let (system, messages) = (json!(system), json!([{"content": text}]));
        let body = if system_first {
            format!(r#"{{"system":{system},"model":"m","max_tokens":1,"messages":{messages}}}"#)
        } else {
            format!(r#"{{"model":"m","max_tokens":1,"messages":{messages},"system":{system}}}"#)
        };
        extract(Operation::Messages, body.as_bytes()).unwrap().prefix_ids
    };
    let (system, text) = ("s".repeat(5000), "t".repeat(5000));
    let whole = ids(&system, &text, true);
    assert_eq!(whole.len(), 4);
    assert_eq!(whole, ids(&system, &text, false));
    assert_eq!(whole[..2], ids(&system, "x", false));
    // Another system prompt, even where it differs after its last whole block, is another prefix.
    let other = ids(&format!("{system}."), &text, true);
    assert_eq!(whole[..2], other[..2]);
    assert!(whole[2..].iter().all(|id| !other.contains(id)));
    assert_eq!(ids(&"s".repeat(1 << 20), &text, false).len(), MAX_PREFIX_IDS);
}
