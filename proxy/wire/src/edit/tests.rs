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
}
