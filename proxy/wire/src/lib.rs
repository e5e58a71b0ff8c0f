//! Server-sent events, strict JSON and dialects: pure functions over bytes. It owns what the bytes of a
//! request, an answer and a stream mean; it refuses sockets, clocks, policy and any memory of content
//! beyond the event in hand.
//!
//! - [`sse`] cuts a byte stream into events without copying them.
//! - [`json`] walks a document strictly, without building a tree.
//! - [`facts`] extracts what policy may know of a request body.
//! - [`openai`] speaks the dialect: errors, body edits, usage, stream events, rate-limit headers, models.
//! - [`translate`] carries requests, answers, streams and errors from one dialect to another.

pub mod facts;
pub mod json;
pub mod openai;
pub mod sse;
pub mod translate;

pub use facts::{BodyFault, extract};
pub use openai::{StreamEnd, StreamTap};
pub use sse::{Event, Splitter};
