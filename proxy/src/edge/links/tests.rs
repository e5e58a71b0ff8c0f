//! Connections that are used again, and those that are not.

use http::header::HOST;
use pingora_core::protocols::ALPN;
use pingora_http::RequestHeader;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn idle() -> (Stream, DuplexStream) {
    let (near, far) = duplex(64);
    (Box::new(Gathering::new(Box::new(near))), far)
}

fn count(links: &Links) -> usize {
    links.shards.iter().map(|shard| shard.lock().values().map(VecDeque::len).sum::<usize>()).sum()
}

#[tokio::test]
async fn the_connection_used_last_is_taken_first_and_only_by_its_peer() {
    let links = Links::new();
    let ((first, mut first_end), (second, _second_end)) = (idle(), idle());
    links.keep(7, first);
    links.keep(7, second);
    assert!(links.take(8).is_none());
    let mut taken = links.take(7).unwrap();
    taken.write_all(b"x").await.unwrap();
    drop(taken);
    let mut left = links.take(7).unwrap();
    first_end.write_all(b"y").await.unwrap();
    let mut byte = [0];
    left.read_exact(&mut byte).await.unwrap();
    assert!(links.take(7).is_none());
}

#[tokio::test]
async fn a_connection_that_was_closed_or_that_speaks_unasked_is_not_used_again() {
    let links = Links::new();
    let ((closed, closed_end), (talking, mut talking_end)) = (idle(), idle());
    drop(closed_end);
    talking_end.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    links.keep(7, closed);
    links.keep(7, talking);
    assert!(links.take(7).is_none());
    assert_eq!(count(&links), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_closes_what_is_old_or_dead_and_leaves_the_rest() {
    let links = Links::new();
    let ((old, _old_end), (dead, dead_end), (sound, _sound_end)) = (idle(), idle(), idle());
    links.keep(7, old);
    tokio::time::advance(IDLE).await;
    links.keep(7, dead);
    links.keep(8, sound);
    drop(dead_end);
    links.sweep();
    assert_eq!(count(&links), 1);
    assert!(links.take(8).is_some());
}

#[tokio::test]
async fn no_more_are_kept_than_the_bound() {
    let links = Links::new();
    let mut ends = Vec::new();
    for _ in 0..KEPT + 3 {
        let (stream, end) = idle();
        links.keep(7, stream);
        ends.push(end);
    }
    assert_eq!(count(&links), KEPT);
}

/// Answers every request with `answer`.
async fn answer(mut stream: TcpStream, answer: &[u8]) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            stream.write_all(answer).await.unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "given a SocketAddr it neither resolves nor fails")]
async fn reused_after(response: &'static [u8]) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = HttpPeer::new(listener.local_addr().unwrap(), false, String::new());
    peer.options.alpn = ALPN::H1;
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, response).await;
        }
    });
    let links = Links::new();
    let mut reused = Vec::new();
    for _ in 0..2 {
        let (mut session, used) = links.open(&peer).await.unwrap();
        let mut header = RequestHeader::build("GET", b"/", None).unwrap();
        header.insert_header(HOST, "x").unwrap();
        session.write_request_header(Box::new(header)).await.unwrap();
        session.finish_request_body().await.unwrap();
        session.read_response_header().await.unwrap();
        while session.read_response_body().await.unwrap().is_some() {}
        links.give_back(session, &peer).await;
        reused.push(used);
    }
    assert!(!reused[0]);
    reused[1]
}

#[tokio::test]
async fn a_server_that_says_close_gets_a_new_connection_and_one_that_does_not_the_same() {
    assert!(reused_after(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await);
    assert!(!reused_after(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await);
}
