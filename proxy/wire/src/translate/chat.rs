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
        Effort::XHigh | Effort::Max => "xhigh",
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

/// Reads a `usage` object. `prompt_tokens` includes cached tokens, `completion_tokens` reasoning.
fn usage(input: &mut Input<'_>) -> Read<Counts> {
    let mut counts = Counts::default();
    let set = |slot: &mut u64, input: &mut Input<'_>| -> Read<()> {
        *slot = input.unless_null(Input::count)?.unwrap_or(*slot);
        Ok(())
    };
    input.object(|input, key| match key {
        "prompt_tokens" => set(&mut counts.input, input),
        "completion_tokens" => set(&mut counts.output, input),
        "prompt_tokens_details" => detail(input, "cached_tokens", &mut counts.cached),
        "completion_tokens_details" => detail(input, "reasoning_tokens", &mut counts.reasoning),
        _ => input.skip(),
    })?;
    // A part can be no larger than the whole it is priced within.
    counts.cached = counts.cached.min(counts.input);
    counts.reasoning = counts.reasoning.min(counts.output);
    Ok(counts)
}

fn detail(input: &mut Input<'_>, wanted: &str, slot: &mut u64) -> Read<()> {
    input.unless_null(|input| {
        input.object(|input, key| {
            if key == wanted {
                *slot = input.unless_null(Input::count)?.unwrap_or(0);
                Ok(())
            } else {
                input.skip()
            }
        })
    })?;
    Ok(())
}

fn write_usage(counts: Counts, writer: &mut super::writer::Writer) {
    writer.key("usage").object(|w| {
        w.key("prompt_tokens").number(counts.input);
        w.key("completion_tokens").number(counts.output);
        w.key("total_tokens").number(counts.input.saturating_add(counts.output));
        w.key("prompt_tokens_details").object(|w| w.key("cached_tokens").number(counts.cached));
        w.key("completion_tokens_details").object(|w| w.key("reasoning_tokens").number(counts.reasoning));
    });
}
