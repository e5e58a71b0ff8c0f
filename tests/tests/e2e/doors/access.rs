//! Networks, countries and headers.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::{MODEL, Manifest};
use e2e::mmdb::database;
use e2e::raw::RawConnection;
use e2e::wait::until_async;
use serde_json::json;
use vocabulary::Reason;

use super::{asked_from, backend, from, proxied, started};

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_lets_in_who_is_allowed_and_not_denied() {
    let backend = backend().await;
    let office = json!({"allow": ["192.0.2.0/24"], "deny": ["192.0.2.66"]});
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .set("/access/office", office)
        .set("/listeners/main/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    assert_eq!(asked_from(&gateway, "192.0.2.7").await.0, 200);
    for address in ["192.0.2.66", "198.51.100.1"] {
        assert_eq!(asked_from(&gateway, address).await, (403, "address_forbidden".to_owned()), "{address}");
    }
    let models = gateway.client().behind(&from("198.51.100.1")).get("/v1/models").await;
    assert_eq!((models.status, models.error_code().as_str()), (403, "address_forbidden"));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_costs_no_body_and_tells_nothing_of_keys() {
    let backend = backend().await;
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .consumer("team", "right-key")
        .set("/access/office", json!({"allow": ["192.0.2.0/24"]}))
        .set("/routes/chat/access", json!(["office"]))
        .set("/listeners/main/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    let mut caller = RawConnection::open(gateway.address()).await;
    caller.send(&from("198.51.100.1")).await;
    // A body that never comes.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    caller.send(head.as_bytes()).await;
    assert_eq!(caller.answer().await.unwrap().status, 403);
    for key in ["right-key", "wrong-key"] {
        let client = gateway.client().behind(&from("198.51.100.1")).with_key(key);
        assert_eq!(client.chat(&chat("x")).await.error_code(), "address_forbidden");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_rules_of_its_own_for_models_and_for_services() {
    let (backend, service) = (backend().await, FakeBackend::always(Reply::with(200, &[], "tool")).await);
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .service("tools", service.address(), "tools")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools", "access": ["office"]}))
        .set("/access/office", json!({"allow": ["192.0.2.0/24"]}))
        .set("/routes/chat/match/model", MODEL)
        .set("/routes/chat/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    let (inside, outside) = (from("192.0.2.7"), from("198.51.100.1"));
    for (first, expected) in [(&inside, 200), (&outside, 403)] {
        let client = gateway.client().behind(first);
        assert_eq!(client.get("/tools/x").await.status, expected);
        assert_eq!(client.chat(&chat("x")).await.status, expected);
        let listed = client.get("/v1/models").await.text().contains(MODEL);
        assert!(listed, "the routes without rules serve it to everyone");
    }
    let log = gateway.access_log().at_least(6).await;
    assert_eq!(log.iter().filter(|record| record.reason == Some(Reason::AddressForbidden)).count(), 2);
    assert_eq!((backend.requests().len(), service.requests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_of_routes_that_would_refuse_are_not_listed() {
    let backend = backend().await;
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .without("/routes/completions")
        .without("/routes/embeddings")
        .set("/access/office", json!({"allow": ["192.0.2.0/24"]}))
        .set("/routes/chat/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    for (address, expected) in [("192.0.2.7", true), ("198.51.100.1", false)] {
        let models = gateway.client().behind(&from(address)).get("/v1/models").await;
        assert_eq!(models.text().contains(MODEL), expected, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn required_headers_must_be_there_with_a_value_that_will_do() {
    let backend = backend().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/access/tenants/headers", json!({"X-Tenant": ["claims", "research"], "x-ticket": "*"}))
        .set("/routes/chat/access", json!(["tenants"]));
    let gateway = TestGateway::start(&manifest).await;
    let with = |tenant: &str| gateway.client().with("x-ticket", "T-1").with("x-tenant", tenant);
    assert_eq!(with("claims").chat(&chat("x")).await.status, 200);
    assert_eq!(with("other").chat(&chat("x")).await.error_code(), "header_required");
    let without = gateway.client().with("x-tenant", "claims").chat(&chat("x")).await;
    assert_eq!((without.status, without.error_code().as_str()), (403, "header_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_in_shadow_mode_refuses_nobody_and_leaves_a_note() {
    let backend = backend().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/access/office", json!({"allow": ["192.0.2.0/24"], "mode": "shadow"}))
        .set("/listeners/main/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(answer.status, 200);
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!(record.would_refuse, [Reason::AddressForbidden]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_change_while_the_gateway_runs_and_listeners_do_not() {
    let backend = backend().await;
    let open = proxied(Manifest::new().backend("a", backend.address()));
    let gateway = TestGateway::start(&open).await;
    assert_eq!(asked_from(&gateway, "198.51.100.1").await.0, 200);
    let closed = open
        .set("/access/office", json!({"allow": ["192.0.2.0/24"]}))
        .set("/listeners/main/access", json!(["office"]));
    gateway.write_manifest(&closed.text());
    gateway.await_generation(2).await;
    assert_eq!(asked_from(&gateway, "198.51.100.1").await.0, 403);
    gateway.write_manifest(&closed.set("/listeners/main/private", true).text());
    let rejected = async || gateway.status().await.last_rejection;
    let rejection = until_async("a rejection", rejected).await;
    assert!(rejection.findings[0].contains("needs restart: `listeners`"), "{rejection:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn countries_decide_and_an_unknown_one_does_what_the_rule_says() {
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("geo.mmdb");
    std::fs::write(&file, database(&[("192.0.2.0/24", "SE"), ("198.51.100.0/24", "US")])).unwrap();
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .set("/countries/file", "geo.mmdb")
        .set("/access/nordic/countries", json!({"allow": ["SE", "NO"]}))
        .set("/routes/chat/access", json!(["nordic"]));
    let gateway = started(&manifest, folder.path()).await;
    let forbidden = (403, "country_forbidden".to_owned());
    assert_eq!(asked_from(&gateway, "192.0.2.7").await.0, 200);
    assert_eq!(asked_from(&gateway, "198.51.100.1").await, forbidden);
    assert_eq!(asked_from(&gateway, "203.0.113.1").await, forbidden, "unknown");
    gateway.write_manifest(&manifest.set("/access/nordic/onFailure", "open").text());
    gateway.await_generation(2).await;
    assert_eq!(asked_from(&gateway, "203.0.113.1").await.0, 200);
    // Another database in the same place, and then one that is none.
    let first = gateway.status().await.countries.unwrap();
    std::fs::write(folder.path().join("new"), database(&[("198.51.100.0/24", "NO")])).unwrap();
    std::fs::rename(folder.path().join("new"), &file).unwrap();
    let moved = async || (asked_from(&gateway, "198.51.100.1").await.0 == 200).then_some(());
    until_async("the new database", moved).await;
    let second = gateway.status().await.countries.unwrap();
    assert_ne!(first, second);
    std::fs::write(&file, "no database").unwrap();
    gateway.reload().await;
    assert_eq!(gateway.status().await.countries.unwrap(), second, "the last good one stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_damaged_database_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = Manifest::new()
        .backend("a", e2e::backend::nobody())
        .set("/countries/file", "geo.mmdb")
        .set("/access/nordic/countries", json!({"allow": ["SE"]}))
        .set("/routes/chat/access", json!(["nordic"]));
    let mut damaged = database(&[("192.0.2.0/24", "SE")]);
    damaged[0] = 0xff;
    for content in [b"nothing".to_vec(), damaged] {
        std::fs::write(folder.path().join("geo.mmdb"), content).unwrap();
        let settings =
            e2e::gateway::Settings { folder: Some(folder.path().to_owned()), ..Default::default() };
        let error = TestGateway::start_with(&manifest, settings).await.unwrap_err();
        assert!(error.to_string().contains("database of countries"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_listener_refuses_public_clients() {
    let backend = backend().await;
    let manifest =
        proxied(Manifest::new().backend("a", backend.address())).set("/listeners/main/private", true);
    let gateway = TestGateway::start(&manifest).await;
    assert_eq!(asked_from(&gateway, "10.1.2.3").await.0, 200);
    assert_eq!(asked_from(&gateway, "100.64.0.1").await.0, 200);
    assert_eq!(asked_from(&gateway, "8.8.8.8").await, (403, "address_forbidden".to_owned()));
}
