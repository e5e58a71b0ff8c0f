//! A proxy on the way out that is asked to `CONNECT`. It owns recording what it was asked and passing
//! bytes on to one address, whatever name it was given; it refuses whoever does not show its credential.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What such a proxy wants to see.
pub const AUTHORIZATION: &str = "Basic canary-of-the-proxy";

/// A proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct EgressProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl EgressProxy {
    /// Passes whatever is asked for on to `to`.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass(stream, to, Arc::clone(&seen)));
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    /// Its URL, as a manifest names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The targets asked for so far, each as `host:port`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

async fn pass(mut outside: TcpStream, to: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if outside.read_buf(&mut head).await.expect("a head") == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).expect("a head is ASCII here");
    let target = head.split(' ').nth(1).expect("a target").to_owned();
    assert!(head.starts_with("CONNECT "), "the gateway asked for something else: {head}");
    asked.lock().push(target);
    if !head.contains(&format!("proxy-authorization: {AUTHORIZATION}\r\n")) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        outside.write_all(refusal).await.expect("the gateway waits for it");
        return;
    }
    let mut inside = TcpStream::connect(to).await.expect("the server behind");
    outside
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await
        .expect("the gateway waits for it");
    // Either side may leave as it likes.
    drop(copy_bidirectional(&mut outside, &mut inside).await);
}
