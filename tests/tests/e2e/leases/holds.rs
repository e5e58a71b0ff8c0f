//! What an operator orders of one replica holds on the other, soon: drain, pin and freeze, and their release.

use std::time::{Duration, Instant};

use e2e::backend::{FakeBackend, Reply};
use e2e::client::Answer;
use e2e::figures::note;
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::wait::until_async;
use http::Method;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use vocabulary::admin::holds::HoldPlaced;
use vocabulary::admin::{PoolStatus, Status};

use super::replica::Replica;
use crate::redis::RedisServer;

/// What the manual promises.
const PROMISED: Duration = Duration::from_secs(2);

async fn order(replica: &Replica, method: Method, path: &str, body: &Value) -> Answer {
    let body = Full::new(body.to_string().into()).boxed();
    let answer = replica.admin.send(replica.admin.request(method, path, body)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer
}

/// Waits until the other replica's pool is as it should be, and says how long that took from `begun` on.
async fn shows(replica: &Replica, begun: Instant, is_so: impl Fn(&PoolStatus) -> bool) -> Duration {
    until_async("the other replica to follow", async || {
        let status: Status = replica.admin.get("/v1/status").await.parsed();
        is_so(&status.pools[0]).then(|| begun.elapsed())
    })
    .await
}

fn stands(pool: &PoolStatus, member: &str, standing: &str) -> bool {
    pool.members.iter().any(|one| one.member == member && one.standing == standing)
}

/// An order, and what the pool's status says once it holds.
type Case = (Value, fn(&PoolStatus) -> bool);

fn cases() -> [Case; 3] {
    let hold =
        |kind: &str, target: &str| json!({"kind": kind, "target": target, "for": "30m", "reason": "x"});
    let mut pin = hold("pin", "chat");
    pin["member"] = "west/sim-chat".into();
    [
        (hold("drain", "east"), |pool| stands(pool, "east/sim-chat", "drained")),
        (pin, |pool| stands(pool, "east/sim-chat", "pinned_out")),
        (hold("freeze", "chat"), |pool| pool.frozen),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn live_drain_pin_and_freeze_hold_on_the_other_replica_within_two_seconds() {
    let Some(server) = RedisServer::start().await else { return };
    let (east, west) = (
        FakeBackend::always(Reply::completion("e")).await,
        FakeBackend::always(Reply::completion("w")).await,
    );
    let manifest = Manifest::new()
        .backend("east", east.address())
        .backend("west", west.address())
        .set("/pools/chat/strategy", "adaptive")
        .set("/admin/token", json!({"file": "token"}))
        .set("/store/shared", json!({"redis": {"url": server.url()}, "replicas": 2}));
    let Some(one) = Replica::start(&manifest).await else { return };
    let two = Replica::start(&manifest).await.unwrap();
    for replica in [&one, &two] {
        // A pool that nobody asked has no members to show.
        assert_eq!(replica.client.chat(&chat("x")).await.status, 200);
    }
    let mut slowest = Duration::ZERO;
    for round in 0..2 {
        for (hold, holds) in cases() {
            let begun = Instant::now();
            let placed: HoldPlaced = order(&one, Method::POST, "/v1/holds", &hold).await.parsed();
            assert!(placed.everywhere, "{placed:?}");
            slowest = slowest.max(shows(&two, begun, holds).await);
            if round == 0 && hold["kind"] != "freeze" {
                let before = east.calls().len();
                for _ in 0..10 {
                    assert_eq!(two.client.chat(&chat("x")).await.status, 200);
                }
                assert_eq!(east.calls().len(), before, "{hold}: nothing goes there any more");
            }
            let begun = Instant::now();
            order(&one, Method::DELETE, &format!("/v1/holds/{}", placed.hold.id), &json!({})).await;
            slowest = slowest.max(shows(&two, begun, |pool| !holds(pool)).await);
        }
    }
    assert!(slowest < PROMISED, "{slowest:?}");
    let figure =
        format!("the slowest of 12 was in force on the other replica after {} ms", slowest.as_millis());
    note("Replicas", "drain, pin and freeze, ordered and released at one of two", figure);
}
