//! What can go wrong with a backend, and what a caller must then see. It owns the list; how a fault is made
//! and measured is next door (`made`, `measured`), and so is the page (`page`).
//!
//! The list is that of docs/faults.md. A row states what callers see, so that the page cannot rot: the
//! end-to-end tests measure every row and compare.

mod made;
mod measured;
mod page;

use model_sim::FaultKind;
use vocabulary::Reason;

pub use measured::{Measured, Outcome, measure};
pub use page::{between_marks, page};

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong, in a few words.
    pub name: &'static str,
    /// How it is made.
    pub how: How,
    /// Whether callers ask for streams.
    pub stream: bool,
    /// Everything that callers whose request reached the faulty backend may see.
    pub sees: &'static [Outcome],
}

/// How a fault is made.
#[derive(Clone, Debug)]
pub enum How {
    /// A simulated server does it, from the first request on.
    Simulated(FaultKind),
    /// A simulated server does it to this share of its requests.
    Sometimes(f64, FaultKind),
    /// The same, and requests carry more than 64 KiB.
    SimulatedLarge(FaultKind),
    /// A TLS server whose handshake fails.
    Handshake,
    /// A listener whose backlog is full: the system drops every attempt to connect.
    FullBacklog,
    /// A name that does not resolve.
    NameGone,
}

use FaultKind as K;
use How::{FullBacklog, Handshake, NameGone, Simulated, SimulatedLarge, Sometimes};
use Outcome::{Cut, Garbled, Refused, Served};

const SERVED: &[Outcome] = &[Served];

/// The list.
#[must_use]
pub fn list() -> Vec<Fault> {
    let plain = |name, how, sees| Fault { name, how, stream: false, sees };
    let stream = |name, how, sees| Fault { name, how, stream: true, sees };
    vec![
        plain("connection refused", Simulated(K::RefuseConnection), SERVED),
        plain(
            "accepts and never answers (blackhole)",
            Simulated(K::Blackhole),
            &[Refused(Reason::BackendTimeout)],
        ),
        plain("drops connection attempts (full backlog)", FullBacklog, SERVED),
        plain("name gone from DNS", NameGone, SERVED),
        plain("TLS handshake fails", Handshake, SERVED),
        plain("429 with `retry-after: 30`", Simulated(K::RateLimited { retry_after: Some(30.0) }), SERVED),
        plain("429 without a header", Simulated(K::RateLimited { retry_after: None }), SERVED),
        plain("429 `insufficient_quota`", Simulated(K::InsufficientQuota), SERVED),
        plain("500", Simulated(K::ServerError { status: 500 }), SERVED),
        plain("502", Simulated(K::ServerError { status: 502 }), SERVED),
        plain("503", Simulated(K::ServerError { status: 503 }), SERVED),
        plain("529", Simulated(K::ServerError { status: 529 }), SERVED),
        plain("401 to the gateway's credential", Simulated(K::Unauthorized), SERVED),
        plain("503 to a body over 64 KiB", SimulatedLarge(K::ServerError { status: 503 }), SERVED),
        plain("one of N replicas answers 500", Sometimes(0.33, K::ServerError { status: 500 }), SERVED),
        plain("brown-out: 6x slower, a third 503", Simulated(brown_out()), SERVED),
        stream("first token late, within its limit", Simulated(K::SlowFirstToken { by: 0.2 }), SERVED),
        stream(
            "first token later than its limit",
            Simulated(K::SlowFirstToken { by: 5.0 }),
            &[Refused(Reason::BackendTimeout)],
        ),
        stream(
            "hangs before its headers",
            Simulated(K::HangBeforeHeaders),
            &[Refused(Reason::BackendTimeout)],
        ),
        stream(
            "reset before its headers",
            Simulated(K::ResetBeforeHeaders),
            &[Refused(Reason::BackendReset)],
        ),
        stream("closes without an answer", Simulated(K::CloseAfterRequest), &[Refused(Reason::BackendReset)]),
        stream(
            "error event as the first (529 in a 200)",
            Simulated(K::Overloaded { in_stream: true }),
            SERVED,
        ),
        stream("error event after output", Simulated(K::ErrorEvent { after_events: 3 }), &[Cut]),
        stream("hangs in mid-stream", Simulated(K::HangMidStream { after_events: 3 }), &[Cut]),
        stream("closes in mid-stream", Simulated(K::DropMidStream { after_events: 3 }), &[Cut]),
        stream("resets in mid-stream", Simulated(K::ResetMidStream { after_events: 3 }), &[Cut]),
        stream("closes within a chunk", Simulated(K::TruncatedChunk { after_events: 3 }), &[Cut]),
        stream("half-closes in mid-stream", Simulated(K::HalfClose { after_events: 3 }), &[Cut]),
        stream("an event that is no JSON", Simulated(K::MalformedSse { after_events: 3 }), &[Garbled]),
        stream("an event of 256 KiB", Simulated(K::HugeEvent { bytes: 256 << 10 }), SERVED),
        stream("no `[DONE]`", Simulated(K::MissingDone), SERVED),
        stream("no usage", Simulated(K::MissingUsage), SERVED),
        stream("twice the usage there was", Simulated(K::WrongUsage { factor: 2.0 }), SERVED),
        stream("every event in two pieces", Simulated(K::SplitEvents), SERVED),
    ]
}

fn brown_out() -> FaultKind {
    K::BrownOut { factor: 6.0, capacity: 0.5, error_ratio: 0.33 }
}
