//! Answers in Anthropic's form: messages, token counts, models. It owns every byte of their events and
//! bodies, and the rate limits in Anthropic's headers; it is written apart from the gateway's own encoders
//! on purpose.

pub(super) mod request;
mod validate;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};

use super::content::{Envelope, Piece};
use super::encode::{Encode, named_event};
use super::errors;
use super::steps::{Frames, Steps};
use crate::backend::Ending;
use crate::engine::Emission;
use crate::faults::FaultKind;

/// Day in `created_at`: the same in every run.
const CREATED_AT: &str = "2025-10-09T00:00:00Z";

/// One model.
pub(super) fn model(name: &str) -> Value {
    json!({"type": "model", "id": name, "display_name": name, "created_at": CREATED_AT})
}

/// Every model, as one page.
pub(super) fn models(names: &[String]) -> Value {
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
}

/// Anthropic's rate-limit headers from OpenAI's: other names, and times of day instead of durations.
pub(super) fn limit_headers(
    headers: Vec<(&'static str, String)>,
    resets_in: Option<Duration>,
) -> Vec<(&'static str, String)> {
    let reset = SystemTime::now() + resets_in.unwrap_or_default();
    let reset = rfc3339(reset.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let renamed = headers.into_iter().filter_map(|(name, value)| {
        Some(match name {
            "x-ratelimit-limit-requests" => ("anthropic-ratelimit-requests-limit", value),
            "x-ratelimit-remaining-requests" => ("anthropic-ratelimit-requests-remaining", value),
            "x-ratelimit-reset-requests" => ("anthropic-ratelimit-requests-reset", reset.clone()),
            "x-ratelimit-limit-tokens" => ("anthropic-ratelimit-tokens-limit", value),
            "x-ratelimit-remaining-tokens" => ("anthropic-ratelimit-tokens-remaining", value),
            "x-ratelimit-reset-tokens" => ("anthropic-ratelimit-tokens-reset", reset.clone()),
            "retry-after" => ("retry-after", value),
            _ => return None,
        })
    });
    renamed.collect()
}

/// Unix seconds as RFC 3339 in UTC, by Howard Hinnant's `civil_from_days`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The block that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    Call(usize),
}

/// Writes messages.
#[derive(Debug)]
pub(super) struct MessageEncoder {
    envelope: Envelope,
    open: Option<Block>,
    /// Blocks begun.
    blocks: u64,
}

impl MessageEncoder {
    pub(super) const fn new(envelope: Envelope) -> Self {
        Self { envelope, open: None, blocks: 0 }
    }

    fn usage(&self, output: u64) -> Value {
        let counts = self.envelope.reported(output);
        json!({
            "input_tokens": counts.uncached(),
            "cache_creation_input_tokens": counts.written_5m + counts.written_1h,
            "cache_read_input_tokens": counts.cached,
            "output_tokens": counts.output,
        })
    }

    /// The usage an answer begins with: what is known of the prompt, and of the output a placeholder.
    fn first_usage(&self, output: u64) -> Value {
        let counts = self.envelope.reported(output);
        let mut usage = self.usage(output);
        if let Some(fields) = usage.as_object_mut() {
            let creation = json!({
                "ephemeral_5m_input_tokens": counts.written_5m,
                "ephemeral_1h_input_tokens": counts.written_1h,
            });
            fields.insert("cache_creation".to_owned(), creation);
            fields.insert("service_tier".to_owned(), json!("standard"));
        }
        usage
    }

    fn stop_reason(&self) -> (&'static str, Value) {
        match &self.envelope.plan.ending {
            Ending::Ceiling => ("max_tokens", Value::Null),
            Ending::Filter => ("refusal", Value::Null),
            Ending::Stop(stop) => ("stop_sequence", json!(stop)),
            Ending::Natural if self.envelope.is_calls() => ("tool_use", Value::Null),
            Ending::Natural => ("end_turn", Value::Null),
        }
    }

    fn message(&self, content: &[Value], ending: (Value, Value), usage: &Value) -> Value {
        let mut message = json!({
            "id": format!("msg_{}", self.envelope.id()),
            "type": "message",
            "role": "assistant",
            "model": self.envelope.model,
            "content": content,
            "stop_reason": ending.0,
            "stop_sequence": ending.1,
        });
        if let Some(fields) = message.as_object_mut().filter(|_| !self.envelope.is_usage_missing()) {
            fields.insert("usage".to_owned(), usage.clone());
        }
        message
    }

    fn call_id(&self, call: usize) -> String {
        format!("toolu_{}{call:02}", self.envelope.id())
    }

    fn signature(&self) -> String {
        format!("sig{}", self.envelope.id())
    }

    fn begin(&self, steps: &mut Steps) {
        let usage = self.first_usage(1);
        let message = self.message(&[], (Value::Null, Value::Null), &usage);
        let start = json!({"type": "message_start", "message": message});
        steps.event(named_event("message_start", &start), 0);
        steps.event(named_event("ping", &json!({"type": "ping"})), 0);
    }

    /// Makes `block` the one that is written, closing the one before.
    fn turn_to(&mut self, block: Block, steps: &mut Steps) {
        if self.open == Some(block) {
            return;
        }
        self.close(steps);
        let content = match block {
            Block::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
            Block::Text => json!({"type": "text", "text": ""}),
            Block::Call(call) => json!({
                "type": "tool_use", "id": self.call_id(call), "name": self.envelope.call_name(call), "input": {},
            }),
        };
        let start = json!({"type": "content_block_start", "index": self.blocks, "content_block": content});
        steps.event(named_event("content_block_start", &start), 0);
        self.open = Some(block);
        self.blocks += 1;
    }

    fn close(&mut self, steps: &mut Steps) {
        let Some(block) = self.open.take() else { return };
        if block == Block::Thinking {
            self.delta(&json!({"type": "signature_delta", "signature": self.signature()}), 0, steps);
        }
        let stop = json!({"type": "content_block_stop", "index": self.blocks.saturating_sub(1)});
        steps.event(named_event("content_block_stop", &stop), 0);
    }

    fn delta(&self, delta: &Value, tokens: u64, steps: &mut Steps) {
        let index = self.blocks.saturating_sub(1);
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        steps.event(named_event("content_block_delta", &event), tokens);
    }

    fn finish(&mut self, steps: &mut Steps) {
        if self.blocks == 0 && !self.envelope.is_calls() {
            self.turn_to(Block::Text, steps);
        }
        self.close(steps);
        let (reason, sequence) = self.stop_reason();
        let mut delta = json!({
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
        });
        if let Some(fields) = delta.as_object_mut().filter(|_| !self.envelope.is_usage_missing()) {
            fields.insert("usage".to_owned(), self.usage(self.envelope.output_tokens()));
        }
        steps.event(named_event("message_delta", &delta), 0);
        if self.envelope.plan.fault != Some(FaultKind::MissingDone) {
            steps.event(named_event("message_stop", &json!({"type": "message_stop"})), 0);
        }
        steps.end();
    }
}

impl Encode for MessageEncoder {
    fn write(&mut self, emission: Emission, steps: &mut Steps) {
        if emission.token_index == 0 {
            self.begin(steps);
        }
        if self.envelope.plan.output_tokens > 0 {
            let (block, delta) = match self.envelope.piece(0, emission.token_index) {
                Piece::Reasoning(text) => {
                    (Block::Thinking, json!({"type": "thinking_delta", "thinking": text}))
                }
                Piece::Text(text) => (Block::Text, json!({"type": "text_delta", "text": text})),
                Piece::Argument { call, text, .. } => {
                    (Block::Call(call), json!({"type": "input_json_delta", "partial_json": text}))
                }
            };
            self.turn_to(block, steps);
            self.delta(&delta, 1, steps);
        }
        if emission.last {
            self.finish(steps);
        }
    }

    fn whole(&self) -> Bytes {
        let spoken = self.envelope.spoken(0);
        let mut content = Vec::new();
        if !spoken.reasoning.is_empty() {
            let signature = self.signature();
            content.push(json!({"type": "thinking", "thinking": spoken.reasoning, "signature": signature}));
        }
        for (call, arguments) in spoken.calls.iter().enumerate() {
            // Arguments cut off by the ceiling are no JSON; Anthropic then shows what it could read of them.
            let input: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
            let name = self.envelope.call_name(call);
            content.push(json!({"type": "tool_use", "id": self.call_id(call), "name": name, "input": input}));
        }
        if !self.envelope.is_calls() {
            content.push(json!({"type": "text", "text": spoken.text}));
        }
        let (reason, sequence) = self.stop_reason();
        let usage = self.first_usage(self.envelope.output_tokens());
        let mut text = self.message(&content, (json!(reason), sequence), &usage).to_string();
        if matches!(self.envelope.plan.fault, Some(FaultKind::MalformedSse { .. })) {
            text.truncate(text.len() - 1);
        }
        Bytes::from(text)
    }

    fn frames(&self) -> Frames {
        let (status, message) = match self.envelope.plan.fault {
            Some(FaultKind::Overloaded { .. }) => (529, "Overloaded"),
            _ => (500, "The server had an error."),
        };
        let error = errors::anthropic(status, message, &self.envelope.plan.request_id);
        Frames {
            broken: Bytes::from_static(b"event: content_block_delta\ndata: {\"type\": \"content_bl\n\n"),
            error: named_event("error", &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_written_as_the_calendar_has_it() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_760_000_000, "2025-10-09T08:53:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
