//! A response's stream, written. It owns the typed events and their numbers, and the answer so far, which
//! the closing events repeat; it refuses to hold more of it than a bound.

use super::items::{self, CallName, Kind};
use super::{Json, REDACTED, SIGNATURE, status, write_head, write_incomplete, write_usage};
use crate::translate::Envelope;
use crate::translate::document::Str;
use crate::translate::error::{UNSAID, response_code};
use crate::translate::neutral::{Counts, StopReason};
use crate::translate::stream::{Block, Delta, TooLong};

/// Most of an answer that is held, in bytes of JSON.
const MAX_HELD: usize = 8 << 20;

/// Writes events.
pub(in crate::translate) struct Writer {
    envelope: Envelope,
    started: bool,
    /// The next event's number.
    sequence: u64,
    /// The finished items, with commas between them.
    output: Vec<u8>,
    /// Items begun so far.
    items: u64,
    open: Option<Item>,
    stop: StopReason,
    counts: Option<Counts>,
}

/// The item under way.
struct Item {
    kind: Kind,
    id: String,
    index: u64,
    /// Its text so far, as it will stand between quotes.
    text: String,
    /// Id and name, of a call.
    call: Option<(Str<'static>, Str<'static>)>,
    sealed: Option<String>,
}

impl Item {
    fn literal(&self) -> String {
        format!("\"{}\"", self.text)
    }
}

impl Writer {
    pub(in crate::translate) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            started: false,
            sequence: 0,
            output: Vec::new(),
            items: 0,
            open: None,
            stop: StopReason::End,
            counts: None,
        }
    }

    pub(in crate::translate) fn write(
        &mut self,
        delta: &Delta<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLong> {
        match delta {
            Delta::Start(counts) => {
                self.counts = counts.or(self.counts);
                self.start(out);
            }
            Delta::Open(block) => self.open(block, out),
            Delta::More(more) => return self.more(more, out),
            Delta::Signature(signature) => {
                if let Some(item) = &mut self.open {
                    item.sealed = Some(format!("{SIGNATURE}{}", signature.decode()));
                }
            }
            Delta::Close => self.close(out),
            Delta::Stop(reason, _) => self.stop = *reason,
            Delta::Counts(counts) => self.counts = Some(*counts),
            Delta::End => self.end(out),
            Delta::Error { kind, message } => {
                let kind = kind.as_ref().map_or("server_error".into(), Str::decode);
                let message = message.as_ref().map_or(UNSAID.into(), Str::decode);
                self.error(&kind, &message, out);
            }
            Delta::Ping => out.extend_from_slice(b": ping\n\n"),
        }
        Ok(())
    }

    /// The end of a response that failed. Codes are a closed list there; the kind says what it was.
    pub(in crate::translate) fn error(&mut self, kind: &str, message: &str, out: &mut Vec<u8>) {
        // Clients expect the first event first, even of a response that failed before it.
        self.start(out);
        self.response_event("response.failed", "failed", out, |writer, w| {
            w.key("error").object(|w| {
                w.key("code").text(response_code(kind));
                w.key("message").text(message);
                w.key("type").text(kind);
            });
            write_incomplete(None, w);
            writer.write_output(w);
            write_usage(writer.counts, w);
        });
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            self.response_event(kind, "in_progress", out, |_, w| {
                w.key("error").null();
                write_incomplete(None, w);
                w.key("output").array(|_| {});
                w.key("usage").null();
            });
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let (status, reason) = status(self.stop);
        let kind = if reason.is_some() { "response.incomplete" } else { "response.completed" };
        self.response_event(kind, status, out, |writer, w| {
            w.key("error").null();
            write_incomplete(reason, w);
            writer.write_output(w);
            write_usage(writer.counts, w);
        });
    }

    fn write_output(&self, w: &mut Json) {
        w.key("output").array(|w| w.frame(&self.output));
    }

    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        let kind = match block {
            Block::Text => Kind::Text,
            Block::Refusal => Kind::Refusal,
            Block::Thinking | Block::Redacted(_) => Kind::Reasoning,
            Block::Tool { .. } => Kind::Call,
        };
        let index = self.items;
        self.items += 1;
        let call = match block {
            Block::Tool { id, name } => Some((Str::of(&id.decode()), Str::of(&name.decode()))),
            _ => None,
        };
        let sealed = match block {
            Block::Redacted(data) => Some(format!("{REDACTED}{}", data.decode())),
            _ => None,
        };
        let id = items::id(kind, &self.envelope.id, index);
        let item = Item { kind, id, index, text: String::new(), call, sealed };
        self.event("response.output_item.added", out, |w| {
            w.key("output_index").number(index);
            w.key("item");
            write_item(&item, false, w);
        });
        match kind {
            Kind::Text | Kind::Refusal => {
                self.item_event("response.content_part.added", &item, out, |w| {
                    write_place(kind, w);
                    w.key("part");
                    items::write_content(kind, "\"\"", w);
                });
            }
            // A summary has a part only when something is said in it.
            Kind::Reasoning | Kind::Call => {}
        }
        self.open = Some(item);
    }

    fn more(&mut self, more: &Str<'_>, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let Some(mut item) = self.open.take() else { return Ok(()) };
        if item.kind == Kind::Reasoning && item.text.is_empty() {
            self.item_event("response.reasoning_summary_part.added", &item, out, |w| {
                write_place(item.kind, w);
                w.key("part");
                items::write_summary("\"\"", w);
            });
        }
        item.text.push_str(more.inner());
        if self.output.len() + item.text.len() > MAX_HELD {
            self.open = Some(item);
            return Err(TooLong);
        }
        let kind = match item.kind {
            Kind::Text => "response.output_text.delta",
            Kind::Refusal => "response.refusal.delta",
            Kind::Reasoning => "response.reasoning_summary_text.delta",
            Kind::Call => "response.function_call_arguments.delta",
        };
        self.item_event(kind, &item, out, |w| {
            write_place(item.kind, w);
            w.key("delta").string(more);
            if item.kind == Kind::Text {
                w.key("logprobs").array(|_| {});
            }
        });
        self.open = Some(item);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        if item.kind == Kind::Call && item.text.is_empty() {
            item.text.push_str("{}");
        }
        let text = item.literal();
        match item.kind {
            Kind::Text | Kind::Refusal => {
                let (kind, field) = match item.kind {
                    Kind::Refusal => ("response.refusal.done", "refusal"),
                    _ => ("response.output_text.done", "text"),
                };
                self.item_event(kind, &item, out, |w| {
                    write_place(item.kind, w);
                    w.key(field).raw(&text);
                    if item.kind == Kind::Text {
                        w.key("logprobs").array(|_| {});
                    }
                });
                self.item_event("response.content_part.done", &item, out, |w| {
                    write_place(item.kind, w);
                    w.key("part");
                    items::write_content(item.kind, &text, w);
                });
            }
            Kind::Reasoning if !item.text.is_empty() => {
                self.item_event("response.reasoning_summary_text.done", &item, out, |w| {
                    write_place(item.kind, w);
                    w.key("text").raw(&text);
                });
                self.item_event("response.reasoning_summary_part.done", &item, out, |w| {
                    write_place(item.kind, w);
                    w.key("part");
                    items::write_summary(&text, w);
                });
            }
            Kind::Reasoning => {}
            Kind::Call => self.item_event("response.function_call_arguments.done", &item, out, |w| {
                if let Some((_, name)) = &item.call {
                    w.key("name").string(name);
                }
                w.key("arguments").raw(&text);
            }),
        }
        self.event("response.output_item.done", out, |w| {
            w.key("output_index").number(item.index);
            w.key("item");
            write_item(&item, true, w);
        });
        let mut finished = Json::default();
        write_item(&item, true, &mut finished);
        if !self.output.is_empty() {
            self.output.push(b',');
        }
        self.output.extend(finished.into_bytes());
    }

    /// An event about the whole response.
    fn response_event(
        &mut self,
        kind: &'static str,
        status: &str,
        out: &mut Vec<u8>,
        members: impl FnOnce(&Self, &mut Json),
    ) {
        let sequence = self.sequence;
        self.sequence += 1;
        let Envelope { id, created_unix, model } = &self.envelope;
        write_event(kind, sequence, out, |w| {
            w.key("response").object(|w| {
                write_head(id, *created_unix, model, status, w);
                members(self, w);
            });
        });
    }

    /// An event about an item.
    fn item_event(
        &mut self,
        kind: &'static str,
        item: &Item,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Json),
    ) {
        self.event(kind, out, |w| {
            w.key("item_id").text(&item.id);
            w.key("output_index").number(item.index);
            members(w);
        });
    }

    fn event(&mut self, kind: &'static str, out: &mut Vec<u8>, members: impl FnOnce(&mut Json)) {
        let sequence = self.sequence;
        self.sequence += 1;
        write_event(kind, sequence, out, members);
    }
}

/// Where in its item a text stands: there is one.
fn write_place(kind: Kind, w: &mut Json) {
    match kind {
        Kind::Text | Kind::Refusal => w.key("content_index").number(0),
        Kind::Reasoning => w.key("summary_index").number(0),
        Kind::Call => {}
    }
}

fn write_item(item: &Item, done: bool, w: &mut Json) {
    let text = done.then(|| item.literal());
    match (&item.call, item.kind) {
        (Some((call_id, name)), _) => {
            items::write_call(&item.id, &CallName { call_id, name }, text.as_deref(), w);
        }
        (None, Kind::Reasoning) => {
            items::write_reasoning(&item.id, text.as_deref(), item.sealed.as_deref().filter(|_| done), w);
        }
        (None, kind) => items::write_message(&item.id, kind, text.as_deref(), w),
    }
}

/// An event, whose type stands in its data, too.
fn write_event(kind: &'static str, sequence: u64, out: &mut Vec<u8>, members: impl FnOnce(&mut Json)) {
    Json::append(out, |w| {
        w.frame(b"event: ");
        w.frame(kind.as_bytes());
        w.frame(b"\ndata: ");
        w.object(|w| {
            w.key("type").text(kind);
            w.key("sequence_number").number(sequence);
            members(w);
        });
        w.frame(b"\n\n");
    });
}
