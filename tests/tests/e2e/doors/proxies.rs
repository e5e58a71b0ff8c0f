//! Load balancers that speak the PROXY protocol, proxies that forward, and callers that only pretend.

use std::sync::Arc;

use e2e::backend::{FakeBackend, Reply};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::raw::RawConnection;
use e2e::tls::Authority;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{backend, from, proxied, started};

/// A service that shows what it is sent, behind a gateway, with `forwarded` of its listener.
fn echoing(service: &FakeBackend) -> Manifest {
    Manifest::new()
        .backend("a", e2e::backend::nobody())
        .service("tools", service.address(), "tools")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}))
}

async fn service() -> FakeBackend {
    FakeBackend::always(Reply::with(200, &[], "tool")).await
}

/// What the service was told of the client of its last request.
fn told(service: &FakeBackend) -> String {
    let request = service.requests().pop().unwrap();
    assert!(request.header("forwarded").is_none() && request.header("x-real-ip").is_none());
    request.header("x-forwarded-for").unwrap().to_owned()
}

/// Version 2 for 192.0.2.7, with a TLV.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\x7f\0\0\x01\0\x01\0\x02\x04\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn a_balancers_client_is_known_over_every_protocol() {
    let service = service().await;
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.sign().write(folder.path());
    let tls = json!({"certificate": {"file": "certificate.pem"}, "key": {"file": "key.pem"}});
    let manifest = proxied(echoing(&service)).set("/listeners/tls/address", "127.0.0.1:0");
    let manifest = manifest
        .set("/listeners/tls/tls", tls)
        .set("/listeners/tls/proxyProtocol", json!({"from": ["127.0.0.1"]}));
    let gateway = started(&manifest, folder.path()).await;
    let (plain, secure) = (gateway.listener("main"), gateway.listener("tls"));
    let clients = [
        Client::new(plain),
        Client::new(plain).http2(),
        Client::new(secure).tls(authority.client(&["http/1.1"])),
        Client::new(secure).tls(authority.client(&["h2"])),
    ];
    for client in clients {
        for header in [&from("192.0.2.7")[..], V2] {
            let mut connection = client.clone().behind(header).connect().await;
            for _ in 0..2 {
                let request = client.request(http::Method::GET, "/tools/x", Default::default());
                assert_eq!(connection.send(request).await.status, 200, "{client:?}");
                assert_eq!(told(&service), "192.0.2.7", "on every request of the connection");
            }
        }
        let itself = client.behind(b"PROXY UNKNOWN\r\n");
        assert_eq!(itself.get("/tools/x").await.status, 200);
        assert_eq!(told(&service), "127.0.0.1", "a balancer's own check");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_without_a_header_is_cut_off_and_a_stranger_with_one_is_not_believed() {
    let service = service().await;
    let request = b"GET /tools/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let gateway = TestGateway::start(&proxied(echoing(&service))).await;
    for begin in [
        &request[..],
        b"PROXY TCP4 junk\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x99\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut caller = RawConnection::open(gateway.address()).await;
        caller.send(begin).await;
        assert!(caller.is_closed().await, "{begin:?}");
    }
    // This machine is no balancer here.
    let elsewhere = echoing(&service).set("/listeners/main/proxyProtocol", json!({"from": ["10.9.9.9"]}));
    let gateway = TestGateway::start(&elsewhere).await;
    let mut caller = RawConnection::open(gateway.address()).await;
    caller.send(&[&from("192.0.2.7"), &request[..]].concat()).await;
    let answer = caller.answer().await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    assert!(service.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dribbled_headers_hold_no_room_and_end_in_time() {
    let backend = backend().await;
    let manifest = proxied(Manifest::new().backend("a", backend.address()))
        .set("/listeners/main/maxConnections", 50)
        .set("/listeners/main/headTimeout", "1s");
    let gateway = TestGateway::start(&manifest).await;
    let mut dribbling = Vec::new();
    // Ten thousand, or what this machine lets a process open.
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limits.current.unwrap_or(u64::MAX).saturating_sub(1000);
    for _ in 0..most.clamp(400, 10_000) {
        let mut caller = RawConnection::open(gateway.address()).await;
        caller.send(b"PROXY TCP4 1").await;
        dribbling.push(caller);
    }
    let served = gateway.client().behind(&from("192.0.2.7")).chat(&chat("x")).await;
    assert_eq!(served.status, 200, "the silent make room for those that ask");
    for mut caller in dribbling {
        assert!(caller.is_closed().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_proxies_say_whom_they_ask_for() {
    let service = service().await;
    let trusting = |header: &str, trust: &str| {
        echoing(&service)
            .set("/listeners/main/forwarded", json!({"header": header, "trust": [trust, "10.0.0.0/8"]}))
    };
    let said = |gateway: &TestGateway| {
        let client = gateway.client().with("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.0.0.3");
        client
            .with("forwarded", "for=203.0.113.9, for=192.0.2.8;proto=https")
            .with("x-real-ip", "203.0.113.9")
    };
    for (header, trust, expected) in [
        ("X-Forwarded-For", "127.0.0.1", "192.0.2.7"),
        ("Forwarded", "127.0.0.1", "192.0.2.8"),
        ("Forwarded", "127.0.0.2", "127.0.0.1"),
    ] {
        let gateway = TestGateway::start(&trusting(header, trust)).await;
        assert_eq!(said(&gateway).get("/tools/x").await.status, 200);
        assert_eq!(told(&service), expected, "{header} from {trust}");
    }
    let gateway = TestGateway::start(&echoing(&service)).await;
    assert_eq!(said(&gateway).get("/tools/x").await.status, 200);
    assert_eq!(told(&service), "127.0.0.1", "nobody is trusted unless stated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_is_what_access_rules_judge() {
    let backend = backend().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/listeners/main/forwarded", json!({"header": "X-Forwarded-For", "trust": ["127.0.0.1"]}))
        .set("/access/office", json!({"allow": ["192.0.2.0/24"]}))
        .set("/listeners/main/access", json!(["office"]));
    let gateway = TestGateway::start(&manifest).await;
    for (said, expected) in [("192.0.2.7", 200), ("198.51.100.1", 403), ("192.0.2.7, unknown", 403)] {
        let answer = gateway.client().with("x-forwarded-for", said).chat(&chat("x")).await;
        assert_eq!(answer.status, expected, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_than_stated_are_served_at_once() {
    let permits = Arc::new(Semaphore::new(0));
    let slow = FakeBackend::always(Reply::completion("ok").after(&permits)).await;
    let manifest = Manifest::new().backend("a", slow.address()).set("/listeners/main/maxConnections", 2);
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client();
    let request = chat("x");
    let busy = async { tokio::join!(client.chat(&request), client.chat(&request)) };
    let third = async {
        slow.await_requests(2).await;
        let mut third = RawConnection::open(gateway.address()).await;
        assert!(third.is_closed().await, "both places are busy");
        permits.add_permits(2);
    };
    let ((first, second), ()) = tokio::join!(busy, third);
    assert_eq!((first.status, second.status), (200, 200));
}
