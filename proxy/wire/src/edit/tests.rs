use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vocabulary::Operation;

use super::*;

/// The body with the edits made, by the layout of a walk of its own.
fn set_fields(body: &Bytes, edits: &Edits<'_>) -> Result<Bytes, Fault> {
    Layout::of(Operation::Chat, body)?.apply(body, edits)
}

fn edited_in(operation: Operation, body: &str, edits: Edits<'_>) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let edited = Layout::of(operation, &body).unwrap().apply(&body, &edits).unwrap();
    String::from_utf8(edited.to_vec()).unwrap()
}

fn edited(body: &str, edits: Edits<'_>) -> String {
    edited_in(Operation::Chat, body, edits)
}

#[test]
fn an_edit_changes_its_field_and_no_other_byte() {
    let model = Edits { model: Some("up\"stream"), include_usage: false, ..Edits::default() };
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
    let usage = Edits { model: None, include_usage: true, ..Edits::default() };
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
    let edits = Edits { model: Some("m"), include_usage: true, ..Edits::default() };
    assert_eq!(set_fields(&body, &edits).unwrap().as_ptr(), body.as_ptr());
}

#[test]
fn a_body_that_is_no_object_cannot_be_edited() {
    let edits = Edits { model: Some("m"), include_usage: false, ..Edits::default() };
    for body in ["[]", "", "{", "{} {}"] {
        assert!(set_fields(&Bytes::from_static(body.as_bytes()), &edits).is_err(), "{body}");
    }
}

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

/// The body with one field edited.
fn field(body: &str, dotted: &str, operation: FieldOperation<'_>) -> String {
    let fields = [FieldEdit { path: &path(dotted), operation }];
    edited_in(Operation::Chat, body, Edits { fields: &fields, ..Edits::default() })
}

#[test]
fn a_field_is_set_whatever_it_was() {
    let set = |body, dotted| field(body, dotted, FieldOperation::Set("0.5"));
    assert_eq!(set(r#"{ "t" : 1 , "x" : 2 }"#, "t"), r#"{ "t" : 0.5 , "x" : 2 }"#);
    assert_eq!(set(r#"{"x":2}"#, "t"), r#"{"t":0.5,"x":2}"#);
    assert_eq!(set("{}", "t"), r#"{"t":0.5}"#);
    assert_eq!(set(r#"{"a":{"x":1}}"#, "a.t"), r#"{"a":{"t":0.5,"x":1}}"#);
    assert_eq!(set(r#"{"x":1}"#, "a.b.t"), r#"{"a":{"b":{"t":0.5}},"x":1}"#);
    assert_eq!(set(r#"{"a":"text"}"#, "a.b.t"), r#"{"a":{"b":{"t":0.5}}}"#);
    assert_eq!(set(r#"{"a":[{"t":1}]}"#, "a.t"), r#"{"a":{"t":0.5}}"#);
    assert_eq!(set(r#"{"\u0074":1}"#, "t"), r#"{"\u0074":0.5}"#);
    // The name is a key, and a quote in it is part of the key.
    assert_eq!(set("{}", "a\"b"), r#"{"a\"b":0.5}"#);
}

#[test]
fn a_key_that_comes_twice_is_edited_twice() {
    let body = r#"{"a":{"t":1,"t":2,"u":3,"t":4}}"#;
    assert_eq!(field(body, "a.t", FieldOperation::Set("9")), r#"{"a":{"t":9,"t":9,"u":3,"t":9}}"#);
    assert_eq!(field(body, "a.t", FieldOperation::Remove), r#"{"a":{"u":3}}"#);
}

#[test]
fn a_default_yields_to_what_is_there_and_not_to_null() {
    let default = |body, dotted| field(body, dotted, FieldOperation::Default("0.5"));
    assert_eq!(default(r#"{"t":1}"#, "t"), r#"{"t":1}"#);
    assert_eq!(default(r#"{"t":null}"#, "t"), r#"{"t":0.5}"#);
    assert_eq!(default(r#"{"x":1}"#, "t"), r#"{"t":0.5,"x":1}"#);
    assert_eq!(default(r#"{"a":null}"#, "a.t"), r#"{"a":{"t":0.5}}"#);
    assert_eq!(default(r#"{"a":"text"}"#, "a.t"), r#"{"a":"text"}"#);
}

#[test]
fn a_removed_field_takes_one_comma_with_it() {
    let removed = |body, dotted| field(body, dotted, FieldOperation::Remove);
    assert_eq!(removed(r#"{"t":1,"x":2}"#, "t"), r#"{"x":2}"#);
    assert_eq!(removed(r#"{"x":2, "t":[{"t":1}]}"#, "t"), r#"{"x":2}"#);
    assert_eq!(removed(r#"{"t":1}"#, "t"), "{}");
    assert_eq!(removed(r#"{"a":{"t":1,"x":2},"t":3}"#, "a.t"), r#"{"a":{"x":2},"t":3}"#);
    for body in [r#"{"x":1}"#, r#"{"a":7}"#, r#"{"a":{"x":{"t":1}}}"#] {
        assert_eq!(removed(body, "a.t"), body);
    }
}

#[test]
fn a_clamp_moves_numbers_and_nothing_else() {
    let clamped =
        |value: &str, min, max| field(&format!("{{\"t\":{value}}}"), "t", FieldOperation::Clamp { min, max });
    let cases = [
        ("2", Some("0"), Some("1"), "1"),
        ("-2", Some("0"), Some("1"), "0"),
        ("0.25", Some("0"), Some("1"), "0.25"),
        ("1e9", None, Some("4096"), "4096"),
        ("7", Some("16"), None, "16"),
        ("null", Some("16"), None, "null"),
        ("\"9\"", None, Some("1"), "\"9\""),
    ];
    for (value, min, max, expected) in cases {
        assert_eq!(clamped(value, min, max), format!("{{\"t\":{expected}}}"), "{value}");
    }
    let absent = field("{}", "t", FieldOperation::Clamp { min: Some("1"), max: None });
    assert_eq!(absent, "{}");
}

#[test]
fn edits_of_fields_come_one_after_the_other_and_after_the_gateway_s_own() {
    let (options, user) = (path("stream_options"), path("user"));
    let fields = [
        FieldEdit { path: &options, operation: FieldOperation::Remove },
        FieldEdit { path: &user, operation: FieldOperation::Set("\"a\"") },
        FieldEdit { path: &user, operation: FieldOperation::Default("\"b\"") },
    ];
    let edits = Edits { model: Some("m"), include_usage: true, fields: &fields, system_prefix: None };
    assert_eq!(edited_in(Operation::Chat, r#"{"model":"x"}"#, edits), r#"{"user":"a","model":"m"}"#);
}

#[test]
fn an_edit_that_puts_something_else_than_json_there_is_found_out_by_the_next() {
    let (a, b) = (path("a"), path("b"));
    let fields = [
        FieldEdit { path: &a, operation: FieldOperation::Set("}") },
        FieldEdit { path: &b, operation: FieldOperation::Remove },
    ];
    let body = Bytes::from_static(b"{}");
    assert!(set_fields(&body, &Edits { fields: &fields, ..Edits::default() }).is_err());
}

/// The body with text before its system prompt.
fn prefixed(operation: Operation, body: &str) -> String {
    edited_in(operation, body, Edits { system_prefix: Some("Be \"brief\"."), ..Edits::default() })
}

#[test]
fn a_prefix_joins_the_system_message_that_opens_a_chat() {
    let chat = |messages: &str| {
        let body = prefixed(Operation::Chat, &format!("{{\"messages\":{messages}}}"));
        body.strip_prefix("{\"messages\":").unwrap().strip_suffix('}').unwrap().to_owned()
    };
    for role in ["system", "developer"] {
        assert_eq!(
            chat(&format!(r#"[{{"content":"Hi \u00e9","role":"{role}"}},{{}}]"#)),
            format!(r#"[{{"content":"Be \"brief\".\n\nHi \u00e9","role":"{role}"}},{{}}]"#)
        );
    }
    assert_eq!(
        chat(r#"[{"role":"system","content":[{"type":"text","text":"Hi"}]}]"#),
        r#"[{"role":"system","content":[{"type":"text","text":"Be \"brief\"."},{"type":"text","text":"Hi"}]}]"#
    );
    assert_eq!(
        chat(r#"[{"role":"system","content":""}]"#),
        r#"[{"role":"system","content":"Be \"brief\"."}]"#
    );
    let own = r#"{"role":"system","content":"Be \"brief\"."}"#;
    for messages in [r#"{"role":"user","content":"Hi"}"#, r#"{"role":"system","content":null}"#, "7"] {
        assert_eq!(chat(&format!("[{messages}]")), format!("[{own},{messages}]"));
    }
    assert_eq!(chat("[ ]"), format!("[{own} ]"));
}

#[test]
fn a_prefix_goes_where_each_api_keeps_its_system_prompt() {
    for operation in [Operation::Messages, Operation::CountTokens] {
        let messages = |system: &str| prefixed(operation, &format!(r#"{{"system":{system}}}"#));
        assert_eq!(messages("\"Hi\""), r#"{"system":"Be \"brief\".\n\nHi"}"#);
        assert_eq!(messages("null"), r#"{"system":"Be \"brief\"."}"#);
        assert_eq!(messages("[ ]"), r#"{"system":[{"type":"text","text":"Be \"brief\"."} ]}"#);
        assert_eq!(
            messages(r#"[{"type":"text","text":"Hi"}]"#),
            r#"{"system":[{"type":"text","text":"Be \"brief\"."},{"type":"text","text":"Hi"}]}"#
        );
        assert_eq!(prefixed(operation, r#"{"a":1}"#), r#"{"system":"Be \"brief\".","a":1}"#);
    }
    assert_eq!(
        prefixed(Operation::Responses, r#"{"instructions":"Hi"}"#),
        r#"{"instructions":"Be \"brief\".\n\nHi"}"#
    );
    assert_eq!(prefixed(Operation::Responses, "{}"), r#"{"instructions":"Be \"brief\"."}"#);
    for operation in [Operation::TextCompletion, Operation::Embeddings] {
        assert_eq!(prefixed(operation, r#"{"prompt":"Hi","input":"Hi"}"#), r#"{"prompt":"Hi","input":"Hi"}"#);
    }
}

#[test]
fn usage_is_asked_for_only_where_the_api_has_a_field_for_it() {
    let usage = Edits { include_usage: true, ..Edits::default() };
    for operation in [Operation::Messages, Operation::Responses, Operation::Embeddings] {
        assert_eq!(edited_in(operation, "{}", usage), "{}");
    }
    assert_ne!(edited_in(Operation::TextCompletion, "{}", usage), "{}");
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
        let edits = Edits { model: model.as_deref(), include_usage, ..Edits::default() };
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

    #[test]
    fn an_edited_field_reads_as_edited_and_the_rest_as_before(object in objects(), pretty: bool, path in prop::collection::vec("[a-c]", 1..4), remove: bool) {
        let mut object = object;
        object.insert("a".to_owned(), json!({"b": {"c": 1}, "c": [2]}));
        let text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
        let operation = if remove { FieldOperation::Remove } else { FieldOperation::Set("{\"new\":1}") };
        let fields = [FieldEdit { path: &path, operation }];
        let edits = Edits { fields: &fields, ..Edits::default() };
        let edited: Value = serde_json::from_slice(&set_fields(&text.into(), &edits).unwrap()).unwrap();

        let mut expected = Value::Object(object);
        let (last, way) = path.split_last().unwrap();
        let mut here = Some(&mut expected);
        for key in way {
            here = here.and_then(|here| {
                if !remove && !here[key.as_str()].is_object() {
                    here[key.as_str()] = json!({});
                }
                here.get_mut(key)
            });
        }
        if let Some(object) = here.and_then(Value::as_object_mut) {
            if remove { object.remove(last); } else { object.insert(last.clone(), json!({"new": 1})); }
        }
        prop_assert_eq!(edited, expected);
    }
}
