//! What the words of a manifest become in the bundle.
#![expect(clippy::expect_used, clippy::panic, reason = "a broken test environment is best shown by a panic")]

use std::time::Duration;

use policy_compiler::{Source, Style, compile, render};
use rule_table::{
    Backend, BackendKind, BodyOperation, Breaker, Credential, Entra, EntraSource, Fallback, FallbackWhen,
    Policy, Pool, Retry, SecretRef, Setting,
};
use vocabulary::Share;

fn example(name: &str) -> Policy {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    policy(&std::fs::read_to_string(path).expect("an example"))
}

fn policy(text: &str) -> Policy {
    let source = Source::new("gateway.yaml", text);
    let outcome = compile(&source);
    let findings = render(&outcome.findings, &source, Style::Plain);
    outcome.bundle.unwrap_or_else(|| panic!("{findings}")).into_policy()
}

fn backend<'p>(policy: &'p Policy, name: &str) -> &'p Backend {
    policy.backends.iter().find(|backend| backend.name == name).expect("a backend")
}

fn pool<'p>(policy: &'p Policy, name: &str) -> &'p Pool {
    policy.pools.iter().find(|pool| pool.name == name).expect("a pool")
}

fn entra(policy: &Policy, name: &str) -> Entra {
    match &backend(policy, name).auth {
        Some(Credential::Entra(entra)) => entra.clone(),
        other => panic!("{name} presents {other:?}"),
    }
}

#[test]
fn every_kind_arrives_with_what_follows_from_it() {
    let policy = example("every-dialect.yaml");
    let health = |name| backend(&policy, name).health.as_ref().map(|probe| probe.path.as_str());
    assert_eq!(health("vllm"), Some("/health"));
    assert_eq!(health("llama-cpp"), Some("/health"));
    assert_eq!(health("triton"), Some("/v2/health/ready"));
    assert_eq!(health("openai"), None);
    assert_eq!(backend(&policy, "churn").kind, BackendKind::AzureMl);
    assert!(pool(&policy, "churn").piped && pool(&policy, "triton").piped && !pool(&policy, "chat").piped);
    let claude = policy.deployments.iter().find(|deployment| deployment.name.starts_with("anthropic/"));
    assert_eq!(claude.and_then(|deployment| deployment.max_output), Some(64_000));
    let audio = policy.routes.iter().find(|route| route.name == "audio").expect("a route");
    assert!(audio.pass_through);
}

#[test]
fn an_identity_of_azure_asks_for_what_its_backend_is() {
    let policy = example("entra.yaml");
    let machine = entra(&policy, "swe");
    assert_eq!(machine.scope, "https://cognitiveservices.azure.com/.default");
    assert_eq!(machine.authority, "https://login.microsoftonline.com");
    let EntraSource::ManagedIdentity { client_id, endpoint } = machine.source else { panic!("not managed") };
    assert_eq!((client_id, endpoint), (Some(Setting::Env("AZURE_CLIENT_ID".into())), None));

    let pod = entra(&policy, "scoring");
    assert_eq!(pod.scope, "https://ml.azure.com/.default");
    let EntraSource::WorkloadFederation { tenant, token_file, .. } = pod.source else {
        panic!("not federated")
    };
    assert_eq!(tenant, Setting::Env("AZURE_TENANT_ID".into()));
    assert_eq!(token_file, "/var/run/secrets/azure/tokens/azure-identity-token");

    let partner = entra(&policy, "usgov");
    assert_eq!(partner.scope, "https://cognitiveservices.azure.us/.default");
    assert_eq!(partner.authority, "https://login.microsoftonline.us");
    let EntraSource::ClientSecret { secret, .. } = partner.source else { panic!("no application") };
    assert_eq!(secret, SecretRef::File("/run/secrets/partner".into()));
}

#[test]
fn one_identity_for_two_kinds_asks_for_two_scopes() {
    let policy = policy(
        "apiVersion: sluicegate/v1
listeners: {local: {address: 127.0.0.1:8080}}
identities: {azure: {managedIdentity: {}}}
backends:
  language: {kind: azure-cognitive, url: https://corp.cognitiveservices.azure.com, auth: azure}
  churn: {kind: azure-ml, url: https://churn.westeurope.inference.ml.azure.com, auth: azure}
pools: {language: {members: [language]}, churn: {members: [churn]}}
routes:
  language: {match: {path: /language/*}, pool: language}
  churn: {match: {path: /score}, pool: churn}
",
    );
    assert_eq!(entra(&policy, "language").scope, "https://cognitiveservices.azure.com/.default");
    assert_eq!(entra(&policy, "churn").scope, "https://ml.azure.com/.default");
}

#[test]
fn the_way_to_a_backend_is_what_was_written() {
    let policy = example("entra.yaml");
    let edge = backend(&policy, "edge");
    assert_eq!((edge.host.as_str(), edge.port, edge.tls), ("2001:db8::7", 8443, true));
    assert_eq!(edge.tls_options.server_name.as_deref(), Some("vllm.edge.example"));
    assert_eq!(edge.tls_options.ca.as_deref(), Some("/run/secrets/edge-ca.pem"));
    assert!(edge.tls_options.certificate.is_some() && edge.tls_options.key.is_some());
    assert!(matches!(&edge.auth, Some(Credential::Header { name, .. }) if name == "x-edge-key"));
    let egress = backend(&policy, "usgov").egress.as_ref().expect("a proxy");
    assert_eq!((egress.host.as_str(), egress.port), ("proxy.corp.example", 3128));
    assert_eq!(egress.authorization, Some(SecretRef::Env("PROXY_AUTHORIZATION".into())));
}

#[test]
fn a_fallback_has_its_conditions_and_attempts_that_reach_it() {
    let policy = example("failover.yaml");
    let gpt = pool(&policy, "gpt");
    let (claude, claims) = (0, 0);
    assert_eq!(policy.pools[0].name, "claude");
    assert_eq!(policy.consumers[0].name, "claims");
    assert_eq!(
        gpt.fallback,
        [Fallback {
            pool: claude,
            when: vec![FallbackWhen::Exhausted, FallbackWhen::ContextWindow],
            unless_consumers: vec![claims],
            unless_data_classes: Vec::new(),
        }]
    );
    let retry = Retry { max_attempts: 3, ambiguous: false, budget: Share { ppm: 200_000 }, budget_floor: 10 };
    assert_eq!(gpt.retry, retry);
    let window = Duration::from_secs(30);
    let breaker = Breaker { error_share: Share { ppm: 500_000 }, window, min_requests: 20 };
    assert_eq!(gpt.ejection.breaker, Some(breaker));
    assert_eq!(gpt.ejection.ramp, Duration::from_secs(20));
    let chat = policy.routes.iter().find(|route| route.name == "chat").expect("a route");
    assert_eq!(chat.heartbeat, Some(Duration::from_secs(15)));
    assert_eq!(backend(&policy, "swe").timeouts.first_byte, Duration::from_secs(10));
    let prices = policy.deployments.iter().find(|d| d.name.starts_with("claude/")).and_then(|d| d.prices);
    let prices = prices.expect("prices");
    assert_eq!(prices.cache_write.to_string(), "3.75 USD/1M");
    assert_eq!(prices.cache_write_1h.to_string(), "6 USD/1M");
}

#[test]
fn without_a_stated_number_there_are_as_many_attempts_as_a_chain_needs() {
    let chain = |retry: &str| {
        let mut text = String::from(
            "apiVersion: sluicegate/v1\nlisteners: {local: {address: 127.0.0.1:8080}}\nbackends:\n",
        );
        for name in ["a", "b", "c", "d", "e"] {
            text.push_str(&format!(
                "  {name}: {{kind: vllm, url: 'http://127.0.0.1:80', models: {{m: {{}}}}}}\n"
            ));
        }
        text.push_str(&format!(
            "pools:\n  first: {{members: [a, b], {retry}fallback: {{to: second}}}}\n  \
             second: {{members: [c, d], fallback: [{{to: third}}]}}\n  third: {{members: [e]}}\n\
             routes: {{all: {{match: {{path: /v1/*}}, pool: first}}}}\n"
        ));
        policy(&text)
    };
    let attempts = |policy: &Policy, name| pool(policy, name).retry.max_attempts;
    let derived = chain("");
    assert_eq!(attempts(&derived, "first"), 5, "two and two before the third pool");
    assert_eq!(attempts(&derived, "second"), 3);
    assert_eq!(attempts(&derived, "third"), 3);
    assert_eq!(attempts(&chain("retry: {maxAttempts: 2}, "), "first"), 2);
}

#[test]
fn edits_apply_in_one_order_and_dots_in_keys_survive() {
    let policy = example("rewrite.yaml");
    let chat = policy.routes.iter().find(|route| route.name == "chat").expect("a route");
    let body: Vec<(String, &BodyOperation)> =
        chat.rewrite.body.iter().map(|edit| (edit.field.join("/"), &edit.operation)).collect();
    let names: Vec<&str> = body.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        names,
        [
            "logit_bias",
            "metadata/cost.centre",
            "metadata/team",
            "max_completion_tokens",
            "temperature",
            "max_completion_tokens",
            "temperature",
        ]
    );
    assert_eq!(body[0].1, &BodyOperation::Remove);
    assert_eq!(body[1].1, &BodyOperation::Set("\"4711\"".into()));
    assert_eq!(body[4].1, &BodyOperation::Default("0.2".into()));
    assert_eq!(body[5].1, &BodyOperation::Clamp { min: Some("1".into()), max: Some("4096".into()) });
    assert!(chat.rewrite.system_prefix.as_deref().is_some_and(|text| text.starts_with("Answer in")));
    assert_eq!(chat.rewrite.response_headers.set, [("x-served-by".into(), "sluicegate".into())]);
    let tools = policy.routes.iter().find(|route| route.name == "tools").expect("a route");
    let path = tools.rewrite.path.as_ref().expect("a path");
    assert_eq!((path.prefix.as_str(), path.replacement.as_str()), ("/tools", "/api/v2"));
    assert_eq!(tools.rewrite.request_headers.remove, ["x-debug"]);
}

/// What the proof of residency finds where callers come with tokens: which fallbacks nobody can take.
#[test]
fn the_proof_of_residency_counts_teams_that_tokens_lead_to() {
    let abroad = |callers: &str| {
        let text = format!(
            r#"
apiVersion: sluicegate/v1
listeners: {{local: {{address: 127.0.0.1:8080}}}}
backends:
  se: {{kind: vllm, url: "http://127.0.0.1:8000", region: swedencentral, models: {{m: {{}}}}}}
  us: {{kind: vllm, url: "http://127.0.0.1:8001", region: eastus, models: {{m: {{}}}}}}
pools:
  home: {{members: [se], fallback: {{to: abroad}}}}
  abroad: {{members: [us]}}
routes: {{all: {{match: {{path: /v1/*}}, pool: home}}}}
teams: {{claims: {{residency: eu}}, free: {{}}}}
{callers}
"#
        );
        let outcome = policy_compiler::compile(&policy_compiler::Source::new("gateway.yaml", text));
        outcome.findings.iter().any(|finding| finding.code.as_str() == "SG1505")
    };
    let issuer = |more: &str| {
        format!(r#"issuers: {{corp: {{issuer: "https://login.example", audiences: [a]{more}}}}}"#)
    };
    let to = |team: &str| issuer(&format!(", teams: {{claim: groups, values: {{g: {team}}}}}"));
    assert!(abroad(&to("claims")), "whoever has a token is of a team that must not go there");
    assert!(!abroad(&to("free")));
    assert!(!abroad(&issuer("")), "who is of no team may go anywhere");
    let app = "consumers: {app: {keys: {a: {sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8}}, team: claims}}";
    assert!(abroad(app));
    assert!(!abroad(&format!("{app}\n{}", to("free"))), "bearers of tokens may, though no consumer may");
    assert!(abroad(&format!("{app}\n{}", to("claims"))));
    let robot = "consumers: {app: {credentials: [{token: {issuer: corp, subject: robot}}]}}";
    assert!(!abroad(&format!("{robot}\n{}", to("claims"))), "a subject of a consumer needs no group");
}
