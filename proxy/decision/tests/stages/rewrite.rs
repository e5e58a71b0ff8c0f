//! Stage 7: the request a backend gets, by kind of backend.

use std::collections::BTreeSet;

use bytes::Bytes;
use decision::{Exchange, Sending, UpstreamRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use rule_table::BackendKind;
use serde_json::{Map, Value, json};
use vocabulary::{Operation, Reason};

use crate::draft::{Draft, MODEL};
use crate::request::{Caller, Course, NOW, chat_of, smallest};

const CREDENTIAL: &str = "upstream-secret";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// What its provider calls the deployment.
const UPSTREAM: &str = "prod-4o";

const KINDS: [BackendKind; 3] = [BackendKind::Openai, BackendKind::AzureOpenai, BackendKind::Vllm];

fn draft(kind: BackendKind) -> Draft {
    Draft::new()
        .pool("chat", &["east/gpt-4o"])
        .route("chat", "/v1/*", "chat")
        .with_backend("east", |backend| backend.kind = kind)
        .with_deployment("east/gpt-4o", |deployment| deployment.upstream_name = UPSTREAM.to_owned())
}

fn chosen(draft: &Draft, caller: &Caller) -> Exchange {
    let mut exchange = caller.admitted(&draft.gate(), NOW);
    exchange.choose_name(NOW);
    exchange
}

fn bare<'a>(body: &'a Bytes, caller: &'a HeaderMap) -> Sending<'a> {
    Sending { body, caller, credential: None, traceparent: None }
}

fn rewrite(draft: &Draft, caller: &Caller) -> UpstreamRequest {
    let kind = draft.kind_of("east");
    let credential = decision::credential_header(kind, CREDENTIAL).unwrap();
    chosen(draft, caller)
        .rewrite(&Sending {
            credential: Some(&credential),
            traceparent: Some(TRACEPARENT),
            ..bare(caller.body(), &HeaderMap::new())
        })
        .unwrap()
}

fn header<'a>(request: &'a UpstreamRequest, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

#[test]
fn each_kind_gets_its_path_for_every_operation() {
    for operation in [Operation::Chat, Operation::TextCompletion, Operation::Embeddings] {
        let caller = Caller::chat().asking(&Method::POST, operation.path()).saying(&smallest(operation));
        let tail = operation.path().strip_prefix("/v1").unwrap();
        for kind in KINDS {
            let expected = match kind {
                BackendKind::AzureOpenai => {
                    format!("/openai/deployments/{UPSTREAM}{tail}?api-version=2024-10-21")
                }
                _ => format!("/v1{tail}"),
            };
            assert_eq!(rewrite(&draft(kind), &caller).path_and_query, expected, "{kind:?}");
        }
    }
}

#[test]
fn a_base_path_and_an_api_version_come_from_the_manifest() {
    let based = |kind, base: &str| {
        draft(kind).with_backend("east", |backend| {
            backend.base_path = base.to_owned();
            backend.api_version = Some("2025-04-01-preview".to_owned());
        })
    };
    let path = |draft: &Draft| rewrite(draft, &Caller::chat()).path_and_query;
    assert_eq!(path(&based(BackendKind::Vllm, "/llm")), "/llm/v1/chat/completions");
    assert_eq!(path(&based(BackendKind::Openai, "/llm/v1")), "/llm/v1/chat/completions");
    assert_eq!(
        path(&based(BackendKind::AzureOpenai, "/llm")),
        "/llm/openai/deployments/prod-4o/chat/completions?api-version=2025-04-01-preview"
    );
}

#[test]
fn each_kind_gets_the_credential_where_it_expects_it_and_nowhere_else() {
    for kind in KINDS {
        let request = rewrite(&draft(kind), &Caller::chat());
        let (bearer, key) = (header(&request, "authorization"), header(&request, "api-key"));
        match kind {
            BackendKind::AzureOpenai => assert_eq!((bearer, key), (None, Some(CREDENTIAL))),
            _ => assert_eq!((bearer, key), (Some("Bearer upstream-secret"), None), "{kind:?}"),
        }
        assert!(!format!("{request:?}").contains(CREDENTIAL), "the credential prints");
    }
    let without = chosen(&draft(BackendKind::Vllm), &Caller::chat())
        .rewrite(&bare(&Bytes::from("{}"), &HeaderMap::new()))
        .unwrap();
    assert_eq!(header(&without, "authorization"), None);
}

#[test]
fn the_trace_goes_on_only_to_backends_that_may_know_it() {
    let known = |forward| {
        let draft =
            draft(BackendKind::Vllm).with_backend("east", |backend| backend.forward_trace_context = forward);
        header(&rewrite(&draft, &Caller::chat()), "traceparent").map(str::to_owned)
    };
    assert_eq!((known(true).as_deref(), known(false)), (Some(TRACEPARENT), None));
}

#[test]
fn the_upstream_head_is_complete_and_built_from_nothing_else() {
    let request = rewrite(&draft(BackendKind::Openai), &Caller::chat());
    assert_eq!(header(&request, "host"), Some("east.example"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "accept-encoding"), Some("identity"));
    assert_eq!(header(&request, "x-request-id"), Some("request-1"));
    assert!(header(&request, "user-agent").is_some_and(|agent| agent.starts_with("sluicegate/")));
    assert_eq!(request.headers.len(), 8, "{:?}", request.headers);
}

#[test]
fn a_stage_out_of_order_is_a_fault_of_the_gateway() {
    let caller = Caller::chat();
    let gate = draft(BackendKind::Openai).gate();
    for mut exchange in [caller.arrives(&gate, NOW), caller.admitted(&gate, NOW)] {
        assert_eq!(
            exchange.rewrite(&bare(caller.body(), &HeaderMap::new())).unwrap_err().reason,
            Reason::Internal
        );
    }
}

#[test]
fn a_body_that_says_it_all_is_sent_byte_for_byte() {
    let body = Bytes::from_static(
        b"{ \"stream\" : true,\n \"model\":\"gpt-4o\", \"stream_options\": {\"include_usage\" :true},\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9 \\ud83d\\ude00\"}], \"temperature\":1e0 }\n",
    );
    let draft = Draft::chat(&["east/gpt-4o"]);
    let request = rewrite(&draft, &Caller::chat().saying_bytes(body.clone()));
    assert_eq!(request.body, body);
    assert_eq!(header(&request, "accept"), Some("text/event-stream"));
}

/// Headers a caller may send, each value marked.
fn canary_headers() -> impl Strategy<Value = HeaderMap> {
    let known = prop::sample::select(vec![
        "accept",
        "accept-encoding",
        "api-key",
        "baggage",
        "connection",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "openai-organization",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-request-id",
    ]);
    let name = prop_oneof![known.prop_map(str::to_owned), "x-canary-[a-z]{1,8}"];
    prop::collection::vec((name, "canary-[a-z0-9]{1,12}"), 0..12).prop_map(|headers| {
        let parsed = |(name, value): (String, String)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(&value).unwrap())
        };
        headers.into_iter().map(parsed).collect()
    })
}

/// Fields no stage knows or reads, which a backend may.
fn other_fields() -> impl Strategy<Value = Map<String, Value>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("x_[a-z]{1,6}", value, 0..6).prop_map(|fields| fields.into_iter().collect())
}

fn body() -> impl Strategy<Value = Value> {
    let usage = prop::option::of(prop::option::of(any::<bool>()));
    (other_fields(), "\\PC{1,40}", prop::option::of(any::<bool>()), usage).prop_map(
        |(fields, text, stream, usage)| {
            let mut body = chat_of(&text);
            let object = body.as_object_mut().unwrap();
            object.extend(fields);
            object.extend(stream.map(|stream| ("stream".to_owned(), json!(stream))));
            object.extend(usage.map(|wanted| {
                (
                    "stream_options".to_owned(),
                    wanted.map_or(json!({}), |wanted| json!({"include_usage": wanted})),
                )
            }));
            body
        },
    )
}

/// What a backend shall read: the caller's body with its own name for the model and, of a stream, usage.
fn expected(mut body: Value) -> Value {
    body["model"] = UPSTREAM.into();
    if body["stream"] == json!(true) {
        body["stream_options"]["include_usage"] = true.into();
    } else if body["stream"].is_null() {
        // Indexing above has put a null in place of an absent field.
        body.as_object_mut().unwrap().remove("stream");
    }
    body
}

proptest! {
    #[test]
    fn nothing_of_the_callers_head_passes(sent in canary_headers(), kind in prop::sample::select(&KINDS[..])) {
        let caller = Caller::chat().with_all(sent);
        let request = rewrite(&draft(kind), &caller);
        let ours = [
            "accept", "accept-encoding", "api-key", "authorization", "content-length", "content-type", "host",
            "user-agent", "x-request-id",
        ];
        let names: BTreeSet<_> = request.headers.keys().map(HeaderName::as_str).collect();
        prop_assert!(names.is_subset(&BTreeSet::from(ours)), "{:?}", names);
        prop_assert!(!request.path_and_query.contains("canary"));
        for (name, value) in &request.headers {
            prop_assert!(!value.as_bytes().windows(6).any(|window| window == b"canary"), "{}", name);
        }
    }

    #[test]
    fn a_body_differs_in_its_model_and_its_wish_for_usage_alone(body in body(), kind in prop::sample::select(&KINDS[..])) {
        let request = rewrite(&draft(kind), &Caller::chat().saying(&body));
        let length = request.body.len().to_string();
        prop_assert_eq!(header(&request, "content-length"), Some(length.as_str()));
        let accept = if body["stream"] == json!(true) { "text/event-stream" } else { "application/json" };
        prop_assert_eq!(header(&request, "accept"), Some(accept));
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        prop_assert_eq!(sent, expected(body));
    }

    #[test]
    fn a_body_that_needs_no_edit_is_not_touched(mut body in body()) {
        body["stream"] = false.into();
        let caller = Caller::chat().saying(&body);
        let request = rewrite(&Draft::chat(&["east/gpt-4o"]), &caller);
        prop_assert_eq!(body["model"].as_str(), Some(MODEL));
        prop_assert_eq!(&request.body, caller.body());
    }
}
