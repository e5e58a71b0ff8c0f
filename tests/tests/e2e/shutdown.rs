//! The end of a gateway: what is under way comes to its end, within a limit, and nothing new begins.

use std::sync::Arc;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply, Step, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat_stream};
use e2e::manifest::Manifest;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_under_way_is_drained_while_nothing_new_is_accepted() {
    let pace = Arc::new(Semaphore::new(2));
    let backend = FakeBackend::always(Reply::paced(&stream_body(&["one", " two"]), &pace)).await;
    let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
    let (address, admin) = (gateway.address(), gateway.admin());
    assert_eq!(admin.get("/readyz").await.status, 200);
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    stream.next().await.unwrap();
    let meanwhile = async {
        e2e::wait::until_async("readiness to end", async || {
            (admin.get("/readyz").await.status == 503).then_some(())
        })
        .await;
        assert_eq!(admin.get("/livez").await.status, 200, "it lives until it is done");
        e2e::wait::until_async("the listener to close", async || {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
        pace.add_permits(10);
        stream.rest().await
    };
    let (cut, rest) = tokio::join!(gateway.shutdown(Duration::from_secs(20)), meanwhile);
    assert_eq!(cut, 0);
    assert!(rest.last().unwrap().is_done());
    assert!(stream.ended_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_the_limit_is_cut_and_counted() {
    let opening = &stream_body(&["half"])[..2];
    let backend = FakeBackend::always(Reply::stream_then(opening, Step::Hang)).await;
    let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    stream.next().await.unwrap();
    let cut = e2e::wait::within("the limit", gateway.shutdown(Duration::from_millis(300))).await;
    assert_eq!(cut, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_ends_with_success_and_a_second_one_does_not_wait() {
    let Some(program) = sluicegate() else { return };
    for signals in [1, 2] {
        let pace = Arc::new(Semaphore::new(2));
        let backend = FakeBackend::always(Reply::paced(&stream_body(&["one", " two"]), &pace)).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, Manifest::new().backend("a", backend.address()).text()).unwrap();
        let mut gateway = Running::start(&program, &["run", "--manifest", &file.display().to_string()], &[]);
        let client = Client::new(gateway.listener("main").await);
        gateway.says("sluicegate: ready").await;
        let mut stream = client.chat_events(&chat_stream("x")).await;
        stream.next().await.unwrap();
        gateway.signal(Signal::TERM);
        gateway.says("draining").await;
        if signals == 1 {
            pace.add_permits(10);
            assert!(stream.rest().await.last().unwrap().is_done());
        } else {
            gateway.signal(Signal::TERM);
            gateway.says("stopped without draining").await;
        }
        assert_eq!(gateway.ended().await.code(), Some(0));
    }
}
