//! The model server behind every server under test: fixed bytes over kept-alive HTTP/1.1. It owns being
//! cheap and the same for all; it refuses to look at more of a request than where it ends and whether it
//! wants a stream.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Addresses it listens on, so that a pool has members to choose from.
const MEMBERS: usize = 3;
/// A chat completion as small as they come, about 280 bytes of body.
pub(crate) const ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"sim-chat","#,
    r#""choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}"#
);

/// How its streams flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Events of a stream, beside the last ones.
    pub(crate) events: usize,
    /// How many of them are written at once, as one chunk.
    pub(crate) together: usize,
    /// The time between two chunks.
    pub(crate) every: Duration,
}

/// What it says, ready to be written.
#[derive(Debug)]
struct Script {
    answer: Vec<u8>,
    stream_head: Vec<u8>,
    chunks: Vec<Vec<u8>>,
    every: Duration,
    stream_end: Vec<u8>,
}

impl Script {
    fn new(pace: Pace) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: ";
        let length = ANSWER.len();
        let last = [
            chunk(&event(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#)),
            chunk(&event(
                r#""choices":[],"usage":{"prompt_tokens":12,"completion_tokens":100,"total_tokens":112}"#,
            )),
            chunk("data: [DONE]\n\n"),
            b"0\r\n\r\n".to_vec(),
        ];
        let word = |n: usize| {
            event(&format!(
                r#""choices":[{{"index":0,"delta":{{"content":" word{n:04}"}},"finish_reason":null}}]"#
            ))
        };
        let words: Vec<String> = (0..pace.events).map(word).collect();
        Self {
            answer: format!("{head}application/json\r\ncontent-length: {length}\r\n\r\n{ANSWER}")
                .into_bytes(),
            stream_head: format!("{head}text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .into_bytes(),
            chunks: words.chunks(pace.together.max(1)).map(|words| chunk(&words.concat())).collect(),
            every: pace.every,
            stream_end: last.concat(),
        }
    }
}

/// One event of about 200 bytes.
fn event(fields: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
         \"model\":\"sim-chat\",\"system_fingerprint\":\"fp_bench\",{fields}}}\n\n"
    )
}

fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// A running backend; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    _accepting: JoinSet<io::Result<()>>,
}

impl Backend {
    /// Starts to serve in the current runtime, with streams of this pace.
    pub(crate) async fn start(pace: Pace) -> io::Result<Self> {
        let script = Arc::new(Script::new(pace));
        let (mut addresses, mut accepting) = (Vec::new(), JoinSet::new());
        for _ in 0..MEMBERS {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            addresses.push(listener.local_addr()?);
            accepting.spawn(accept(listener, Arc::clone(&script)));
        }
        Ok(Self { addresses, _accepting: accepting })
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(converse(stream, Arc::clone(&script)));
        // Forgets connections that have ended.
        while connections.try_join_next().is_some() {}
    }
}

/// Answers requests on one connection until it closes.
async fn converse(mut stream: TcpStream, script: Arc<Script>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let end = loop {
            if let Some(end) = request_end(&buffer)? {
                break end;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let request = buffer.get(..end).unwrap_or_default();
        if memmem::find(request, br#""stream":true"#).is_some() {
            send_events(&mut stream, &script).await?;
        } else {
            stream.write_all(&script.answer).await?;
        }
        buffer.drain(..end);
    }
}

async fn send_events(stream: &mut TcpStream, script: &Script) -> io::Result<()> {
    stream.write_all(&script.stream_head).await?;
    let mut beat = tokio::time::interval(script.every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for chunk in &script.chunks {
        beat.tick().await;
        stream.write_all(chunk).await?;
    }
    stream.write_all(&script.stream_end).await
}

/// Where the first request in `buffer` ends, once it is there in full.
fn request_end(buffer: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
    let length = content_length(buffer.get(..head).unwrap_or_default());
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a request without a length"))?;
    let end = head + 4 + length;
    Ok((buffer.len() >= end).then_some(end))
}

/// The `Content-Length` of a head.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(head).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_with_its_body_and_not_before() {
        let whole = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST";
        assert_eq!(request_end(&whole[..40]).unwrap(), None);
        assert_eq!(request_end(whole).unwrap(), Some(whole.len() - 4));
        assert!(request_end(b"GET / HTTP/1.1\r\n\r\n").is_err());
    }

    #[test]
    fn the_answer_is_json_and_the_stream_ends_as_streams_do() {
        assert!(serde_json::from_str::<serde_json::Value>(ANSWER).is_ok());
        let pace = Pace { events: 3, together: 2, every: Duration::ZERO };
        let script = Script::new(pace);
        let lengths: Vec<usize> = script.chunks.iter().map(Vec::len).collect();
        assert!(lengths.len() == 2 && (180..240).contains(&lengths[1]), "{lengths:?}");
        assert!(lengths[0] > lengths[1] * 3 / 2, "{lengths:?}");
        assert!(script.stream_end.ends_with(b"data: [DONE]\n\n\r\n0\r\n\r\n"));
    }
}
