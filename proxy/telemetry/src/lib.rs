//! What the gateway tells its operators: metrics, traces, the access log and its own operational log.
//! It owns names, units, buckets and delivery; it refuses to decide anything about a request, and no
//! type in it can hold a header value, a prompt or an answer.
//!
//! * [`catalogue`]: every metric, attribute and span name, as data.
//! * [`instruments`]: recording functions that take plain structs; see [`settled`] for those.
//! * [`context`]: W3C trace context and the decision which traces to keep.
//! * [`spans`]: one settled request as a tree of spans.
//! * [`access_log`]: one JSON line per request, written off the request path.
//! * [`operational`]: the process's own log on stderr.
//! * `otlp`: export of all of it, behind the feature of that name.

pub mod access_log;
pub mod catalogue;
pub mod context;
pub mod drops;
pub mod instruments;
pub mod operational;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(feature = "otlp")]
mod recorder;
#[cfg(not(feature = "otlp"))]
#[path = "recorder_off.rs"]
mod recorder;
pub mod settled;
pub mod spans;

pub use access_log::{AccessLog, AccessLogTarget};
pub use context::{Sampling, SpanId, TraceContext, TraceId, Trust};
pub use drops::{Drops, Signal};
pub use instruments::Instruments;
#[cfg(feature = "otlp")]
pub use otlp::{Export, ExportConfig, ExportError, Protocol, Telemetry};
pub use spans::{ExchangeTrace, Traces};
