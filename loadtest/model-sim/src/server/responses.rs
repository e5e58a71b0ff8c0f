//! Answers in the form of OpenAI's Responses API: typed events, items, and the responses it remembers. It
//! owns every byte of them; it is written apart from the gateway's own encoders on purpose.

pub(super) mod request;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::CREATED;
use super::content::{Envelope, Piece};
use super::encode::{Encode, named_event};
use super::steps::{Frames, Steps};
use crate::backend::Ending;
use crate::engine::Emission;
use crate::faults::FaultKind;

/// Responses kept; the oldest is forgotten first.
const KEPT: usize = 10_000;

/// What a request asks of the form of its response.
#[derive(Clone, Debug)]
pub(super) struct Response {
    /// Whether it can be asked for again and gone on from.
    pub(super) store: bool,
    pub(super) previous: Option<String>,
    /// What is said back as it was said: `instructions`, `metadata`, `tools` and the like.
    pub(super) echo: Value,
}

/// Responses that were given and may be asked for again.
#[derive(Debug, Default)]
pub(super) struct Memory {
    order: VecDeque<String>,
    known: BTreeMap<String, Remembered>,
}

/// A response that was given.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    /// As it is when complete.
    pub(super) body: Value,
    /// Tokens of its prompt and output: the prompt of one that goes on from it holds them too.
    pub(super) tokens: u64,
}

impl Memory {
    pub(super) fn get(&self, id: &str) -> Option<&Remembered> {
        self.known.get(id)
    }

    pub(super) fn forget(&mut self, id: &str) -> bool {
        self.known.remove(id).is_some()
    }

    fn keep(&mut self, id: String, remembered: Remembered) {
        self.order.push_back(id.clone());
        self.known.insert(id, remembered);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The item that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Reasoning,
    Message,
    Call(usize),
}

/// Writes responses.
#[derive(Debug)]
pub(super) struct ResponseEncoder {
    envelope: Envelope,
    form: Response,
    sequence: u64,
    open: Option<Item>,
    /// Items begun.
    items: u64,
    /// What the open item says so far.
    said: String,
    /// Tokens that came out without anything to show for them.
    hidden: u64,
}

impl ResponseEncoder {
    pub(super) const fn new(envelope: Envelope, form: Response) -> Self {
        Self { envelope, form, sequence: 0, open: None, items: 0, said: String::new(), hidden: 0 }
    }

    /// Keeps what this response will be, if its caller wants that.
    pub(super) fn remember(&self, memory: &mut Memory) {
        if self.form.store {
            let tokens = self.envelope.prompt_tokens.saturating_add(self.envelope.output_tokens());
            memory.keep(self.id(), Remembered { body: self.complete(), tokens });
        }
    }

    fn id(&self) -> String {
        format!("resp_{}", self.envelope.id())
    }

    fn item_id(&self, item: Item) -> String {
        let id = self.envelope.id();
        match item {
            Item::Reasoning => format!("rs_{id}"),
            Item::Message => format!("msg_{id}"),
            Item::Call(call) => format!("fc_{id}{call:02}"),
        }
    }

    fn usage(&self) -> Value {
        let counts = self.envelope.reported(self.envelope.output_tokens());
        json!({
            "input_tokens": counts.prompt,
            "input_tokens_details": {"cached_tokens": counts.cached},
            "output_tokens": counts.output,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": counts.prompt.saturating_add(counts.output),
        })
    }

    fn status(&self) -> (&'static str, Value) {
        match self.envelope.plan.ending {
            Ending::Ceiling => ("incomplete", json!({"reason": "max_output_tokens"})),
            Ending::Filter => ("incomplete", json!({"reason": "content_filter"})),
            Ending::Natural | Ending::Stop(_) => ("completed", Value::Null),
        }
    }

    /// The response object in some state.
    fn object(&self, status: &str, incomplete: Value, output: Vec<Value>, usage: Value) -> Value {
        let mut object = json!({
            "id": self.id(),
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": incomplete,
            "model": self.envelope.model,
            "output": output,
            "previous_response_id": self.form.previous,
            "store": self.form.store,
            "usage": usage,
        });
        if let (Some(fields), Some(echo)) = (object.as_object_mut(), self.form.echo.as_object()) {
            fields.extend(echo.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        object
    }

    fn begun(&self) -> Value {
        self.object("in_progress", Value::Null, Vec::new(), Value::Null)
    }

    fn complete(&self) -> Value {
        let spoken = self.envelope.spoken(0);
        let mut output = Vec::new();
        if self.envelope.plan.reasoning_tokens > 0 {
            output.push(self.item(Item::Reasoning, "", "completed"));
        }
        let (status, incomplete) = self.status();
        for (call, arguments) in spoken.calls.iter().enumerate() {
            output.push(self.item(Item::Call(call), arguments, status));
        }
        if !self.envelope.is_calls() {
            output.push(self.item(Item::Message, &spoken.text, status));
        }
        let usage = if self.envelope.is_usage_missing() { Value::Null } else { self.usage() };
        self.object(status, incomplete, output, usage)
    }

    /// An item in some state; one in progress says nothing yet.
    fn item(&self, item: Item, said: &str, status: &str) -> Value {
        let id = self.item_id(item);
        match item {
            Item::Reasoning => json!({"id": id, "type": "reasoning", "summary": []}),
            Item::Message => {
                let content = if status == "in_progress" { json!([]) } else { json!([part(said)]) };
                json!({"id": id, "type": "message", "status": status, "role": "assistant", "content": content})
            }
            Item::Call(call) => json!({
                "id": id, "type": "function_call", "status": status, "arguments": said,
                "call_id": format!("call_{}{call:02}", self.envelope.id()), "name": self.envelope.call_name(call),
            }),
        }
    }

    fn event(&mut self, kind: &str, mut fields: Value, tokens: u64, steps: &mut Steps) {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("type".to_owned(), Value::from(kind));
            fields.insert("sequence_number".to_owned(), Value::from(self.sequence));
        }
        self.sequence += 1;
        let tokens = tokens + std::mem::take(&mut self.hidden);
        steps.event(named_event(kind, &fields), tokens);
    }

    /// The position of the open item, and of what is in it.
    fn place(&self, item: Item) -> Value {
        let output_index = self.items.saturating_sub(1);
        match item {
            Item::Message => json!({
                "item_id": self.item_id(item), "output_index": output_index, "content_index": 0,
            }),
            _ => json!({"item_id": self.item_id(item), "output_index": output_index}),
        }
    }

    fn turn_to(&mut self, item: Item, steps: &mut Steps) {
        if self.open == Some(item) {
            return;
        }
        self.close(steps);
        self.open = Some(item);
        self.items += 1;
        let added = json!({"output_index": self.items - 1, "item": self.item(item, "", "in_progress")});
        self.event("response.output_item.added", added, 0, steps);
        if item == Item::Message {
            let begun = with(self.place(item), "part", part(""));
            self.event("response.content_part.added", begun, 0, steps);
        }
    }

    fn close(&mut self, steps: &mut Steps) {
        let Some(item) = self.open.take() else { return };
        let said = std::mem::take(&mut self.said);
        match item {
            Item::Reasoning => {}
            Item::Message => {
                let text = with(with(self.place(item), "text", json!(said)), "logprobs", json!([]));
                self.event("response.output_text.done", text, 0, steps);
                let done = with(self.place(item), "part", part(&said));
                self.event("response.content_part.done", done, 0, steps);
            }
            Item::Call(call) => {
                let name = json!(self.envelope.call_name(call));
                let done = with(with(self.place(item), "arguments", json!(said)), "name", name);
                self.event("response.function_call_arguments.done", done, 0, steps);
            }
        }
        let status = self.status().0;
        let done =
            json!({"output_index": self.items.saturating_sub(1), "item": self.item(item, &said, status)});
        self.event("response.output_item.done", done, 0, steps);
    }

    fn finish(&mut self, steps: &mut Steps) {
        if !self.envelope.is_calls() {
            self.turn_to(Item::Message, steps);
        }
        self.close(steps);
        if self.envelope.plan.fault != Some(FaultKind::MissingDone) {
            let kind = format!("response.{}", self.status().0);
            let response = json!({"response": self.complete()});
            self.event(&kind, response, 0, steps);
        }
        steps.end();
    }
}

impl Encode for ResponseEncoder {
    fn write(&mut self, emission: Emission, steps: &mut Steps) {
        if emission.token_index == 0 {
            for kind in ["response.created", "response.in_progress"] {
                let begun = json!({"response": self.begun()});
                self.event(kind, begun, 0, steps);
            }
        }
        if self.envelope.plan.output_tokens > 0 {
            let (item, kind, text) = match self.envelope.piece(0, emission.token_index) {
                Piece::Reasoning(_) => {
                    // What the model thinks is paid for and not shown.
                    self.turn_to(Item::Reasoning, steps);
                    self.hidden += 1;
                    return self.end_after(emission, steps);
                }
                Piece::Text(text) => (Item::Message, "response.output_text.delta", text),
                Piece::Argument { call, text, .. } => {
                    (Item::Call(call), "response.function_call_arguments.delta", text)
                }
            };
            self.turn_to(item, steps);
            self.said.push_str(&text);
            let mut delta = with(self.place(item), "delta", json!(text));
            if item == Item::Message {
                delta = with(delta, "logprobs", json!([]));
            }
            self.event(kind, delta, 1, steps);
        }
        self.end_after(emission, steps);
    }

    fn whole(&self) -> Bytes {
        let mut text = self.complete().to_string();
        if matches!(self.envelope.plan.fault, Some(FaultKind::MalformedSse { .. })) {
            text.truncate(text.len() - 1);
        }
        Bytes::from(text)
    }

    fn frames(&self) -> Frames {
        let fault = self.envelope.plan.fault.as_ref();
        let position = fault.and_then(FaultKind::error_position).unwrap_or(0);
        let is_overloaded = matches!(fault, Some(FaultKind::Overloaded { .. }));
        let code = if is_overloaded { "server_is_overloaded" } else { "server_error" };
        let message = if is_overloaded { "Overloaded" } else { "The server had an error." };
        let broken = Bytes::from_static(b"event: response.output_text.delta\ndata: {\"type\": \"resp\n\n");
        // Before there is a response the error stands alone.
        let error = if position == 0 {
            let error = json!({
                "type": "error", "code": code, "message": message, "param": null, "sequence_number": position,
            });
            named_event("error", &error)
        } else {
            let failed = self.object("failed", Value::Null, Vec::new(), Value::Null);
            let failed = with(failed, "error", json!({"code": code, "message": message}));
            let event = json!({"type": "response.failed", "sequence_number": position, "response": failed});
            named_event("response.failed", &event)
        };
        Frames { broken, error }
    }
}

impl ResponseEncoder {
    fn end_after(&mut self, emission: Emission, steps: &mut Steps) {
        if emission.last {
            self.finish(steps);
        }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}
