//! Answers in OpenAI's form. It owns every byte of events, completions, errors and lists; it is written
//! apart from the gateway's own encoders on purpose.

use bytes::Bytes;
use serde_json::{Value, json};
use vocabulary::Operation;

use super::steps::Steps;
use crate::backend::Plan;
use crate::engine::Emission;
use crate::faults::FaultKind;
use crate::tokens::token_text;

/// Unix seconds in `created`: the same in every run, so that answers are reproducible to the byte.
const CREATED: u64 = 1_760_000_000;

/// What the events and the body of one answer have in common.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) operation: Operation,
    pub(super) model: String,
    pub(super) prompt_tokens: u64,
    pub(super) plan: Plan,
}

impl Envelope {
    fn id(&self) -> String {
        let kind = if self.operation == Operation::Chat { "chatcmpl" } else { "cmpl" };
        format!("{kind}-{:016x}{:08x}", self.plan.text_seed, self.plan.seq.0)
    }

    fn finish_reason(&self) -> &'static str {
        if self.plan.cut_by_ceiling { "length" } else { "stop" }
    }

    fn output_tokens(&self) -> u64 {
        self.plan.output_tokens.saturating_mul(self.plan.choices)
    }

    fn usage(&self) -> Value {
        let output = self.output_tokens();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": output,
            "total_tokens": self.prompt_tokens.saturating_add(output),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        })
    }

    fn is_usage_missing(&self) -> bool {
        self.plan.fault == Some(FaultKind::MissingUsage)
    }

    fn token(&self, choice: u64, index: u64) -> String {
        token_text(self.plan.text_seed.wrapping_add(choice), index)
    }

    /// The whole answer in one piece.
    pub(super) fn whole(&self) -> Bytes {
        let choice = |index: u64| {
            let text: String = (0..self.plan.output_tokens).map(|token| self.token(index, token)).collect();
            let finish_reason = self.finish_reason();
            if self.operation == Operation::Chat {
                let message = json!({"role": "assistant", "content": text, "refusal": null});
                json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish_reason})
            } else {
                json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish_reason})
            }
        };
        let object = if self.operation == Operation::Chat { "chat.completion" } else { "text_completion" };
        let mut body = json!({
            "id": self.id(),
            "object": object,
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": "fp_sim",
            "choices": (0..self.plan.choices).map(choice).collect::<Vec<_>>(),
        });
        if let Some(fields) = body.as_object_mut().filter(|_| !self.is_usage_missing()) {
            fields.insert("usage".to_owned(), self.usage());
        }
        let mut text = body.to_string();
        if matches!(self.plan.fault, Some(FaultKind::MalformedSse { .. })) {
            text.truncate(text.len() - 1);
        }
        Bytes::from(text)
    }
}

/// Writes tokens as server-sent events.
#[derive(Debug)]
pub(super) struct StreamEncoder {
    envelope: Envelope,
    include_usage: bool,
    /// Everything before and after the choice in an event, encoded once.
    head: String,
    tail: &'static str,
}

impl StreamEncoder {
    pub(super) fn new(envelope: Envelope, include_usage: bool) -> Self {
        let object =
            if envelope.operation == Operation::Chat { "chat.completion.chunk" } else { "text_completion" };
        let head = format!(
            r#"data: {{"id":"{}","object":"{object}","created":{CREATED},"model":{},"system_fingerprint":"fp_sim","choices":["#,
            envelope.id(),
            Value::from(envelope.model.as_str()),
        );
        let include_usage = include_usage && !envelope.is_usage_missing();
        let tail = if include_usage { "],\"usage\":null}\n\n" } else { "]}\n\n" };
        Self { envelope, include_usage, head, tail }
    }

    /// Writes what a token brings: before the first one the role, after the last one the end.
    pub(super) fn write(&self, emission: Emission, steps: &mut Steps) {
        let plan = &self.envelope.plan;
        let is_chat = self.envelope.operation == Operation::Chat;
        if emission.token_index == 0 && is_chat {
            for choice in 0..plan.choices {
                let delta = r#"{"role":"assistant","content":"","refusal":null}"#;
                steps.event(
                    self.event(&format!(
                        r#"{{"index":{choice},"delta":{delta},"logprobs":null,"finish_reason":null}}"#
                    )),
                    0,
                );
            }
        }
        if plan.output_tokens > 0 {
            let (choice, index) = (emission.token_index % plan.choices, emission.token_index / plan.choices);
            let text = Value::from(self.envelope.token(choice, index));
            let content = if is_chat {
                format!(r#""delta":{{"content":{text}}}"#)
            } else {
                format!(r#""text":{text}"#)
            };
            steps.event(
                self.event(&format!(
                    r#"{{"index":{choice},{content},"logprobs":null,"finish_reason":null}}"#
                )),
                1,
            );
        }
        if emission.last {
            self.finish(steps);
        }
    }

    fn finish(&self, steps: &mut Steps) {
        let reason = self.envelope.finish_reason();
        let content =
            if self.envelope.operation == Operation::Chat { r#""delta":{}"# } else { r#""text":"""# };
        for choice in 0..self.envelope.plan.choices {
            steps.event(
                self.event(&format!(
                    r#"{{"index":{choice},{content},"logprobs":null,"finish_reason":"{reason}"}}"#
                )),
                0,
            );
        }
        if self.include_usage {
            steps.event(Bytes::from(format!("{}],\"usage\":{}}}\n\n", self.head, self.envelope.usage())), 0);
        }
        if self.envelope.plan.fault != Some(FaultKind::MissingDone) {
            steps.event(Bytes::from_static(b"data: [DONE]\n\n"), 0);
        }
        steps.end();
    }

    fn event(&self, choice: &str) -> Bytes {
        let mut event = String::with_capacity(self.head.len() + choice.len() + self.tail.len());
        event.push_str(&self.head);
        event.push_str(choice);
        event.push_str(self.tail);
        Bytes::from(event)
    }
}

/// An error object.
pub(super) fn error(kind: &str, code: Option<&str>, param: Option<&str>, message: &str) -> Bytes {
    Bytes::from(
        json!({"error": {"message": message, "type": kind, "param": param, "code": code}}).to_string(),
    )
}

/// One model.
pub(super) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "model-sim"})
}
