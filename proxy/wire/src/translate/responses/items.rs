//! Output items, as they stand in a finished answer and in the events that close them. It owns their
//! ids, which are the answer's id and the item's place; it refuses to know which event they stand in.

use super::Json;
use crate::translate::document::Str;
use crate::translate::neutral::fit_id;

/// Longest id of a call.
const MAX_ID: usize = 64;

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call,
}

/// An item's id: unique within the answer.
pub(super) fn id(kind: Kind, answer: &str, index: u64) -> String {
    let prefix = match kind {
        Kind::Text | Kind::Refusal => "msg",
        Kind::Reasoning => "rs",
        Kind::Call => "fc",
    };
    format!("{prefix}_{answer}_{index}")
}

/// A message's part, as an element. `text` is a string literal.
pub(super) fn write_content(kind: Kind, text: &str, w: &mut Json) {
    w.object(|w| {
        if kind == Kind::Refusal {
            w.key("type").text("refusal");
            w.key("refusal").raw(text);
            return;
        }
        w.key("type").text("output_text");
        w.key("text").raw(text);
        w.key("annotations").array(|_| {});
        w.key("logprobs").array(|_| {});
    });
}

/// A message; `text` is a string literal, absent while the item is in progress.
pub(super) fn write_message(id: &str, kind: Kind, text: Option<&str>, w: &mut Json) {
    w.object(|w| {
        w.key("type").text("message");
        w.key("id").text(id);
        w.key("status").text(if text.is_some() { "completed" } else { "in_progress" });
        w.key("role").text("assistant");
        w.key("content").array(|w| {
            if let Some(text) = text {
                write_content(kind, text, w);
            }
        });
    });
}

/// Reasoning; `text` is a string literal.
pub(super) fn write_reasoning(id: &str, text: Option<&str>, sealed: Option<&str>, w: &mut Json) {
    w.object(|w| {
        w.key("type").text("reasoning");
        w.key("id").text(id);
        w.key("summary").array(|w| {
            if let Some(text) = text.filter(|text| *text != "\"\"") {
                write_summary(text, w);
            }
        });
        if let Some(sealed) = sealed {
            w.key("encrypted_content").text(sealed);
        }
    });
}

/// A part of a summary, as an element.
pub(super) fn write_summary(text: &str, w: &mut Json) {
    w.object(|w| {
        w.key("type").text("summary_text");
        w.key("text").raw(text);
    });
}

/// What a call is known by.
pub(super) struct CallName<'c> {
    pub(super) call_id: &'c Str<'c>,
    pub(super) name: &'c Str<'c>,
}

/// A call; `arguments` is a string literal, absent while the item is in progress.
pub(super) fn write_call(id: &str, call: &CallName<'_>, arguments: Option<&str>, w: &mut Json) {
    w.object(|w| {
        w.key("type").text("function_call");
        w.key("id").text(id);
        w.key("status").text(if arguments.is_some() { "completed" } else { "in_progress" });
        w.key("call_id").text(&fit_id(call.call_id, MAX_ID));
        w.key("name").string(call.name);
        w.key("arguments").raw(arguments.unwrap_or("\"\""));
    });
}
