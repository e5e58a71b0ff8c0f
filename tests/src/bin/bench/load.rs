//! The callers: a fixed number of kept-alive connections, each with one request under way. It owns sending
//! and checking that every answer is whole; it refuses to time anything, since what is measured is the
//! server's CPU.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::backend::content_length;

/// The model that the backend serves.
pub(crate) const MODEL: &str = "sim-chat";
/// The key of the rungs that ask for one.
pub(crate) const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";

/// What every caller sends.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    bytes: Vec<u8>,
    /// Whether the answer is to be a stream.
    stream: bool,
}

impl Ask {
    /// A small chat completion, with or without a key.
    pub(crate) fn new(key: bool, stream: bool) -> Self {
        let body = body(stream);
        let key = if key { format!("authorization: Bearer {KEY}\r\n") } else { String::new() };
        let text = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n\
             {key}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self { bytes: text.into_bytes(), stream }
    }
}

/// The body of a request.
pub(crate) fn body(stream: bool) -> String {
    let stream = if stream { r#","stream":true"# } else { "" };
    format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"Say hello."}}]{stream}}}"#)
}

/// Open connections to one server.
#[derive(Debug)]
pub(crate) struct Load {
    connections: Vec<Connection>,
    ask: Arc<Ask>,
}

impl Load {
    /// Connects.
    pub(crate) async fn open(server: SocketAddr, connections: u32, ask: Ask) -> io::Result<Self> {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Connection::open(server).await?);
        }
        Ok(Self { connections: open, ask: Arc::new(ask) })
    }

    /// Sends one request and gives the head of its answer.
    pub(crate) async fn try_one(&mut self) -> io::Result<String> {
        let connection = self.connections.first_mut().ok_or_else(|| io::Error::other("no connection"))?;
        connection.exchange(&self.ask).await?;
        let head = memmem::find(&connection.buffer, b"\r\n\r\n").and_then(|end| connection.buffer.get(..end));
        Ok(String::from_utf8_lossy(head.unwrap_or_default()).into_owned())
    }

    /// Sends `count` requests, each connection taking the next one when its last is answered.
    pub(crate) async fn send(&mut self, count: usize) -> io::Result<()> {
        let taken = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let (taken, ask) = (Arc::clone(&taken), Arc::clone(&self.ask));
            callers.spawn(async move {
                while taken.fetch_add(1, Ordering::Relaxed) < count {
                    connection.exchange(&ask).await?;
                }
                Ok::<_, io::Error>(connection)
            });
        }
        while let Some(caller) = callers.join_next().await {
            self.connections.push(caller.map_err(io::Error::other)??);
        }
        Ok(())
    }
}

/// One kept-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4 * 1024) })
    }

    /// Sends one request and reads its whole answer.
    pub(crate) async fn exchange(&mut self, ask: &Ask) -> io::Result<()> {
        self.exchange_telling(ask, || ()).await
    }

    /// The same, and calls `begun` when the answer's head is there.
    pub(crate) async fn exchange_telling(&mut self, ask: &Ask, begun: impl FnOnce()) -> io::Result<()> {
        let mut begun = Some(begun);
        self.buffer.clear();
        self.stream.write_all(&ask.bytes).await?;
        let mut end = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(bad("a connection was closed in the middle of an answer", &self.buffer));
            }
            if end.is_none() {
                end = Ending::of(&self.buffer)?;
                if end.is_some()
                    && let Some(begun) = begun.take()
                {
                    begun();
                }
            }
            if end.is_some_and(|end| end.reached(&self.buffer)) {
                break;
            }
        }
        if ask.stream && memmem::find(&self.buffer, b"data: [DONE]").is_none() {
            return Err(bad("a stream ended without [DONE]", &self.buffer));
        }
        Ok(())
    }
}

/// How the end of an answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    At(usize),
    LastChunk,
}

impl Ending {
    /// Reads it from the head, once that is there; any status but 200 is an error.
    fn of(buffer: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
        let head = buffer.get(..end).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 200 ") {
            return Err(bad("an answer is not a 200", buffer));
        }
        Ok(Some(content_length(head).map_or(Self::LastChunk, |length| Self::At(end + 4 + length))))
    }

    fn reached(self, buffer: &[u8]) -> bool {
        match self {
            Self::At(end) => buffer.len() >= end,
            Self::LastChunk => buffer.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}

fn bad(what: &str, buffer: &[u8]) -> io::Error {
    let seen = String::from_utf8_lossy(buffer.get(..buffer.len().min(600)).unwrap_or_default());
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}:\n{seen}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_by_its_length_or_by_its_last_chunk() {
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let end = Ending::of(sized).unwrap().unwrap();
        assert!(end.reached(sized) && !end.reached(&sized[..sized.len() - 1]));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
        assert_eq!(Ending::of(chunked).unwrap(), Some(Ending::LastChunk));
        assert!(Ending::LastChunk.reached(chunked));
        assert_eq!(Ending::of(b"HTTP/1.1 200").unwrap(), None);
    }

    #[test]
    fn a_refusal_stops_the_run_and_shows_itself() {
        let refused = Ending::of(b"HTTP/1.1 401 Unauthorized\r\n\r\n").unwrap_err();
        assert!(refused.to_string().contains("401"), "{refused}");
    }
}
