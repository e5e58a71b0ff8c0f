//! Anthropic messages. It owns this dialect's spelling of requests, answers and streams; it refuses to
//! know any other dialect.

mod answer;
mod content;
mod read;
mod stream;
mod write;

use super::document::{Input, Read, Str};
use super::neutral::{Counts, StopReason};
use super::writer::Writer as Json;
pub(super) use answer::{read_answer, write_answer};
pub(super) use read::read_request;
pub(super) use stream::{Reader, Writer};
pub(super) use write::write_request;

fn read_stop_reason(word: &str) -> StopReason {
    match word {
        "stop_sequence" => StopReason::Sequence,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "tool_use" => StopReason::Tools,
        "refusal" => StopReason::Filter,
        "pause_turn" => StopReason::Pause,
        _ => StopReason::End,
    }
}

/// `stop_sequence` is said only with the sequence beside it.
fn write_stop(reason: StopReason, sequence: Option<&Str<'_>>, w: &mut Json) {
    w.key("stop_reason").text(match reason {
        StopReason::Sequence if sequence.is_some() => "stop_sequence",
        StopReason::End | StopReason::Sequence => "end_turn",
        StopReason::Length => "max_tokens",
        StopReason::Tools => "tool_use",
        StopReason::Filter => "refusal",
        StopReason::Pause => "pause_turn",
    });
    match sequence {
        Some(sequence) => w.key("stop_sequence").string(sequence),
        None => w.key("stop_sequence").null(),
    }
}

/// Reads a `usage` object over what is known already: fields that it leaves out stand. `input_tokens`
/// excludes what the cache had a part in; the neutral count includes it.
fn usage(input: &mut Input<'_>, known: Counts) -> Read<Counts> {
    let mut plain = known.plain_input();
    let mut counts = known;
    input.object(|input, key| match key {
        "input_tokens" => count(input, &mut plain),
        "cache_read_input_tokens" => count(input, &mut counts.cached),
        "cache_creation_input_tokens" => count(input, &mut counts.written),
        "output_tokens" => count(input, &mut counts.output),
        "output_tokens_details" => input
            .unless_null(|input| {
                input.object(|input, key| match key {
                    "thinking_tokens" => count(input, &mut counts.reasoning),
                    _ => input.skip(),
                })
            })
            .map(|_| ()),
        // How long what was written is kept decides what it costs.
        "cache_creation" => input
            .unless_null(|input| {
                input.object(|input, key| match key {
                    "ephemeral_1h_input_tokens" => count(input, &mut counts.written_1h),
                    _ => input.skip(),
                })
            })
            .map(|_| ()),
        _ => input.skip(),
    })?;
    counts.input = plain.saturating_add(counts.cached).saturating_add(counts.written);
    counts.reasoning = counts.reasoning.min(counts.output);
    Ok(counts)
}

fn count(input: &mut Input<'_>, slot: &mut u64) -> Read<()> {
    *slot = input.unless_null(Input::count)?.unwrap_or(*slot);
    Ok(())
}

fn write_usage(counts: Counts, w: &mut Json) {
    w.key("usage").object(|w| {
        w.key("input_tokens").number(counts.plain_input());
        w.key("cache_creation_input_tokens").number(counts.written);
        w.key("cache_read_input_tokens").number(counts.cached);
        w.key("output_tokens").number(counts.output);
        if counts.reasoning > 0 {
            w.key("output_tokens_details").object(|w| w.key("thinking_tokens").number(counts.reasoning));
        }
    });
}
