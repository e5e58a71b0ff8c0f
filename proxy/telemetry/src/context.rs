//! W3C Trace Context: reading it from hostile input, writing it, and deciding which traces are kept. It
//! owns ids and flags; it refuses baggage, which can carry a caller's data to a third party.
//!
//! Trust: a request from a trusted edge continues the caller's trace and its sampled flag stands for our
//! own dice, in both directions. From anywhere else the trace starts anew and links to the caller's; the
//! caller's flag and trace id, which would let it choose what is kept, have no say.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use vocabulary::{Reason, Share};

pub use parse::{ContextError, TraceParent, TraceState};

/// Two digits. Formatting byte by byte with `{:02x}` takes ten times as long.
const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(nibble: u8) -> u8 {
        if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }
    }
    [digit(byte >> 4), digit(byte & 0xf)]
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The id of these bytes; all zeros is not an id.
            #[must_use]
            pub fn new(bytes: [u8; $bytes]) -> Option<Self> {
                bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
            }

            /// The bytes, in the order they are printed.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; 2 * $bytes];
                for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
                    pair.copy_from_slice(&hex(byte));
                }
                f.pad(std::str::from_utf8(&digits).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// A W3C trace id, never all zeros; prints as 32 hex digits.
    TraceId, 16
}

id! {
    /// A W3C span id, never all zeros; prints as 16 hex digits.
    SpanId, 8
}

impl TraceId {
    /// A new id from 128 random bits.
    pub fn random(random: &mut dyn FnMut() -> u64) -> Self {
        let bits = (u128::from(random()) << 64) | u128::from(random());
        Self(bits.max(1).to_be_bytes())
    }
}

impl SpanId {
    /// A new id from 64 random bits.
    pub fn random(random: &mut dyn FnMut() -> u64) -> Self {
        Self(random().max(1).to_be_bytes())
    }
}

/// Whether the caller's trace context is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Continue the caller's trace and honour its sampled flag.
    Continue,
    /// Start a new trace that links to the caller's.
    Restart,
}

/// The caller's span a restarted trace links to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The caller's trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub span_id: SpanId,
}

/// The trace one request belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The gateway's own SERVER span.
    pub span_id: SpanId,
    /// The caller's span, when its trace is continued.
    pub parent: Option<SpanId>,
    /// The caller's sampled flag, when its trace is continued.
    pub parent_sampled: Option<bool>,
    /// The caller's span, when the trace was restarted.
    pub link: Option<Link>,
    /// Passed on unchanged when the trace is continued; empty otherwise.
    pub state: TraceState,
}

impl TraceContext {
    /// The context of a request with these `traceparent` and `tracestate` header values. Anything
    /// malformed counts as absent, as the specification asks; two `traceparent` headers are malformed.
    pub fn accept<'a>(
        traceparents: impl IntoIterator<Item = &'a [u8]>,
        tracestates: impl IntoIterator<Item = &'a [u8]>,
        trust: Trust,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        let mut parents = traceparents.into_iter();
        let caller = match (parents.next(), parents.next()) {
            (Some(value), None) => TraceParent::parse(value).ok(),
            _ => None,
        };
        match (caller, trust) {
            (Some(caller), Trust::Continue) => Self {
                trace_id: caller.trace_id,
                span_id: SpanId::random(random),
                parent: Some(caller.parent_id),
                parent_sampled: Some(caller.sampled),
                link: None,
                state: TraceState::parse(tracestates).unwrap_or_default(),
            },
            (caller, _) => Self {
                link: caller.map(|caller| Link { trace_id: caller.trace_id, span_id: caller.parent_id }),
                ..Self::root(random)
            },
        }
    }

    /// A new trace without a caller.
    pub fn root(random: &mut dyn FnMut() -> u64) -> Self {
        Self {
            trace_id: TraceId::random(random),
            span_id: SpanId::random(random),
            parent: None,
            parent_sampled: None,
            link: None,
            state: TraceState::default(),
        }
    }

    /// The `traceparent` to send upstream with the attempt whose span is `attempt`.
    #[must_use]
    pub fn traceparent(&self, attempt: SpanId, sampled: bool) -> String {
        TraceParent { trace_id: self.trace_id, parent_id: attempt, sampled }.to_string()
    }
}

/// How a request ended, as far as keeping its trace goes.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Why it was refused, failed or cut.
    pub reason: Option<Reason>,
    /// Arrival to last byte, in policy time.
    pub duration: Duration,
}

/// Which traces are kept: all failures, all slow ones, and a share of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Share of traces kept whatever becomes of them.
    pub ratio: Share,
    /// A request at least this long is kept; none when absent.
    pub slow: Option<Duration>,
}

impl Sampling {
    /// Whether the trace is kept whatever becomes of the request: the flag that goes upstream.
    #[must_use]
    pub fn head(&self, context: &TraceContext) -> bool {
        context.parent_sampled.unwrap_or_else(|| self.in_ratio(context.trace_id))
    }

    /// Whether the trace is kept, now that the request is over. Only failures of a backend or of the
    /// gateway count: a flood of unauthorised requests must not fill the trace store.
    #[must_use]
    pub fn keep(&self, context: &TraceContext, outcome: &Outcome) -> bool {
        self.head(context)
            || outcome.reason.is_some_and(Reason::is_bad)
            || self.slow.is_some_and(|slow| outcome.duration >= slow)
    }

    /// Compares the id's low 56 bits, the random ones of W3C Trace Context level 2, so that every
    /// participant with this ratio keeps the same traces.
    fn in_ratio(&self, trace_id: TraceId) -> bool {
        let random = u128::from_be_bytes(trace_id.to_bytes()) & ((1 << 56) - 1);
        random * 1_000_000 < u128::from(self.ratio.ppm) << 56
    }
}
