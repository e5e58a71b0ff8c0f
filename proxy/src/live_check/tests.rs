//! Policies as the compiler makes them, asked against servers that say what they are told.

use std::net::TcpListener;
use std::path::Path;

use http::Response;
use policy_compiler::{Source, Style, compile, render};
use rule_table::Policy;

use super::{Outcome, Step, Verdict, live_check};
use crate::upstream::fixture::{TokenService, error, token};

/// The policy of a manifest with these backends, each in a pool of its own.
fn policy(identities: &str, backends: &[(&str, String)]) -> Policy {
    let mut text = format!(
        "apiVersion: sluicegate/v1\nlisteners: {{local: {{address: 127.0.0.1:0}}}}\nidentities: {identities}\nbackends:\n"
    );
    for (name, section) in backends {
        text.push_str(&format!("  {name}: {section}\n"));
    }
    text.push_str("pools:\n");
    for (name, section) in backends {
        let members: Vec<_> = ["", "/a", "/b"].iter().map(|end| format!("{name}{end}")).collect();
        let members = if section.contains("b: {") { members[1..].join(", ") } else { members[0].clone() };
        text.push_str(&format!("  {name}: {{members: [{members}]}}\n"));
    }
    text.push_str("routes:\n");
    for (name, _) in backends {
        text.push_str(&format!("  {name}: {{match: {{host: {name}.example, path: /v1/*}}, pool: {name}}}\n"));
    }
    let source = Source::new("gateway.yaml", text);
    let outcome = compile(&source);
    let findings = render(&outcome.findings, &source, Style::Plain);
    outcome.bundle.unwrap_or_else(|| panic!("{findings}\n{}", source.text)).into_policy()
}

async fn asked(policy: &Policy, base: &Path, spend_tokens: bool) -> Vec<Outcome> {
    live_check(policy, base, spend_tokens, |_| {}).await
}

fn verdict(outcomes: &[Outcome], step: Step) -> (Verdict, &str) {
    let outcome = outcomes.iter().find(|outcome| outcome.step == step);
    let outcome = outcome.unwrap_or_else(|| panic!("{step:?} was not asked: {outcomes:?}"));
    (outcome.verdict, &outcome.detail)
}

fn lines(server: &TokenService) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.line).collect()
}

fn vllm(address: impl std::fmt::Display) -> String {
    format!("{{kind: vllm, url: 'http://{address}', auth: key, models: {{m: {{}}}}}}")
}

const KEY: &str = "{key: {apiKey: {file: key}}}";

fn base_with_key() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("key"), "canary-secret\n").unwrap();
    base
}

#[tokio::test]
async fn a_backend_that_is_well_passes_everything_without_spending_a_token() {
    let server = TokenService::start(|_, _| Some(Response::new("ok".to_owned()))).await;
    let base = base_with_key();
    let policy = policy(KEY, &[("vllm", vllm(server.address))]);
    let outcomes = asked(&policy, base.path(), false).await;
    assert_eq!(verdict(&outcomes, Step::Secrets), (Verdict::Passed, "all can be read"));
    assert_eq!(verdict(&outcomes, Step::Names), (Verdict::Skipped, "an address needs no look-up"));
    assert_eq!(verdict(&outcomes, Step::Connection), (Verdict::Passed, "TCP, not encrypted"));
    assert_eq!(verdict(&outcomes, Step::Health), (Verdict::Passed, "/health answers"));
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    assert_eq!(lines(&server), ["GET /health"]);
}

#[tokio::test]
async fn every_deployment_generates_one_token_when_asked_to() {
    let server = TokenService::start(|_, _| Some(Response::new("{}".to_owned()))).await;
    let base = base_with_key();
    let section = vllm(server.address).replace("m: {}", "a: {upstreamName: org/a}, b: {upstreamName: org/b}");
    let policy = policy(KEY, &[("vllm", section)]);
    let outcomes = asked(&policy, base.path(), true).await;
    assert_eq!(verdict(&outcomes, Step::Completion), (Verdict::Passed, "it generates"));
    assert_eq!(outcomes.last().map(|outcome| outcome.subject.as_str()), Some("vllm/b"));
    let completions: Vec<_> =
        server.asked().into_iter().filter(|asked| asked.line.starts_with("POST")).collect();
    for (completion, name) in completions.iter().zip(["org/a", "org/b"]) {
        assert_eq!(completion.line, "POST /v1/chat/completions");
        assert_eq!(completion.headers.get("authorization").unwrap(), "Bearer canary-secret");
        assert!(completion.body.contains(name) && completion.body.contains("\"max_tokens\":1"));
    }
    assert_eq!(completions.len(), 2);
}

#[tokio::test]
async fn a_model_for_embeddings_is_asked_for_one() {
    let server = TokenService::start(|_, asked| {
        let chat = asked.line.ends_with("/chat/completions");
        if chat { error(404, &[], "{}") } else { Some(Response::new("{}".to_owned())) }
    })
    .await;
    let base = base_with_key();
    let policy = policy(KEY, &[("vllm", vllm(server.address))]);
    let outcomes = asked(&policy, base.path(), true).await;
    assert_eq!(verdict(&outcomes, Step::Completion), (Verdict::Passed, "it generates"));
    assert_eq!(lines(&server).last().unwrap(), "POST /v1/embeddings");
}

#[tokio::test]
async fn a_refusal_shows_its_code_and_never_the_words_that_may_quote_a_key() {
    let words = r#"{"error": {"message": "Incorrect API key: canary-secret", "code": "invalid_api_key"}}"#;
    let server = TokenService::start(move |_, asked| {
        if asked.line.starts_with("GET") { error(503, &[], "down") } else { error(401, &[], words) }
    })
    .await;
    let base = base_with_key();
    let policy = policy(KEY, &[("vllm", vllm(server.address))]);
    let outcomes = asked(&policy, base.path(), true).await;
    assert_eq!(verdict(&outcomes, Step::Health), (Verdict::Failed, "/health answers with status 503"));
    assert_eq!(verdict(&outcomes, Step::Completion), (Verdict::Failed, "status 401, invalid_api_key"));
    assert!(!format!("{outcomes:?}").contains("canary"), "{outcomes:?}");
}

#[tokio::test]
async fn a_missing_secret_ends_the_questions_about_its_backend_only() {
    let server = TokenService::start(|_, _| Some(Response::new(String::new()))).await;
    let base = tempfile::tempdir().unwrap();
    let open = vllm(server.address).replace(" auth: key,", "");
    let policy = policy(KEY, &[("locked", vllm(server.address)), ("open", open)]);
    let mut heard = Vec::new();
    let outcomes = live_check(&policy, base.path(), false, |done| heard.push(done)).await;
    let of = |name: &str| outcomes.iter().filter(|o| o.subject == name).cloned().collect::<Vec<_>>();
    let locked = of("locked");
    assert_eq!(verdict(&locked, Step::Secrets).0, Verdict::Failed);
    assert!(locked[0].detail.contains("key"), "{locked:?}");
    assert_eq!(locked.len(), 1);
    assert_eq!(verdict(&of("open"), Step::Secrets), (Verdict::Skipped, "it has none"));
    assert_eq!(verdict(&of("open"), Step::Health).0, Verdict::Passed);
    assert_eq!(heard, [1, 2]);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_and_a_port_that_is_closed_say_so() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = base_with_key();
    let policy = policy(KEY, &[("closed", vllm(closed)), ("gone", vllm("nowhere.invalid:8000"))]);
    let outcomes = asked(&policy, base.path(), true).await;
    let (of_closed, of_gone): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|o| o.subject == "closed");
    let (refused, why) = verdict(&of_closed, Step::Connection);
    assert_eq!((refused, why.starts_with("the connection was refused")), (Verdict::Failed, true), "{why}");
    assert!(of_closed.iter().all(|outcome| outcome.step != Step::Completion));
    let (gone, why) = verdict(&of_gone, Step::Names);
    assert_eq!((gone, why.starts_with("nowhere.invalid does not resolve")), (Verdict::Failed, true), "{why}");
    assert_eq!(of_gone.len(), 2);
}

#[tokio::test]
async fn a_server_without_tls_fails_the_handshake() {
    let server = TokenService::start(|_, _| Some(Response::new(String::new()))).await;
    let base = base_with_key();
    let section = vllm(server.address).replace("http://", "https://");
    let outcomes = asked(&policy(KEY, &[("vllm", section)]), base.path(), false).await;
    let (failed, why) = verdict(&outcomes, Step::Connection);
    assert_eq!((failed, why.starts_with("the TLS handshake failed")), (Verdict::Failed, true), "{why}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_told_with_its_reason_and_one_that_can_is_presented() {
    let good = TokenService::start(|_, _| token("canary-token", 3600)).await;
    let bad = TokenService::start(|_, _| error(400, &[], r#"{"error": "invalid_request"}"#)).await;
    let server = TokenService::start(|_, _| Some(Response::new("{}".to_owned()))).await;
    let identities = format!(
        "{{good: {{managedIdentity: {{endpoint: 'http://{}'}}}}, bad: {{managedIdentity: {{endpoint: 'http://{}'}}}}}}",
        good.address, bad.address
    );
    let azure = |auth: &str| {
        let url = server.address;
        format!(
            "{{kind: azure-openai, url: 'http://{url}', auth: {auth}, deployments: {{std: {{model: m}}}}}}"
        )
    };
    let policy = policy(&identities, &[("bad", azure("bad")), ("good", azure("good"))]);
    let base = tempfile::tempdir().unwrap();
    let outcomes = asked(&policy, base.path(), true).await;
    let (of_bad, of_good): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| outcome.subject.starts_with("bad"));
    assert_eq!(verdict(&of_bad, Step::Token).0, Verdict::Failed, "{of_bad:?}");
    assert!(of_bad.iter().all(|outcome| outcome.step != Step::Completion));
    assert_eq!(verdict(&of_good, Step::Token), (Verdict::Passed, "of Microsoft Entra ID"));
    assert_eq!(verdict(&of_good, Step::Completion).0, Verdict::Passed);
    let presented = server.asked();
    assert_eq!(presented.len(), 1);
    assert_eq!(presented[0].headers.get("authorization").unwrap(), "Bearer canary-token");
    assert!(!format!("{of_bad:?} {of_good:?}").contains("canary"));
}
