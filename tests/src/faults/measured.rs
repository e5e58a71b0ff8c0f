//! What comes of a fault: asked as a caller, read from the access log. It owns the load, the judgement of an
//! answer and the figures of a row; it refuses to compare them with anything.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use vocabulary::Reason;
use vocabulary::access_log::AccessLogRecord;

use super::made::{FAULTY, Scene};
use super::{Fault, How};
use crate::gateway::{chat, chat_stream};
use crate::sse::Event;

/// Callers at once.
const CALLERS: usize = 4;
/// Time between the end of a caller's request and its next: traffic moves on a clock, not by count alone.
const PAUSE: Duration = Duration::from_millis(20);

/// What a caller saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A whole answer, as if nothing had been.
    Served,
    /// An error with its own status, before any output.
    Refused(Reason),
    /// A stream of status 200 that ends with an error event and without `[DONE]`.
    Cut,
    /// A stream that ends with neither.
    Silent,
    /// A stream that ends with `[DONE]` and has an event that is no JSON.
    Garbled,
}

/// One row's figures. Counts are of requests that reached the faulty backend.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Requests sent in all.
    pub sent: usize,
    /// Everything callers saw.
    pub outcomes: BTreeSet<Outcome>,
    /// Most attempts of one request.
    pub attempts: usize,
    /// Reasons of attempts on the faulty backend.
    pub attempt_reasons: BTreeSet<Reason>,
    /// Reasons of requests.
    pub reasons: BTreeSet<Reason>,
    /// Tokens charged: fewest and most, prompt and output together.
    pub tokens: (u64, u64),
    /// Cost charged in nano-dollars: least and most.
    pub cost: (u64, u64),
    /// Requests that reached the faulty backend.
    pub struck: usize,
    /// From the first request to the end of the last one that reached the faulty backend.
    pub moved_after: Duration,
    /// Whether the last quarter of the requests passed the faulty backend by.
    pub moved: bool,
}

/// Sends `requests` requests into `fault` and reads what became of them.
pub async fn measure(fault: &Fault, requests: usize) -> Measured {
    let scene = Scene::of(fault).await;
    let start = Instant::now();
    let callers = (0..CALLERS).map(|_| async {
        let mut seen = Vec::new();
        for _ in 0..requests.div_ceil(CALLERS) {
            seen.push(ask(&scene, fault, start).await);
            tokio::time::sleep(PAUSE).await;
        }
        seen
    });
    let mut seen: Vec<Seen> = futures_util::future::join_all(callers).await.into_iter().flatten().collect();
    seen.sort_by_key(|one| one.began);
    let mut rows = Vec::new();
    for one in seen {
        rows.push((scene.gateway.access_log().record(&one.request_id).await, one));
    }
    summed(&rows)
}

struct Seen {
    request_id: String,
    outcome: Outcome,
    began: Duration,
    ended: Duration,
}

async fn ask(scene: &Scene, fault: &Fault, start: Instant) -> Seen {
    let began = start.elapsed();
    let words = match fault.how {
        How::SimulatedLarge(_) => "word ".repeat(20_000),
        _ => "a few words".to_owned(),
    };
    let client = scene.gateway.client();
    let (request_id, outcome) = if fault.stream {
        let mut stream = client.chat_events(&chat_stream(&words)).await;
        let status = stream.status;
        let request_id = stream.request_id();
        if status == 200 {
            let events = stream.rest().await;
            (request_id, judged(&events, stream.ended_well()))
        } else {
            // An error body is no event; its code is in the access log, which has the status too.
            let record = scene.gateway.access_log().record(&request_id).await;
            (request_id, Outcome::Refused(record.reason.expect("a refusal has a reason")))
        }
    } else {
        let answer = client.chat(&chat(&words)).await;
        let outcome = match answer.status {
            200 => Outcome::Served,
            _ => Outcome::Refused(named(&answer.error_code())),
        };
        (answer.request_id().to_owned(), outcome)
    };
    Seen { request_id, outcome, began, ended: start.elapsed() }
}

fn named(code: &str) -> Reason {
    let known = Reason::ALL.iter().find(|reason| reason.code() == code);
    *known.unwrap_or_else(|| panic!("`{code}` is no reason"))
}

fn judged(events: &[Event], ended_well: bool) -> Outcome {
    let last = events.last();
    if ended_well && last.is_some_and(Event::is_done) {
        let sound = events.iter().all(|event| event.is_done() || event.json().is_object());
        if sound { Outcome::Served } else { Outcome::Garbled }
    } else if ended_well && last.is_some_and(|event| event.json()["error"].is_object()) {
        Outcome::Cut
    } else {
        Outcome::Silent
    }
}

fn summed(rows: &[(AccessLogRecord, Seen)]) -> Measured {
    let reached =
        |record: &AccessLogRecord| record.attempts.iter().any(|attempt| attempt.backend.starts_with(FAULTY));
    let struck: Vec<_> = rows.iter().filter(|(record, _)| reached(record)).collect();
    let records = || struck.iter().map(|(record, _)| record);
    let at_faulty = || {
        records().flat_map(|record| &record.attempts).filter(|attempt| attempt.backend.starts_with(FAULTY))
    };
    let span = |values: Vec<u64>| {
        (values.iter().copied().min().unwrap_or_default(), values.iter().copied().max().unwrap_or_default())
    };
    let tail = rows.len() - rows.len() / 4;
    Measured {
        sent: rows.len(),
        outcomes: struck.iter().map(|(_, seen)| seen.outcome).collect(),
        attempts: records().map(|record| record.attempts.len()).max().unwrap_or_default(),
        attempt_reasons: at_faulty().filter_map(|attempt| attempt.reason).collect(),
        reasons: records().filter_map(|record| record.reason).collect(),
        tokens: span(records().map(|record| record.usage.map_or(0, |usage| usage.total())).collect()),
        cost: span(records().map(|record| record.cost_nanos).collect()),
        struck: struck.len(),
        moved_after: struck.iter().map(|(_, seen)| seen.ended).max().unwrap_or_default(),
        moved: !rows[tail..].iter().any(|(record, _)| reached(record)),
    }
}
