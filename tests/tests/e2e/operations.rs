//! What an operator can order of a running gateway, and what is written down of it: roles, holds, rollback,
//! trials, the audit log.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply};
use e2e::client::{Answer, Client};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::wait::until_async;
use http::Method;
use http_body_util::{BodyExt, Full};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sluicegate::audit;
use sluicegate::policy::Source;
use tempfile::TempDir;
use vocabulary::admin::audit::{AuditLine, AuditTail};
use vocabulary::admin::holds::{HoldPlaced, Holds};

const TOKEN: &str = "e2e-admin-token";

struct Desk {
    gateway: TestGateway,
    admin: Client,
    folder: TempDir,
    east: FakeBackend,
    west: FakeBackend,
}

/// A gateway before two backends, with an admin token.
async fn desk(source: Source) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let east = FakeBackend::always(Reply::completion("east")).await;
    let west = FakeBackend::always(Reply::completion("west")).await;
    let gateway = start(&both(&east, &west), source, &folder).await;
    Desk { admin: gateway.admin().with_key(TOKEN), gateway, folder, east, west }
}

async fn start(manifest: &Manifest, source: Source, folder: &TempDir) -> TestGateway {
    let settings = Settings { source, folder: Some(folder.path().to_owned()), ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap()
}

fn both(east: &FakeBackend, west: &FakeBackend) -> Manifest {
    let manifest = Manifest::new().backend("east", east.address()).backend("west", west.address());
    manifest.set("/admin/token", json!({"file": "token"}))
}

fn only(backend: &FakeBackend, name: &str) -> Manifest {
    Manifest::new().backend(name, backend.address()).set("/admin/token", json!({"file": "token"}))
}

async fn order(client: &Client, method: Method, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
    client.send(client.request(method, path, Full::new(body.into()).boxed())).await
}

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    order(client, Method::POST, path, body.to_string()).await
}

async fn put(admin: &Client, path: &str, manifest: &Manifest) -> Answer {
    order(&admin.clone().with("if-match", "*"), Method::PUT, path, manifest.text()).await
}

impl Desk {
    async fn hold(&self, body: &Value) -> HoldPlaced {
        let answer = post(&self.admin, "/v1/holds", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.parsed()
    }

    async fn holds(&self) -> Holds {
        self.admin.get("/v1/holds").await.parsed()
    }

    /// Who served `count` requests, all of which were served.
    async fn served(&self, count: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..count {
            let answer = self.gateway.client().chat(&chat("x")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            names.insert(answer.header("x-sluicegate-backend").unwrap().to_owned());
        }
        names
    }

    async fn standing(&self, member: &str) -> String {
        let status = self.status().await;
        let members = status["pools"][0]["members"].as_array().unwrap().clone();
        let found = members.iter().find(|one| one["member"] == member).unwrap();
        found["standing"].as_str().unwrap().to_owned()
    }

    /// How many members the pool has. One that has just joined takes its share by and by.
    async fn members(&self) -> usize {
        self.served(2).await;
        self.status().await["pools"][0]["members"].as_array().unwrap().len()
    }

    async fn status(&self) -> Value {
        self.admin.get("/v1/status").await.json()
    }

    /// The latest line of the audit log.
    async fn last_line(&self) -> AuditLine {
        self.admin.get("/v1/audit?limit=1").await.parsed::<AuditTail>().lines.remove(0)
    }

    fn audit_verifies(&self) -> audit::Verified {
        let files = audit::files(&self.folder.path().join("state")).unwrap();
        audit::verify(&files).unwrap().unwrap()
    }
}

fn drain(target: &str) -> Value {
    json!({"kind": "drain", "target": target, "for": "30m", "reason": "browns out"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_backend_takes_no_new_requests_until_it_is_released() {
    let desk = desk(Source::File).await;
    assert_eq!(desk.served(4).await.len(), 2);
    let placed = desk.hold(&drain("east")).await;
    assert!(placed.everywhere && placed.hold.by == "admin", "{placed:?}");
    assert_eq!(desk.served(6).await, BTreeSet::from(["west/sim-chat".to_owned()]));
    assert_eq!(desk.standing("east/sim-chat").await, "drained");
    assert_eq!(desk.status().await["holds"][0]["reason"], "browns out");
    let line = desk.last_line().await;
    assert_eq!((line.action.name(), line.reason.as_deref()), ("drain", Some("browns out")));
    let path = format!("/v1/holds/{}", placed.hold.id);
    assert_eq!(order(&desk.admin, Method::DELETE, &path, "").await.status, 200);
    assert_eq!(desk.served(4).await.len(), 2);
    assert_eq!(order(&desk.admin, Method::DELETE, &path, "").await.status, 404);
    assert_eq!(desk.audit_verifies().lines, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_a_reload_and_a_restart_and_ends_by_itself() {
    let desk = desk(Source::File).await;
    desk.hold(&json!({"kind": "drain", "target": "east", "for": "4s", "reason": "short"})).await;
    let renamed = both(&desk.east, &desk.west).set("/pools/chat/strategy", "weighted");
    desk.gateway.write_manifest(&renamed.text());
    until_async("the reload", async || (desk.status().await["generation"] == 2).then_some(())).await;
    assert_eq!(desk.served(4).await.len(), 1);
    let Desk { gateway, folder, east, west, .. } = desk;
    gateway.shutdown(Duration::from_secs(1)).await;
    let gateway = start(&renamed, Source::File, &folder).await;
    let desk = Desk { admin: gateway.admin().with_key(TOKEN), gateway, folder, east, west };
    assert_eq!(desk.holds().await.holds.len(), 1, "a restart keeps it");
    assert_eq!(desk.served(4).await.len(), 1);
    until_async("its end", async || desk.holds().await.holds.is_empty().then_some(())).await;
    assert_eq!(desk.served(4).await.len(), 2);
    assert_eq!(desk.last_line().await.action.name(), "hold_expired");
    desk.audit_verifies();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_would_leave_no_member_is_refused_unless_forced() {
    let desk = desk(Source::File).await;
    desk.hold(&drain("east")).await;
    let refused = post(&desk.admin, "/v1/holds", &drain("west")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("`chat`"), "{}", refused.text());
    assert_eq!(desk.last_line().await.outcome.name(), "refused");
    let mut forced = drain("west/sim-chat");
    forced["force"] = true.into();
    desk.hold(&forced).await;
    let answer = desk.gateway.client().chat(&chat("x")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "no_backend"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_pinned_to_one_member_and_frozen_only_when_adaptive() {
    let desk = desk(Source::File).await;
    let pin = json!({"kind": "pin", "target": "chat", "member": "west/sim-chat", "for": "1h", "reason": "x"});
    desk.hold(&pin).await;
    assert_eq!(desk.served(4).await, BTreeSet::from(["west/sim-chat".to_owned()]));
    assert_eq!(desk.standing("east/sim-chat").await, "pinned_out");
    assert_eq!(post(&desk.admin, "/v1/holds", &pin).await.status, 409);
    let freeze = json!({"kind": "freeze", "target": "chat", "for": "1h", "reason": "x"});
    assert_eq!(post(&desk.admin, "/v1/holds", &freeze).await.status, 400);
    desk.gateway.write_manifest(&both(&desk.east, &desk.west).set("/pools/chat/strategy", "adaptive").text());
    until_async("the reload", async || (desk.status().await["generation"] == 2).then_some(())).await;
    desk.hold(&freeze).await;
    assert_eq!(desk.status().await["pools"][0]["frozen"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_publish_is_rolled_back_and_no_request_fails_for_it() {
    let desk = desk(Source::Api).await;
    assert_eq!(put(&desk.admin, "/v1/manifest", &only(&desk.west, "west")).await.status, 200);
    assert_eq!(desk.members().await, 1);
    let back = post(&desk.admin, "/v1/rollback", &json!({"reason": "too few"})).await;
    assert_eq!((back.status, back.header("etag")), (200, Some("\"3\"")), "{}", back.text());
    assert_eq!(desk.members().await, 2);
    let line = desk.last_line().await;
    assert_eq!((line.before.generation, line.after.generation), (2, 3));
    assert!(line.changed.contains(&"backends".to_owned()), "{line:?}");
    let kept = desk.admin.get("/v1/generations").await.json();
    assert_eq!((&kept["in_force"], &kept["generations"][0]["restores"]), (&json!(3), &json!(1)));
    assert_eq!(kept["generations"][0]["digest"], kept["generations"][2]["digest"]);
    assert_eq!(post(&desk.admin, "/v1/rollback", &json!({"to": 99})).await.status, 404);
    assert_eq!(post(&desk.admin, "/v1/rollback", &json!({})).await.status, 409, "nothing is before it");
    desk.audit_verifies();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_stands_until_the_manifest_file_changes() {
    let desk = desk(Source::File).await;
    desk.gateway.write_manifest(&only(&desk.west, "west").text());
    until_async("the reload", async || (desk.status().await["generation"] == 2).then_some(())).await;
    assert_eq!(post(&desk.admin, "/v1/rollback", &json!({})).await.status, 200);
    let status = desk.status().await;
    assert_eq!((&status["rolled_back"]["from"], &status["rolled_back"]["to"]), (&json!(2), &json!(1)));
    desk.gateway.reload().await;
    assert_eq!(desk.members().await, 2, "reading the same file again does not undo it");
    desk.gateway.write_manifest(&only(&desk.east, "east").text());
    until_async("the reload", async || (desk.status().await["generation"] == 4).then_some(())).await;
    assert_eq!(desk.status().await["rolled_back"], Value::Null);
    assert_eq!(desk.served(4).await, BTreeSet::from(["east/sim-chat".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_goes_back_by_itself_or_is_promoted() {
    let desk = desk(Source::Api).await;
    let tried = put(&desk.admin, "/v1/manifest?canary=1s", &only(&desk.west, "west")).await;
    assert_eq!(tried.status, 200, "{}", tried.text());
    assert_eq!(desk.status().await["canary"]["then"], 1);
    assert_eq!(desk.members().await, 1);
    until_async("the end of the trial", async || (desk.status().await["generation"] == 3).then_some(()))
        .await;
    assert_eq!(desk.members().await, 2);
    assert_eq!(desk.last_line().await.action.name(), "canary_end");
    assert_eq!(post(&desk.admin, "/v1/canary/promote", &json!({})).await.status, 404);
    assert_eq!(put(&desk.admin, "/v1/manifest?canary=10m", &only(&desk.east, "east")).await.status, 200);
    assert_eq!(post(&desk.admin, "/v1/canary/promote", &json!({})).await.status, 200);
    assert_eq!(desk.status().await["canary"], Value::Null);
    assert_eq!(desk.served(2).await, BTreeSet::from(["east/sim-chat".to_owned()]));
    assert_eq!(put(&desk.admin, "/v1/manifest?canary=2d", &only(&desk.east, "east")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_told_which_they_lack_and_strangers_how_to_show_themselves() {
    let desk = desk(Source::File).await;
    let stranger = desk.gateway.admin();
    let refused = post(&stranger, "/v1/holds", &drain("east")).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"));
    let open = TestGateway::start(&Manifest::new().backend("a", desk.east.address())).await;
    assert_eq!(open.admin().get("/v1/openapi.json").await.json()["openapi"], "3.1.1");
    assert_eq!(post(&open.admin(), "/v1/holds", &drain("a")).await.status, 403);
    let wrong = order(&desk.admin, Method::PATCH, "/v1/holds", "").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, POST")));
}

/// Whatever is sent to whatever path: a 4xx, and nothing has changed.
#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_the_admin_api_fail_or_change_anything() {
    let desk = desk(Source::Api).await;
    let before = desk.status().await;
    let pieces = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "\"",
        ":",
        ",",
        "null",
        "kind",
        "drain",
        "target",
        "for",
        "1e999",
        "-1",
        "\\u0000",
        "é",
        "\u{0}",
        "reason",
        "to",
        "🙂",
        "apiVersion: sluicegate/v1",
        "\n",
    ]);
    let bodies =
        proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat().into_bytes()).boxed();
    let noise = proptest::collection::vec(proptest::num::u8::ANY, 0..64).boxed();
    let mut runner = TestRunner::deterministic();
    let admin = desk.admin.clone().with("if-match", "*");
    for turn in 0..120 {
        let bodies = if turn % 2 == 0 { &bodies } else { &noise };
        let body = bodies.new_tree(&mut runner).unwrap().current();
        // A rollback and a promotion take no body at all, so an empty one is not bad.
        let body = if body.is_empty() { b"?".to_vec() } else { body };
        for (method, path) in [
            (Method::PUT, "/v1/manifest"),
            (Method::PUT, "/v1/manifest?canary=1m"),
            (Method::POST, "/v1/rollback"),
            (Method::POST, "/v1/holds"),
            (Method::DELETE, "/v1/holds/0"),
            (Method::DELETE, "/v1/canary"),
            (Method::POST, "/v1/canary/promote"),
        ] {
            let answer = order(&admin, method, path, body.clone()).await;
            assert!(
                (400..500).contains(&answer.status),
                "{path} {body:?}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    let after = desk.status().await;
    for field in ["generation", "digest", "holds", "canary"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let large = order(&desk.admin, Method::POST, "/v1/holds", vec![b' '; 100_000]).await;
    assert_eq!(large.status, 413);
    desk.audit_verifies();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_policy_is_compared_on_live_traffic_and_changes_nothing() {
    let desk = desk(Source::File).await;
    assert_eq!(desk.admin.get("/v1/shadow").await.status, 404);
    let strict = both(&desk.east, &desk.west)
        .consumer("team", "sk-sg-team")
        .set("/pools/chat/members", json!(["east"]));
    let begun = order(&desk.admin, Method::POST, "/v1/shadow?for=10m", strict.text()).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    desk.served(3).await;
    let keyed = desk.gateway.client().with_key("sk-sg-team").chat(&chat("x")).await;
    assert_eq!(keyed.status, 200, "{}", keyed.text());
    let found = order(&desk.admin, Method::DELETE, "/v1/shadow", "").await.json();
    assert_eq!((&found["compared"], &found["running"]), (&json!(4), &json!(true)), "{found}");
    let classes = &found["differences"];
    assert_eq!(classes[0]["class"], "would_refuse", "{found}");
    assert_eq!((&classes[0]["reason"], &classes[0]["count"]), (&json!("missing_key"), &json!(3)));
    assert_eq!(
        (&classes[1]["class"], &classes[1]["samples"][0]),
        (&json!("other_members"), &json!(keyed.request_id()))
    );
    assert_eq!(desk.admin.get("/v1/shadow").await.status, 404);
    assert_eq!(desk.last_line().await.action.name(), "shadow_end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_leaves_a_story_and_a_served_one_does_not() {
    let desk = desk(Source::File).await;
    let served = desk.gateway.client().chat(&chat("x")).await;
    let mut unknown = chat("a prompt nobody may read");
    unknown["model"] = "no-such-model".into();
    let refused = desk.gateway.client().chat(&unknown).await;
    assert_eq!(refused.status, 404);
    let path = format!("/v1/requests/{}", refused.request_id());
    let story = until_async("the story", async || {
        let answer = desk.admin.get(&path).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(story.json()["request"]["reason"], "unknown_model");
    assert!(story.json()["told"]["message"].as_str().unwrap().contains("model"), "{}", story.text());
    assert!(!story.text().contains("nobody may read"), "{}", story.text());
    let path = format!("/v1/requests/{}", served.request_id());
    assert_eq!(desk.admin.get(&path).await.status, 404);
    assert_eq!(desk.admin.get("/v1/requests/nonsense").await.status, 400);
    assert_eq!(desk.admin.get("/v1/requests").await.json()["stories"].as_array().unwrap().len(), 1);
}

/// The token and what a rejected manifest says stay out of the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_holds_no_secret() {
    let desk = desk(Source::Api).await;
    let bad = both(&desk.east, &desk.west).set("/pools/chat/strategy", "canary-in-a-manifest");
    assert_eq!(put(&desk.admin, "/v1/manifest", &bad).await.status, 422);
    desk.served(1).await;
    desk.hold(&drain("east")).await;
    let log = std::fs::read_to_string(desk.folder.path().join("state/audit.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(!log.contains("canary-in-a-manifest") && !log.contains(TOKEN), "{log}");
    let line = &desk.admin.get("/v1/audit").await.parsed::<AuditTail>().lines[1];
    assert_eq!(line.outcome.name(), "refused");
    assert!(line.detail.as_ref().unwrap().contains("SG"), "{line:?}");
}
