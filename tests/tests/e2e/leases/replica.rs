//! One replica as a process of its own, with a state directory that outlives it. It owns starting and killing
//! it; what replicas must do together is the tests' business.

use std::net::SocketAddr;
use std::path::PathBuf;

use e2e::binary::{Running, sluicegate};
use e2e::client::Client;
use e2e::manifest::Manifest;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::redis::RedisServer;

/// What its admin API asks for, where the manifest says `{"file": "token"}`.
pub(super) const TOKEN: &str = "e2e-replica-token";

pub(super) struct Replica {
    pub(super) program: Running,
    pub(super) client: Client,
    /// The admin API, with [`TOKEN`].
    pub(super) admin: Client,
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Replica {
    pub(super) async fn start(manifest: &Manifest) -> Option<Self> {
        Self::start_with(manifest, &[], Vec::new()).await
    }

    /// With files beside the manifest, and variables of the environment.
    pub(super) async fn start_with(
        manifest: &Manifest,
        files: &[(&str, &[u8])],
        variables: Vec<(&'static str, String)>,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gateway.yaml"), manifest.text()).unwrap();
        for (name, bytes) in [("token", TOKEN.as_bytes())].iter().chain(files) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let (program, client, admin) = run(&folder, &variables).await?;
        Some(Self { program, client, admin, folder, variables })
    }

    /// Kills it and starts it again where it was.
    pub(super) async fn kill_and_restart(&mut self) {
        self.program.signal(Signal::KILL);
        self.program.ended().await;
        (self.program, self.client, self.admin) = run(&self.folder, &self.variables).await.unwrap();
    }

    /// Where a file beside its manifest is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

async fn run(folder: &TempDir, variables: &[(&'static str, String)]) -> Option<(Running, Client, Client)> {
    let program = sluicegate()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (manifest, state) = (path("gateway.yaml"), path("state"));
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let arguments = ["run", "--manifest", &manifest, "--state-dir", &state];
    let running = Running::start(&program, &arguments, &variables);
    let address: SocketAddr = running.listener("main").await;
    let admin = Client::new(running.admin().await).with_key(TOKEN);
    Some((running, Client::new(address), admin))
}

/// A limit of all replicas together on the route everybody uses.
pub(super) fn limited(server: &RedisServer, backend: SocketAddr, limit: Value) -> Manifest {
    Manifest::new()
        .backend("one", backend)
        .set("/limits/joint", limit)
        .set("/routes/chat/limit", "joint")
        .set("/store/shared", json!({"redis": {"url": server.url()}, "replicas": 2}))
}
