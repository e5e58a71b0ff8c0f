//! The real gateway in this process. It owns its folder, its ports and its end; it refuses to reach into
//! it beyond what its library shows: tests speak to its sockets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rule_table::Trust;
use serde_json::Value;
use sluicegate::policy::{Offer, Source};
use sluicegate::{Gateway, Options, StartError};
use tempfile::TempDir;
use vocabulary::admin::{Decisions, PoolStatus, Status};

use crate::access_log::AccessLog;
use crate::client::{Answer, Client};
use crate::manifest::Manifest;
use crate::wait::until_async;

/// How a gateway is to be started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The one source of policy.
    pub source: Source,
    /// Whose policy is taken.
    pub trust: Trust,
    /// Policy seconds per wall-clock second.
    pub time_scale: f64,
    /// Where manifest, access log and state are kept; a fresh folder when absent.
    pub folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { source: Source::File, trust: Trust::Anybody, time_scale: 1.0, folder: None }
    }
}

/// A running gateway. Dropping it leaves its connections to the test's runtime, which ends them.
#[derive(Debug)]
pub struct TestGateway {
    gateway: Gateway,
    /// Base URL of the first listener.
    pub url: String,
    /// Base URL of the admin API.
    pub admin_url: String,
    folder: PathBuf,
    /// Folders live as long as their gateway.
    _own: Option<TempDir>,
}

impl TestGateway {
    /// Starts a gateway that serves `manifest` from a file.
    pub async fn start(manifest: &Manifest) -> Self {
        Self::start_with(manifest, Settings::default())
            .await
            .unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    /// Starts a gateway with other settings.
    ///
    /// # Errors
    /// What the gateway says.
    pub async fn start_with(manifest: &Manifest, settings: Settings) -> Result<Self, StartError> {
        Self::start_text(&manifest.text(), settings).await
    }

    /// The same, from a manifest's text or a bundle's bytes.
    ///
    /// # Errors
    /// What the gateway says.
    pub async fn start_text(manifest: impl AsRef<[u8]>, settings: Settings) -> Result<Self, StartError> {
        // Fails when a test in this process was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = settings.folder.is_none().then(|| tempfile::tempdir().expect("a folder"));
        let given = settings.folder.as_deref();
        let folder = own.as_ref().map_or_else(|| given.unwrap_or(Path::new(".")), TempDir::path).to_owned();
        let file = folder.join("gateway.yaml");
        std::fs::write(&file, manifest).expect("a manifest can be written");
        let options = Options {
            manifest: file,
            source: settings.source,
            trust: settings.trust,
            state_dir: Some(folder.join("state")),
            overlays: Vec::new(),
            time_scale: settings.time_scale,
            seed: 7,
        };
        let gateway = Gateway::start(options).await?;
        let url = format!("http://{}", gateway.listeners[0].1);
        let admin_url = format!("http://{}", gateway.admin);
        Ok(Self { gateway, url, admin_url, folder, _own: own })
    }

    /// The address of the first listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway.listeners[0].1
    }

    /// The address of the listener `name`.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let found = self.gateway.listeners.iter().find(|(listener, _)| listener == name);
        found.unwrap_or_else(|| panic!("no listener {name}")).1
    }

    /// A caller of the first listener.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// A caller of the admin API.
    #[must_use]
    pub fn admin(&self) -> Client {
        Client::new(self.gateway.admin)
    }

    /// The access log.
    #[must_use]
    pub fn access_log(&self) -> AccessLog {
        AccessLog::new(&self.folder.join("access.jsonl"))
    }

    /// Replaces the manifest file, as an editor that writes a copy and renames it.
    pub fn write_manifest(&self, text: &(impl AsRef<[u8]> + ?Sized)) {
        let copy = self.folder.join(".gateway.yaml.new");
        std::fs::write(&copy, text).expect("a manifest can be written");
        std::fs::rename(copy, self.folder.join("gateway.yaml")).expect("a manifest can be replaced");
    }

    /// `GET /v1/status`.
    pub async fn status(&self) -> Status {
        self.ask("/v1/status").await.parsed()
    }

    /// The status of a pool.
    pub async fn pool(&self, name: &str) -> PoolStatus {
        let pools = self.status().await.pools;
        pools.into_iter().find(|pool| pool.pool == name).unwrap_or_else(|| panic!("no pool {name}"))
    }

    /// `GET /v1/decisions`, newest first.
    pub async fn decisions(&self, limit: usize) -> Decisions {
        self.ask(&format!("/v1/decisions?limit={limit}")).await.parsed()
    }

    /// Waits until the policy of this generation is in force.
    pub async fn await_generation(&self, generation: u64) {
        until_async("the policy to be in force", async || {
            (self.status().await.generation == generation).then_some(())
        })
        .await;
    }

    /// Waits until a member of `pool` has this standing.
    pub async fn await_standing(&self, pool: &str, member: &str, standing: &str) {
        until_async("the member's standing", async || {
            let pool = self.pool(pool).await;
            let member = pool.members.iter().find(|one| one.member == member).expect("a member of that name");
            (member.standing == standing).then_some(())
        })
        .await;
    }

    /// Waits until nothing is in flight.
    pub async fn await_idle(&self) {
        until_async("requests to settle", async || (self.status().await.in_flight == 0).then_some(())).await;
    }

    /// Reads certificates and manifest again, as on SIGHUP.
    pub async fn reload(&self) -> Offer {
        self.gateway.reload().await
    }

    /// Drains for at most `limit` and stops. Says how many requests were cut.
    pub async fn shutdown(self, limit: Duration) -> u64 {
        self.gateway.shutdown(limit).await
    }

    async fn ask(&self, path: &str) -> Answer {
        let answer = self.admin().get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }
}

/// The smallest chat request.
#[must_use]
pub fn chat(words: &str) -> Value {
    serde_json::json!({
        "model": crate::manifest::MODEL,
        "messages": [{"role": "user", "content": words}],
        "max_tokens": 8,
    })
}

/// The same, asking for a stream.
#[must_use]
pub fn chat_stream(words: &str) -> Value {
    let mut request = chat(words);
    request["stream"] = true.into();
    request
}
