//! A whole chat completion, read and written. It owns the one choice there is; it refuses answers with
//! several, for nobody asked for them.

use super::{finish_reason, read, stop_reason, usage, write, write_usage};
use crate::translate::Envelope;
use crate::translate::document::{self, Fault, Input, Read, Str};
use crate::translate::neutral::{Completion, Part, StopReason};
use crate::translate::writer::Writer;

/// Reads an answer.
pub(in crate::translate) fn read_answer(body: &[u8]) -> Read<Completion<'_>> {
    let mut choices = Vec::new();
    let mut counts = None;
    document::read(body, |input| {
        input.object(|input, key| match key {
            "choices" => input.array(|input| {
                choices.push(choice(input)?);
                Ok(())
            }),
            "usage" => {
                counts = input.unless_null(usage)?;
                Ok(())
            }
            _ => input.skip(),
        })
    })?;
    let mut choices = choices.into_iter();
    match (choices.next(), choices.next()) {
        (Some(completion), None) => Ok(Completion { counts, ..completion }),
        _ => Err(Fault::at("choices", "must hold one choice")),
    }
}

fn choice<'a>(input: &mut Input<'a>) -> Read<Completion<'a>> {
    let mut parts = None;
    let mut stop = StopReason::End;
    let mut stop_sequence = None;
    input.object(|input, key| {
        match key {
            "message" => parts = Some(message(input)?),
            "finish_reason" => {
                stop = input.unless_null(Input::word)?.map_or(StopReason::End, |word| stop_reason(&word));
            }
            // vLLM names the stop sequence here, or the number of a token.
            "stop_reason" => stop_sequence = matched(input)?,
            _ => input.skip()?,
        }
        Ok(())
    })?;
    let parts = parts.ok_or(Fault::at("message", "is missing"))?;
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let stop = if stop == StopReason::End && stop_sequence.is_some() {
        StopReason::Sequence
    } else {
        stop.with_tools(called)
    };
    Ok(Completion { parts, stop, stop_sequence, counts: None })
}

/// The stop sequence that was met, where the server says so.
pub(super) fn matched<'a>(input: &mut Input<'a>) -> Read<Option<Str<'a>>> {
    if input.kind()? == crate::json::Kind::String {
        return input.string().map(Some);
    }
    input.skip()?;
    Ok(None)
}

fn message<'a>(input: &mut Input<'a>) -> Read<Vec<Part<'a>>> {
    let (mut reasoning, mut content, mut refusal, mut calls) = (None, Vec::new(), None, Vec::new());
    input.object(|input, key| {
        match key {
            "content" => content = super::content::answered(input)?,
            "reasoning_content" | "reasoning" => {
                reasoning = input.unless_null(Input::string)?.or(reasoning.take())
            }
            "refusal" => refusal = input.unless_null(Input::string)?,
            "tool_calls" => calls = input.unless_null(read::tool_calls)?.unwrap_or_default(),
            _ => input.skip()?,
        }
        Ok(())
    })?;
    let said = |text: &Str<'_>| !text.is_empty();
    let mut parts: Vec<Part<'a>> = Vec::new();
    parts.extend(reasoning.filter(said).map(|text| Part::Thinking { text, signature: None }));
    parts.extend(content);
    parts.extend(refusal.filter(said).map(Part::Refusal));
    parts.extend(calls);
    Ok(parts)
}

/// Writes an answer.
pub(in crate::translate) fn write_answer(completion: &Completion<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|w| {
        w.key("id").text(&format!("chatcmpl-{}", envelope.id));
        w.key("object").text("chat.completion");
        w.key("created").number(envelope.created_unix);
        w.key("model").text(&envelope.model);
        w.key("choices").array(|w| {
            w.object(|w| {
                w.key("index").number(0);
                w.key("message").object(|w| write_message(&completion.parts, w));
                w.key("logprobs").null();
                w.key("finish_reason").text(finish_reason(completion.stop));
            });
        });
        if let Some(counts) = completion.counts {
            write_usage(counts, w);
        }
    });
    writer.into_bytes()
}

fn write_message(parts: &[Part<'_>], w: &mut Writer) {
    let texts =
        || parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    let refusals =
        || parts.iter().filter_map(|part| if let Part::Refusal(text) = part { Some(text) } else { None });
    let thoughts = || {
        parts.iter().filter_map(|part| if let Part::Thinking { text, .. } = part { Some(text) } else { None })
    };
    let calls = || parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
    w.key("role").text("assistant");
    match texts().next() {
        Some(_) => w.key("content").joined(texts()),
        None => w.key("content").null(),
    }
    match refusals().next() {
        Some(_) => w.key("refusal").joined(refusals()),
        None => w.key("refusal").null(),
    }
    if thoughts().any(|text| !text.is_empty()) {
        w.key("reasoning_content").joined(thoughts());
    }
    if calls().next().is_some() {
        w.key("tool_calls").array(|w| calls().for_each(|call| write::write_call(call, w)));
    }
}
