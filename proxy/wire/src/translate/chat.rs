//! OpenAI chat completions. It owns this dialect's spelling of requests, answers and streams; it refuses
//! to know any other dialect.

mod answer;
mod content;
mod read;
mod stream;
mod write;

use super::document::{Input, Read};
use super::neutral::{Counts, Effort, StopReason};
pub(super) use answer::{read_answer, write_answer};
pub(super) use read::read_request;
pub(super) use stream::{Reader, Writer};
pub(super) use write::write_request;

fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}

fn stop_reason(word: &str) -> StopReason {
    match word {
        "length" => StopReason::Length,
        "tool_calls" | "function_call" => StopReason::Tools,
        "content_filter" => StopReason::Filter,
        _ => StopReason::End,
    }
}

fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::End | StopReason::Sequence | StopReason::Pause => "stop",
        StopReason::Length => "length",
        StopReason::Tools => "tool_calls",
        StopReason::Filter => "content_filter",
    }
}

/// Reads a `usage` object. `prompt_tokens` includes what the cache had a part in, `completion_tokens`
/// includes reasoning.
fn usage(input: &mut Input<'_>) -> Read<Counts> {
    let mut counts = Counts::default();
    input.object(|input, key| match key {
        "prompt_tokens" => count(input, &mut counts.input),
        "completion_tokens" => count(input, &mut counts.output),
        "prompt_tokens_details" => details(input, |input, key| match key {
            "cached_tokens" => count(input, &mut counts.cached),
            "cache_write_tokens" => count(input, &mut counts.written),
            _ => input.skip(),
        }),
        "completion_tokens_details" => details(input, |input, key| match key {
            "reasoning_tokens" => count(input, &mut counts.reasoning),
            _ => input.skip(),
        }),
        _ => input.skip(),
    })?;
    // A part can be no larger than the whole it is priced within.
    counts.cached = counts.cached.min(counts.input);
    counts.written = counts.written.min(counts.input - counts.cached);
    counts.reasoning = counts.reasoning.min(counts.output);
    Ok(counts)
}

fn count(input: &mut Input<'_>, slot: &mut u64) -> Read<()> {
    *slot = input.unless_null(Input::count)?.unwrap_or(*slot);
    Ok(())
}

fn details<'a>(input: &mut Input<'a>, member: impl FnMut(&mut Input<'a>, &str) -> Read<()>) -> Read<()> {
    input.unless_null(|input| input.object(member)).map(|_| ())
}

fn write_usage(counts: Counts, writer: &mut super::writer::Writer) {
    writer.key("usage").object(|w| {
        w.key("prompt_tokens").number(counts.input);
        w.key("completion_tokens").number(counts.output);
        w.key("total_tokens").number(counts.input.saturating_add(counts.output));
        w.key("prompt_tokens_details").object(|w| {
            w.key("cached_tokens").number(counts.cached);
            w.key("cache_write_tokens").number(counts.written);
        });
        w.key("completion_tokens_details").object(|w| w.key("reasoning_tokens").number(counts.reasoning));
    });
}
