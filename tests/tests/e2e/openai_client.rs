//! OpenAI's own Python client against the gateway, unmodified but for its base URL.

use std::path::{Path, PathBuf};

use e2e::backend::{fast, simulate};
use e2e::gateway::TestGateway;
use e2e::manifest::{MODEL, Manifest};
use e2e::shared::missing;
use model_sim::ModelConfig;
use serde_json::{Value, json};
use tokio::process::Command;

const KEY: &str = "sk-e2e-openai-client";
const EMBEDDING_MODEL: &str = "sim-embed";

/// The interpreter that has OpenAI's package; nothing, loudly, when there is none.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python =
        std::env::var_os("SLUICEGATE_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    missing(
        "SLUICEGATE_REQUIRE_PYTHON",
        &format!("{} is not there; `scripts/venv` makes it", python.display()),
    );
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn live_openais_own_python_client_completes_streams_embeds_lists_and_reads_our_errors() {
    let Some(python) = python() else { return };
    let mut config = fast("a");
    config.models.push(ModelConfig::new(EMBEDDING_MODEL));
    let sim = simulate(config);
    let manifest = Manifest::new()
        .backend("a", sim.addr())
        .set(&format!("/backends/a/models/{EMBEDDING_MODEL}"), json!({}))
        .set("/pools/chat/members", json!([format!("a/{MODEL}"), format!("a/{EMBEDDING_MODEL}")]))
        .consumer("team", KEY)
        .consumer("spent", "sk-e2e-spent")
        .set("/consumers/spent/limit", "one")
        .set("/limits/one/requests", "1 request/hour");
    let gateway = TestGateway::start(&manifest).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/openai_client.py");
    let mut command = Command::new(python);
    command.arg(script).arg(format!("{}/v1", gateway.url)).args([KEY, "sk-e2e-spent"]).kill_on_drop(true);
    let output = e2e::wait::within("the client", command.output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let log = sim.log();
    let (plain, streamed, embedded) = (&log[0], &log[1], &log[2]);
    assert_eq!(seen["plain"]["usage"], json!([plain.prompt_tokens, plain.output_tokens]));
    assert_eq!(seen["streamed"]["usage"], json!([streamed.prompt_tokens, streamed.output_tokens]));
    assert_eq!(model_sim::tokens::count(seen["streamed"]["text"].as_str().unwrap()), streamed.output_tokens);
    assert_eq!(
        (&seen["embedded"]["dimensions"], &seen["embedded"]["tokens"]),
        (&json!(256), &json!(embedded.prompt_tokens))
    );
    assert_eq!(seen["models"], json!([MODEL, EMBEDDING_MODEL]));
    assert_eq!(
        seen["errors"],
        json!({
            "wrong key": ["AuthenticationError", 401, "invalid_key"],
            "unknown model": ["NotFoundError", 404, "unknown_model"],
            "spent limit": ["RateLimitError", 429, "request_limit"],
        })
    );
}
