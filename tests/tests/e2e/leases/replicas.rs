//! Two gateway processes with one ceiling between them, and what happens to their Redis.

use std::time::{Duration, Instant};

use e2e::backend::{FakeBackend, Reply, fast, simulate};
use e2e::client::Client;
use e2e::figures::note;
use e2e::gateway::chat;
use e2e::manifest::MODEL;
use futures_util::future::join_all;
use serde_json::json;

use super::replica::{Replica, limited};
use crate::redis::RedisServer;

/// The longest a window of these tests is: they end within it.
const WINDOW: &str = "requests/day";
/// What may be left of a window that every caller is refused in: either replica may hold the last pieces
/// while the other one asks for them, and is refused until they are returned, ten seconds later.
const LEFT: usize = 4;

/// Statuses of `each` requests from each of 32 callers per replica.
async fn load(replicas: &[&Replica], each: usize) -> Vec<u16> {
    let caller = async |client: &Client| {
        let mut statuses = Vec::new();
        for _ in 0..each {
            statuses.push(client.chat(&chat("x")).await.status);
        }
        statuses
    };
    let callers = replicas.iter().flat_map(|replica| (0..32).map(|_| caller(&replica.client)));
    join_all(callers).await.concat()
}

/// Asks until the ceiling refuses every caller. After a loss that takes a while: replicas have to find the
/// store, say what they hold, and wait for each other.
async fn exhaust(replicas: &[&Replica]) {
    e2e::wait::until_async("the end of the window's amount", async || {
        load(replicas, 1).await.iter().all(|status| *status == 429).then_some(())
    })
    .await;
}

/// How many were refused because the store did not answer within its 50 ms. That is the manifest's stance, and
/// on a machine that is busy with other things it happens; anything else than that and 429 is a defect.
fn unsure(statuses: &[u16]) -> usize {
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429 | 503)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 503).count()
}

fn served(statuses: &[u16]) -> usize {
    statuses.iter().filter(|status| **status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_two_replicas_serve_no_more_than_one_ceiling_under_load() {
    let Some(server) = RedisServer::start().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("500 {WINDOW}")}));
    let Some(one) = Replica::start(&manifest).await else { return };
    let two = Replica::start(&manifest).await.unwrap();
    let unsure = unsure(&load(&[&one, &two], 20).await);
    exhaust(&[&one, &two]).await;
    let served = backend.calls().len();
    assert!((500 - LEFT..=500).contains(&served), "{served}");
    note("Replicas", "where Redis ran", format!("a {}", server.place()));
    note(
        "Replicas",
        "two replicas, 64 callers, 500 requests a day",
        format!("{served} served by both together; {unsure} refused for a slow store"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_killed_replica_goes_on_with_its_lease_and_spends_nothing_twice() {
    let Some(server) = RedisServer::start().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("400 {WINDOW}")}));
    let Some(mut one) = Replica::start(&manifest).await else { return };
    let two = Replica::start(&manifest).await.unwrap();
    let before = served(&load(&[&one, &two], 2).await);
    one.kill_and_restart().await;
    exhaust(&[&one, &two]).await;
    let after = backend.calls().len() - before;
    assert!((400 - LEFT..=400).contains(&(before + after)), "{before} and {after}");
    let figure = format!("{before} served before and {after} after, of 400");
    note("Replicas", "kill -9 of one replica, started again", figure);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_redis_that_comes_back_empty_gives_nothing_twice() {
    let Some(mut server) = RedisServer::start().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("400 {WINDOW}")}));
    let Some(one) = Replica::start(&manifest).await else { return };
    let two = Replica::start(&manifest).await.unwrap();
    let before = served(&load(&[&one, &two], 3).await);
    server.kill().await;
    let without = load(&[&one, &two], 3).await;
    assert!(without.iter().all(|status| matches!(status, 200 | 503)), "{without:?}");
    server.restart().await;
    exhaust(&[&one, &two]).await;
    let total = backend.calls().len();
    assert!(before > 0 && (400 - LEFT..=400).contains(&total), "{before} before, {total} in all");
    note("Replicas", "Redis killed and back empty", format!("{before} served before, {total} of 400 in all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn live_in_the_steady_state_round_trips_do_not_grow_with_requests() {
    let Some(server) = RedisServer::start().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("1000000 {WINDOW}")}));
    let Some(one) = Replica::start(&manifest).await else { return };
    load(&[&one], 5).await;
    let before = server.calls("evalsha").await;
    let begun = Instant::now();
    let statuses = load(&[&one], 60).await;
    let (asked, took) = (server.calls("evalsha").await - before, begun.elapsed());
    assert_eq!(served(&statuses), statuses.len());
    // A look every 50 ms asks at most once, and a heartbeat a second.
    let most = took.as_millis() as u64 / 50 + took.as_secs() + 2;
    assert!(asked <= most && asked < 200, "{asked} round trips in {took:?} for {} requests", statuses.len());
    let figure = format!("{asked} round trips for {} requests in {} ms", statuses.len(), took.as_millis());
    note("Replicas", "the steady state", figure);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_frozen_redis_delays_no_request_that_a_lease_covers() {
    let Some(server) = RedisServer::start().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("1000000 {WINDOW}")}));
    let Some(one) = Replica::start(&manifest).await else { return };
    load(&[&one], 5).await;
    server.freeze().await;
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let begun = Instant::now();
        assert_eq!(one.client.chat(&chat("x")).await.status, 200);
        slowest = slowest.max(begun.elapsed());
    }
    server.thaw().await;
    // The store's own patience is 50 ms; a machine under load may take some of it.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    note(
        "Replicas",
        "Redis frozen, 200 requests",
        format!("all served, the slowest in {} ms", slowest.as_millis()),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_redis_that_comes_back_with_its_data_gives_nothing_twice() {
    let Some(mut server) = RedisServer::start_keeping().await else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = limited(&server, backend.address(), json!({"requests": format!("400 {WINDOW}")}));
    let Some(one) = Replica::start(&manifest).await else { return };
    let two = Replica::start(&manifest).await.unwrap();
    let before = served(&load(&[&one, &two], 3).await);
    server.kill().await;
    server.restart().await;
    exhaust(&[&one, &two]).await;
    let total = backend.calls().len();
    assert!(before > 0 && (400 - LEFT..=400).contains(&total), "{before} before, {total} in all");
    note(
        "Replicas",
        "Redis killed and back with its data",
        format!("{before} served before, {total} of 400 in all"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn live_two_replicas_pass_no_joint_ceiling_of_tokens_or_dollars() {
    let Some(server) = RedisServer::start().await else { return };
    // At a dollar per million tokens both are 6,000 tokens.
    for (limit, code) in [
        (json!({"tokens": "6k tokens/day", "hard": true}), "tokens"),
        (json!({"budget": "0.006 USD/month", "hard": true}), "dollars"),
    ] {
        let sim = simulate(fast("a"));
        let manifest = limited(&server, sim.addr(), limit)
            .set(&format!("/backends/one/models/{MODEL}/maxOutput"), 8)
            .set("/store/shared/prefix", code);
        let Some(one) = Replica::start(&manifest).await else { return };
        let two = Replica::start(&manifest).await.unwrap();
        let statuses = load(&[&one, &two], 10).await;
        let unsure = unsure(&statuses);
        let spent: u64 = sim.log().iter().map(|record| record.usage().total()).sum();
        assert!(spent <= 6_000, "{spent} of 6000 by {code}");
        assert!(served(&statuses) > 20 && served(&statuses) < statuses.len(), "{}", served(&statuses));
        let served = served(&statuses);
        let figure = format!(
            "{served} served by both together, {spent} tokens by the servers' log; {unsure} refused for a slow store"
        );
        note(
            "Replicas",
            &format!("two replicas, 64 callers, hard ceiling of 6,000 tokens in {code}"),
            figure,
        );
    }
}
