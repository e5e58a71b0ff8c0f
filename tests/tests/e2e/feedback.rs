//! The learning loop through real sockets: price and speed move the shares, and every pick can be explained.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::backend::simulate;
use e2e::gateway::{Settings, TestGateway, chat_stream};
use e2e::manifest::{MODEL, Manifest};
use e2e::wait::until_async;
use model_sim::{FaultScript, Profile, SimConfig, SimHandle};
use serde_json::{Value, json};

/// Policy seconds per second: the loop's windows pass twenty times as fast.
const SCALE: f64 = 20.0;

/// A server that takes half a policy second to its first token.
fn server(name: &str) -> SimHandle {
    let profile = Profile::hosted(Duration::from_millis(500), 100_000.0, Duration::from_millis(20));
    simulate(SimConfig { time_scale: SCALE, ..SimConfig::new(name, MODEL, profile) })
}

fn price(usd: u32) -> Value {
    json!({"input": format!("{usd} USD/1M"), "output": format!("{usd} USD/1M")})
}

fn manifest(one: &SimHandle, other: &SimHandle, prices: [u32; 2], ttft: &str) -> Manifest {
    Manifest::new()
        .backend("one", one.addr())
        .backend("other", other.addr())
        .set("/backends/one/models/sim-chat/price", price(prices[0]))
        .set("/backends/other/models/sim-chat/price", price(prices[1]))
        .set("/pools/chat/strategy", "adaptive")
        .set("/pools/chat/objective", json!({"ttft": ttft, "attainment": "95%", "maxCostPerMiss": "1 USD"}))
}

async fn start(manifest: &Manifest) -> TestGateway {
    let settings = Settings { time_scale: SCALE, ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap()
}

/// Runs `look` while eight callers keep the gateway busy.
async fn under_load<T>(gateway: &TestGateway, look: impl Future<Output = T>) -> T {
    let done = AtomicBool::new(false);
    let request = chat_stream(&model_sim::tokens::text_of(600, 1));
    let caller = async || {
        while !done.load(Ordering::SeqCst) {
            let mut stream = gateway.client().chat_events(&request).await;
            assert_eq!(stream.status, 200);
            assert!(stream.rest().await.last().is_some_and(e2e::sse::Event::is_done));
        }
    };
    let looking = async {
        let found = look.await;
        done.store(true, Ordering::SeqCst);
        found
    };
    // Boxed, since each is large and there are many.
    let one = || Box::pin(caller());
    tokio::join!(looking, one(), one(), one(), one(), one(), one(), one(), one()).0
}

/// Waits until most of the pool's requests go to `member`.
async fn most_goes_to(gateway: &TestGateway, member: &str) {
    until_async(&format!("most requests to go to {member}"), async || {
        let pool = gateway.pool("chat").await;
        let share = pool.members.iter().find(|one| one.member == member)?.share;
        (share > 0.8).then_some(())
    })
    .await;
}

/// The objective is so generous that nothing but money can matter, however busy the machine.
#[tokio::test(flavor = "multi_thread")]
async fn changing_nothing_but_a_price_moves_the_shares() {
    let (one, other) = (server("one"), server("other"));
    let gateway = start(&manifest(&one, &other, [1, 3], "60s")).await;
    let moved = Box::pin(async {
        most_goes_to(&gateway, "one/sim-chat").await;
        gateway.write_manifest(&manifest(&one, &other, [9, 3], "60s").text());
        most_goes_to(&gateway, "other/sim-chat").await;
    });
    under_load(&gateway, moved).await;
    let changes = gateway.admin().get("/v1/shares").await.json().to_string();
    assert!(changes.contains("\"because\":\"cost\""), "{changes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slowing_nothing_but_one_backend_moves_the_shares() {
    let (one, other) = (server("one"), server("other"));
    let gateway = start(&manifest(&one, &other, [1, 3], "5s")).await;
    let moved = Box::pin(async {
        most_goes_to(&gateway, "one/sim-chat").await;
        one.set_faults(FaultScript::parse(r#"[{"at": 0, "kind": "slow", "factor": 60}]"#).unwrap());
        most_goes_to(&gateway, "other/sim-chat").await;
    });
    under_load(&gateway, moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_tells_its_candidates_in_dollars_and_why_it_fell_so() {
    let (one, other) = (server("one"), server("other"));
    let gateway = start(&manifest(&one, &other, [1, 3], "5s")).await;
    let mut stream = gateway.client().chat_events(&chat_stream("a b c d e f g h")).await;
    stream.rest().await;
    let decisions = gateway.decisions(10).await;
    assert_eq!(decisions.total, 1);
    let decision = &decisions.decisions[0];
    assert_eq!((decision.request_id.as_str(), decision.attempt), (stream.request_id().as_str(), 1));
    assert_eq!((decision.pool.as_str(), decision.strategy.as_str()), ("chat", "adaptive"));
    assert!(decision.lambda_usd.is_some_and(|lambda| lambda > 0.0) && decision.slack_s > 3.0);
    let members: Vec<&str> = decision.candidates.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(members, ["one/sim-chat", "other/sim-chat"]);
    for candidate in &decision.candidates {
        let sum = candidate.cost_usd + candidate.miss_usd + candidate.queue_usd + candidate.pace_usd;
        assert!((candidate.total_usd - sum).abs() < 1e-12 && candidate.cost_usd > 0.0, "{candidate:?}");
        assert!((0.0..=1.0).contains(&candidate.miss_probability) && candidate.predicted_ttft_s > 0.0);
    }
    let [cheap, dear] = &decision.candidates[..] else { panic!("two candidates") };
    assert!(
        (dear.cost_usd / cheap.cost_usd - 3.0).abs() < 1e-6,
        "three times the price is three times the cost"
    );
    assert_eq!(decision.chosen.as_deref(), Some("one/sim-chat"));
    assert!(decision.why.len() > 10, "{}", decision.why);
    assert_eq!(gateway.admin().get("/v1/decisions?limit=x").await.status, 400);
}
