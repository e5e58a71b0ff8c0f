use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vocabulary::{Prices, Reason, Usage};

use crate::openai::*;

fn edited(body: &str, edits: Edits<'_>) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    String::from_utf8(set_fields(&body, &edits).unwrap().to_vec()).unwrap()
}

#[test]
fn an_edit_changes_its_field_and_no_other_byte() {
    let model = Edits { model: Some("up\"stream"), include_usage: false };
    assert_eq!(edited(r#"{ "model" : "m" , "x":1e2 }"#, model), r#"{ "model" : "up\"stream" , "x":1e2 }"#);
    assert_eq!(edited(r#"{"a":1}"#, model), r#"{"model":"up\"stream","a":1}"#);
    assert_eq!(edited("{ }", model), r#"{"model":"up\"stream" }"#);
    // Not the top level: not the field.
    assert_eq!(
        edited(r#"{"model":"m","t":{"model":"m"}}"#, model),
        r#"{"model":"up\"stream","t":{"model":"m"}}"#
    );
}

#[test]
fn usage_is_asked_for_whatever_the_caller_wrote() {
    let usage = Edits { model: None, include_usage: true };
    let cases = [
        (r#"{"a":1}"#, r#"{"stream_options":{"include_usage":true},"a":1}"#),
        (r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{ }}"#, r#"{"stream_options":{"include_usage":true }}"#),
        (r#"{"stream_options":{"include_usage":false}}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{"include_usage":null}}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{"other":1}}"#, r#"{"stream_options":{"include_usage":true,"other":1}}"#),
    ];
    for (body, expected) in cases {
        assert_eq!(edited(body, usage), expected);
    }
}

#[test]
fn a_body_that_needs_no_edit_is_not_copied() {
    let body = Bytes::from_static(br#"{"model":"m","stream_options":{"include_usage":true}}"#);
    let edits = Edits { model: Some("m"), include_usage: true };
    assert_eq!(set_fields(&body, &edits).unwrap().as_ptr(), body.as_ptr());
}

#[test]
fn a_body_that_is_no_object_cannot_be_edited() {
    let edits = Edits { model: Some("m"), include_usage: false };
    for body in ["[]", "", "{", "{} {}"] {
        assert!(set_fields(&Bytes::from_static(body.as_bytes()), &edits).is_err(), "{body}");
    }
}

#[test]
fn an_error_has_the_four_fields_clients_read() {
    let body = error_body(Reason::UnknownModel, "no route serves \"this\"", Some("model"));
    let expected = json!({"error": {
        "message": "no route serves \"this\"", "type": "invalid_request_error", "param": "model", "code": "unknown_model",
    }});
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
    let bare: Value = serde_json::from_slice(&error_body(Reason::NoBackend, "", None)).unwrap();
    assert_eq!(bare["error"]["param"], Value::Null);
}

#[test]
fn a_broken_stream_ends_in_an_error_event_and_no_done() {
    let event = stream_error_event(Reason::StreamBroken, "line\nbreak");
    let text = std::str::from_utf8(&event).unwrap();
    let data = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    assert!(!data.contains('\n'));
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["error"]["code"], "stream_broken");
}

#[test]
fn the_codes_that_matter_are_told_apart() {
    use BackendErrorCode::*;
    let code = |code: Value, kind: Value| {
        error_code(json!({"error": {"code": code, "type": kind}}).to_string().as_bytes())
    };
    assert_eq!(code(json!("insufficient_quota"), json!("insufficient_quota")), Some(InsufficientQuota));
    assert_eq!(code(json!("rate_limit_exceeded"), json!("insufficient_quota")), Some(InsufficientQuota));
    assert_eq!(code(json!("rate_limit_exceeded"), json!("requests")), Some(RateLimitExceeded));
    assert_eq!(code(json!("429"), json!("tokens")), Some(RateLimitExceeded));
    assert_eq!(code(json!(429), Value::Null), Some(Other));
    assert_eq!(
        code(json!("context_length_exceeded"), json!("invalid_request_error")),
        Some(ContextLengthExceeded)
    );
    assert_eq!(code(json!("content_filter"), Value::Null), Some(ContentFilter));
    assert_eq!(code(json!("DeploymentNotFound"), Value::Null), Some(ModelNotFound));
    for body in ["", "<html>", "{}", r#"{"error":"no"}"#, "[]"] {
        assert_eq!(error_code(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn usage_is_read_with_its_parts() {
    let usage = |usage: Value| {
        usage_in_body(json!({"id": "x", "usage": usage, "choices": []}).to_string().as_bytes())
    };
    let full = json!({
        "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30},
    });
    let expected =
        Usage { input: 100, cached_input: 60, output: 40, reasoning_output: 30, ..Usage::default() };
    assert_eq!(usage(full), Some(expected));
    let nulls = json!({"prompt_tokens": 7, "completion_tokens": null, "prompt_tokens_details": null});
    assert_eq!(usage(nulls), Some(Usage { input: 7, ..Usage::default() }));
    let embedding = json!({"prompt_tokens": 8, "total_tokens": 8});
    assert_eq!(usage(embedding), Some(Usage { input: 8, ..Usage::default() }));
    let total_only = json!({"prompt_tokens": 8, "total_tokens": 11});
    assert_eq!(usage(total_only).map(|usage| usage.output), Some(3));
    let impossible =
        json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}});
    assert_eq!(usage(impossible).map(|usage| usage.cached_input), Some(5));
    for nothing in [
        Value::Null,
        json!({}),
        json!([]),
        json!(3),
        json!({"prompt_tokens": -1}),
        json!({"total_tokens": 3}),
    ] {
        assert_eq!(usage(nothing.clone()), None, "{nothing}");
    }
}

#[test]
fn a_model_list_has_the_shape_of_openai_s() {
    let prices: Prices = serde_json::from_value(json!({
        "input": "2.50 USD/1M", "cached_input": "1.25 USD/1M", "cache_write": "2.50 USD/1M", "cache_write_1h": "2.50 USD/1M", "output": "10 USD/1M",
    }))
    .unwrap();
    let plain = ModelCard { id: "small", created: 1, owned_by: "us", context_window: None, pricing: None };
    let full =
        ModelCard { id: "large", context_window: Some(128_000), pricing: Some(prices), ..plain.clone() };
    let list: Value = serde_json::from_slice(&models_body(&[plain, full])).unwrap();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0], json!({"id": "small", "object": "model", "created": 1, "owned_by": "us"}));
    assert_eq!(list["data"][1]["context_window"], 128_000);
    assert_eq!(list["data"][1]["pricing"]["input"], "2.5 USD/1M");
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
    ];
    let options = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        prop::collection::btree_map(
            prop_oneof![Just("include_usage".to_owned()), any::<String>()],
            value.clone(),
            0..3
        )
        .prop_map(|members| Value::Object(members.into_iter().collect())),
    ];
    let key = prop_oneof![Just("model".to_owned()), any::<String>()];
    (prop::collection::btree_map(key, value, 0..5), prop::option::of(options)).prop_map(
        |(members, options)| {
            let mut object: Map<_, _> = members.into_iter().collect();
            object.extend(options.map(|options| ("stream_options".to_owned(), options)));
            object
        },
    )
}

proptest! {
    #[test]
    fn an_edited_body_differs_in_the_edited_fields_only(object in objects(), pretty: bool, model in prop::option::of(any::<String>()), include_usage: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
        let edits = Edits { model: model.as_deref(), include_usage };
        let edited: Value = serde_json::from_slice(&set_fields(&text.into(), &edits).unwrap()).unwrap();

        let mut expected = object;
        if let Some(model) = model {
            expected.insert("model".to_owned(), model.into());
        }
        if include_usage {
            let options = expected.entry("stream_options").or_insert(Value::Null);
            if !options.is_object() {
                *options = json!({});
            }
            options["include_usage"] = true.into();
        }
        prop_assert_eq!(edited, Value::Object(expected));
    }
}
