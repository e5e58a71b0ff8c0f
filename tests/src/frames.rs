//! HTTP/2 frames by hand (RFC 9113 §4). It owns writing them in any order; it refuses to keep the state that
//! would make that order a legal one.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::within;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection by prior knowledge.
#[derive(Debug)]
pub struct FrameConnection {
    stream: TcpStream,
    next: u32,
}

impl FrameConnection {
    /// Connects and sends the preface and empty settings.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        let mut this = Self { stream, next: 1 };
        let mut opening = PREFACE.to_vec();
        opening.extend(frame(SETTINGS, 0, 0, &[]));
        this.send(&opening).await.expect("a fresh connection takes its preface");
        this
    }

    /// Opens `count` streams with the head of a POST and resets each at once.
    ///
    /// # Errors
    /// When the other side has ended the connection.
    pub async fn reset_rapidly(&mut self, count: usize, path: &str) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.extend(frame(HEADERS, END_HEADERS, self.next, &post(path)));
            bytes.extend(frame(RST_STREAM, 0, self.next, &8_u32.to_be_bytes()));
            self.next += 2;
        }
        self.send(&bytes).await
    }

    /// Begins a head that goes on and on: `count` continuations of `size` bytes, none of them the last.
    ///
    /// # Errors
    /// When the other side has ended the connection.
    pub async fn continue_for_ever(&mut self, count: usize, size: usize) -> std::io::Result<()> {
        self.send(&frame(HEADERS, 0, self.next, &post("/v1/chat/completions"))).await?;
        // Never indexed, a new name: as many bytes as it says.
        let mut field = vec![0x10, 1, b'x'];
        field.push(0x7f);
        let mut rest = size - 127;
        while rest >= 128 {
            field.push(u8::try_from(rest % 128).expect("below 128") | 0x80);
            rest /= 128;
        }
        field.push(u8::try_from(rest).expect("below 128"));
        field.extend(std::iter::repeat_n(b'y', size));
        for _ in 0..count {
            self.send(&frame(CONTINUATION, 0, self.next, &field)).await?;
        }
        Ok(())
    }

    /// Waits until the other side has read everything sent so far.
    ///
    /// # Errors
    /// When it has ended the connection.
    pub async fn ping(&mut self) -> std::io::Result<()> {
        self.send(&frame(PING, 0, 0, &[7; 8])).await?;
        loop {
            let mut head = [0; 9];
            within("a frame", self.stream.read_exact(&mut head)).await?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            within("a frame", self.stream.read_exact(&mut payload)).await?;
            match (head[3], head[4]) {
                (PING, ACK) => return Ok(()),
                (SETTINGS, 0) => self.send(&frame(SETTINGS, ACK, 0, &[])).await?,
                _ => {}
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("the frames to be taken", self.stream.write_all(bytes)).await
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `:method POST`, `:scheme http`, `:authority a` and a path, in HPACK without a table or Huffman (RFC 7541).
fn post(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x01, 1, b'a', 0x04];
    block.push(u8::try_from(path.len()).expect("a short path"));
    block.extend(path.as_bytes());
    block
}
