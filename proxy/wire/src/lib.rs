//! Server-sent events, strict JSON and dialects: pure functions over bytes. It owns what the bytes of a
//! request, an answer and a stream mean; it refuses sockets, clocks, policy and any memory of content
//! beyond the event in hand.
//!
//! - [`sse`] cuts a byte stream into events without copying them.
//! - [`json`] walks a document strictly, without building a tree.
//! - [`facts`] extracts what policy may know of a request body, and [`edit`] changes fields of it.
//! - [`answer`] reads whole answers, [`stream`] those that come as events.
//! - [`error`] writes refusals and reads those of backends; [`limits`] reads rate-limit headers;
//!   [`models`] writes lists of models.
//! - [`proxy_header`] and [`forwarded`] read what proxies in front say of the client.
//! - [`translate`] carries requests, answers, streams and errors from one dialect to another.
//!
//! Three APIs are spoken: OpenAI's chat, completions and embeddings (also Azure's and vLLM's), OpenAI's
//! Responses, and Anthropic's Messages. An [`Operation`](vocabulary::Operation) says which it is.

pub mod answer;
mod date;
pub mod edit;
pub mod error;
pub mod facts;
pub mod forwarded;
pub mod json;
pub mod limits;
pub mod models;
pub mod openai;
pub mod proxy_header;
pub mod sse;
pub mod stream;
pub mod translate;
mod usage;

pub use answer::{count_tokens_body, response_id, response_key, usage_in_body};
pub use edit::{Edits, FieldEdit, FieldOperation, Layout};
pub use error::{BackendErrorCode, error_body, error_code, stream_error_event};
pub use facts::{BodyFault, extract, extract_with_layout};
pub use limits::{BackendLimits, backend_limits};
pub use models::{ModelCard, models_body};
pub use sse::{Event, Splitter};
pub use stream::{EventClass, StreamEnd, StreamTap};
