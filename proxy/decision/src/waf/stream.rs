//! A streamed answer before its firewall: each event is read, its text goes through its lane, and what is held back
//! comes before the text's end. It owns where each dialect has its text; bytes that hold none pass untouched.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use wire::{Event, Splitter};

use super::Firewall;
use super::answer::{Found, TEXTS, each_text};
use super::lanes::{Lane, LaneId};
use super::note;
use crate::{Exchange, Refusal};
use vocabulary::access_log::WafOutcome;

/// The fields of a chat's delta that hold text.
const DELTAS: [&str; 4] = ["content", "reasoning_content", "reasoning", "refusal"];

/// Reads a stream on its way to the caller.
pub struct AnswerGuard {
    firewall: Arc<Firewall>,
    splitter: Splitter,
    lanes: Vec<Lane>,
    found: Found,
    changed: bool,
}

impl std::fmt::Debug for AnswerGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerGuard").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

/// A text in an event.
struct Text {
    lane: LaneId,
    pointer: String,
}

/// Which texts end with an event.
enum Ends {
    None,
    Of(Vec<u64>),
    All,
}

impl Exchange {
    /// A reader for the stream that answers, where the firewall looks at answers.
    #[must_use]
    pub fn answer_guard(&self, max_event_bytes: usize) -> Option<AnswerGuard> {
        let firewall = &self.guard.as_ref()?.firewall;
        let splitter = || Splitter::new(max_event_bytes);
        firewall.reads_answers().then(|| AnswerGuard::of(Arc::clone(firewall), splitter()))
    }

    /// Passes whole events through their firewall.
    ///
    /// # Errors
    /// [`vocabulary::Reason::AnswerBlocked`]: nothing of `events` goes on.
    pub fn guard_events(&mut self, reader: &mut AnswerGuard, events: Bytes) -> Result<Bytes, Refusal> {
        let passed = reader.pass(&events);
        let found = std::mem::take(&mut reader.found);
        let Some(guard) = &mut self.guard else { return Ok(events) };
        let judged = guard.found(&found);
        if !guard.firewall.enforces() {
            if let Err(refusal) = judged {
                self.would_refuse_for(refusal.reason);
            }
            return Ok(events);
        }
        match judged {
            Err(refusal) => {
                note::raise(&mut guard.note, WafOutcome::Refused);
                Err(refusal)
            }
            Ok(()) => {
                if std::mem::take(&mut reader.changed) && found.strictest.is_some() {
                    note::raise(&mut guard.note, WafOutcome::Masked);
                }
                Ok(passed)
            }
        }
    }
}

impl AnswerGuard {
    pub(super) fn of(firewall: Arc<Firewall>, splitter: Splitter) -> Self {
        Self { firewall, splitter, lanes: Vec::new(), found: Found::default(), changed: false }
    }

    #[cfg(test)]
    pub(super) fn into_found(self) -> Found {
        self.found
    }

    pub(super) fn pass(&mut self, events: &Bytes) -> Bytes {
        self.splitter.push(events.clone());
        let mut out = Vec::with_capacity(events.len());
        while let Some(Ok(event)) = self.splitter.next_event() {
            self.event(&event, &mut out);
        }
        Bytes::from(out)
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        let name = event.name().and_then(|name| std::str::from_utf8(name).ok()).map(str::to_owned);
        let data = event.data();
        let data = data.as_deref().unwrap_or_default();
        if data == b"[DONE]" {
            self.end(&Ends::All, &[], out);
            out.extend_from_slice(event.raw());
            return;
        }
        let Ok(mut value) = serde_json::from_slice::<Value>(data) else {
            out.extend_from_slice(event.raw());
            return;
        };
        let (texts, ends) = read(&value);
        let before = out.len();
        self.end(&ends, &texts, out);
        let mut changed = out.len() > before;
        for text in &texts {
            changed |= self.text(text, &ends, name.as_deref(), &mut value);
        }
        if texts.is_empty() {
            changed |= self.whole(&mut value);
        }
        self.changed |= changed;
        match serde_json::to_string(&value) {
            Ok(json) if changed => frame(name.as_deref(), &json, out),
            _ => out.extend_from_slice(event.raw()),
        }
    }

    /// One text of an event; whether it is another now.
    fn text(&mut self, text: &Text, ends: &Ends, name: Option<&str>, value: &mut Value) -> bool {
        let place = match self.lanes.iter().position(|lane| lane.id == text.lane) {
            Some(place) => place,
            None => {
                self.lanes.push(Lane::new(text.lane, &self.firewall));
                self.lanes.len() - 1
            }
        };
        let Some(lane) = self.lanes.get_mut(place) else { return false };
        let Some(Value::String(piece)) = value.pointer_mut(&text.pointer) else { return false };
        let last = ends.has(text.lane);
        let passed = lane.push(piece, last);
        lane.found(&self.firewall, &mut self.found);
        let changed = passed != *piece;
        *piece = passed;
        if last {
            self.lanes.remove(place);
        } else {
            lane.latest = Some((name.map(str::to_owned), value.clone(), text.pointer.clone()));
        }
        changed
    }

    /// Ends lanes that have no text in this event: what they still hold comes before it.
    fn end(&mut self, ends: &Ends, texts: &[Text], out: &mut Vec<u8>) {
        let mut going = Vec::with_capacity(self.lanes.len());
        for mut lane in std::mem::take(&mut self.lanes) {
            if !ends.has(lane.id) || texts.iter().any(|text| text.lane == lane.id) {
                going.push(lane);
                continue;
            }
            let rest = lane.push("", true);
            lane.found(&self.firewall, &mut self.found);
            let Some((name, mut value, pointer)) = lane.latest.filter(|_| !rest.is_empty()) else { continue };
            if let Some(text) = value.pointer_mut(&pointer) {
                *text = Value::String(rest);
            }
            if let Ok(json) = serde_json::to_string(&value) {
                frame(name.as_deref(), &json, out);
            }
        }
        self.lanes = going;
    }

    /// An event that repeats whole texts, as the last ones of some dialects do.
    fn whole(&mut self, value: &mut Value) -> bool {
        if value.get("type").and_then(Value::as_str).is_none_or(|kind| !kind.starts_with("response.")) {
            return false;
        }
        let mut changed = false;
        each_text(value, &mut |key, text| {
            if TEXTS.contains(&key)
                && let Some(clean) = self.firewall.clean(text, &mut self.found)
            {
                *text = clean;
                changed = true;
            }
        });
        changed
    }
}

impl Ends {
    fn has(&self, lane: LaneId) -> bool {
        match self {
            Self::None => false,
            Self::Of(numbers) => numbers.contains(&lane.0),
            Self::All => true,
        }
    }
}

/// Where an event has text, and which texts end with it.
fn read(event: &Value) -> (Vec<Text>, Ends) {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        return chunk(choices);
    }
    let number = |field: &str| event.get(field).and_then(Value::as_u64).unwrap_or_default();
    let one = |lane: LaneId, pointer: &str| {
        let text = event.pointer(pointer).is_some_and(Value::is_string);
        if text { vec![Text { lane, pointer: pointer.to_owned() }] } else { Vec::new() }
    };
    match event.get("type").and_then(Value::as_str).unwrap_or_default() {
        "content_block_delta" => {
            let mut texts = one((number("index"), 0, "text"), "/delta/text");
            texts.extend(one((number("index"), 0, "thinking"), "/delta/thinking"));
            (texts, Ends::None)
        }
        "content_block_stop" => (Vec::new(), Ends::Of(vec![number("index")])),
        "response.output_text.delta" | "response.refusal.delta" | "response.reasoning_summary_text.delta" => {
            (one((number("output_index"), number("content_index"), "delta"), "/delta"), Ends::None)
        }
        "response.output_text.done" | "response.refusal.done" | "response.reasoning_summary_text.done" => {
            (Vec::new(), Ends::Of(vec![number("output_index")]))
        }
        "message_stop" | "response.completed" | "response.incomplete" => (Vec::new(), Ends::All),
        _ => (Vec::new(), Ends::None),
    }
}

/// A chunk of chat or text completions.
fn chunk(choices: &[Value]) -> (Vec<Text>, Ends) {
    let (mut texts, mut ended) = (Vec::new(), Vec::new());
    for (place, choice) in choices.iter().enumerate() {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or_default();
        let mut add =
            |field: &'static str, pointer: String| texts.push(Text { lane: (index, 0, field), pointer });
        if choice.get("text").is_some_and(Value::is_string) {
            add("text", format!("/choices/{place}/text"));
        }
        for field in DELTAS {
            if choice.pointer(&format!("/delta/{field}")).is_some_and(Value::is_string) {
                add(field, format!("/choices/{place}/delta/{field}"));
            }
        }
        if choice.get("finish_reason").is_some_and(|reason| !reason.is_null()) {
            ended.push(index);
        }
    }
    (texts, if ended.is_empty() { Ends::None } else { Ends::Of(ended) })
}

fn frame(name: Option<&str>, json: &str, out: &mut Vec<u8>) {
    if let Some(name) = name {
        out.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    out.extend_from_slice(format!("data: {json}\n\n").as_bytes());
}
