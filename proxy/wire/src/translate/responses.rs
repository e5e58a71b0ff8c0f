//! OpenAI responses, as callers speak it. It owns this dialect's spelling of requests, answers and
//! streams; it refuses to keep anything between requests, so what refers to a stored response is refused.

mod answer;
mod content;
mod items;
mod read;
mod stream;

use super::document::Str;
use super::neutral::{Counts, Part, StopReason};
use super::writer::Writer as Json;
pub(super) use answer::write_answer;
pub(super) use read::read_request;
pub(super) use stream::Writer;

/// Marks `encrypted_content` that is Anthropic's signature under the summary beside it.
const SIGNATURE: &str = "anthropic-signature:";
/// Marks `encrypted_content` that is reasoning Anthropic has redacted.
const REDACTED: &str = "anthropic-redacted:";

/// The `encrypted_content` of an item of reasoning, if its provider has left anything of the kind.
fn sealed(part: &Part<'_>) -> Option<String> {
    match part {
        Part::Thinking { signature: Some(signature), .. } => {
            Some(format!("{SIGNATURE}{}", signature.decode()))
        }
        Part::Redacted(data) => Some(format!("{REDACTED}{}", data.decode())),
        _ => None,
    }
}

/// The reverse of [`sealed`]; nothing when another provider sealed it.
fn unseal<'a>(content: &Str<'_>, text: Str<'a>) -> Option<Part<'a>> {
    let content = content.decode();
    if let Some(signature) = content.strip_prefix(SIGNATURE) {
        return Some(Part::Thinking { text, signature: Some(Str::of(signature)) });
    }
    content.strip_prefix(REDACTED).map(|data| Part::Redacted(Str::of(data)))
}

/// How a response ended: its status and, when that is `incomplete`, why.
fn status(stop: StopReason) -> (&'static str, Option<&'static str>) {
    match stop {
        StopReason::End | StopReason::Sequence | StopReason::Tools | StopReason::Pause => ("completed", None),
        StopReason::Length => ("incomplete", Some("max_output_tokens")),
        StopReason::Filter => ("incomplete", Some("content_filter")),
    }
}

/// The members of a response object that are the same whatever was answered.
fn write_head(id: &str, created_unix: u64, model: &str, status: &str, w: &mut Json) {
    w.key("id").text(&format!("resp_{id}"));
    w.key("object").text("response");
    w.key("created_at").number(created_unix);
    w.key("status").text(status);
    w.key("model").text(model);
    w.key("previous_response_id").null();
    w.key("store").boolean(false);
    // Clients' types demand these; what was asked for is not repeated.
    w.key("parallel_tool_calls").boolean(true);
    w.key("tool_choice").text("auto");
    w.key("tools").array(|_| {});
}

fn write_incomplete(reason: Option<&'static str>, w: &mut Json) {
    w.key("incomplete_details");
    match reason {
        Some(reason) => w.object(|w| w.key("reason").text(reason)),
        None => w.null(),
    }
}

fn write_usage(counts: Option<Counts>, w: &mut Json) {
    w.key("usage");
    let Some(counts) = counts else { return w.null() };
    w.object(|w| {
        w.key("input_tokens").number(counts.input);
        w.key("input_tokens_details").object(|w| {
            w.key("cached_tokens").number(counts.cached);
            w.key("cache_write_tokens").number(counts.written);
        });
        w.key("output_tokens").number(counts.output);
        w.key("output_tokens_details").object(|w| w.key("reasoning_tokens").number(counts.reasoning));
        w.key("total_tokens").number(counts.input.saturating_add(counts.output));
    });
}
