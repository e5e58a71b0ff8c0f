//! Answers in OpenAI's form: chats, completions, models. It owns every byte of their events and bodies,
//! with what Azure, vLLM, llama.cpp and Mistral do differently; it is written apart from the gateway's own
//! encoders on purpose.

mod body;
pub(super) mod embedding;
pub(super) mod request;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use vocabulary::Operation;

use super::content::{Envelope, Piece};
use super::encode::Encode;
use super::steps::{Frames, Steps};
use crate::backend::Ending;
use crate::config::Flavour;
use crate::engine::Emission;
use crate::faults::FaultKind;

/// Unix seconds in `created`: the same in every run, so that answers are reproducible to the byte.
pub(super) const CREATED: u64 = 1_760_000_000;

/// What Azure's content filter says of an answer without fault.
const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;

/// One model.
pub(super) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": CREATED, "owned_by": "model-sim"})
}

/// Writes chats and completions.
#[derive(Debug)]
pub(super) struct ChatEncoder {
    envelope: Envelope,
    operation: Operation,
    include_usage: bool,
    continuous_usage: bool,
    /// Everything before the choice in an event, encoded once.
    head: String,
    /// Tokens that came out without anything to show for them.
    hidden: u64,
}

impl ChatEncoder {
    pub(super) fn new(
        envelope: Envelope,
        operation: Operation,
        include_usage: bool,
        continuous_usage: bool,
    ) -> Self {
        let object = if operation == Operation::Chat { "chat.completion.chunk" } else { "text_completion" };
        let include_usage = include_usage && !envelope.is_usage_missing();
        let mut encoder =
            Self { envelope, operation, include_usage, continuous_usage, head: String::new(), hidden: 0 };
        encoder.head = format!(
            r#"data: {{"id":"{}","object":"{object}","created":{CREATED},"model":{},"system_fingerprint":"fp_sim","choices":["#,
            encoder.id(),
            Value::from(encoder.envelope.model.as_str()),
        );
        encoder
    }

    fn id(&self) -> String {
        let kind = if self.is_chat() { "chatcmpl" } else { "cmpl" };
        format!("{kind}-{}", self.envelope.id())
    }

    fn is_chat(&self) -> bool {
        self.operation == Operation::Chat
    }

    fn is(&self, flavour: Flavour) -> bool {
        self.envelope.flavour == flavour
    }

    /// Whether reasoning is shown: hosted models keep it to themselves.
    fn shows_reasoning(&self) -> bool {
        self.is_chat() && matches!(self.envelope.flavour, Flavour::Vllm | Flavour::LlamaCpp)
    }

    fn finish_reason(&self) -> &'static str {
        match self.envelope.plan.ending {
            Ending::Ceiling => "length",
            Ending::Filter => "content_filter",
            Ending::Natural if self.envelope.is_calls() => "tool_calls",
            Ending::Natural | Ending::Stop(_) => "stop",
        }
    }

    fn usage(&self, output: u64) -> Value {
        let counts = self.envelope.reported(output);
        let (prompt, output) = (counts.prompt, counts.output);
        if self.is(Flavour::Mistral) {
            return json!({
                "prompt_tokens": prompt,
                "completion_tokens": output,
                "total_tokens": prompt.saturating_add(output),
            });
        }
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt.saturating_add(output),
            "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": counts.reasoning, "audio_tokens": 0},
        })
    }

    /// llama.cpp's own account of its speed, in its own units.
    fn timings(&self) -> Value {
        let counts = self.envelope.reported(self.envelope.output_tokens());
        let rate = |tokens: u64, ms: f64| if ms > 0.0 { tokens as f64 / ms * 1_000.0 } else { 0.0 };
        let (prompt_ms, predicted_ms) = (counts.prompt as f64 * 0.2, counts.output as f64 * 20.0);
        json!({
            "cache_n": counts.cached,
            "prompt_n": counts.uncached(),
            "prompt_ms": prompt_ms,
            "prompt_per_second": rate(counts.prompt, prompt_ms),
            "predicted_n": counts.output,
            "predicted_ms": predicted_ms,
            "predicted_per_second": rate(counts.output, predicted_ms),
        })
    }

    fn call_id(&self, choice: u64, call: usize) -> String {
        format!("call_{}{choice:02}{call:02}", self.envelope.id())
    }

    fn choice(&self, index: u64) -> Value {
        let spoken = self.envelope.spoken(index);
        let mut choice = json!({"index": index, "logprobs": null, "finish_reason": self.finish_reason()});
        let said = if self.is_chat() {
            let content = if self.envelope.is_calls() { Value::Null } else { Value::from(spoken.text) };
            let mut message = json!({"role": "assistant", "content": content, "refusal": null});
            if self.shows_reasoning() && !spoken.reasoning.is_empty() {
                insert(&mut message, "reasoning_content", Value::from(spoken.reasoning));
            }
            if self.envelope.is_calls() {
                let call = |(position, arguments): (usize, &String)| {
                    let function = json!({"name": self.envelope.call_name(position), "arguments": arguments});
                    json!({"id": self.call_id(index, position), "type": "function", "function": function})
                };
                insert(&mut message, "tool_calls", spoken.calls.iter().enumerate().map(call).collect());
            }
            ("message", message)
        } else {
            ("text", Value::from(spoken.text))
        };
        insert(&mut choice, said.0, said.1);
        if self.is(Flavour::AzureOpenAi) {
            insert(&mut choice, "content_filter_results", filter_results(&self.envelope.plan.ending));
        }
        choice
    }

    /// What comes before the first token: Azure's word on the prompt, and the roles.
    fn begin(&self, steps: &mut Steps) {
        if self.is(Flavour::AzureOpenAi) {
            let frame = format!(
                r#"data: {{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{{"prompt_index":0,"content_filter_results":{SAFE}}}]}}"#
            );
            steps.event(Bytes::from(frame + "\n\n"), 0);
        }
        if self.is_chat() {
            let content = if self.envelope.is_calls() { "null" } else { r#""""# };
            for choice in 0..self.envelope.plan.choices {
                let delta = format!(r#"{{"role":"assistant","content":{content},"refusal":null}}"#);
                self.push(choice, &format!(r#""delta":{delta}"#), "null", 0, steps);
            }
        }
    }

    fn token(&mut self, choice: u64, index: u64, so_far: u64, steps: &mut Steps) {
        let said = match self.envelope.piece(choice, index) {
            Piece::Reasoning(_) if !self.shows_reasoning() => {
                self.hidden += 1;
                return;
            }
            Piece::Reasoning(text) => format!(r#""delta":{{"reasoning_content":{}}}"#, Value::from(text)),
            Piece::Text(text) if self.is_chat() => format!(r#""delta":{{"content":{}}}"#, Value::from(text)),
            Piece::Text(text) => format!(r#""text":{}"#, Value::from(text)),
            Piece::Argument { call, begins, text } => {
                if begins {
                    let function = json!({"name": self.envelope.call_name(call), "arguments": ""});
                    let id = self.call_id(choice, call);
                    let begun = json!([{"index": call, "id": id, "type": "function", "function": function}]);
                    self.push(choice, &format!(r#""delta":{{"tool_calls":{begun}}}"#), "null", 0, steps);
                }
                let more = json!([{"index": call, "function": {"arguments": text}}]);
                format!(r#""delta":{{"tool_calls":{more}}}"#)
            }
        };
        let tokens = 1 + std::mem::take(&mut self.hidden);
        self.push_counted(choice, &said, "null", (tokens, so_far), steps);
    }

    fn finish(&mut self, steps: &mut Steps) {
        let reason = format!(r#""{}""#, self.finish_reason());
        let said = if self.is_chat() { r#""delta":{}"# } else { r#""text":"""# };
        let output = self.envelope.output_tokens();
        for choice in 0..self.envelope.plan.choices {
            let hidden = std::mem::take(&mut self.hidden);
            let is_last = choice + 1 == self.envelope.plan.choices;
            // Mistral and llama.cpp have no event for it alone.
            let extra = match self.envelope.flavour {
                Flavour::Mistral if is_last && self.include_usage => {
                    format!(r#","usage":{}"#, self.usage(output))
                }
                Flavour::LlamaCpp if is_last => format!(r#","timings":{}"#, self.timings()),
                _ => String::new(),
            };
            if extra.is_empty() {
                self.push_counted(choice, said, &reason, (hidden, output), steps);
            } else {
                let body =
                    format!(r#"{}{{"index":{choice},{said},"finish_reason":{reason}}}]{extra}}}"#, self.head);
                steps.event(Bytes::from(body + "\n\n"), hidden);
            }
        }
        if self.include_usage && !self.is(Flavour::Mistral) {
            steps.event(Bytes::from(format!("{}],\"usage\":{}}}\n\n", self.head, self.usage(output))), 0);
        }
        if self.envelope.plan.fault != Some(FaultKind::MissingDone) {
            steps.event(Bytes::from_static(b"data: [DONE]\n\n"), 0);
        }
        steps.end();
    }

    fn push(&self, choice: u64, said: &str, finish_reason: &str, tokens: u64, steps: &mut Steps) {
        self.push_counted(choice, said, finish_reason, (tokens, 0), steps);
    }

    /// One event; `counts` are the tokens in it, and those out when it is.
    fn push_counted(
        &self,
        choice: u64,
        said: &str,
        finish_reason: &str,
        counts: (u64, u64),
        steps: &mut Steps,
    ) {
        let mut event = String::with_capacity(self.head.len() + said.len() + 100);
        event.push_str(&self.head);
        event.push_str(&format!(
            r#"{{"index":{choice},{said},"logprobs":null,"finish_reason":{finish_reason}"#
        ));
        if self.is(Flavour::AzureOpenAi) {
            event.push_str(r#","content_filter_results":"#);
            match self.envelope.plan.ending {
                Ending::Filter if finish_reason != "null" => {
                    event.push_str(&filter_results(&Ending::Filter).to_string());
                }
                _ if said.contains(r#""content":""#) && counts.0 > 0 => event.push_str(SAFE),
                _ => event.push_str("{}"),
            }
        }
        event.push('}');
        event.push(']');
        if self.include_usage && !self.is(Flavour::Mistral) {
            let usage = if self.continuous_usage { self.usage(counts.1) } else { Value::Null };
            event.push_str(&format!(r#","usage":{usage}"#));
        }
        event.push_str("}\n\n");
        steps.event(Bytes::from(event), counts.0);
    }
}

impl Encode for ChatEncoder {
    fn write(&mut self, emission: Emission, steps: &mut Steps) {
        let (choices, output) = (self.envelope.plan.choices, self.envelope.plan.output_tokens);
        if emission.token_index == 0 {
            self.begin(steps);
        }
        if output > 0 {
            let (choice, index) = (emission.token_index % choices, emission.token_index / choices);
            self.token(choice, index, emission.token_index + 1, steps);
        }
        if emission.last {
            self.finish(steps);
        }
    }

    fn whole(&self) -> Bytes {
        let object = if self.is_chat() { "chat.completion" } else { "text_completion" };
        let choices: Vec<Value> = (0..self.envelope.plan.choices).map(|index| self.choice(index)).collect();
        let mut body = json!({
            "id": self.id(),
            "object": object,
            "created": CREATED,
            "model": self.envelope.model,
            "system_fingerprint": "fp_sim",
            "choices": choices,
        });
        if !self.envelope.is_usage_missing() {
            insert(&mut body, "usage", self.usage(self.envelope.output_tokens()));
        }
        match self.envelope.flavour {
            Flavour::LlamaCpp => insert(&mut body, "timings", self.timings()),
            Flavour::AzureOpenAi => {
                let results = filter_results(&Ending::Natural);
                let results = json!([{"prompt_index": 0, "content_filter_results": results}]);
                insert(&mut body, "prompt_filter_results", results);
            }
            _ => {}
        }
        let mut text = body.to_string();
        if matches!(self.envelope.plan.fault, Some(FaultKind::MalformedSse { .. })) {
            text.truncate(text.len() - 1);
        }
        Bytes::from(text)
    }

    fn frames(&self) -> Frames {
        let (message, kind) = match self.envelope.plan.fault {
            Some(FaultKind::Overloaded { .. }) => ("Overloaded", "overloaded_error"),
            _ => ("The server had an error.", "server_error"),
        };
        let error = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
        Frames {
            broken: Bytes::from_static(b"data: {\"id\": \"chatcmpl-\n\n"),
            error: Bytes::from(format!("data: {error}\n\n")),
        }
    }
}

/// Azure's word on an answer that ended this way.
fn filter_results(ending: &Ending) -> Value {
    let mut results: Map<String, Value> = serde_json::from_str(SAFE).unwrap_or_default();
    if *ending == Ending::Filter {
        results.insert("violence".to_owned(), json!({"filtered": true, "severity": "medium"}));
    }
    Value::Object(results)
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
