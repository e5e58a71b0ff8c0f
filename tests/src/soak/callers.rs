//! Callers of a soak: each asks once, by a draw of its own, and says how it ended. A caller that hears nothing
//! that makes sense has lost its request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model_sim::random::Draws;
use model_sim::tokens::text_of;
use serde_json::{Value, json};

use super::fleet::OUTPUT_TOKENS;
use crate::client::Client;
use crate::manifest::MODEL;

/// Longer than any deadline of the gateway.
const PATIENCE: Duration = Duration::from_secs(150);

/// How requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sent.
    pub sent: u64,
    /// A whole answer.
    pub served: u64,
    /// An error with its own status.
    pub refused: u64,
    /// A stream that ended with an error event.
    pub cut: u64,
    /// The caller left in the middle, as it meant to.
    pub left: u64,
    /// Nothing that makes sense.
    pub lost: u64,
}

/// Counts of all callers.
#[derive(Debug, Default)]
pub struct Tally {
    sent: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    left: AtomicU64,
}

impl Tally {
    /// The counts now. What was sent and has not ended otherwise is lost, once nobody waits any more.
    #[must_use]
    pub fn ended(&self) -> Ended {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Ended {
            sent: read(&self.sent),
            served: read(&self.served),
            refused: read(&self.refused),
            cut: read(&self.cut),
            left: read(&self.left),
            lost: 0,
        }
    }

    /// The counts at the end.
    pub(super) fn snapshot(&self) -> Self {
        let copy = |count: &AtomicU64| AtomicU64::new(count.load(Ordering::SeqCst));
        Self {
            sent: copy(&self.sent),
            served: copy(&self.served),
            refused: copy(&self.refused),
            cut: copy(&self.cut),
            left: copy(&self.left),
        }
    }

    /// The counts at the end, with what was lost.
    #[must_use]
    pub fn at_the_end(&self) -> Ended {
        let ended = self.ended();
        let told = ended.served + ended.refused + ended.cut + ended.left;
        Ended { lost: ended.sent.saturating_sub(told), ..ended }
    }
}

/// What a caller means to do.
enum Plan {
    Whole,
    Stream,
    /// Reads so many events and goes.
    Leave(usize),
}

/// One request. Ends without a word in the tally when it is lost.
pub(super) async fn one(address: SocketAddr, number: u64, seed: u64, tally: Arc<Tally>) {
    tally.sent.fetch_add(1, Ordering::SeqCst);
    let mut draws = Draws::keyed(seed, &[number, 1]);
    let plan = match draws.unit() {
        share if share < 0.30 => Plan::Whole,
        share if share < 0.95 => Plan::Stream,
        _ => Plan::Leave(2 + (draws.bits() % 6) as usize),
    };
    let prompt = text_of(60 + draws.bits() % 400, draws.bits() % 50);
    let client = Client::new(address);
    let asking = async {
        match plan {
            Plan::Whole => whole(&client, &request(&prompt, false)).await,
            Plan::Stream => stream(&client, &request(&prompt, true), usize::MAX).await,
            Plan::Leave(after) => stream(&client, &request(&prompt, true), after).await,
        }
    };
    let Ok(Some(end)) = tokio::time::timeout(PATIENCE, asking).await else { return };
    let count = match end {
        End::Served => &tally.served,
        End::Refused => &tally.refused,
        End::Cut => &tally.cut,
        End::Left => &tally.left,
    };
    count.fetch_add(1, Ordering::SeqCst);
}

enum End {
    Served,
    Refused,
    Cut,
    Left,
}

fn request(prompt: &str, stream: bool) -> Value {
    let mut request = json!({
        "model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": OUTPUT_TOKENS,
        "stream": stream,
    });
    if stream {
        // Each event says what has been consumed so far, so that even a broken stream is counted exactly.
        request["stream_options"] = json!({"include_usage": true, "continuous_usage_stats": true});
    }
    request
}

async fn whole(client: &Client, request: &Value) -> Option<End> {
    let answer = client.chat(request).await;
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    match answer.status {
        200 if body["choices"][0]["message"]["content"].is_string() => Some(End::Served),
        400.. if body["error"]["code"].is_string() => Some(End::Refused),
        _ => None,
    }
}

async fn stream(client: &Client, request: &Value, leave_after: usize) -> Option<End> {
    let mut stream = client.chat_events(request).await;
    if stream.status != 200 {
        return stream.status.ge(&400).then_some(End::Refused);
    }
    let mut last = None;
    for _ in 0..leave_after {
        match stream.next().await {
            Some(event) => last = Some(event),
            None => break,
        }
    }
    let last = last?;
    if last.is_done() {
        return Some(End::Served);
    }
    if last.json()["error"].is_object() {
        return Some(End::Cut);
    }
    (leave_after < usize::MAX).then_some(End::Left)
}
