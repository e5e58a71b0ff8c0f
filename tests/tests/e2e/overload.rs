//! Overload through real sockets: who gets in when there is not room for all, and what is held meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use e2e::backend::{FakeBackend, Reply, Step, simulate};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::{MODEL, Manifest};
use e2e::wait::within;
use model_sim::{Profile, SimConfig, SimHandle};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CRITICAL: &str = "sk-critical";
const BATCH: &str = "sk-batch";
const BOUND: usize = 20;

fn guarded(manifest: Manifest) -> Manifest {
    manifest
        .consumer("desk", CRITICAL)
        .set("/consumers/desk/priority", "critical")
        .consumer("nightly", BATCH)
        .set("/consumers/nightly/priority", "batch")
        .consumer("other", "sk-other")
}

/// Callers that ask again as soon as they are answered, until `done`; how long each answer took, and how many
/// were turned away.
async fn callers(client: &Client, count: usize, done: &AtomicBool) -> (Vec<Duration>, usize) {
    let one = async || {
        let (mut took, mut shed) = (Vec::new(), 0);
        while !done.load(Ordering::SeqCst) {
            let start = Instant::now();
            let answer = client.chat(&chat("hello")).await;
            match answer.status {
                200 => took.push(start.elapsed()),
                503 => {
                    assert_eq!(answer.json()["error"]["code"], "overloaded");
                    let after = answer.header("retry-after").unwrap().parse::<u32>().unwrap();
                    assert!((1..=3).contains(&after), "{after}");
                    shed += 1;
                    // A client that heeds nothing, slowed so that the test is not about its own loop.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                status => panic!("{status}: {}", answer.text()),
            }
        }
        (took, shed)
    };
    let all = futures_util::future::join_all((0..count).map(|_| Box::pin(one()))).await;
    all.into_iter().fold((Vec::new(), 0), |(mut took, shed), one| {
        took.extend(one.0);
        (took, shed + one.1)
    })
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[(took.len() * 99 / 100).min(took.len() - 1)]
}

/// The most requests that were at the server at once.
fn most_at_once(sim: &SimHandle) -> usize {
    let mut steps: Vec<(u64, i32)> = Vec::new();
    for record in sim.log() {
        steps.push((record.arrival.0, 1));
        steps.extend(record.end.map(|end| (end.0, -1)));
    }
    // Where one ends as another begins, the end comes first.
    steps.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    usize::try_from(most).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_twice_the_load_critical_requests_are_served_as_before_while_batch_is_shed() {
    let profile = Profile::hosted(Duration::from_millis(100), 1e6, Duration::from_millis(1));
    let sim = simulate(SimConfig::new("a", MODEL, profile));
    let manifest =
        guarded(Manifest::new().backend("a", sim.addr())).set("/overload", json!({"maxInFlight": BOUND}));
    let gateway = TestGateway::start(&manifest).await;
    let (critical, batch) = (gateway.client().with_key(CRITICAL), gateway.client().with_key(BATCH));
    let done = AtomicBool::new(false);
    let for_a_while = async |done: &AtomicBool| {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        done.store(true, Ordering::SeqCst);
    };
    let ((alone, _), ()) = tokio::join!(callers(&critical, 4, &done), for_a_while(&done));
    done.store(false, Ordering::SeqCst);
    let ((beside, refused), (served, shed), ()) =
        tokio::join!(callers(&critical, 4, &done), callers(&batch, 2 * BOUND - 4, &done), for_a_while(&done));
    assert_eq!(refused, 0, "a critical request was shed");
    assert!(shed > 0 && !served.is_empty(), "batch: {shed} shed, {} served", served.len());
    assert!(most_at_once(&sim) <= BOUND * 8 / 10 + 4, "{} at once", most_at_once(&sim));
    let (before, under_load) = (p99(alone), p99(beside));
    assert!(
        under_load < before * 3 + Duration::from_millis(200),
        "p99 {before:?} alone, {under_load:?} beside"
    );
    eprintln!(
        "critical p99 {before:?} alone, {under_load:?} under load; batch {} served, {shed} shed",
        served.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_held_turn_away_more_of_them_and_free_the_room_when_they_go() {
    let pace = Arc::new(Semaphore::new(0));
    let body = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let slow = Reply::steps(vec![Step::Await(Arc::clone(&pace)), Step::Write(Bytes::from(head))]);
    let backend = FakeBackend::always(slow).await;
    let manifest = guarded(Manifest::new().backend("a", backend.address()))
        .set("/overload", json!({"maxBuffered": "1MB"}));
    let gateway = TestGateway::start(&manifest).await;
    let (critical, batch) = (gateway.client().with_key(CRITICAL), gateway.client().with_key(BATCH));
    let large = |bytes: usize| chat(&"x".repeat(bytes));
    let mut waiting = JoinSet::new();
    waiting.spawn({
        let (critical, request) = (critical.clone(), large(700_000));
        async move { critical.chat(&request).await.status }
    });
    backend.await_requests(1).await;
    assert_eq!(batch.chat(&large(150_000)).await.status, 503, "850 kB would be over 80 %");
    assert_eq!(critical.chat(&large(400_000)).await.status, 503, "1.1 MB is over the bound for anybody");
    assert_eq!(backend.requests().len(), 1, "what was shed went no further");
    waiting.spawn({
        let (batch, request) = (batch.clone(), large(10));
        async move { batch.chat(&request).await.status }
    });
    backend.await_requests(2).await;
    pace.add_permits(2);
    assert_eq!(within("both answers", waiting.join_all()).await, [200, 200]);
    gateway.await_idle().await;
    pace.add_permits(1);
    assert_eq!(batch.chat(&large(700_000)).await.status, 200, "the room is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_word_counts_once_the_body_has_told_which_route_it_is() {
    let pace = Arc::new(Semaphore::new(0));
    let hang = Reply::steps(vec![Step::Await(Arc::clone(&pace)), Step::Close]);
    let backend = FakeBackend::always(hang).await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/routes/chat/priority", "critical")
        .set("/routes/embeddings/priority", "batch")
        .set("/overload", json!({"maxInFlight": 5}));
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client();
    let mut asking = JoinSet::new();
    let ask = |asking: &mut JoinSet<u16>| {
        let client = client.clone();
        asking.spawn(async move { client.chat(&chat("hello")).await.status });
    };
    (0..4).for_each(|_| ask(&mut asking));
    backend.await_requests(4).await;
    let embeddings = json!({"model": MODEL, "input": "hello"});
    assert_eq!(client.post("/v1/embeddings", &embeddings).await.status, 503, "four of five is 80 %");
    ask(&mut asking);
    backend.await_requests(5).await;
    assert_eq!(client.chat(&chat("hello")).await.status, 503, "and five of five is all there is");
    pace.add_permits(100);
    assert!(within("all answers", asking.join_all()).await.iter().all(|status| *status != 503));
}
