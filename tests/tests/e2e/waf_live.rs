//! What a firewall promises, item by item, as `curl` sees it: SQL injection, cross-site scripting, malformed payloads,
//! bots, sizes, headers, addresses, countries, rates. With OWASP CRS from the folder that `SLUICEGATE_CRS` names.

use std::process::Command;

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{Settings, TestGateway};
use e2e::manifest::Manifest;
use e2e::mmdb::database;
use e2e::otlp::Collector;
use serde_json::{Value, json};

const CHAT: &str = r#"{"model":"sim-chat","messages":[{"role":"user","content":"hello"}]}"#;

/// One item: its name, the reason and status it is refused with, and curl's arguments.
type Item = (&'static str, &'static str, u16, &'static [&'static str]);

const ITEMS: &[Item] = &[
    (
        "SQL injection",
        "waf_blocked",
        403,
        &[
            "--data",
            r#"{"model":"sim-chat","user":"1' OR '1'='1' UNION SELECT password FROM users --","messages":[{"role":"user","content":"hello"}]}"#,
        ],
    ),
    (
        "cross-site scripting",
        "waf_blocked",
        403,
        &[
            "--data",
            r#"{"model":"sim-chat","metadata":{"n":"<script>alert(document.cookie)</script>"},"messages":[{"role":"user","content":"hello"}]}"#,
        ],
    ),
    (
        "command injection in a header",
        "waf_blocked",
        403,
        &["--header", "X-Note: ;cat /etc/passwd", "--data", CHAT],
    ),
    (
        "a payload with two meanings",
        "ambiguous_body",
        400,
        &[
            "--data",
            r#"{"model":"sim-chat","metadata":{"a":"1","a":"2"},"messages":[{"role":"user","content":"a"}]}"#,
        ],
    ),
    ("a payload that is no JSON", "invalid_json", 400, &["--data", r#"{"model":"sim-chat","messages":["#]),
    (
        "a scanner",
        "bot_blocked",
        403,
        &["--user-agent", "sqlmap/1.8.2#stable (https://sqlmap.org)", "--data", CHAT],
    ),
    ("a large body", "body_too_large", 413, &["--data", "@large.json"]),
    ("a long URL", "shape_exceeded", 414, &["--url-query", "@long.txt", "--data", CHAT]),
    ("many bytes of headers", "shape_exceeded", 431, &["--header", "@headers.txt", "--data", CHAT]),
    ("a required header that is absent", "header_required", 403, &["--header", "X-Tenant:", "--data", CHAT]),
    ("an address", "address_forbidden", 403, &["--header", "X-Forwarded-For: 198.51.100.7", "--data", CHAT]),
    ("a country", "country_forbidden", 403, &["--header", "X-Forwarded-For: 203.0.113.9", "--data", CHAT]),
];

fn manifest(backend: &FakeBackend, rules: &str) -> Manifest {
    let forwarded = json!({"header": "X-Forwarded-For", "trust": ["127.0.0.1/32"]});
    let waf = json!({
        "ruleset": {"dir": rules},
        "schema": "auto",
        "bots": {"scanner": "block"},
        "shape": {"urlBytes": "2KiB", "headerBytes": "4KiB"},
    });
    let access = json!({
        "deny": ["198.51.100.0/24"],
        "countries": {"deny": ["SE"]},
        "headers": {"x-tenant": "*"},
    });
    Manifest::new()
        .backend("a", backend.address())
        .set("/listeners/main/forwarded", forwarded)
        .set("/listeners/main/maxBody", "64KiB")
        .set("/listeners/main/waf", "gate")
        .set("/waf/gate", waf)
        .set("/countries/file", "geo.mmdb")
        .set("/access/edge", access)
        .set("/routes/chat/access", json!(["edge"]))
        .set("/limits/few", json!({"requests": "3 requests/min"}))
        .set("/routes/chat/limit", "few")
}

/// Status and reason that curl is told.
fn curl(folder: &std::path::Path, url: &str, arguments: &[&str]) -> (u16, String, String) {
    let given = |header: &&str| {
        let name = header.split(':').next().unwrap_or_default();
        arguments.iter().any(|argument| argument.split(':').next() == Some(name))
    };
    let usual: Vec<&str> =
        ["X-Tenant: e2e", "X-Forwarded-For: 192.0.2.1"].into_iter().filter(|header| !given(header)).collect();
    let ran = Command::new("curl")
        .current_dir(folder)
        .args([
            "--silent",
            "--show-error",
            "--write-out",
            "\n%{http_code}",
            "--header",
            "Content-Type: application/json",
        ])
        .args(usual.iter().flat_map(|header| ["--header", header]))
        .args(arguments)
        .arg(format!("{url}/v1/chat/completions"))
        .output()
        .unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let (body, status) =
        text.rsplit_once('\n').unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    let reason = serde_json::from_str::<Value>(body)
        .ok()
        .and_then(|body| body["error"]["code"].as_str().map(str::to_owned));
    (status.parse().unwrap(), reason.unwrap_or_default(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_of_the_list_is_refused_with_its_reason_as_curl_sees_it_and_counted() {
    let Some(rules) =
        std::env::var("SLUICEGATE_CRS").ok().filter(|_| Command::new("curl").arg("-V").output().is_ok())
    else {
        let required = std::env::var_os("SLUICEGATE_REQUIRE_CRS").is_some();
        assert!(!required, "SLUICEGATE_CRS and curl are needed here");
        eprintln!(
            "SKIPPED: needs curl, and OWASP CRS in the folder that SLUICEGATE_CRS names (`scripts/crs` fetches it)"
        );
        return;
    };
    let (backend, collector) = (FakeBackend::always(Reply::completion("ok")).await, Collector::start().await);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("geo.mmdb", &database(&[("203.0.113.0/24", "SE"), ("192.0.2.0/24", "DE")]));
    write(
        "large.json",
        format!(
            r#"{{"model":"sim-chat","messages":[{{"role":"user","content":"{}"}}]}}"#,
            "a".repeat(80_000)
        )
        .as_bytes(),
    );
    write("long.txt", &b"a".repeat(4_000));
    write("headers.txt", format!("X-Long: {}\n", "a".repeat(6_000)).as_bytes());
    let manifest = manifest(&backend, &rules).otlp(collector.endpoint());
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let (url, at) = (gateway.url.clone(), folder.path().to_owned());
    let told = tokio::task::spawn_blocking(move || {
        let items = ITEMS.iter().map(|(name, reason, status, arguments)| {
            let (got, code, body) = curl(&at, &url, arguments);
            assert_eq!((got, code.as_str()), (*status, *reason), "{name}: {body}");
            assert!(!body.contains("password") && !body.contains("script"), "{name}: {body}");
            *reason
        });
        let mut told: Vec<&str> = items.collect();
        for _ in 0..3 {
            assert_eq!(curl(&at, &url, &["--data", CHAT]).0, 200);
        }
        let (status, reason, body) = curl(&at, &url, &["--data", CHAT]);
        assert_eq!((status, reason.as_str()), (429, "request_limit"), "{body}");
        told.push("request_limit");
        told
    });
    let told = told.await.unwrap();
    assert_eq!(backend.calls().len(), 3);
    for reason in told {
        let named = [("sluicegate.reason", reason)];
        collector.await_series("sluicegate.refusals", &named, |series| series.value >= 1.0).await;
    }
}
