//! A journal that cannot be written and a store that is away are seen where operators and balancers look: the
//! status, a metric, readiness; and so is the end of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::backend::{FakeBackend, Reply};
use e2e::figures::note;
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::otlp::Collector;
use e2e::shared::missing;
use e2e::wait::until_async;
use serde_json::{Value, json};
use vocabulary::admin::stores::{Impact, SharedStanding};

use crate::redis::RedisServer;

/// A disk of its own, small enough to be filled.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Nothing, loudly, where mounting is not permitted.
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "none"]).arg(folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            missing("SLUICEGATE_REQUIRE_MOUNT", "a small disk cannot be mounted, which needs root");
            return None;
        }
        Some(Self { folder: folder.to_owned() })
    }

    /// Leaves no page free.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.folder.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn relieve(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the gateway may still have files open there.
        let unmounted = Command::new("umount").arg("-l").arg(&self.folder).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// The status of readiness, and its line.
async fn readiness(gateway: &TestGateway) -> (u16, String) {
    let answer = gateway.admin().get("/readyz").await;
    (answer.status, answer.text().trim_end().to_owned())
}

/// What readiness says, once it says something like this.
async fn is_said(gateway: &TestGateway, words: &str) -> (u16, String) {
    let looked = async || Some(readiness(gateway).await).filter(|(_, said)| said.contains(words));
    until_async(&format!("`{words}` from readiness"), looked).await
}

async fn becomes_ready(gateway: &TestGateway) {
    let looked = async || (readiness(gateway).await == (200, "ready".to_owned())).then_some(());
    until_async("readiness", looked).await;
}

async fn store_is(collector: &Collector, store: &str, available: f64) {
    let named = [("sluicegate.store", store)];
    collector.await_series("sluicegate.store.available", &named, |one| one.value == available).await;
}

fn limited(backend: &FakeBackend, collector: &Collector) -> Manifest {
    Manifest::new()
        .backend("a", backend.address())
        .set("/limits/joint/requests", "100000 requests/day")
        .set("/routes/chat/limit", "joint")
        .otlp(collector.endpoint())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_loudly_and_an_emptied_one_heals() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&folder.path().join("state")) else { return };
    let (backend, collector) = (FakeBackend::always(Reply::completion("ok")).await, Collector::start().await);
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&limited(&backend, &collector), settings).await.unwrap();
    let client = gateway.client();
    assert_eq!(client.chat(&chat("x")).await.status, 200);
    becomes_ready(&gateway).await;
    store_is(&collector, "journal", 1.0).await;

    disk.fill();
    let mut served = 0;
    // What is left of the journal's last page takes a few more.
    let refused = loop {
        let answer = client.chat(&chat("x")).await;
        if answer.status != 200 {
            break answer;
        }
        served += 1;
        assert!(served < 1_000, "a full disk goes unnoticed");
    };
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "store_unavailable"));
    let (status, said) = is_said(&gateway, "journal of limits cannot be written").await;
    assert_eq!(status, 503, "{said}");
    let stores = gateway.status().await.stores;
    assert_eq!(stores.impact, Impact::Refusing);
    assert!(stores.journal.is_some_and(|journal| journal.failing && journal.failures > 0));
    store_is(&collector, "journal", 0.0).await;
    // The refusal's story had no room either.
    let cause = [("sluicegate.cause", "not_written")];
    collector.await_series("sluicegate.stories.dropped", &cause, |one| one.value >= 1.0).await;

    disk.relieve();
    becomes_ready(&gateway).await;
    assert_eq!(client.chat(&chat("x")).await.status, 200);
    store_is(&collector, "journal", 1.0).await;
    gateway.shutdown(std::time::Duration::from_secs(5)).await;
    let figure = "refused with `store_unavailable`, not ready, and why; ready again once there was room";
    note("Journal", "the disk full under load", figure);
}

/// What a gateway with a shared limit says of its readiness once its Redis is gone.
async fn without_redis(when_away: &str, status: u16) -> Option<String> {
    let mut server = RedisServer::start().await?;
    let (backend, collector) = (FakeBackend::always(Reply::completion("ok")).await, Collector::start().await);
    let shared: Value = json!({"redis": {"url": server.url()}, "replicas": 2, "whenAway": when_away});
    let gateway = TestGateway::start(&limited(&backend, &collector).set("/store/shared", shared)).await;
    becomes_ready(&gateway).await;
    store_is(&collector, "shared", 1.0).await;
    server.kill().await;
    let (found, away) = is_said(&gateway, "away").await;
    assert_eq!(found, status, "{away}");
    assert!(!away.contains(&server.address.to_string()), "whoever asks is not known: {away}");
    let stores = gateway.status().await.stores;
    let standing = stores.shared.expect("a shared store");
    assert_eq!(standing.standing, SharedStanding::Away);
    assert!(standing.why.is_some(), "{standing:?}");
    store_is(&collector, "shared", 0.0).await;
    server.restart().await;
    becomes_ready(&gateway).await;
    store_is(&collector, "shared", 1.0).await;
    Some(away)
}

#[tokio::test(flavor = "multi_thread")]
async fn live_without_redis_a_closed_gateway_is_not_ready_and_says_why() {
    let Some(away) = without_redis("closed", 503).await else { return };
    assert!(away.starts_with("not ready: the shared store is away"), "{away}");
    note("Replicas", "Redis away, `whenAway: closed`", "readiness fails and says why; ready when it is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_without_redis_a_gateway_with_a_local_share_is_ready_and_says_degraded() {
    let Some(away) = without_redis("local-share", 200).await else { return };
    assert!(away.starts_with("ready, degraded: the shared store is away"), "{away}");
    note("Replicas", "Redis away, `whenAway: local-share`", "ready, and degraded until it is back");
}
