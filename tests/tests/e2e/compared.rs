//! `sluicegate diff` as people run it: on two manifests, with the access log of a gateway; and what it says of a
//! request is what two gateways do with it.

use std::path::Path;
use std::process::{Command, Output};

use e2e::backend::{FakeBackend, Reply};
use e2e::binary::sluicegate;
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use http::Method;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

fn compared(program: &Path, folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.current_dir(folder).args(["diff", "old.json", "new.json"]).args(more).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Two policies: the second keeps scrapers out and sends chat to another pool.
fn manifests(backend: &FakeBackend) -> (Manifest, Manifest) {
    let scrapers = json!({"priority": 10, "when": {"bot": ["scraper"]}, "action": "block", "status": 404});
    let old = Manifest::new()
        .backend("a", backend.address())
        .service("files", backend.address(), "files")
        .consumer("first", "sk-first")
        .set("/routes/files", json!({"match": {"path": "/files/*"}, "pool": "files"}))
        .set("/pools/other", json!({"members": ["a"], "strategy": "round-robin"}));
    let new = old.clone().set("/acl/scrapers", scrapers).set("/routes/chat/pool", "other");
    (old, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_are_counted_by_what_a_change_does_to_them() {
    let Some(program) = sluicegate() else { return };
    let backend = FakeBackend::always(Reply::completion("hello")).await;
    let (old, new) = manifests(&backend);
    let gateway = TestGateway::start(&old).await;
    let client = gateway.client().with_key("sk-first");
    for _ in 0..3 {
        assert!(client.chat(&chat("hello")).await.is_ok());
    }
    client.get("/files/a").await;
    gateway.access_log().at_least(4).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("old.json", old.text()), ("new.json", new.text()), ("access.jsonl", gateway.access_log().text())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = compared(&program, folder.path(), &["--traffic", "access.jsonl", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = parsed(&output);
    let recorded: Vec<(&str, &Value)> = told["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| (class["subject"].as_str().unwrap(), &class["recorded"]))
        .collect();
    // Who is a scraper is not in the log: no header is.
    let expected = [
        ("pool", &json!({"touched": 3, "undecided": 0, "of": 4})),
        ("acl", &json!({"touched": 0, "undecided": 4, "of": 4})),
    ];
    assert_eq!(recorded, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_whether_policies_differ() {
    let Some(program) = sluicegate() else { return };
    let backend = FakeBackend::always(Reply::completion("hello")).await;
    let (old, new) = manifests(&backend);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("old.json", &old.text());
    write("new.json", &format!("# another form\n{}", old.text()));
    let same = compared(&program, folder.path(), &[]);
    assert_eq!(
        (same.status.code(), same.stdout.as_slice()),
        (Some(0), b"no behavioural change\n".as_slice())
    );
    write("new.json", &new.text());
    let differs = compared(&program, folder.path(), &[]);
    assert_eq!(differs.status.code(), Some(1));
    let page = String::from_utf8(differs.stdout).unwrap();
    assert!(page.starts_with("2 kinds of requests are decided differently"), "{page}");
    write("new.json", "{");
    assert_eq!(compared(&program, folder.path(), &[]).status.code(), Some(2));
    write("new.json", &new.text());
    write("access.jsonl", "not a log\n");
    let wrong = compared(&program, folder.path(), &["--traffic", "access.jsonl"]);
    assert_eq!((wrong.status.code(), wrong.stdout.is_empty()), (Some(2), true));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("line 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_do_with_a_witness_what_was_told() {
    let Some(program) = sluicegate() else { return };
    let backend = FakeBackend::always(Reply::completion("hello")).await;
    let (old, new) = manifests(&backend);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.json"), old.text()).unwrap();
    std::fs::write(folder.path().join("new.json"), new.text()).unwrap();
    let told = parsed(&compared(&program, folder.path(), &["--output", "json"]));
    let gateways = [("old", TestGateway::start(&old).await), ("new", TestGateway::start(&new).await)];
    let classes = told["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 2);
    for class in classes {
        let witness = &class["witness"];
        for (side, gateway) in &gateways {
            let client = gateway.client().with_key(&format!("sk-{}", witness["consumer"].as_str().unwrap()));
            let method: Method = witness["method"].as_str().unwrap().parse().unwrap();
            let mut words = chat("hello");
            if let Some(model) = witness["model"].as_str() {
                words["model"] = model.into();
            }
            let body = if method == Method::POST { words.to_string() } else { String::new() };
            let path = witness["path"].as_str().unwrap();
            let mut request = client.request(method, path, Full::new(body.into()).boxed());
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            for (name, value) in witness["headers"].as_object().into_iter().flatten() {
                let name: http::HeaderName = name.parse().unwrap();
                request.headers_mut().insert(name, value.as_str().unwrap().parse().unwrap());
            }
            let answer = client.send(request).await;
            let record = gateway.access_log().record(answer.request_id()).await;
            let stated = &class[*side];
            if stated["decision"] == "refused" {
                assert_eq!(
                    json!([answer.status, record.reason]),
                    json!([stated["status"], stated["reason"]])
                );
            } else {
                assert_eq!(json!([record.route, record.pool]), json!([stated["route"], stated["pool"]]));
            }
        }
    }
}
