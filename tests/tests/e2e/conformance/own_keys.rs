//! Backends of one's own, found in the environment. It owns the variables and the word about money; nothing
//! is sent before that word was answered.

use std::env;
use std::path::Path;

use e2e::gateway::TestGateway;
use e2e::shared::missing;
use serde_json::{Map, Value, json};

use super::{Kind, manifest, suite};

/// How one kind is found in the environment.
struct Wanted {
    kind: &'static str,
    /// Its URL, or the variable that has it.
    url: Place,
    /// The variable with its key, and whether it can do without.
    key: (&'static str, bool),
    /// The variable with the model's or the deployment's name, and what it is unless stated.
    model: (&'static str, Option<&'static str>),
    embedding_model: (&'static str, Option<&'static str>),
}

#[derive(Clone, Copy)]
enum Place {
    Fixed(&'static str),
    Variable(&'static str),
}

const WANTED: [Wanted; 6] = [
    Wanted {
        kind: "openai",
        url: Place::Fixed("https://api.openai.com"),
        key: ("OPENAI_API_KEY", true),
        model: ("OPENAI_MODEL", Some("gpt-4o-mini")),
        embedding_model: ("OPENAI_EMBEDDING_MODEL", Some("text-embedding-3-small")),
    },
    Wanted {
        kind: "azure-openai",
        url: Place::Variable("AZURE_OPENAI_ENDPOINT"),
        key: ("AZURE_OPENAI_API_KEY", true),
        model: ("AZURE_OPENAI_DEPLOYMENT", None),
        embedding_model: ("AZURE_OPENAI_EMBEDDING_DEPLOYMENT", None),
    },
    Wanted {
        kind: "vllm",
        url: Place::Variable("VLLM_URL"),
        key: ("VLLM_API_KEY", false),
        model: ("VLLM_MODEL", None),
        embedding_model: ("VLLM_EMBEDDING_MODEL", None),
    },
    Wanted {
        kind: "llama-cpp",
        url: Place::Variable("LLAMA_CPP_URL"),
        key: ("LLAMA_CPP_API_KEY", false),
        model: ("LLAMA_CPP_MODEL", Some("default")),
        embedding_model: ("LLAMA_CPP_EMBEDDING_MODEL", None),
    },
    Wanted {
        kind: "mistral",
        url: Place::Fixed("https://api.mistral.ai"),
        key: ("MISTRAL_API_KEY", true),
        model: ("MISTRAL_MODEL", Some("mistral-small-latest")),
        embedding_model: ("MISTRAL_EMBEDDING_MODEL", Some("mistral-embed")),
    },
    Wanted {
        kind: "anthropic",
        url: Place::Fixed("https://api.anthropic.com"),
        key: ("ANTHROPIC_API_KEY", true),
        model: ("ANTHROPIC_MODEL", Some("claude-haiku-4-5")),
        embedding_model: ("ANTHROPIC_EMBEDDING_MODEL", None),
    },
];

/// The most requests one test sends, and the tokens one of them may take, prompt and answer.
const REQUESTS: usize = 3;
const TOKENS: usize = 1_024;

/// A kind that was found.
struct Found {
    kind: &'static str,
    url: String,
    key: Option<&'static str>,
    model: String,
    embedding_model: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn live_the_same_suite_passes_on_your_own_keys() {
    if env::var_os("SLUICEGATE_CONFORMANCE").is_none_or(|what| what != "own-keys") {
        return missing(
            "SLUICEGATE_REQUIRE_KEYS",
            "no keys were offered; `make live-conformance` takes them",
        );
    }
    let python = suite::python().expect("an interpreter with the clients; `make live-conformance` makes it");
    let found: Vec<Found> = WANTED.iter().filter_map(find).collect();
    assert!(!found.is_empty(), "no kind is complete:\n{}", said(&found));
    let mut gateways = Vec::new();
    for one in &found {
        gateways.push(TestGateway::start(&manifest_of(one)).await);
    }
    let kinds: Vec<Kind> =
        found.iter().zip(&gateways).map(|(found, gateway)| describe(found, gateway)).collect();
    let tests = suite::run(&python, &kinds, &["--collect-only"]).await.matches("::test_").count();
    let price = format!(
        "{}{tests} tests would send at most {} requests, of at most {TOKENS} tokens each (reasoning: 4,096)\n",
        said(&found),
        tests * REQUESTS,
    );
    eprintln!("{price}");
    if env::var("SPEND").is_ok_and(|answer| answer == "yes") {
        spend(&python, &kinds, &gateways).await;
    } else {
        eprintln!("Nothing was sent; run again with SPEND=yes to spend that.");
    }
}

async fn spend(python: &Path, kinds: &[Kind], gateways: &[TestGateway]) {
    println!("{}", suite::run(python, kinds, &[]).await);
    for (kind, gateway) in kinds.iter().zip(gateways) {
        let records = gateway.access_log().records();
        let tokens: u64 =
            records.iter().filter_map(|record| record.usage).map(|usage| usage.input + usage.output).sum();
        println!("{}: {} requests, {tokens} tokens", kind.name, records.len());
    }
}

fn find(wanted: &Wanted) -> Option<Found> {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let key = set(wanted.key.0).map(|_| wanted.key.0);
    if key.is_none() && wanted.key.1 {
        return None;
    }
    let url = match wanted.url {
        Place::Fixed(url) => url.to_owned(),
        Place::Variable(name) => set(name)?,
    };
    let named = |(variable, default): (&str, Option<&str>)| set(variable).or(default.map(str::to_owned));
    let model = named(wanted.model)?;
    Some(Found { kind: wanted.kind, url, key, model, embedding_model: named(wanted.embedding_model) })
}

/// What was found, and for the rest what would have to be set.
fn said(found: &[Found]) -> String {
    let mut lines = String::new();
    for wanted in &WANTED {
        let line = match found.iter().find(|found| found.kind == wanted.kind) {
            Some(found) => format!("{}: {} at {}", found.kind, found.model, found.url),
            None => format!("{}: left out; set {}", wanted.kind, needed(wanted).join(", ")),
        };
        lines += &(line + "\n");
    }
    lines
}

fn needed(wanted: &Wanted) -> Vec<&'static str> {
    let url = match wanted.url {
        Place::Variable(name) => Some(name),
        Place::Fixed(_) => None,
    };
    let key = wanted.key.1.then_some(wanted.key.0);
    let model = wanted.model.1.is_none().then_some(wanted.model.0);
    url.into_iter().chain(key).chain(model).collect()
}

fn manifest_of(found: &Found) -> e2e::manifest::Manifest {
    let azure = found.kind == "azure-openai";
    let names = [Some(&found.model), found.embedding_model.as_ref()];
    let serving: Map<String, Value> = names
        .into_iter()
        .flatten()
        .map(|name| (name.clone(), if azure { json!({"model": name}) } else { json!({}) }))
        .collect();
    let members: Vec<String> = serving.keys().map(|name| format!("{}/{name}", found.kind)).collect();
    let section = if azure { "deployments" } else { "models" };
    let manifest = manifest()
        .backend_of(found.kind, found.kind, &found.url)
        .set(&format!("/backends/{}/{section}", found.kind), serving)
        .set("/pools/chat/members", members);
    match found.key {
        Some(variable) => manifest
            .set("/identities/own/apiKey/env", variable)
            .set(&format!("/backends/{}/auth", found.kind), "own"),
        None => manifest,
    }
}

fn describe(found: &Found, gateway: &TestGateway) -> Kind {
    let mut kind = Kind::behind(found.kind, gateway, &found.model, found.embedding_model.as_deref());
    let variable = format!("CONFORMANCE_LACKS_{}", found.kind.to_uppercase().replace('-', "_"));
    let lacks = env::var(variable).unwrap_or_default();
    kind.lacks = lacks.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if found.embedding_model.is_none() && found.kind != "anthropic" {
        kind.lacks.push("embeddings".to_owned());
    }
    // Stored files and spoken words cost otherwise than tokens, and need models of their own.
    kind.lacks.extend(["files", "audio"].map(str::to_owned));
    kind
}
