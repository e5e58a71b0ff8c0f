//! Requests the gateway refuses itself: the caller's dialect, the right status, and one account of each
//! under its reason.

use e2e::backend::{FakeBackend, Reply};
use e2e::client::{Answer, Client};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::otlp::Collector;
use http::Method;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use vocabulary::Reason;

const KEY: &str = "sk-e2e-refusals";
const CHAT: &str = "/v1/chat/completions";

struct Setup {
    gateway: TestGateway,
    backend: FakeBackend,
    collector: Collector,
}

async fn setup() -> Setup {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .service("tools", backend.address(), "tools")
        .set(
            "/routes/tools",
            json!({"match": {"path": "/tools/*", "method": ["GET", "POST"]}, "pool": "tools"}),
        )
        .consumer("team", KEY)
        .otlp(collector.endpoint());
    Setup { gateway: TestGateway::start(&manifest).await, backend, collector }
}

impl Setup {
    fn client(&self) -> Client {
        self.gateway.client().with_key(KEY)
    }

    /// Whatever the dialect: status, id, access log, metric, and silence towards backends.
    async fn is_accounted(&self, answer: &Answer, reason: Reason) {
        assert_eq!(answer.status, reason.status(), "{}", answer.text());
        let record = self.gateway.access_log().record(answer.request_id()).await;
        assert_eq!((record.reason, record.status), (Some(reason), reason.status()));
        let labels = [("sluicegate.reason", reason.code())];
        self.collector.await_series("sluicegate.refusals", &labels, |series| series.value >= 1.0).await;
        assert_eq!(self.backend.requests().len(), 0, "a backend was asked");
    }

    async fn is_openai(&self, answer: &Answer, reason: Reason) {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!(reason.code()), &json!(reason.openai_type())));
        assert!(error["message"].as_str().is_some_and(|words| words.len() > 10), "{error}");
        self.is_accounted(answer, reason).await;
    }

    async fn is_problem(&self, answer: &Answer, reason: Reason) {
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(
            (&problem["status"], &problem["reason"]),
            (&json!(reason.status()), &json!(reason.code()))
        );
        assert_eq!(problem["request_id"], answer.request_id());
        self.is_accounted(answer, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_refused_as_invalid_json() {
    let setup = setup().await;
    for body in ["{\"model\": \"sim-chat\",", "", "[1, 2]", "{\"model\": \"a\u{0}b\"}", "not json"] {
        let answer = setup.client().post_bytes(CHAT, body).await;
        setup.is_openai(&answer, Reason::InvalidJson).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_mistyped_field_is_named() {
    let setup = setup().await;
    let without_model = json!({"messages": [{"role": "user", "content": "x"}]});
    let with_number = json!({"model": 7, "messages": [{"role": "user", "content": "x"}]});
    for body in [without_model, with_number] {
        let answer = setup.client().chat(&body).await;
        assert_eq!(answer.json()["error"]["param"], "model");
        setup.is_openai(&answer, Reason::InvalidField).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_type_or_encoding_is_refused_with_415() {
    let setup = setup().await;
    let text = setup.client().with("content-type", "text/plain").chat(&chat("x")).await;
    setup.is_openai(&text, Reason::UnsupportedMediaType).await;
    let zipped = setup.client().with("content-encoding", "gzip").chat(&chat("x")).await;
    setup.is_openai(&zipped, Reason::UnsupportedEncoding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_nobody_serves_is_unknown() {
    let setup = setup().await;
    let mut request = chat("x");
    request["model"] = "gpt-0".into();
    let answer = setup.client().chat(&request).await;
    assert_eq!(answer.json()["error"]["param"], "model");
    setup.is_openai(&answer, Reason::UnknownModel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_key_or_with_a_wrong_one_is_refused_with_401_before_its_body_is_read() {
    let setup = setup().await;
    let missing = setup.gateway.client().post_bytes(CHAT, "not even json").await;
    setup.is_openai(&missing, Reason::MissingKey).await;
    let wrong = setup.gateway.client().with_key("sk-wrong").post_bytes(CHAT, "not even json").await;
    setup.is_openai(&wrong, Reason::InvalidKey).await;
    assert!(!wrong.text().contains("sk-wrong"), "the key is repeated: {}", wrong.text());
    let azure = setup.gateway.client().with("api-key", KEY).chat(&chat("x")).await;
    assert_eq!(azure.status, 200, "Azure's header carries a key as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_refused_in_the_dialect_of_its_place() {
    let setup = setup().await;
    let ai = setup.client().post("/v1/images/generations", &json!({})).await;
    setup.is_openai(&ai, Reason::UnknownRoute).await;
    let plain = setup.client().get("/nowhere").await;
    setup.is_problem(&plain, Reason::UnknownRoute).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_a_path_does_not_take_is_refused_with_those_it_takes() {
    let setup = setup().await;
    let ai = setup.client().get(CHAT).await;
    assert_eq!(ai.header("allow"), Some("POST"));
    setup.is_openai(&ai, Reason::MethodNotAllowed).await;
    let request = setup.client().request(Method::DELETE, "/tools/x", Full::default().boxed());
    let plain = setup.client().send(request).await;
    assert_eq!(plain.header("allow"), Some("GET, POST"));
    setup.is_problem(&plain, Reason::MethodNotAllowed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_limit_is_refused_with_429_and_the_time_to_come_back() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .consumer("team", KEY)
        .set("/consumers/team/limit", "few")
        .set("/limits/few/requests", "2 requests/hour");
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client().with_key(KEY);
    let remaining = [client.chat(&chat("a")).await, client.chat(&chat("b")).await];
    let remaining =
        remaining.map(|answer| answer.header("x-ratelimit-remaining-requests").map(str::to_owned));
    assert_eq!(remaining, [Some("1".to_owned()), Some("0".to_owned())]);
    let answer = client.chat(&chat("c")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "request_limit"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_other_consumers_is_forbidden() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .consumer("insiders", "sk-in")
        .consumer("outsiders", "sk-out")
        .set("/routes/chat/consumers", json!(["insiders"]));
    let gateway = TestGateway::start(&manifest).await;
    let refused = gateway.client().with_key("sk-out").chat(&chat("x")).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "route_forbidden"));
    assert_eq!(gateway.client().with_key("sk-in").chat(&chat("x")).await.status, 200);
    let models = gateway.client().with_key("sk-out").get("/v1/models").await;
    assert_eq!(models.status, 200, "the list itself is open to every consumer");
}
