//! Manifests for tests, built field by field. It owns a small gateway that works as it is; it refuses to
//! check anything, since that is the compiler's.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The model every fake backend serves.
pub const MODEL: &str = "sim-chat";

/// A manifest under construction. JSON, which the gateway reads as well as YAML.
#[derive(Clone, Debug)]
pub struct Manifest {
    document: Value,
}

impl Default for Manifest {
    fn default() -> Self {
        Self::new()
    }
}

impl Manifest {
    /// A listener and an admin API on free ports, a pool `chat` without members that takes turns, routes of
    /// OpenAI's API to it, every trace kept and an access log beside the manifest. No keys are asked for.
    #[must_use]
    pub fn new() -> Self {
        let route = |path: &str| json!({"match": {"path": path, "method": "POST"}, "pool": "chat"});
        Self {
            document: json!({
                "apiVersion": "sluicegate/v1",
                "listeners": {"main": {"address": "127.0.0.1:0"}},
                "admin": {"address": "127.0.0.1:0"},
                "backends": {},
                "pools": {"chat": {"members": [], "strategy": "round-robin"}},
                "routes": {
                    "chat": route("/v1/chat/completions"),
                    "completions": route("/v1/completions"),
                    "embeddings": route("/v1/embeddings"),
                },
                "telemetry": {"accessLog": {"file": "access.jsonl"}, "traceSampling": "100%"},
            }),
        }
    }

    /// A document that exists already.
    #[must_use]
    pub const fn of(document: Value) -> Self {
        Self { document }
    }

    /// Adds an `openai` backend with [`MODEL`] at a dollar per million tokens, and makes it a member of
    /// the pool `chat`. Members of a pool stand in the order of their names.
    #[must_use]
    pub fn backend(self, name: &str, address: SocketAddr) -> Self {
        self.backend_of(name, "openai", &format!("http://{address}")).member("chat", name)
    }

    /// Adds an AI backend of some kind at a URL, as no pool's member yet.
    #[must_use]
    pub fn backend_of(self, name: &str, kind: &str, url: &str) -> Self {
        let price = json!({"input": "1 USD/1M", "output": "1 USD/1M"});
        let serving = match kind {
            "azure-openai" => ("deployments", json!({MODEL: {"model": MODEL, "price": price}})),
            _ => ("models", json!({MODEL: {"price": price}})),
        };
        let name = name.to_owned();
        self.set(&format!("/backends/{name}"), json!({"kind": kind, "url": url, serving.0: serving.1}))
    }

    /// Adds a plain HTTP service as member of `pool`, which takes turns.
    #[must_use]
    pub fn service(self, name: &str, address: SocketAddr, pool: &str) -> Self {
        self.set(&format!("/backends/{name}"), json!({"kind": "http", "url": format!("http://{address}")}))
            .set(&format!("/pools/{pool}/strategy"), "round-robin")
            .member(pool, name)
    }

    /// Makes a backend a member of a pool.
    #[must_use]
    pub fn member(mut self, pool: &str, name: &str) -> Self {
        let members = self.at(&format!("/pools/{pool}/members"));
        match members {
            Value::Array(list) => list.push(name.into()),
            other => *other = json!([name]),
        }
        self
    }

    /// Sets what `pointer` (RFC 6901) leads to, making objects on the way.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *self.at(pointer) = value.into();
        self
    }

    /// What `pointer` leads to, if anything.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.document.pointer(pointer)
    }

    /// Removes what `pointer` leads to.
    #[must_use]
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        if let Value::Object(fields) = self.at(parent) {
            fields.remove(name);
        }
        self
    }

    /// Adds a consumer whose key is `key`; from then on every route asks for one.
    #[must_use]
    pub fn consumer(self, name: &str, key: &str) -> Self {
        self.set(&format!("/consumers/{name}/keys/only"), json!({"sha256": sha256(key)}))
    }

    /// Sends traces and metrics to a collector, metrics often.
    #[must_use]
    pub fn otlp(self, endpoint: &str) -> Self {
        self.set("/telemetry/otlp", json!({"endpoint": endpoint, "interval": "100ms"}))
    }

    /// The manifest's text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:#}\n", self.document)
    }

    fn at(&mut self, pointer: &str) -> &mut Value {
        let mut place = &mut self.document;
        for name in pointer.split('/').skip(1) {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            // `~1` is a slash inside a name.
            place = &mut place[name.replace("~1", "/").as_str()];
        }
        place
    }
}

/// The hash under which a manifest knows a key.
#[must_use]
pub fn sha256(key: &str) -> String {
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
