//! Callers that want to harm: whatever they do, the gateway holds little memory for them and others are
//! served meanwhile. The gateway is the built program, so that its memory is its own.

use std::time::{Duration, Instant};

use e2e::backend::{FakeBackend, Reply};
use e2e::binary::{Running, sluicegate};
use e2e::client::Client;
use e2e::frames::FrameConnection;
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::raw::RawConnection;
use e2e::shared::missing;
use e2e::tls::Authority;
use e2e::wait::{PATIENCE, until_async};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;
use vocabulary::admin::Status;

const MIB: u64 = 1024 * 1024;
/// How long this gateway waits for a head and for a body.
const SHORT: Duration = Duration::from_secs(2);
/// A byte in this time is less than anybody honest sends.
const TRICKLE: Duration = Duration::from_millis(100);
/// What half of the strangers wait at most, and every one of them, on a machine that is busy attacking itself.
const NORMAL: Duration = Duration::from_millis(250);
const WORST: Duration = Duration::from_secs(10);

struct Siege {
    gateway: Running,
    stranger: Client,
    admin: Client,
    tls: std::net::SocketAddr,
    calm: u64,
    _backend: FakeBackend,
    _folder: TempDir,
}

impl Siege {
    async fn begin() -> Option<Self> {
        let program = sluicegate()?;
        let backend = FakeBackend::always(Reply::completion("served")).await;
        let folder = tempfile::tempdir().unwrap();
        Authority::new().sign().write(folder.path());
        let files = json!({"certificate": {"file": "certificate.pem"}, "key": {"file": "key.pem"}});
        let short = json!({"address": "127.0.0.1:0", "headTimeout": "2s", "bodyTimeout": "2s"});
        let manifest = Manifest::new()
            .backend("a", backend.address())
            .service("tool", backend.address(), "tools")
            .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}))
            .set("/listeners/main", short.clone())
            .set("/listeners/tls", short)
            .set("/listeners/tls/tls", files);
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, manifest.text()).unwrap();
        let gateway = Running::start(&program, &["run", "--manifest", &file.display().to_string()], &[]);
        let stranger = Client::new(gateway.listener("main").await);
        let tls = gateway.listener("tls").await;
        let admin = Client::new(gateway.admin().await);
        for _ in 0..50 {
            assert_eq!(stranger.chat(&chat("x")).await.status, 200);
        }
        let calm = gateway.memory();
        Some(Self { gateway, stranger, admin, tls, calm, _backend: backend, _folder: folder })
    }

    fn address(&self) -> std::net::SocketAddr {
        self.stranger.address()
    }

    /// Serves strangers until the attack is over, at least ten of them, and gives the attack's output.
    async fn meanwhile<T>(&self, attack: impl Future<Output = T>) -> T {
        let mut attack = std::pin::pin!(attack);
        let mut done = None;
        let mut waits = Vec::new();
        while done.is_none() || waits.len() < 10 {
            let start = Instant::now();
            let request = async { self.stranger.chat(&chat("x")).await };
            let mut request = std::pin::pin!(request);
            let answer = loop {
                tokio::select! {
                    output = &mut attack, if done.is_none() => done = Some(output),
                    answer = &mut request => break answer,
                }
            };
            assert_eq!(answer.status, 200, "{}", answer.text());
            waits.push(start.elapsed());
        }
        waits.sort();
        let (half, worst) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        assert!(
            half < NORMAL && worst < WORST,
            "of {} strangers half waited {half:?}, one {worst:?}",
            waits.len()
        );
        done.unwrap()
    }

    /// The gateway holds at most this much more than before.
    fn grew_at_most(&self, bytes: u64) {
        let now = self.gateway.memory();
        let grown = now.saturating_sub(self.calm);
        assert!(grown <= bytes, "it grew by {} KiB to {} KiB", grown / 1024, now / 1024);
    }

    /// Waits until no request is in flight: nothing an attacker began stays.
    async fn is_idle(&self) {
        until_async("requests to settle", async || {
            let status: Status = self.admin.get("/v1/status").await.parsed();
            (status.in_flight == 0).then_some(())
        })
        .await;
    }
}

/// CVE-2023-44487.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_as_soon_as_they_are_open_cost_their_connection() {
    let Some(siege) = Siege::begin().await else { return };
    let attack = async {
        let mut cut = 0;
        for _ in 0..20 {
            let mut caller = FrameConnection::open(siege.address()).await;
            let sent = caller.reset_rapidly(5_000, "/v1/chat/completions").await;
            cut += usize::from(sent.is_err() || caller.ping().await.is_err());
        }
        cut
    };
    assert_eq!(siege.meanwhile(attack).await, 20, "a connection that resets thousands of streams is ended");
    siege.is_idle().await;
    siege.grew_at_most(48 * MIB);
}

/// The same, slowly enough for every stream to be taken up before it is reset.
#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_once_they_are_taken_up_leave_nothing_behind() {
    let Some(siege) = Siege::begin().await else { return };
    let attack = async {
        for path in ["/v1/chat/completions", "/tools/x"] {
            let mut caller = FrameConnection::open(siege.address()).await;
            for _ in 0..200 {
                if caller.reset_rapidly(10, path).await.is_err() || caller.ping().await.is_err() {
                    caller = FrameConnection::open(siege.address()).await;
                }
            }
        }
    };
    siege.meanwhile(attack).await;
    siege.is_idle().await;
    siege.grew_at_most(48 * MIB);
}

/// Sends `head`, then `bytes` one after another, until the gateway ends the connection; gives the status it
/// sent, if any, and how long it took.
async fn trickle(
    address: std::net::SocketAddr,
    head: &str,
    bytes: impl Iterator<Item = u8>,
) -> (Option<u16>, Duration) {
    let start = Instant::now();
    let mut caller = RawConnection::open(address).await;
    caller.send(head.as_bytes()).await;
    let mut tick = tokio::time::interval(TRICKLE);
    for byte in bytes {
        tokio::select! {
            answer = caller.answer() => return (answer.map(|answer| answer.status), start.elapsed()),
            _ = tick.tick() => {}
        }
        if caller.try_send(&[byte]).await.is_err() {
            return (caller.answer().await.map(|answer| answer.status), start.elapsed());
        }
    }
    panic!("the gateway took everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let Some(siege) = Siege::begin().await else { return };
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Slow: ";
    let attack = async {
        let mut callers = JoinSet::new();
        for number in 0..300 {
            // Half of them have not got beyond the request line.
            let head = if number % 2 == 0 { head } else { "POST /v1" };
            callers.spawn(trickle(siege.address(), head, std::iter::repeat_n(b'x', 300)));
        }
        callers.join_all().await
    };
    for (status, took) in siege.meanwhile(attack).await {
        assert_eq!(status, None);
        assert!(took >= SHORT && took < SHORT * 5, "{took:?}");
    }
    siege.grew_at_most(48 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_byte_by_byte_is_refused_in_time() {
    let Some(siege) = Siege::begin().await else { return };
    for path in ["/v1/chat/completions", "/tools/x"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
        );
        let chunks =
            head.replace("Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\nffffff\r\n{");
        let attack = async {
            let mut callers = JoinSet::new();
            for number in 0..100 {
                let head = if number % 2 == 0 { head.clone() } else { chunks.clone() };
                let address = siege.address();
                callers.spawn(async move { trickle(address, &head, std::iter::repeat_n(b' ', 300)).await });
            }
            callers.join_all().await
        };
        for (status, took) in siege.meanwhile(attack).await {
            assert_eq!(status, Some(408), "{path} after {took:?}");
            assert!(took >= SHORT && took < SHORT * 5, "{path}: {took:?}");
        }
        siege.is_idle().await;
    }
    siege.grew_at_most(48 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_ask_for_nothing_shut_nobody_out() {
    const CALLERS: usize = 10_000;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may rise to the hard one");
    if limit.maximum.is_some_and(|files| files < CALLERS as u64 + 2_000) {
        return missing("SLUICEGATE_REQUIRE_FILES", &format!("{CALLERS} connections need more open files"));
    }
    let Some(siege) = Siege::begin().await else { return };
    let attack = async {
        let mut callers = Vec::with_capacity(CALLERS);
        for number in 0..CALLERS {
            let address = if number % 10 == 0 { siege.tls } else { siege.address() };
            let mut caller = RawConnection::open(address).await;
            match number % 4 {
                0 => {}
                1 => caller.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n").await,
                2 => caller.send(b"PRI * HTTP/2.0\r\n").await,
                _ => caller.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await,
            }
            callers.push(caller);
        }
        callers
    };
    let callers = siege.meanwhile(attack).await;
    siege.grew_at_most(320 * MIB);
    let all_gone = async {
        for mut caller in callers {
            // An HTTP/2 connection is told what is wrong first.
            caller.rest().await;
        }
    };
    siege
        .meanwhile(tokio::time::timeout(PATIENCE, all_gone))
        .await
        .expect("nobody stays who asks for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_measure_are_refused() {
    let Some(siege) = Siege::begin().await else { return };
    let line = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n";
    let many: String = (0..10_000).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = "y".repeat(4 * 1024 * 1024);
    let attack = async {
        for head in [
            format!("{line}{many}\r\n"),
            format!("{line}X-Long: {long}\r\n\r\n"),
            format!("{line}{long}: y\r\n\r\n"),
            format!("POST /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("{line}X-Endless: {long}"),
        ] {
            for _ in 0..5 {
                let mut caller = RawConnection::open(siege.address()).await;
                caller.send(head.as_bytes()).await;
                let status = caller.answer().await.map(|answer| answer.status);
                // The answer is lost when the gateway closes on bytes that it does not want to read.
                assert!(matches!(status, None | Some(400 | 431)), "{status:?}");
            }
        }
        for _ in 0..5 {
            let mut caller = FrameConnection::open(siege.address()).await;
            let sent = caller.continue_for_ever(2_000, 16_000).await;
            assert!(sent.is_err() || caller.ping().await.is_err(), "32 MB of header were taken");
        }
    };
    siege.meanwhile(attack).await;
    siege.is_idle().await;
    siege.grew_at_most(48 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_chunks_of_one_byte_takes_no_more_memory_than_its_bytes() {
    let Some(siege) = Siege::begin().await else { return };
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let bytes = b"1\r\n \r\n".repeat(4 * 1024);
    let attack = async {
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let (address, bytes) = (siege.address(), bytes.clone());
            callers.spawn(async move {
                let mut caller = RawConnection::open(address).await;
                caller.send(head.as_bytes()).await;
                // Many writes and no end: the time is up first.
                for _ in 0..2 {
                    caller.send(&bytes).await;
                }
                caller.answer().await.map(|answer| answer.status)
            });
        }
        callers.join_all().await
    };
    for status in siege.meanwhile(attack).await {
        assert!(matches!(status, None | Some(408)), "{status:?}");
    }
    siege.is_idle().await;
    siege.grew_at_most(48 * MIB);
}
