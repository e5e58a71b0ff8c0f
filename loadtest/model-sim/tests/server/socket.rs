//! HTTP/1.1 by hand over a blocking socket: it keeps what a client library would hide.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an honest server may say nothing: more than a busy machine ever needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a server that hangs is listened to. What it does send is long under way by then.
const SILENCE: Duration = Duration::from_millis(1_500);

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP says it should.
    Whole,
    /// The connection closed between two chunks, or short of the content length.
    BetweenChunks,
    /// The connection closed inside a chunk.
    InsideChunk,
    /// The connection was reset.
    Reset,
    /// Nothing came any more.
    Silent,
}

/// A reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0 when there was none.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body without its transfer encoding, as far as it came in whole chunks.
    pub(crate) body: Vec<u8>,
    /// Chunks of the transfer encoding.
    pub(crate) chunks: usize,
    pub(crate) ending: Ending,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The data of every event.
    pub(crate) fn events(&self) -> Vec<String> {
        let text = String::from_utf8(self.body.clone()).unwrap();
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
    }

    /// Name and data of every event of a stream whose events have names.
    pub(crate) fn named_events(&self) -> Vec<(String, Value)> {
        let text = String::from_utf8(self.body.clone()).unwrap();
        let event = |event: &str| {
            let (name, data) = event.split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            (name.strip_prefix("event: ").unwrap().to_owned(), data)
        };
        text.split_terminator("\n\n").map(event).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn error_code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Announces a body of some length and sends none of it.
pub(crate) fn exchange_announcing(addr: SocketAddr, length: usize) -> Reply {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    receive(socket)
}

fn send(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        head += "content-type: application/json\r\n";
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
    socket
}

fn exchange(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    receive(send(addr, method, path, headers, body))
}

fn receive(mut socket: TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    let broken = loop {
        match socket.read(&mut buffer) {
            Ok(0) => break None,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break Some(Ending::Reset),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break Some(Ending::Silent);
            }
            Err(error) => panic!("{error}"),
        }
    };
    read(&bytes, broken)
}

fn read(bytes: &[u8], broken: Option<Ending>) -> Reply {
    let none = Reply {
        status: 0,
        headers: Vec::new(),
        body: Vec::new(),
        chunks: 0,
        ending: broken.unwrap_or(Ending::BetweenChunks),
    };
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return none };
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let reply = Reply { status, headers, ..none };
    let rest = &bytes[end + 4..];
    if reply.header("transfer-encoding") == Some("chunked") {
        return dechunk(reply, rest, broken);
    }
    let promised = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
    let closed = if rest.len() == promised { Ending::Whole } else { Ending::BetweenChunks };
    Reply { body: rest.to_vec(), ending: broken.unwrap_or(closed), ..reply }
}

fn dechunk(mut reply: Reply, mut rest: &[u8], broken: Option<Ending>) -> Reply {
    loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else {
            let closed = if rest.is_empty() { Ending::BetweenChunks } else { Ending::InsideChunk };
            return Reply { ending: broken.unwrap_or(closed), ..reply };
        };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return Reply { ending: Ending::Whole, ..reply };
        }
        let start = line + 2;
        if rest.len() < start + size + 2 {
            return Reply { ending: broken.unwrap_or(Ending::InsideChunk), ..reply };
        }
        reply.body.extend_from_slice(&rest[start..start + size]);
        reply.chunks += 1;
        rest = &rest[start + size + 2..];
    }
}

pub(crate) fn get_with(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    exchange(addr, "GET", path, headers, b"")
}

pub(crate) fn delete(addr: SocketAddr, path: &str) -> Reply {
    exchange(addr, "DELETE", path, &[], b"")
}

pub(crate) fn get(addr: SocketAddr, path: &str) -> Reply {
    exchange(addr, "GET", path, &[], b"")
}

pub(crate) fn post(addr: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    exchange(addr, "POST", path, headers, body)
}

pub(crate) fn post_as(addr: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Reply {
    exchange(addr, "POST", path, &[("content-type", content_type)], body)
}

pub(crate) fn chat(addr: SocketAddr, headers: &[(&str, &str)], body: &Value) -> Reply {
    post(addr, "/v1/chat/completions", headers, body.to_string().as_bytes())
}

/// A chat with a server that is expected to hang; leaves it after a while.
pub(crate) fn chat_until_silent(addr: SocketAddr, headers: &[(&str, &str)], body: &Value) -> Reply {
    let socket = send(addr, "POST", "/v1/chat/completions", headers, body.to_string().as_bytes());
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    receive(socket)
}

/// Asks for a stream and leaves once `events` have come; says how many had.
pub(crate) fn leave_after(addr: SocketAddr, events: usize, body: &Value) -> u64 {
    let mut socket = send(addr, "POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
    let (mut seen, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let n = socket.read(&mut buffer).unwrap();
        assert!(n > 0, "the stream ended before its time");
        seen.extend_from_slice(&buffer[..n]);
        let count = seen.windows(6).filter(|window| window == b"data: ").count();
        if count >= events {
            return count as u64;
        }
    }
}
