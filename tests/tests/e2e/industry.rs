//! Each industry's example does what it is for: the gateway runs it, against servers of this machine.

mod requests;

use std::sync::Arc;

use e2e::backend::{FakeBackend, Reply};
use e2e::client::{Answer, Client};
use e2e::example::Example;
use e2e::gateway::{TestGateway, chat};
use e2e::otlp::Collector;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use vocabulary::Reason;

async fn serving() -> FakeBackend {
    FakeBackend::always(Reply::completion("canary-answer")).await
}

fn asking(model: &str, words: &str) -> Value {
    let mut request = chat(words);
    request["model"] = model.into();
    request
}

/// Status and code: what a caller is told.
fn told(answer: &Answer) -> (u16, String) {
    (answer.status, if answer.is_ok() { String::new() } else { answer.error_code() })
}

/// The same, of a request that was passed on as it is.
fn piped(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.json()["reason"].clone())
}

fn sure(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_s_records_fail_over_within_the_union_and_are_written_down_nowhere() {
    let broken = FakeBackend::always(Reply::error(500, "canary-code", &[])).await;
    let (france, states, collector) = (serving().await, serving().await, Collector::start().await);
    let example = Example::read("healthcare")
        .backend("swe", broken.address())
        .backend("frc", france.address())
        .backend("eus", states.address())
        .set("/telemetry/otlp", json!({"endpoint": collector.endpoint(), "interval": "100ms"}));
    let gateway = example.start().await;
    let ward = gateway.client().with_key("sk-ward-copilot");
    let mut attempts = 0;
    for _ in 0..4 {
        let answer = ward.chat(&asking("gpt-4o", "canary-record of a patient")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = gateway.access_log().record(answer.request_id()).await;
        assert_eq!((record.consumer.as_deref(), record.status), (Some("ward-copilot"), 200));
        let inside = |place: Option<&str>| matches!(place, Some("se" | "fr"));
        assert!(record.attempts.iter().all(|attempt| inside(attempt.processing.as_deref())), "{record:?}");
        attempts += record.attempts.len();
        collector.trace_of(answer.request_id()).await;
    }
    assert!(attempts > 4, "nothing failed over");
    assert_eq!(states.calls().len(), 0);
    let written = gateway.access_log().text() + &String::from_utf8_lossy(&collector.bytes());
    assert!(!written.contains("canary-"), "what was said was written down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hospital_s_records_go_nowhere_where_the_union_is_down_while_a_course_goes_on() {
    let broken = FakeBackend::always(Reply::error(500, "scripted", &[])).await;
    let states = serving().await;
    let example = Example::read("healthcare")
        .backend("swe", broken.address())
        .backend("frc", broken.address())
        .backend("eus", states.address());
    let gateway = example.start().await;
    let asked = async |key: &str| gateway.client().with_key(key).chat(&asking("gpt-4o", "x")).await.status;
    assert_eq!(asked("sk-course-copilot").await, 200);
    assert_eq!(states.calls().len(), 1);
    assert_ne!(asked("sk-ward-copilot").await, 200);
    assert_eq!(states.calls().len(), 1, "a record left the union");
}

/// A caller that shows a certificate for `name`.
fn showing(example: &Example, gateway: &TestGateway, name: &str) -> Client {
    let certificate = example.authority.sign_for(&[name]);
    gateway.client().tls(example.authority.client_showing(&["http/1.1"], &certificate))
}

async fn bank(budget: &str) -> (Example, FakeBackend, FakeBackend) {
    let (models, fraud) = (serving().await, FakeBackend::always(Reply::json(200, &json!({"p": 0.97}))).await);
    let example = Example::read("finance")
        .backend("openai", models.address())
        .backend("fraud", fraud.address())
        .set("/limits/desk-budget/budget", budget);
    (example, models, fraud)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_s_service_is_known_by_its_certificate_and_reaches_what_is_its_own() {
    let (example, models, fraud) = bank("4000 USD/month").await;
    let gateway = example.start().await;
    let payments = showing(&example, &gateway, "payments.bank.example");
    let desk = showing(&example, &gateway, "desk.bank.example");
    let score = json!({"inputs": []});
    let path = "/v2/models/fraud/infer";
    let scored = payments.post(path, &score).await;
    assert_eq!((scored.status, scored.json()), (200, json!({"p": 0.97})));
    assert_eq!(desk.chat(&asking("gpt-4o", "x")).await.status, 200);
    assert_eq!(desk.post(path, &score).await.status, 403);
    assert_eq!(payments.chat(&asking("gpt-4o", "x")).await.status, 403);
    let unknown = showing(&example, &gateway, "printer.bank.example");
    assert_eq!(piped(&unknown.post(path, &score).await), (403, json!("invalid_certificate")));
    assert_eq!((models.calls().len(), fraud.calls().len()), (1, 1));
    let bare = gateway.client().tls(example.authority.client(&["http/1.1"]));
    let shut = TaskTracker::new().spawn(async move { bare.get("/v2/models/fraud/infer").await.status }).await;
    assert!(shut.is_err(), "its handshake fails: {shut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_s_budget_is_never_exceeded_and_refused_in_the_caller_s_dialect_while_fraud_is_scored() {
    // Three tokens in and two out cost 27.5 millionths of a dollar; what is reserved for each is more.
    let (example, models, fraud) = bank("0.001 USD/month").await;
    let gateway = example.start().await;
    let desk = showing(&example, &gateway, "desk.bank.example");
    let mut served = 0;
    let refused = loop {
        let answer = desk.chat(&asking("gpt-4o", "x")).await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 100, "nothing is refused");
    };
    assert_eq!(told(&refused), sure(429, "budget_exhausted"));
    assert!(served > 0 && f64::from(served) * 27.5e-6 <= 0.001, "{served} served");
    assert_eq!(models.calls().len(), usize::try_from(served).unwrap());
    let mut message = asking("gpt-4o", "x");
    message["max_tokens"] = 8.into();
    let message = desk.post("/v1/messages", &message).await;
    assert_eq!((message.status, message.json()["type"].clone()), (429, json!("error")));
    assert_eq!(message.json()["error"]["type"], "rate_limit_error");
    let payments = showing(&example, &gateway, "payments.bank.example");
    assert_eq!(payments.post("/v2/models/fraud/infer", &json!({"inputs": []})).await.status, 200);
    assert_eq!(fraud.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_refuses_who_copies_it_and_serves_its_own_assistant_and_search_engines() {
    let (models, catalogue) = (serving().await, FakeBackend::always(Reply::json(200, &json!({}))).await);
    let example =
        Example::read("retail").backend("openai", models.address()).backend("catalogue", catalogue.address());
    let gateway = example.start().await;
    let agent = |name: &str| gateway.client().with("user-agent", name);
    for copier in ["Scrapy/2.11 (+https://scrapy.org)", "Mozilla/5.0 HeadlessChrome/120.0", "GPTBot/1.2"] {
        let answer = agent(copier).get("/catalogue/shoes").await;
        assert_eq!(answer.status, 404, "{copier}");
        let record = gateway.access_log().record(answer.request_id()).await;
        assert_eq!((record.reason, record.acl), (Some(Reason::AclBlocked), vec!["copiers".to_owned()]));
        let with_key = agent(copier).with_key("sk-shop-assistant");
        assert_eq!(with_key.chat(&asking("gpt-4o-mini", "x")).await.status, 404, "{copier} with a key");
    }
    assert_eq!((models.calls().len(), catalogue.requests().len()), (0, 0));
    let engine = agent("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    assert_eq!(engine.get("/catalogue/shoes").await.status, 200);
    for stranger in [engine, agent("curl/8.7.1")] {
        let answer = stranger.with_key("sk-shop-assistant").chat(&asking("gpt-4o-mini", "x")).await;
        assert_eq!(told(&answer), sure(403, "acl_blocked"));
    }
    let assistant = agent("OpenAI/Python 1.35").with_key("sk-shop-assistant");
    assert_eq!(assistant.chat(&asking("gpt-4o-mini", "x")).await.status, 200);
    let long = assistant.chat(&asking("gpt-4o-mini", &"x".repeat(70_000))).await;
    assert_eq!(told(&long), sure(413, "acl_blocked"));
    let debugging = assistant.clone().with("x-debug", "1").chat(&asking("gpt-4o-mini", "x")).await;
    assert_eq!(told(&debugging), sure(403, "acl_blocked"));
    assert_eq!((models.calls().len(), catalogue.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plant_s_certificate_reaches_its_own_machines_only() {
    let (lund, graz, model) = (serving().await, serving().await, serving().await);
    let example = Example::read("manufacturing")
        .backend("lund", lund.address())
        .backend("graz", graz.address())
        .backend("vllm", model.address());
    let gateway = example.start().await;
    for (plant, own, other) in [("lund", &lund, "graz"), ("graz", &graz, "lund")] {
        let device = showing(&example, &gateway, &format!("{plant}.plants.example"));
        let infer = async |plant: &str| {
            device.post(&format!("/v2/models/{plant}/infer"), &json!({"inputs": []})).await.status
        };
        assert_eq!(infer(plant).await, 200);
        assert_eq!(infer(other).await, 403);
        assert_eq!(device.chat(&asking("llama-8b", "x")).await.status, 200);
        assert_eq!(own.calls().iter().filter(|call| call.target.ends_with("/infer")).count(), 1);
    }
}

/// A server that answers once it is permitted, and the permits.
async fn held() -> (FakeBackend, Arc<Semaphore>) {
    let permit = Arc::new(Semaphore::new(0));
    (FakeBackend::always(Reply::completion("later").after(&permit)).await, permit)
}

#[tokio::test(flavor = "multi_thread")]
async fn students_spend_their_own_budget_and_the_files_are_open_to_case_work_only() {
    let (models, cases) = (serving().await, FakeBackend::always(Reply::json(200, &json!({}))).await);
    let example = Example::read("education")
        .backend("openai", models.address())
        .backend("cases", cases.address())
        .set("/limits/students/budget", "0.0001 USD/month");
    let gateway = example.start().await;
    let asked = async |consumer: &str| {
        gateway.client().with_key(&format!("sk-{consumer}")).chat(&asking("gpt-4o-mini", "x")).await
    };
    let mut served = 0;
    let refused = loop {
        let answer = asked("learning-portal").await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 100, "nothing is refused");
    };
    assert_eq!(told(&refused), sure(429, "budget_exhausted"));
    assert!(served > 0);
    for other in ["office", "laboratory", "case-desk"] {
        assert_eq!(asked(other).await.status, 200, "{other}");
    }
    for (consumer, status) in [("case-desk", 200), ("office", 403), ("learning-portal", 403)] {
        let answer = gateway.client().with_key(&format!("sk-{consumer}")).get("/cases/7").await;
        assert_eq!(answer.status, status, "{consumer}");
    }
    assert_eq!(cases.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_night_students_are_shed_first_then_staff_and_case_work_last() {
    let (models, permit) = held().await;
    let example =
        Example::read("education").backend("openai", models.address()).set("/overload/maxInFlight", 10);
    let gateway = example.start().await;
    let asked = |consumer: &str| {
        let client = gateway.client().with_key(&format!("sk-{consumer}"));
        async move { client.chat(&asking("gpt-4o-mini", "x")).await }
    };
    let under_way = TaskTracker::new();
    let mut waiting: Vec<_> = (0..8).map(|_| under_way.spawn(asked("learning-portal"))).collect();
    models.await_requests(8).await;
    // Who is turned away takes nobody's place, not even while the refusal is on its way.
    assert_eq!(told(&asked("learning-portal").await), sure(503, "overloaded"));
    waiting.push(under_way.spawn(asked("office")));
    models.await_requests(9).await;
    assert_eq!(told(&asked("laboratory").await), sure(503, "overloaded"));
    waiting.push(under_way.spawn(asked("case-desk")));
    models.await_requests(10).await;
    permit.add_permits(100);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_burst_translation_is_shed_and_moderation_goes_on() {
    let ((translator, permit), moderation) = (held().await, serving().await);
    let example = Example::read("media")
        .backend("translator", translator.address())
        .backend("moderation", moderation.address())
        .set("/overload/maxInFlight", 10);
    let gateway = example.start().await;
    let newsroom = gateway.client().with_key("sk-newsroom");
    let translate = |client: Client| async move {
        client.post("/translator/text/v3.0/translate?to=sv", &json!([{"Text": "goal"}])).await
    };
    let under_way = TaskTracker::new();
    let waiting: Vec<_> = (0..8).map(|_| under_way.spawn(translate(newsroom.clone()))).collect();
    translator.await_requests(8).await;
    assert_eq!(piped(&translate(newsroom.clone()).await), (503, json!("overloaded")));
    let path = "/contentsafety/text:analyze";
    assert_eq!(newsroom.post(path, &json!({"text": "x"})).await.status, 200);
    assert_eq!(moderation.calls()[0].header("ocp-apim-subscription-key"), Some("secret-of-safety"));
    permit.add_permits(100);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(translator.calls().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_s_forecasts_are_there_for_its_own_network_and_for_nobody_outside() {
    let forecast = json!({"megawatts": [412, 398]});
    let (forecasting, analytics) = (
        FakeBackend::always(Reply::json(200, &forecast)).await,
        FakeBackend::always(Reply::json(200, &json!({}))).await,
    );
    let example = Example::read("energy")
        .backend("forecasting", forecasting.address())
        .backend("analytics", analytics.address());
    let gateway = example.start().await;
    let from = |address: &str| {
        let header = format!("PROXY TCP4 {address} 127.0.0.1 4711 443\r\n");
        let trusting = example.authority.client(&["http/1.1"]);
        gateway.client().behind(header.as_bytes()).tls(trusting).with_key("sk-dispatch")
    };
    let hours = json!({"hours": 2});
    let answer = from("10.4.0.9").post("/score", &hours).await;
    assert_eq!((answer.status, answer.json()), (200, forecast));
    let call = forecasting.calls().into_iter().find(|call| call.target == "/score").unwrap();
    assert_eq!(call.header("authorization"), Some("Bearer secret-of-forecasting"));
    assert_eq!(from("10.4.0.9").post("/v2/models/outages/infer", &hours).await.status, 200);
    let before = (forecasting.calls().len(), analytics.calls().len());
    for path in ["/score", "/v2/models/outages/infer"] {
        let refused = from("8.8.8.8").post(path, &hours).await;
        assert_eq!(piped(&refused), (403, json!("address_forbidden")), "{path}");
    }
    assert_eq!((forecasting.calls().len(), analytics.calls().len()), before);
}
