use super::*;

fn chat(body: &Value) -> RequestFacts {
    read(Operation::Chat, body)
}

/// The message for a chat body with these fields beside a valid model and messages.
fn message(fields: &str) -> String {
    fault(Operation::Chat, &format!(r#"{{"model":"m","messages":[{{}}],{fields}}}"#)).to_string()
}

#[test]
fn a_chat_gives_its_facts() {
    let facts = chat(&json!({
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "12345678"},
            {"role": "user", "content": [{"type": "text", "text": "1234"}, {"type": "text", "text": "é"}]},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_completion_tokens": 100,
        "max_tokens": 200,
        "n": 3,
        "temperature": 0.5,
    }));
    assert_eq!(
        facts,
        RequestFacts {
            operation: Operation::Chat,
            model: "gpt-4o".to_owned(),
            stream: true,
            include_usage: true,
            max_output_tokens: Some(200),
            choices: 3,
            prompt_bytes: 14,
            prompt_tokens: 4 + 2 * MESSAGE_TOKENS,
            previous_response: None,
            prefix_ids: vec![],
        }
    );
}

#[test]
fn null_means_absent() {
    let facts = chat(&json!({
        "model": "m", "messages": [{"role": "assistant", "content": null}], "stream": null,
        "stream_options": null, "max_tokens": null, "n": null, "tools": null,
    }));
    assert_eq!(
        (facts.stream, facts.include_usage, facts.max_output_tokens, facts.choices),
        (false, false, None, 1)
    );
    assert_eq!(facts.prompt_tokens, MESSAGE_TOKENS);
}

#[test]
fn tools_tool_calls_and_images_count_towards_the_prompt() {
    let plain = json!({"model": "m", "messages": [{"role": "user", "content": ""}]});
    let base = chat(&plain).prompt_tokens;
    let mut with_tools = plain.clone();
    with_tools["tools"] = json!([{"type": "function"}]);
    let bytes = with_tools["tools"].to_string().len() as u64;
    assert_eq!(chat(&with_tools).prompt_tokens, base + bytes.div_ceil(4));

    let image = json!({"model": "m", "messages": [{"content": [{"type": "image_url", "image_url": {"url": "data:xxxxxxxx"}}]}]});
    assert_eq!(chat(&image).prompt_tokens, base + MEDIA_PART_TOKENS);
    assert_eq!(chat(&image).prompt_bytes, 0);

    let call = json!({"model": "m", "messages": [{"tool_calls": [{"function": {"name": "f", "arguments": "{\"a\":1}"}}]}]});
    assert_eq!(chat(&call).prompt_bytes, 8);
}

#[test]
fn text_is_counted_unescaped() {
    let body = br#"{"model":"m","messages":[{"content":"\u00e9\n\ud83d\ude00\\"}]}"#;
    assert_eq!(extract(Operation::Chat, body).unwrap().prompt_bytes, 2 + 1 + 4 + 1);
}

#[test]
fn completions_and_embeddings_take_text_and_token_ids() {
    let read = |operation, field: &str, prompt: Value| {
        let body = json!({"model": "m", field: prompt, "n": 2}).to_string();
        let facts = extract(operation, body.as_bytes()).unwrap();
        (facts.prompt_bytes, facts.prompt_tokens, facts.choices)
    };
    let completion = |prompt| read(Operation::TextCompletion, "prompt", prompt);
    assert_eq!(completion(json!("12345")), (5, 2, 2));
    assert_eq!(completion(json!(["1234", "5678"])), (8, 2, 4));
    assert_eq!(completion(json!([1, 2, 3])), (0, 3, 2));
    assert_eq!(completion(json!([[1, 2, 3], [4]])), (0, 4, 4));
    assert_eq!(read(Operation::Embeddings, "input", json!(["1234", "5678"])), (8, 2, 1));
}

#[test]
fn best_of_counts_what_is_generated_and_not_only_what_is_returned() {
    let body = br#"{"model":"m","prompt":"x","n":2,"best_of":5}"#;
    assert_eq!(extract(Operation::TextCompletion, body).unwrap().choices, 5);
}

#[test]
fn a_fault_says_what_where_and_how_to_fix() {
    let cases = [
        (r#""n":0"#, "`n` must be a whole number from 1 to 128 (byte 33)"),
        (r#""n":129"#, "`n` must be a whole number from 1 to 128 (byte 33)"),
        (r#""n":1.0"#, "`n` must be a whole number from 1 to 128 (byte 33)"),
        (r#""stream":"yes""#, "`stream` must be `true` or `false` (byte 38)"),
        (r#""stream_options":[]"#, "`stream_options` must be an object or `null` (byte 46)"),
        (
            r#""stream_options":{"include_usage":1}"#,
            "`stream_options.include_usage` must be `true` or `false` (byte 63)",
        ),
        (r#""max_tokens":-1"#, "`max_tokens` must be a whole number, 0 or more (byte 42)"),
        (r#""max_tokens":99999999999999999999"#, "`max_tokens` must be a whole number, 0 or more (byte 42)"),
    ];
    for (fields, expected) in cases {
        assert_eq!(message(fields), expected);
    }
    let missing = fault(Operation::Chat, r#"{"messages":[{}]}"#);
    assert_eq!(missing.to_string(), "`model` is missing; this operation needs it");
    assert_eq!((missing.reason(), missing.param()), (Reason::InvalidField, Some("model")));
}

#[test]
fn a_fault_in_a_message_names_the_message() {
    let parts = r#"{"model":"m","messages":[{"content":""},{"content":[{"text":""},{"text":7}]}]}"#;
    let found = fault(Operation::Chat, parts);
    assert_eq!(found.to_string(), "`messages[1].content[1].text` must be a string (byte 72)");
    assert_eq!(found.param(), Some("messages"));
    for messages in ["[]", "{}", "\"hi\"", "null", "[1]", r#"[{"content":1}]"#, r#"[{"content":[1]}]"#] {
        let found = fault(Operation::Chat, &format!(r#"{{"model":"m","messages":{messages}}}"#));
        assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some("messages")), "{messages}");
    }
}

#[test]
fn prompts_of_mixed_or_wrong_kinds_are_refused() {
    for prompt in [
        "[]",
        "[[]]",
        "null",
        "{}",
        "7",
        "[1,\"a\"]",
        "[\"a\",1]",
        "[[1],2]",
        "[-1]",
        "[1.5]",
        "[null]",
        "[4294967296]",
    ] {
        let found = fault(Operation::TextCompletion, &format!(r#"{{"model":"m","prompt":{prompt}}}"#));
        assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some("prompt")), "{prompt}");
    }
}

#[test]
fn a_model_name_is_short_and_printable() {
    let named = |name: &str| {
        extract(Operation::Chat, json!({"model": name, "messages": [{}]}).to_string().as_bytes())
    };
    assert_eq!(named(&"m".repeat(256)).unwrap().model.len(), 256);
    for name in ["", "a\nb", "a\u{85}b", &"m".repeat(257)] {
        assert_eq!(named(name).unwrap_err().param(), Some("model"));
    }
}

#[test]
fn a_body_is_one_object_and_nothing_else() {
    for body in ["", "[]", "7", "{", "{}{}", "{\"model\":\"m\",\"messages\":[{}]}x"] {
        assert_eq!(fault(Operation::Chat, body).reason(), Reason::InvalidJson, "{body}");
    }
    assert_eq!(fault(Operation::ListModels, "{}").reason(), Reason::InvalidJson);
    let deep = format!(r#"{{"model":"m","messages":[{{}}],"x":{}}}"#, "[".repeat(128) + &"]".repeat(128));
    assert!(fault(Operation::Chat, &deep).to_string().contains("nested deeper than 128 levels"));
}

#[test]
fn a_key_twice_is_refused_where_it_would_change_what_is_counted() {
    let twice = [
        r#"{"model":"a","messages":[{}],"model":"b"}"#,
        r#"{"model":"a","messages":[{}],"mod\u0065l":"b"}"#,
        r#"{"model":"a","messages":[{}],"x":1,"x":2}"#,
        r#"{"model":"a","messages":[{"content":"","content":"long"}]}"#,
        r#"{"model":"a","messages":[{"content":[{"text":"","text":"long"}]}]}"#,
        r#"{"model":"a","messages":[{}],"stream_options":{"include_usage":true,"include_usage":false}}"#,
    ];
    for body in twice {
        let found = fault(Operation::Chat, body);
        assert_eq!(found.reason(), Reason::InvalidJson, "{body}");
        assert!(found.to_string().contains("the same key twice"), "{found}");
    }
    // The same key in two messages is no duplicate.
    assert!(extract(Operation::Chat, br#"{"model":"a","messages":[{"content":""},{"content":""}]}"#).is_ok());
}

#[test]
fn a_key_that_counts_in_other_letters_is_refused() {
    assert!(message(r#""Max_Tokens":5"#).contains("differs from `max_tokens`"));
    let nested = fault(Operation::Chat, r#"{"model":"m","messages":[{"Content":"x"}]}"#);
    assert_eq!((nested.reason(), nested.param()), (Reason::InvalidField, Some("messages")));
}

#[test]
fn too_many_keys_are_refused_before_they_cost_time() {
    let keys: String = (0..300).map(|key| format!(r#","k{key}":0"#)).collect();
    let found = fault(Operation::Chat, &format!(r#"{{"model":"m","messages":[{{}}]{keys}}}"#));
    assert!(found.to_string().contains("more than 256 keys"), "{found}");
}

#[test]
fn prefix_ids_are_stable() {
    // Written down, because access logs keep them: a change of value is a change of format. The reference
    // implementation of XXH3 gives the same two.
    let facts = chat(&json!({"model": "m", "messages": [{"content": "ab".repeat(2048)}]}));
    assert_eq!(facts.prefix_ids, [10_870_524_010_083_552_694, 12_751_672_415_541_137_023]);
}

#[test]
fn equal_beginnings_give_equal_leading_ids() {
    let ids = |texts: &[String]| {
        let messages: Vec<_> = texts.iter().map(|text| json!({"content": text})).collect();
        chat(&json!({"model": "m", "messages": messages})).prefix_ids
    };
    let (system, other) = ("s".repeat(5000), "o".repeat(5000));
    let short = ids(&[system.clone(), "x".repeat(3000)]);
    let long = ids(&[system.clone(), "y".repeat(30_000)]);
    assert_eq!((short.len(), long.len()), (3, 17));
    assert_eq!(short[..2], long[..2]);
    assert_ne!(short[2], long[2]);
    // Chained: what follows a different beginning differs even where the text is the same.
    let changed = ids(&[other, "y".repeat(30_000)]);
    assert!(changed.iter().zip(&long).all(|(a, b)| a != b));
    // A border between messages is part of the prefix.
    assert_ne!(ids(&["s".repeat(2048)]), ids(&["s".repeat(1024), "s".repeat(1024)]));
    assert_eq!(ids(&["s".repeat(1 << 20)]).len(), MAX_PREFIX_IDS);
}

proptest! {
    #[test]
    fn counting_agrees_with_a_tree(texts in prop::collection::vec(any::<String>(), 1..6), pretty: bool, n in 1_u64..=128) {
        let messages: Vec<_> = texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
        let body = json!({"model": "m", "messages": messages, "n": n, "user": texts[0]});
        let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.unwrap();
        let facts = extract(Operation::Chat, &body).unwrap();
        let bytes: usize = texts.iter().map(String::len).sum();
        prop_assert_eq!(facts.prompt_bytes, bytes as u64);
        prop_assert_eq!(facts.prompt_tokens, (bytes as u64).div_ceil(4) + MESSAGE_TOKENS * texts.len() as u64);
        prop_assert_eq!(facts.choices, n);
    }
}
