//! From where and how callers may come: access rules, countries, proxies in front, TLS by name and version,
//! client certificates, and how many at once.

mod access;
mod certificates;
mod proxies;

use std::path::Path;

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use serde_json::json;

/// A gateway behind whose listener a balancer of this machine speaks the PROXY protocol.
fn proxied(manifest: Manifest) -> Manifest {
    manifest.set("/listeners/main/proxyProtocol", json!({"from": ["127.0.0.1"]}))
}

/// What that balancer says of a client.
fn from(address: &str) -> Vec<u8> {
    format!("PROXY TCP4 {address} 127.0.0.1 4711 443\r\n").into_bytes()
}

async fn started(manifest: &Manifest, folder: &Path) -> TestGateway {
    let settings = Settings { folder: Some(folder.to_owned()), ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

async fn backend() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

/// Status and code of a chat request by a client that the balancer in front names.
async fn asked_from(gateway: &TestGateway, address: &str) -> (u16, String) {
    let answer = gateway.client().behind(&from(address)).chat(&chat("x")).await;
    (answer.status, if answer.status == 200 { String::new() } else { answer.error_code() })
}
