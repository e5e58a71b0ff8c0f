//! What is read, what is refused, and the ways around a field policy that must not work.

use proptest::prelude::*;

use super::*;

fn chat() -> Schema {
    Schema::named("openai-chat").unwrap()
}

fn fields(body: &str) -> Fields {
    read(&chat(), body.as_bytes(), &Bounds::default(), Classes::default()).unwrap()
}

fn problem(body: impl AsRef<[u8]>) -> FieldProblem {
    read(&chat(), body.as_ref(), &Bounds::default(), Classes::default()).unwrap_err().problem
}

fn class_of(body: &str, path: &str) -> Class {
    let fields = fields(body);
    fields
        .fields
        .iter()
        .find(|field| field.path == path)
        .map_or_else(|| panic!("{path} is not among {:?}", fields.fields), |field| field.class)
}

#[test]
fn every_api_has_a_schema_under_the_name_manifests_use() {
    for name in Schema::NAMES {
        assert!(Schema::named(name).is_some(), "{name}");
    }
    assert_eq!(Schema::named("openai"), None);
}

#[test]
fn content_is_prose_and_what_nobody_knows_is_unknown() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}],"metadata":{"team":"x"}}"#;
    assert_eq!(class_of(body, "json.messages.array_0.content"), Class::Prose);
    assert_eq!(class_of(body, "json.model"), Class::Identifier);
    assert_eq!(class_of(body, "json.metadata.team"), Class::Unknown);
    assert_eq!(fields(body).roles, ["user"]);
}

#[test]
fn the_canonical_form_is_one_whatever_the_spelling() {
    let spelled = "{ \"model\" : \"\\u006d\" ,\n \"messages\":[ {\"role\":\"us\\u0065r\",\"content\":\"a\\/b\\u0001\"}]}";
    let fields = fields(spelled);
    let canonical = r#"{"model":"m","messages":[{"role":"user","content":"a/b\u0001"}]}"#;
    assert_eq!(String::from_utf8(fields.canonical).unwrap(), canonical);
    let visible = r#"{"model":"m","messages":[{"role":"user","content":""}]}"#;
    assert_eq!(String::from_utf8(fields.visible).unwrap(), visible);
}

#[test]
fn trick_01_a_key_that_comes_twice_is_refused_at_every_depth() {
    assert_eq!(problem(r#"{"model":"a","model":"b"}"#), FieldProblem::DuplicateKey);
    assert_eq!(problem(r#"{"metadata":{"a":1,"a":2}}"#), FieldProblem::DuplicateKey);
    assert_eq!(problem(r#"{"messages":[{"content":"a","content":"b"}]}"#), FieldProblem::DuplicateKey);
}

#[test]
fn trick_02_a_key_spelled_with_escapes_is_the_same_key() {
    assert_eq!(problem(r#"{"messages":[{"content":"a","c\u006fntent":"b"}]}"#), FieldProblem::DuplicateKey);
}

#[test]
fn trick_03_a_key_that_differs_in_case_alone_is_refused_where_the_schema_names_keys() {
    assert_eq!(problem(r#"{"messages":[{"content":"a","Content":"b"}]}"#), FieldProblem::DuplicateKey);
    assert_eq!(
        class_of(r#"{"messages":[{"Content":"x"}]}"#, "json.messages.array_0.Content"),
        Class::Unknown
    );
    fields(r#"{"metadata":{"a":1,"A":2}}"#);
}

#[test]
fn trick_04_bytes_that_are_not_utf8_are_refused() {
    let body = b"{\"messages\":[{\"content\":\"\xc0\xbcscript\"}]}";
    assert!(matches!(problem(body), FieldProblem::Syntax(_)));
}

#[test]
fn trick_05_half_a_surrogate_pair_is_refused() {
    assert!(matches!(problem(r#"{"model":"\ud800"}"#), FieldProblem::Syntax(_)));
}

#[test]
fn trick_06_a_byte_order_mark_and_other_encodings_are_refused() {
    assert!(matches!(problem("\u{feff}{}"), FieldProblem::Syntax(_)));
    assert!(matches!(problem(b"{\x00\"\x00a\x00"), FieldProblem::Syntax(_)));
}

#[test]
fn trick_07_a_second_document_behind_the_first_is_refused() {
    assert!(matches!(problem(r#"{"model":"a"}{"model":"b"}"#), FieldProblem::Syntax(_)));
}

#[test]
fn trick_08_content_as_an_object_is_unknown_not_prose() {
    let body = r#"{"messages":[{"content":{"text":"x"}}]}"#;
    assert_eq!(class_of(body, "json.messages.array_0.content.text"), Class::Unknown);
}

#[test]
fn trick_09_an_unknown_kind_of_part_is_inspected() {
    let body = r#"{"messages":[{"content":[{"type":"text","payload":"x"}]}]}"#;
    assert_eq!(class_of(body, "json.messages.array_0.content.array_0.payload"), Class::Unknown);
}

#[test]
fn trick_10_arrays_in_arrays_of_content_are_unknown() {
    let body = r#"{"messages":[{"content":[["x"]]}]}"#;
    assert_eq!(class_of(body, "json.messages.array_0.content.array_0.array_0"), Class::Unknown);
}

#[test]
fn trick_11_arguments_of_a_tool_are_read_through_their_string() {
    let body = r#"{"messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{\"q\":\"\\u003cscript\"}"}}]}]}"#;
    let fields = fields(body);
    let path = "json.messages.array_0.tool_calls.array_0.function.arguments.q";
    let field = fields.fields.iter().find(|field| field.path == path).unwrap();
    assert_eq!((field.class, field.value.as_str()), (Class::ToolArguments, "<script"));
}

#[test]
fn trick_12_arguments_that_are_no_json_are_inspected_as_they_are() {
    let body = r#"{"messages":[{"tool_calls":[{"function":{"arguments":"{\"q\":1,\"q\":2}"}}]}]}"#;
    let path = "json.messages.array_0.tool_calls.array_0.function.arguments";
    assert_eq!(class_of(body, path), Class::ToolArguments);
}

#[test]
fn trick_13_media_that_is_no_base64_is_inspected() {
    let url = |url: &str| {
        let body = format!(r#"{{"messages":[{{"content":[{{"image_url":{{"url":"{url}"}}}}]}}]}}"#);
        class_of(&body, "json.messages.array_0.content.array_0.image_url.url")
    };
    assert_eq!(url("data:image/png;base64,iVBORw0KGgo="), Class::Media);
    assert_eq!(url("data:text/html;base64,<script>"), Class::Unknown);
    assert_eq!(url("https://169.254.169.254/latest?x=1"), Class::Unknown);
    assert_eq!(url("javascript:alert(1)"), Class::Unknown);
}

#[test]
fn trick_14_numbers_out_of_range_are_refused() {
    assert_eq!(problem(r#"{"temperature":1e999}"#), FieldProblem::Number);
    let long = format!(r#"{{"seed":{}}}"#, "9".repeat(50));
    assert_eq!(problem(long), FieldProblem::Number);
}

#[test]
fn trick_15_depth_and_count_are_bounded() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    assert_eq!(problem(deep), FieldProblem::Depth);
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(100_001));
    assert_eq!(problem(many), FieldProblem::TooMany);
}

#[test]
fn trick_16_long_keys_are_refused() {
    assert_eq!(problem(format!("{{\"{}\":1}}", "k".repeat(300))), FieldProblem::LongKey);
}

#[test]
fn trick_17_a_list_instead_of_an_object_is_refused() {
    assert_eq!(problem(r#"[{"messages":[]}]"#), FieldProblem::NotAnObject);
    assert_eq!(problem(r#""text""#), FieldProblem::NotAnObject);
}

#[test]
fn trick_18_a_content_beside_the_messages_is_unknown() {
    assert_eq!(class_of(r#"{"content":"x"}"#, "json.content"), Class::Unknown);
    assert_eq!(
        class_of(r#"{"a":{"messages":[{"content":"x"}]}}"#, "json.a.messages.array_0.content"),
        Class::Unknown
    );
}

#[test]
fn trick_19_keys_with_dots_do_not_become_known_paths() {
    let fields = fields(r#"{"messages.array_0.content":"x"}"#);
    assert_eq!(fields.fields.first().unwrap().class, Class::Unknown);
}

#[test]
fn trick_20_messages_as_an_object_with_numbers_for_keys_are_unknown() {
    let body = r#"{"messages":{"0":{"content":"x"}}}"#;
    assert_eq!(class_of(body, "json.messages.0.content"), Class::Unknown);
}

#[test]
fn trick_21_base64_with_something_else_behind_it_is_inspected() {
    for data in ["iVBORw0KGgo=<script>", "iVBOR w0KGgo=", "iVBORw0KGgo=' OR 1=1--"] {
        let url = format!("data:image/png;base64,{data}");
        let body = format!(r#"{{"messages":[{{"content":[{{"image_url":{{"url":"{url}"}}}}]}}]}}"#);
        assert_eq!(class_of(&body, "json.messages.array_0.content.array_0.image_url.url"), Class::Unknown);
    }
}

#[test]
fn trick_22_an_attack_as_a_key_stands_in_the_name_that_rules_see() {
    assert_eq!(class_of(r#"{"metadata":{"<script>":"x"}}"#, "json.metadata.<script>"), Class::Unknown);
    let body = r#"{"messages":[{"content":"x","\u003cscript>":"y"}]}"#;
    assert_eq!(class_of(body, "json.messages.array_0.<script>"), Class::Unknown);
}

#[test]
fn trick_23_arguments_that_are_a_string_of_json_are_inspected() {
    let body =
        r#"{"messages":[{"tool_calls":[{"function":{"arguments":"\"{\\\"q\\\":\\\"<script>\\\"}\""}}]}]}"#;
    let fields = fields(body);
    let seen = fields.fields.iter().find(|field| field.value.contains("<script>")).unwrap();
    assert_eq!(seen.class, Class::ToolArguments);
}

#[test]
fn trick_24_a_name_beside_prose_is_no_prose() {
    let body = r#"{"messages":[{"role":"user","name":"<script>","content":"x","tool_call_id":"1 or 1=1"}]}"#;
    for path in
        ["json.messages.array_0.name", "json.messages.array_0.tool_call_id", "json.messages.array_0.role"]
    {
        assert!(!matches!(class_of(body, path), Class::Prose | Class::Code | Class::Media), "{path}");
    }
}

#[test]
fn comments_single_quotes_and_trailing_commas_are_no_json() {
    for body in [r#"{"a":1,}"#, "{'a':1}", "{\"a\":1}//x", "{\"a\":NaN}", "{\"a\":01}", "{\"a\":\"\t\"}"] {
        assert!(matches!(problem(body), FieldProblem::Syntax(_)), "{body}");
    }
}

#[test]
fn a_manifest_may_add_paths_and_cannot_write_nonsense() {
    let mut schema = chat();
    schema.add("metadata.note", Class::Prose).unwrap();
    let body = br#"{"metadata":{"note":"x","other":"y"}}"#;
    let fields = read(&schema, body, &Bounds::default(), Classes::default()).unwrap();
    let classes: Vec<Class> = fields.fields.iter().map(|field| field.class).collect();
    assert_eq!(classes, [Class::Prose, Class::Unknown]);
    assert!(matches!(schema.add("a..b", Class::Prose), Err(PathError::Empty(_))));
    assert!(matches!(schema.add("a.**.b", Class::Prose), Err(PathError::DeepInside(_))));
}

fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map("[a-z]{1,6}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same_and_is_its_own_canonical_form(value in document()) {
        let body = serde_json::json!({"messages": value, "model": "m"}).to_string();
        let once = read(&chat(), body.as_bytes(), &Bounds::default(), Classes::default());
        prop_assume!(once.is_ok());
        let once = once.unwrap();
        let read_back: serde_json::Value = serde_json::from_slice(&once.canonical).unwrap();
        prop_assert_eq!(read_back, serde_json::from_str::<serde_json::Value>(&body).unwrap());
        let twice = read(&chat(), &once.canonical, &Bounds::default(), Classes::default()).unwrap();
        prop_assert_eq!(twice.canonical, once.canonical);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&once.visible).is_ok());
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&chat(), &body, &Bounds::default(), Classes::default());
    }
}
