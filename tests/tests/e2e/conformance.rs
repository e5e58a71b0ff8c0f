//! OpenAI's and Anthropic's own Python clients against the gateway, unmodified but for base URL and key: one
//! suite, run against simulated backends of every kind, against backends of one's own, and against a real
//! llama.cpp server. It owns starting what the suite talks to; what must hold is said there, in
//! `tests/python/conformance`.

mod llama;
mod own_keys;
mod simulated;
mod suite;

use e2e::gateway::TestGateway;
use e2e::manifest::Manifest;
use serde::Serialize;
use serde_json::json;

/// What the suite's callers show.
const KEY: &str = "sk-e2e-conformance";
/// Shown where a limit shall be spent: it takes one request an hour.
const SPENT_KEY: &str = "sk-e2e-conformance-spent";

/// One backend kind behind a gateway of its own, as the suite's `target.py` reads it.
#[derive(Debug, Serialize)]
struct Kind {
    #[serde(skip)]
    name: &'static str,
    gateway: String,
    model: String,
    embedding_model: Option<String>,
    key: &'static str,
    spent_key: &'static str,
    /// The base URL of the simulated server behind it.
    simulator: Option<String>,
    /// Models that tests may put out of service.
    spare_models: Vec<String>,
    /// What its model cannot do.
    lacks: Vec<String>,
}

/// A manifest for one kind without its backend: everything under `/v1` leads to it, failures eject nothing,
/// and one of the two callers has a limit.
fn manifest() -> Manifest {
    Manifest::new()
        .set("/routes", json!({"all": {"match": {"path": "/v1/*"}, "pool": "chat", "passThrough": true}}))
        .set("/pools/chat/ejection", json!({"consecutiveFailures": 1000}))
        .consumer("team", KEY)
        .consumer("spent", SPENT_KEY)
        .set("/consumers/spent/limit", "one")
        .set("/limits/one/requests", "1 request/hour")
}

impl Kind {
    fn behind(name: &'static str, gateway: &TestGateway, model: &str, embedding_model: Option<&str>) -> Self {
        Self {
            name,
            gateway: gateway.url.clone(),
            model: model.to_owned(),
            embedding_model: embedding_model.map(str::to_owned),
            key: KEY,
            spent_key: SPENT_KEY,
            simulator: None,
            spare_models: Vec::new(),
            lacks: Vec::new(),
        }
    }
}
