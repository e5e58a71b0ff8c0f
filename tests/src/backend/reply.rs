//! What a fake backend does with a request: a list of steps. It owns playing them and noticing that the
//! other side has left; it refuses to correct a script that breaks HTTP, which is often its purpose.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::manifest::MODEL;

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send these bytes.
    Write(Bytes),
    /// Wait until the test adds a permit.
    Await(Arc<Semaphore>),
    /// Say nothing until the other side leaves.
    Hang,
    /// End the connection with a reset.
    Reset,
    /// End the connection.
    Close,
}

/// What became of a script.
pub(super) enum Played {
    /// It ended, and the connection is good for more.
    KeepAlive,
    /// It ended the connection.
    Closed,
    /// The other side ended the connection.
    Left,
}

/// An answer, as steps.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    steps: Vec<Step>,
}

impl Reply {
    /// A script of one's own.
    #[must_use]
    pub fn steps(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// A whole answer with further headers.
    #[must_use]
    pub fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let length = ("content-length", body.len().to_string());
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status} Scripted\r\n{lines}{}: {}\r\n\r\n", length.0, length.1);
        Self::steps(vec![Step::Write(Bytes::from(head + body))])
    }

    /// The same answer, once the test adds a permit.
    #[must_use]
    pub fn after(mut self, permit: &Arc<Semaphore>) -> Self {
        self.steps.insert(0, Step::Await(Arc::clone(permit)));
        self
    }

    /// A whole JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, &[("content-type", "application/json")], &body.to_string())
    }

    /// A chat completion that says `text`, for three tokens in and two out.
    #[must_use]
    pub fn completion(text: &str) -> Self {
        Self::json(
            200,
            &json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
            }),
        )
    }

    /// An OpenAI error.
    #[must_use]
    pub fn error(status: u16, code: &str, headers: &[(&str, &str)]) -> Self {
        let body = json!({"error": {"message": "scripted", "type": "scripted", "param": null, "code": code}});
        let headers = [&[("content-type", "application/json")], headers].concat();
        Self::with(status, &headers, &body.to_string())
    }

    /// A stream of these events at once, each without its blank line, and the end of the body.
    #[must_use]
    pub fn stream(events: &[String]) -> Self {
        let mut steps = vec![stream_head()];
        steps.extend(events.iter().map(|event| Step::Write(chunk(&format!("data: {event}\n\n")))));
        steps.push(Step::Write(Bytes::from_static(b"0\r\n\r\n")));
        Self::steps(steps)
    }

    /// A stream that waits for a permit before each event, the first included.
    #[must_use]
    pub fn paced(events: &[String], pace: &Arc<Semaphore>) -> Self {
        let mut steps = vec![stream_head()];
        for event in events {
            steps.push(Step::Await(Arc::clone(pace)));
            steps.push(Step::Write(chunk(&format!("data: {event}\n\n"))));
        }
        steps.push(Step::Write(Bytes::from_static(b"0\r\n\r\n")));
        Self::steps(steps)
    }

    /// A stream of these events that then does something else instead of ending.
    #[must_use]
    pub fn stream_then(events: &[String], end: Step) -> Self {
        let mut reply = Self::stream(events);
        reply.steps.pop();
        reply.steps.push(end);
        reply
    }

    pub(super) async fn play(self, stream: &mut TcpStream) -> Played {
        for step in self.steps {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return Played::Left;
                    }
                }
                Step::Await(permits) => tokio::select! {
                    permit = permits.acquire() => permit.expect("nobody closes it").forget(),
                    () = left(stream) => return Played::Left,
                },
                Step::Hang => {
                    left(stream).await;
                    return Played::Left;
                }
                Step::Reset => {
                    stream.set_zero_linger().expect("a socket takes the option");
                    return Played::Closed;
                }
                Step::Close => return Played::Closed,
            }
        }
        Played::KeepAlive
    }
}

/// Resolves when the other side has closed or reset the connection.
async fn left(stream: &mut TcpStream) {
    let mut byte = [0];
    // A gateway that pipelines would be a finding of its own.
    let read = stream.read(&mut byte).await;
    assert!(!matches!(read, Ok(1..)), "bytes came while an answer was under way");
}

fn stream_head() -> Step {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Step::Write(Bytes::from_static(head.as_bytes()))
}

/// A chunk of the transfer encoding.
#[must_use]
pub fn chunk(text: &str) -> Bytes {
    Bytes::from(format!("{:x}\r\n{text}\r\n", text.len()))
}

/// The data of a stream's events: the role, each of `words`, the end, usage of three tokens in and one
/// per word out, and `[DONE]`.
#[must_use]
pub fn stream_body(words: &[&str]) -> Vec<String> {
    let event = |delta: Value, finish: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
        .to_string()
    };
    let output = words.len();
    let usage = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": output, "total_tokens": 3 + output},
    });
    let mut events = vec![event(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(words.iter().map(|word| event(json!({"content": word}), Value::Null)));
    events.push(event(json!({}), "stop".into()));
    events.push(usage.to_string());
    events.push("[DONE]".to_owned());
    events
}
