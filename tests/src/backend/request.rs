//! Requests as they came. It owns just enough HTTP/1.1 to take a body off the wire; it refuses to be
//! lenient: what is not well formed ends the test.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A request, read whole.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers by lower-case name; of several the last.
    pub headers: BTreeMap<String, String>,
    /// Everything up to the empty line.
    pub head: String,
    /// Body, with any chunking taken off.
    pub body: Bytes,
    /// When it was there.
    pub at: Instant,
}

impl Received {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// Reads the next request; nothing at the end of the connection. `rest` holds bytes read beyond one.
pub(super) async fn read(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, rest).await?;
    };
    let head = String::from_utf8(rest.drain(..end).collect()).expect("a head is ASCII here");
    let mut lines = head.lines();
    let mut words = lines.next().expect("a request line").split(' ').map(str::to_owned);
    let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    if headers.get("expect").is_some_and(|value| value == "100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let body = if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        chunked(stream, rest).await?
    } else {
        let length = headers.get("content-length").map_or(0, |value| value.parse().expect("a length"));
        exactly(stream, rest, length).await?
    };
    Some(Received { method, target, headers, head, body: Bytes::from(body), at: Instant::now() })
}

async fn more(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(rest).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

async fn exactly(stream: &mut TcpStream, rest: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while rest.len() < length {
        more(stream, rest).await?;
    }
    Some(rest.drain(..length).collect())
}

async fn chunked(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
                break end;
            }
            more(stream, rest).await?;
        };
        let size = String::from_utf8(rest.drain(..end + 2).collect()).expect("a chunk's size");
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size in hex");
        let chunk = exactly(stream, rest, size + 2).await?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(body);
        }
    }
}
