//! A whole response, written. It owns how parts become items; it refuses to merge them.

use super::items::{self, CallName, Kind};
use super::{Json, sealed, status, write_head, write_incomplete, write_usage};
use crate::translate::Envelope;
use crate::translate::neutral::{Completion, Part};

/// Writes an answer.
pub(in crate::translate) fn write_answer(completion: &Completion<'_>, envelope: &Envelope) -> Vec<u8> {
    let (status, reason) = status(completion.stop);
    let mut writer = Json::default();
    writer.object(|w| {
        write_head(&envelope.id, envelope.created_unix, &envelope.model, status, w);
        w.key("error").null();
        write_incomplete(reason, w);
        w.key("output").array(|w| {
            for (index, part) in (0..).zip(&completion.parts) {
                write_item(part, &envelope.id, index, w);
            }
        });
        write_usage(completion.counts, w);
    });
    writer.into_bytes()
}

fn write_item(part: &Part<'_>, answer: &str, index: u64, w: &mut Json) {
    let id = |kind| items::id(kind, answer, index);
    match part {
        Part::Text(text) => items::write_message(&id(Kind::Text), Kind::Text, Some(text.literal()), w),
        Part::Refusal(text) => {
            items::write_message(&id(Kind::Refusal), Kind::Refusal, Some(text.literal()), w)
        }
        Part::Thinking { text, .. } => {
            let sealed = sealed(part);
            items::write_reasoning(&id(Kind::Reasoning), Some(text.literal()), sealed.as_deref(), w);
        }
        Part::Redacted(_) => {
            let sealed = sealed(part);
            items::write_reasoning(&id(Kind::Reasoning), None, sealed.as_deref(), w);
        }
        Part::ToolCall { id: call_id, name, arguments } => {
            let mut text = Json::default();
            arguments.write_text(&mut text);
            let text = String::from_utf8(text.into_bytes()).unwrap_or_default();
            items::write_call(&id(Kind::Call), &CallName { call_id, name }, Some(&text), w);
        }
        // No model answers with these.
        Part::Image(_) | Part::Document { .. } | Part::ToolResult { .. } => {}
    }
}
