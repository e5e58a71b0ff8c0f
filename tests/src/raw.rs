//! A caller that sends bytes, well formed or not. It owns the socket and just enough HTTP/1.1 to cut answers
//! apart; it refuses to mend what a test sends.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::within;

/// A connection without a protocol.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// Status.
    pub status: u16,
    /// Everything up to the empty line, in lower case.
    pub head: String,
    /// Body, chunked encoding left on.
    pub body: Vec<u8>,
}

impl RawConnection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        Self { stream, read: Vec::new() }
    }

    /// Sends bytes; that the other side has left already is for the test to find out by reading.
    pub async fn send(&mut self, bytes: &[u8]) {
        drop(within("the bytes to be taken", self.stream.write_all(bytes)).await);
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the other side has left.
    pub async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Says that no more bytes will come, and goes on reading.
    pub async fn finish(&mut self) {
        drop(self.stream.shutdown().await);
    }

    /// The next answer, or nothing when the connection ends before a whole one came. Interim answers (1xx,
    /// 101 excepted) are passed over.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        loop {
            let answer = within("an answer, or the end", self.one()).await?;
            if answer.status == 101 || answer.status >= 200 {
                return Some(answer);
            }
        }
    }

    /// The next `count` bytes, or fewer when the connection ends first.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count && within("more bytes", self.more()).await.is_some() {}
        let count = count.min(self.read.len());
        self.read.drain(..count).collect()
    }

    /// Whether the other side ends the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        let more = within("the end of the connection", self.more()).await;
        more.is_none() && self.read.is_empty()
    }

    /// Reads until the other side ends the connection, and gives what had not been cut into answers.
    pub async fn rest(&mut self) -> Vec<u8> {
        while within("the end of the connection", self.more()).await.is_some() {}
        std::mem::take(&mut self.read)
    }

    async fn one(&mut self) -> Option<RawAnswer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let header = |name: &str| {
            head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let chunked = header("transfer-encoding:").is_some();
        let length = header("content-length:").map(|length| length.parse::<usize>().expect("a length"));
        let body = match length {
            Some(length) => {
                while self.read.len() < length {
                    self.more().await?;
                }
                self.read.drain(..length).collect()
            }
            None if chunked => {
                let last = b"0\r\n\r\n";
                let end = loop {
                    if let Some(end) = self.read.windows(last.len()).position(|five| five == last) {
                        break end + last.len();
                    }
                    self.more().await?;
                };
                self.read.drain(..end).collect()
            }
            // A status without a body, an upgrade, or a body that ends with the connection.
            None => Vec::new(),
        };
        Some(RawAnswer { status, head, body })
    }

    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.read).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

impl RawAnswer {
    /// Whether the server says that it closes the connection.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.head.lines().any(|line| line.starts_with("connection:") && line.contains("close"))
    }
}
