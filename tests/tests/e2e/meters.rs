//! What operators read of what stands beside requests: metrics of policy hooks, a second policy and stories at a
//! collector, and how far limits are used.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::otlp::Collector;
use http::Method;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use vocabulary::admin::Status;

const TOKEN: &str = "e2e-admin-token";

async fn backend() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hooks_answers_are_counted_by_outcome_and_by_whether_they_were_remembered() {
    let (backend, collector) = (backend().await, Collector::start().await);
    let hook = FakeBackend::start(|number, _| match number {
        0 => Reply::json(200, &json!({"decision": "allow"})),
        1 => Reply::json(200, &json!({"decision": "deny"})),
        _ => Reply::json(500, &json!({})),
    })
    .await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/hooks/policy", json!({"url": format!("http://{}/", hook.address()), "cache": "1m"}))
        .set("/routes/chat/hook", "policy")
        .otlp(collector.endpoint());
    let gateway = TestGateway::start(&manifest).await;
    let asks = async |words: usize| {
        // Facts differ by the prompt's size, and so does what is remembered.
        gateway.client().chat(&chat(&"word ".repeat(words))).await.status
    };
    let statuses = [asks(1).await, asks(1).await, asks(200).await, asks(2_000).await];
    assert_eq!(statuses, [200, 200, 403, 503]);
    for (outcome, cached) in [("allow", "false"), ("allow", "true"), ("deny", "false"), ("status", "false")] {
        let named =
            [("sluicegate.hook", "policy"), ("sluicegate.outcome", outcome), ("sluicegate.cached", cached)];
        let series = collector.await_series("sluicegate.hook.duration", &named, |one| one.count == 1).await;
        assert!(series.value < 30.0, "{outcome}: {} s", series.value);
    }
    assert_eq!(collector.unit("sluicegate.hook.duration").as_deref(), Some("s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_second_policy_would_do_otherwise_is_counted_by_class_and_reason() {
    let (backend, collector) = (backend().await, Collector::start().await);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/admin/token", json!({"file": "token"}))
        .otlp(collector.endpoint());
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let admin = gateway.admin().with_key(TOKEN);
    let strict = Full::new(manifest.consumer("team", "sk-sg-team").text().into()).boxed();
    let begun = admin.send(admin.request(Method::POST, "/v1/shadow?for=10m", strict)).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    for _ in 0..3 {
        assert_eq!(gateway.client().chat(&chat("x")).await.status, 200);
    }
    assert_eq!(gateway.client().with_key("sk-sg-team").chat(&chat("x")).await.status, 200);
    collector.await_series("sluicegate.shadow.compared", &[], |one| one.value == 4.0).await;
    let named = [("sluicegate.difference", "would_refuse"), ("sluicegate.reason", "missing_key")];
    collector.await_series("sluicegate.shadow.differences", &named, |one| one.value == 3.0).await;
    for cause in ["queue_full", "not_written"] {
        let named = [("sluicegate.cause", cause)];
        collector.await_series("sluicegate.stories.dropped", &named, |one| one.value == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_limits_are_used_is_told_by_name_and_the_nearest_comes_first() {
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .consumer("acme", "sk-sg-acme")
        .consumer("quiet", "sk-sg-quiet")
        .set("/consumers/acme/team", "claims")
        .set("/consumers/acme/limit", "few")
        .set("/consumers/quiet/limit", "few")
        .set("/teams/claims", json!({"limit": "money", "each": "many"}))
        .set("/limits/few/requests", "4 requests/day")
        .set("/limits/many/requests", "1000 requests/day")
        .set("/limits/money/budget", "100 USD/month");
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    for _ in 0..3 {
        assert_eq!(gateway.client().with_key("sk-sg-acme").chat(&chat("x")).await.status, 200);
    }
    gateway.await_idle().await;
    let told: Status = gateway.admin().get("/v1/status").await.parsed();
    let counters = &told.limits.counters;
    let named: Vec<_> = counters
        .iter()
        .map(|one| (one.limit.as_str(), one.scope.as_str(), one.subject.as_str(), one.unit.as_str()))
        .collect();
    assert_eq!(
        named,
        [
            ("few", "consumer", "acme", "requests"),
            ("many", "each", "acme", "requests"),
            ("money", "team", "claims", "nano_usd"),
            ("few", "consumer", "quiet", "requests"),
        ]
    );
    let [few, _, money, _] = &counters[..] else { panic!("{counters:?}") };
    assert_eq!((few.used, few.ceiling, few.share), (3, 4, 0.75));
    assert!(money.used > 0 && money.used < 10_000_000 && money.ceiling == 100_000_000_000, "{money:?}");
    let one: Status = gateway.admin().get("/v1/status?limits=1").await.parsed();
    assert_eq!((one.limits.counters.len(), one.limits.others), (1, 3));
}
