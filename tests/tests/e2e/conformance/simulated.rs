//! Simulated backends of every kind, each strict in its own way. What the suite saw is kept in
//! `docs/conformance.md`.

use std::time::Duration;

use e2e::backend::simulate;
use e2e::gateway::TestGateway;
use e2e::manifest::MODEL;
use model_sim::{Flavour, ModelConfig, Profile, SimConfig, SimHandle};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Kind, manifest, suite};

const EMBEDDING_MODEL: &str = "sim-embed";
/// Tests that put a deployment out of service take one each.
const SPARE_MODELS: [&str; 2] = ["sim-spare-1", "sim-spare-2"];
/// Small, so that a prompt that exceeds it is cheap to send.
const CONTEXT_WINDOW: u64 = 8_192;
const BACKEND_KEY: &str = "backend-key-of-the-gateway";

/// Every kind that speaks to chat clients, and the server that stands in for it.
const KINDS: [(&str, Flavour); 6] = [
    ("openai", Flavour::OpenAi),
    ("azure-openai", Flavour::AzureOpenAi),
    ("vllm", Flavour::Vllm),
    ("llama-cpp", Flavour::LlamaCpp),
    ("mistral", Flavour::Mistral),
    ("anthropic", Flavour::Anthropic),
];

#[tokio::test(flavor = "multi_thread")]
async fn live_the_clients_own_packages_pass_the_suite_against_every_simulated_kind() {
    let Some(python) = suite::python() else { return };
    let secrets = tempfile::tempdir().unwrap();
    let mut started = Vec::new();
    for (name, flavour) in KINDS {
        started.push(start(name, flavour, &secrets).await);
    }
    let kinds: Vec<Kind> = started.iter().map(|(name, sim, gateway)| describe(name, sim, gateway)).collect();
    let page = suite::page();
    suite::run(&python, &kinds, &["--matrix", page.to_str().unwrap()]).await;
}

async fn start(
    kind: &'static str,
    flavour: Flavour,
    secrets: &TempDir,
) -> (&'static str, SimHandle, TestGateway) {
    let profile = Profile::hosted(Duration::from_millis(1), 1e7, Duration::from_micros(20));
    let mut config = SimConfig::new(kind, MODEL, profile);
    config.models.extend([EMBEDDING_MODEL].into_iter().chain(SPARE_MODELS).map(ModelConfig::new));
    for model in &mut config.models {
        model.context_window = CONTEXT_WINDOW;
    }
    config.flavour = flavour;
    config.api_key = Some(BACKEND_KEY.into());
    let sim = simulate(config);
    let secret = secrets.path().join(kind);
    std::fs::write(&secret, BACKEND_KEY).unwrap();
    let names = [MODEL, EMBEDDING_MODEL].into_iter().chain(SPARE_MODELS);
    let azure = kind == "azure-openai";
    let serving: Map<String, Value> =
        names.map(|name| (name.to_owned(), if azure { json!({"model": name}) } else { json!({}) })).collect();
    let members: Vec<String> = serving.keys().map(|name| format!("{kind}/{name}")).collect();
    let section = if azure { "deployments" } else { "models" };
    let manifest = manifest()
        .set("/identities/own/apiKey/file", secret.to_str().unwrap())
        .backend_of(kind, kind, &format!("http://{}", sim.addr()))
        .set(&format!("/backends/{kind}/auth"), "own")
        .set(&format!("/backends/{kind}/{section}"), serving)
        .set("/pools/chat/members", members);
    let gateway = TestGateway::start(&manifest).await;
    (kind, sim, gateway)
}

fn describe(name: &'static str, sim: &SimHandle, gateway: &TestGateway) -> Kind {
    let kind = Kind::behind(name, gateway, MODEL, Some(EMBEDDING_MODEL));
    let spare_models = SPARE_MODELS.map(str::to_owned).into();
    let simulator = Some(format!("http://{}", sim.addr()));
    // Only OpenAI has them at paths of its own.
    let lacks = if name == "openai" { Vec::new() } else { ["files", "audio"].map(str::to_owned).into() };
    Kind { simulator, spare_models, lacks, ..kind }
}
