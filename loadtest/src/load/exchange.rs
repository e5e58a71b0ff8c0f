//! One request from send to end, as its caller sees it. It owns the timestamps and the verdict; it
//! refuses to retry, so that what a caller would have suffered is what is counted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use vocabulary::Usage;

use super::Outcome;
use super::answer::{self, EventKind};
use super::connections::{Connections, SendError};
use wire::Splitter;
use wire::sse::Tail;

/// Largest event, and largest plain answer, that is read.
const MAX_EVENT: usize = 4 << 20;
const MAX_BODY: usize = 64 << 20;

/// What was seen of an answer, kept up to date while it arrives so that a timeout loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) backend: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    /// When the answer ended, before its connection was put in order for the next.
    pub(crate) ended: Option<Instant>,
    pub(crate) stall: Duration,
    pub(crate) events: u64,
    done: bool,
}

impl Observed {
    /// Notes an output-bearing event.
    fn output(&mut self, now: Instant) {
        if let Some(last) = self.last {
            self.stall = self.stall.max(now.saturating_duration_since(last));
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.events += 1;
    }
}

/// Sends `request` and reads its answer to the end.
pub(crate) async fn exchange(
    connections: &Connections,
    request: Request<Full<Bytes>>,
    stream: bool,
    observed: &mut Observed,
) -> Outcome {
    let (lent, response) = match connections.send(request).await {
        Ok(sent) => sent,
        Err(SendError::Connect(error)) => {
            observed.detail = Some(format!("connect: {}", error.kind()));
            return Outcome::Connect;
        }
        Err(SendError::Reset) => return Outcome::Reset,
    };
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    observed.backend = header("x-sluicegate-backend");
    observed.request_id = header("x-request-id");
    let (outcome, read_to_end) = read(response, stream, observed).await;
    observed.ended = Some(Instant::now());
    if read_to_end {
        connections.give_back(lent).await;
    }
    outcome
}

/// Reads an answer; also says whether its connection can be used again.
async fn read(response: Response<Incoming>, stream: bool, observed: &mut Observed) -> (Outcome, bool) {
    let status = response.status();
    let media = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_stream =
        media.split(';').next().is_some_and(|m| m.trim().eq_ignore_ascii_case("text/event-stream"));
    if !status.is_success() {
        let body = collect(response.into_body()).await;
        observed.detail = Some(refusal(status, body.as_deref().unwrap_or_default()));
        return (refused(status), body.is_ok());
    }
    if is_stream != stream {
        observed.detail = Some(format!("{} with content type `{media}`", status.as_u16()));
        let body = collect(response.into_body()).await;
        return (Outcome::BadBody, body.is_ok());
    }
    if stream {
        read_stream(response.into_body(), observed).await
    } else {
        read_plain(response.into_body(), observed).await
    }
}

/// What a status other than success means.
fn refused(status: StatusCode) -> Outcome {
    match status.as_u16() {
        429 => Outcome::RateLimited,
        400..=499 => Outcome::Refused,
        500..=599 => Outcome::ServerError,
        _ => Outcome::OddStatus,
    }
}

/// `404 unknown_model`: a status and the error's code, never its message.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    match answer::error_code(body) {
        Some(code) => format!("{} {code}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

async fn collect(body: Incoming) -> Result<Bytes, Outcome> {
    match http_body_util::Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Outcome::BadBody),
        Err(_) => Err(Outcome::MidStreamDrop),
    }
}

async fn read_plain(body: Incoming, observed: &mut Observed) -> (Outcome, bool) {
    let body = match collect(body).await {
        Ok(body) => body,
        Err(outcome) => return (outcome, false),
    };
    match answer::plain(&body) {
        Some(usage) => {
            observed.usage = usage;
            (Outcome::Ok, true)
        }
        None => (Outcome::BadBody, true),
    }
}

async fn read_stream(mut body: Incoming, observed: &mut Observed) -> (Outcome, bool) {
    let mut splitter = Splitter::new(MAX_EVENT);
    // The first fault decides, but the stream is read on: usage may still come, and a reader that walks
    // away would make the server's own account differ.
    let mut fault = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (fault.unwrap_or(Outcome::MidStreamDrop), false) };
        let now = Instant::now();
        let Ok(data) = frame.into_data() else { continue };
        splitter.push(data);
        while let Some(event) = splitter.next_event() {
            let Ok(event) = event else { return (Outcome::BadSse, false) };
            let found = event.data().and_then(|data| take(&data, now, observed));
            fault = fault.or(found);
        }
    }
    match splitter.finish() {
        Tail::Event(event) => {
            let found = event.data().and_then(|data| take(&data, Instant::now(), observed));
            fault = fault.or(found);
        }
        Tail::Truncated(_) => fault = fault.or(Some(Outcome::Truncated)),
        Tail::Clean => {}
    }
    let end = if observed.done { Outcome::Ok } else { Outcome::Truncated };
    (fault.unwrap_or(end), true)
}

/// Takes one event in, and says what is wrong with it.
fn take(data: &[u8], now: Instant, observed: &mut Observed) -> Option<Outcome> {
    if observed.done {
        return Some(Outcome::BadSse);
    }
    let Some(event) = answer::event(data) else { return Some(Outcome::BadSse) };
    observed.usage = event.usage.or(observed.usage);
    match event.kind {
        EventKind::Output => observed.output(now),
        EventKind::Done => observed.done = true,
        EventKind::Quiet => {}
        EventKind::Error(code) => {
            observed.detail = Some(format!("event {}", code.as_deref().unwrap_or("error")));
            return Some(Outcome::ErrorEvent);
        }
    }
    None
}
