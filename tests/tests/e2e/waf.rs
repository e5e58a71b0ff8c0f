//! Firewalls over real sockets: rules and our own protections, on terminated and on piped routes, before and after a
//! reload, and what is told of what they do.

use std::path::Path;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply, stream_body};
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::otlp::Collector;
use e2e::wait::until_async;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tempfile::TempDir;
use vocabulary::access_log::WafOutcome;

const CANARY: &str = "canary-7f3a";

/// Rules as CRS writes them: they score, and one at the end refuses.
const RULES: &str = r#"
SecAction "id:900100,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score_threshold=5"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|XML:/* "@detectSQLi" \
    "id:942100,phase:2,pass,t:none,t:urlDecodeUni,msg:'SQL injection',logdata:'%{MATCHED_VAR}',severity:'CRITICAL',\
    tag:'attack-sqli',setvar:'tx.anomaly_score=+5'"
SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES "@detectXSS" \
    "id:941100,phase:2,pass,t:none,t:urlDecodeUni,msg:'XSS',severity:'CRITICAL',tag:'attack-xss',\
    setvar:'tx.anomaly_score=+5'"
SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,deny,status:400,msg:'Body cannot be read',tag:'attack-protocol'"
SecRule TX:ANOMALY_SCORE "@ge %{tx.inbound_anomaly_score_threshold}" \
    "id:949110,phase:2,deny,status:403,msg:'Anomaly score exceeded',tag:'attack-generic'"
"#;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/rules.conf"), RULES).unwrap();
    folder
}

fn within(folder: &Path) -> Settings {
    Settings { folder: Some(folder.to_owned()), ..Settings::default() }
}

fn manifest(backend: &FakeBackend, waf: Value) -> Manifest {
    Manifest::new()
        .backend("a", backend.address())
        .service("tools", backend.address(), "tools")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools", "waf": "gate"}))
        .set("/routes/chat/waf", "gate")
        .set("/listeners/main/waf", "gate")
        .set("/waf/gate", waf)
}

fn rules() -> Value {
    json!({"ruleset": {"dir": "rules"}, "schema": "auto"})
}

async fn ok() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_say_passes_and_the_same_words_elsewhere_are_refused_by_a_rule_that_is_named() {
    let (backend, folder) = (ok().await, folder());
    let gateway = TestGateway::start_with(&manifest(&backend, rules()), within(folder.path())).await.unwrap();
    let attack = format!("1' OR '1'='1' UNION SELECT password FROM users -- {CANARY}");
    let said = gateway.client().chat(&chat(&attack)).await;
    assert_eq!(said.status, 200, "{}", said.text());
    let sent: Value = serde_json::from_slice(&backend.calls()[0].body).unwrap();
    assert_eq!(sent["messages"][0]["content"], attack);
    for (place, request) in [
        ("user", json!({"user": attack})),
        ("metadata", json!({"metadata": {"note": attack}})),
        ("tools", json!({"tools": [{"type": "function", "function": {"name": attack}}]})),
        ("unknown", json!({"x_unknown": [{"deep": attack}]})),
    ] {
        let mut body = chat("hello");
        for (name, value) in request.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = gateway.client().chat(&body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "waf_blocked"), "{place}");
        let text = answer.text();
        assert!(text.contains("rule 949110") && text.contains(answer.request_id()), "{text}");
        assert!(!text.contains(CANARY), "{text}");
        let record = gateway.access_log().record(answer.request_id()).await;
        let waf = record.waf.unwrap();
        assert_eq!(
            (waf.outcome, waf.rule, waf.firewall.as_str()),
            (WafOutcome::Refused, Some(949_110), "gate")
        );
        assert!(
            waf.rules.iter().any(|rule| rule.id == 942_100 && rule.family.as_deref() == Some("sqli")),
            "{waf:?}"
        );
    }
    for header in ["x-custom", "cookie"] {
        let answer = gateway.client().with(header, &format!("a={attack}")).chat(&chat("hello")).await;
        assert_eq!(answer.status, 403, "{header}");
    }
    assert_eq!(backend.calls().len(), 1);
    assert!(!gateway.access_log().text().contains(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piped_body_reaches_no_backend_before_it_has_been_inspected() {
    let (backend, folder) = (FakeBackend::always(Reply::json(200, &json!({"ok": true}))).await, folder());
    let gateway = TestGateway::start_with(&manifest(&backend, rules()), within(folder.path())).await.unwrap();
    let client = gateway.client();
    let plain = json!({"text": "word ".repeat(60_000)});
    let answer = client.post("/tools/run", &plain).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(serde_json::from_slice::<Value>(&backend.calls()[0].body).unwrap(), plain);
    for body in [
        json!({"query": "1' UNION SELECT a, b FROM users --"}).to_string(),
        "q=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ] {
        let form = body.starts_with('q');
        let media = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        let request = http::Request::post("/tools/run").header("content-type", media);
        let request = request.body(Full::from(body).map_err(|never| match never {}).boxed()).unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("waf_blocked"), "{}", answer.text());
    }
    let query = client.get("/tools/run?id=1%27%20OR%20%271%27=%271%27%20--").await;
    assert_eq!(query.status, 403);
    let whole: Vec<_> = backend.calls().into_iter().filter(|call| !call.body.is_empty()).collect();
    assert_eq!(whole.len(), 1, "of a refused body no byte arrives");
}

#[tokio::test(flavor = "multi_thread")]
async fn detection_lets_everything_through_and_counts_what_it_would_have_refused() {
    let (backend, folder, collector) = (ok().await, folder(), Collector::start().await);
    let mut shadow = rules();
    shadow["mode"] = "shadow".into();
    let manifest = manifest(&backend, shadow).otlp(collector.endpoint());
    let gateway = TestGateway::start_with(&manifest, within(folder.path())).await.unwrap();
    let mut body = chat("hello");
    body["user"] = "1' OR '1'='1' --".into();
    let answer = gateway.client().chat(&body).await;
    assert_eq!(answer.status, 200);
    let record = gateway.access_log().record(answer.request_id()).await;
    let waf = record.waf.unwrap();
    assert_eq!((waf.outcome, waf.rule), (WafOutcome::WouldRefuse, Some(949_110)));
    assert_eq!(waf.rules[0].target.as_deref(), Some("ARGS:json.user"));
    let named = [
        ("sluicegate.waf", "gate"),
        ("sluicegate.family", "sqli"),
        ("sluicegate.class", "args"),
        ("sluicegate.outcome", "would_refuse"),
    ];
    collector.await_series("sluicegate.waf.findings", &named, |one| one.value >= 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_rule_leaves_the_running_rules_and_a_mended_one_takes_their_place() {
    let (backend, folder) = (ok().await, folder());
    let gateway = TestGateway::start_with(&manifest(&backend, rules()), within(folder.path())).await.unwrap();
    let before = gateway.status().await;
    let file = folder.path().join("rules/own.conf");
    std::fs::write(&file, "SecRule ARGS \"@nonsense x\" \"id:7,phase:2,deny\"\n").unwrap();
    until_async("the broken rule is told", async || {
        let lines = gateway.status().await.last_rejection?.findings;
        lines.into_iter().find(|line| line.contains("SG1902") && line.contains("rules/own.conf:1"))
    })
    .await;
    let mut attack = chat("hello");
    attack["user"] = "forbidden-word".into();
    assert_eq!(gateway.client().chat(&attack).await.status, 200);
    assert_eq!(gateway.status().await.generation, before.generation);
    std::fs::write(&file, "SecRule ARGS \"@contains forbidden\" \"id:7,phase:2,deny,status:406\"\n").unwrap();
    until_async("the mended rule is in force", async || {
        (gateway.client().chat(&attack).await.status == 406).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_a_streamed_answer_are_masked_on_their_way() {
    let words = ["The key is AKIA", "IOSFODNN7", "EXAMPLE, and ", "that is all."];
    let backend = FakeBackend::always(Reply::stream(&stream_body(&words))).await;
    let waf = json!({"schema": "auto", "answers": {"leaks": {"secrets": "mask"}, "activeContent": "mask"}});
    let gateway = TestGateway::start(&manifest(&backend, waf)).await;
    let mut stream = gateway.client().chat_events(&chat_stream("which key?")).await;
    let events = stream.rest().await;
    let text: String = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(&event.data).ok())
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "The key is [aws-access-key-id], and that is all.");
    let record = gateway.access_log().record(&stream.request_id()).await;
    let waf = record.waf.unwrap();
    assert_eq!((waf.outcome, waf.leaks), (WafOutcome::Masked, vec!["aws-access-key-id".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_keys_is_refused_for_a_while_even_with_the_right_one() {
    let backend = ok().await;
    let waf = json!({"keyFailures": {"limit": "3 requests/min", "blockFor": "10m"}});
    let manifest = manifest(&backend, waf).consumer("app", "sk-right").without("/routes/tools");
    let gateway = TestGateway::start(&manifest).await;
    for _ in 0..4 {
        let answer = gateway.client().with_key("sk-wrong").chat(&chat("a")).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "invalid_key"));
    }
    let answer = gateway.client().with_key("sk-right").chat(&chat("a")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "key_failures"));
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&after), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_lowered_bots_refused_and_a_body_of_two_meanings_too() {
    let backend = ok().await;
    let waf =
        json!({"schema": "auto", "bots": {"scanner": "block"}, "shape": {"maxTokens": 50, "messages": 4}});
    let gateway = TestGateway::start(&manifest(&backend, waf)).await;
    let client = gateway.client();
    let mut much = chat("hello");
    much["max_tokens"] = 5_000.into();
    assert_eq!(client.chat(&much).await.status, 200);
    assert_eq!(backend.calls()[0].json()["max_tokens"], 50);
    let scanner = gateway.client().with("user-agent", "sqlmap/1.8#stable").chat(&chat("a")).await;
    assert_eq!((scanner.status, scanner.error_code().as_str()), (403, "bot_blocked"));
    let twice = r#"{"model":"sim-chat","messages":[{"role":"user","content":"a","content":"b"}]}"#;
    let answer = client.post_bytes("/v1/chat/completions", twice).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let messages: Vec<Value> = (0..5).map(|_| json!({"role": "user", "content": "a"})).collect();
    let long = client.chat(&json!({"model": "sim-chat", "messages": messages})).await;
    assert_eq!((long.status, long.error_code().as_str()), (413, "shape_exceeded"));
    tokio::time::timeout(Duration::from_secs(5), gateway.access_log().at_least(4)).await.unwrap();
}
