//! A message's stream, read and written. It owns the typed events; it refuses events out of order, and
//! blocks that overlap, which the dialect could express and no client expects.

use super::{read_stop_reason, usage, write_stop, write_usage};
use crate::translate::Envelope;
use crate::translate::document::{self, Fault, Input, Read, Str};
use crate::translate::neutral::{Counts, StopReason, fit_id};
use crate::translate::stream::{Block, Delta};
use crate::translate::writer::Writer as Json;

/// Reads events.
#[derive(Default)]
pub(in crate::translate) struct Reader {
    counts: Counts,
    counted: bool,
    /// The open block's index.
    open: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Started,
    /// The reason to stop has been given.
    Stopped,
}

#[derive(Default)]
struct Fields<'d> {
    kind: Option<std::borrow::Cow<'d, str>>,
    index: Option<u64>,
    counts: Option<Counts>,
    block: Opening<'d>,
    delta: Piece<'d>,
    error: Option<Delta<'d>>,
}

/// A `content_block`.
#[derive(Default)]
struct Opening<'d> {
    kind: Option<std::borrow::Cow<'d, str>>,
    id: Option<Str<'d>>,
    name: Option<Str<'d>>,
    data: Option<Str<'d>>,
    /// Text that is there from the start.
    text: Option<Str<'d>>,
    input: Option<&'d str>,
}

/// A `delta`.
#[derive(Default)]
struct Piece<'d> {
    more: Option<Str<'d>>,
    signature: Option<Str<'d>>,
    stop: Option<StopReason>,
    stop_sequence: Option<Str<'d>>,
}

impl Reader {
    pub(in crate::translate) fn read<'d>(&mut self, data: &'d [u8], deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        let known = self.counts;
        let mut fields = Fields::default();
        document::read(data, |input| input.object(|input, key| fields.field(input, key, known)))?;
        let kind = fields.kind.take().ok_or(Fault::at("type", "is missing"))?;
        if let Some(counts) = fields.counts {
            self.counts = counts;
            self.counted = true;
        }
        match kind.as_ref() {
            "message_start" if self.state == State::Waiting => {
                self.state = State::Started;
                deltas.push(Delta::Start(self.counted.then_some(self.counts)));
            }
            "error" => deltas.push(fields.error.unwrap_or(Delta::Error { kind: None, message: None })),
            "message_start"
            | "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
            | "message_delta"
            | "message_stop" => self.said(&kind, fields, deltas)?,
            // Anthropic adds kinds of events and asks that they be ignored; `ping` says nothing either.
            _ => deltas.push(Delta::Ping),
        }
        Ok(())
    }

    fn said<'d>(&mut self, kind: &str, fields: Fields<'d>, deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        match (kind, self.state) {
            ("content_block_start", State::Started) => self.open(fields.index, fields.block, deltas)?,
            ("content_block_delta", State::Started) => {
                self.is_open(fields.index)?;
                deltas.extend(fields.delta.more.filter(|more| !more.is_empty()).map(Delta::More));
                deltas.extend(fields.delta.signature.map(Delta::Signature));
            }
            ("content_block_stop", State::Started) => {
                self.is_open(fields.index)?;
                self.close(deltas);
            }
            ("message_delta", State::Started | State::Stopped) => {
                if let Some(stop) = fields.delta.stop {
                    self.close(deltas);
                    self.state = State::Stopped;
                    deltas.push(Delta::Stop(stop, fields.delta.stop_sequence));
                }
                deltas.extend(self.counted.then_some(Delta::Counts(self.counts)));
            }
            ("message_stop", State::Stopped) => deltas.push(Delta::End),
            _ => return Err(Fault::at("type", "is not what comes next")),
        }
        Ok(())
    }

    /// Ends the open block, which a server may forget to.
    fn close(&mut self, deltas: &mut Vec<Delta<'_>>) {
        deltas.extend(self.open.take().map(|_| Delta::Close));
    }

    fn open<'d>(&mut self, index: Option<u64>, block: Opening<'d>, deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        self.close(deltas);
        self.open = Some(index.unwrap_or_default());
        let need = |field: Option<Str<'d>>| field.ok_or(Fault::at("content_block", "lacks a field"));
        deltas.push(Delta::Open(match block.kind.as_deref() {
            Some("text") => Block::Text,
            Some("thinking") => Block::Thinking,
            Some("redacted_thinking") => Block::Redacted(need(block.data)?),
            Some("tool_use") => Block::Tool { id: need(block.id)?, name: need(block.name)? },
            _ => return Err(Fault::at("content_block.type", "is of a kind nobody asked for")),
        }));
        deltas.extend(block.text.filter(|text| !text.is_empty()).map(Delta::More));
        // Anthropic begins with an empty object and sends the rest in pieces; others send it whole.
        let whole = block
            .input
            .filter(|input| input.chars().any(|c| !matches!(c, '{' | '}') && !c.is_ascii_whitespace()));
        deltas.extend(whole.map(|input| Delta::More(Str::of(input))));
        Ok(())
    }

    fn is_open(&self, index: Option<u64>) -> Read<()> {
        if self.open.is_some() && self.open == Some(index.unwrap_or_default()) {
            return Ok(());
        }
        Err(Fault::at("index", "names a block that is not open"))
    }
}

impl<'d> Fields<'d> {
    fn field(&mut self, input: &mut Input<'d>, key: &str, known: Counts) -> Read<()> {
        match key {
            "type" => self.kind = Some(input.word()?),
            "index" => self.index = Some(input.count()?),
            "message" => input.object(|input, key| match key {
                "usage" => {
                    self.counts = input.unless_null(|input| usage(input, known))?;
                    Ok(())
                }
                _ => input.skip(),
            })?,
            "usage" => self.counts = input.unless_null(|input| usage(input, known))?,
            "content_block" => input.object(|input, key| self.block.field(input, key))?,
            "delta" => input.object(|input, key| self.delta.field(input, key))?,
            "error" => self.error = input.unless_null(error)?,
            _ => input.skip()?,
        }
        Ok(())
    }
}

impl<'d> Opening<'d> {
    fn field(&mut self, input: &mut Input<'d>, key: &str) -> Read<()> {
        match key {
            "type" => self.kind = Some(input.word()?),
            "id" => self.id = Some(input.string()?),
            "name" => self.name = Some(input.string()?),
            "data" => self.data = Some(input.string()?),
            "text" | "thinking" => self.text = Some(input.string()?),
            "input" => self.input = Some(input.raw_object()?),
            _ => input.skip()?,
        }
        Ok(())
    }
}

impl<'d> Piece<'d> {
    fn field(&mut self, input: &mut Input<'d>, key: &str) -> Read<()> {
        match key {
            "text" | "thinking" | "partial_json" => self.more = Some(input.string()?),
            "signature" => self.signature = Some(input.string()?),
            "stop_reason" => self.stop = input.unless_null(Input::word)?.map(|word| read_stop_reason(&word)),
            "stop_sequence" => self.stop_sequence = input.unless_null(Input::string)?,
            _ => input.skip()?,
        }
        Ok(())
    }
}

fn error<'d>(input: &mut Input<'d>) -> Read<Delta<'d>> {
    let (mut kind, mut message) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.string()?),
            "message" => message = Some(input.string()?),
            _ => input.skip()?,
        }
        Ok(())
    })?;
    Ok(Delta::Error { kind, message })
}

/// Writes events.
pub(in crate::translate) struct Writer {
    id: String,
    model: String,
    estimated_prompt_tokens: u64,
    /// Blocks begun so far.
    blocks: u64,
    open: Open,
    counts: Option<Counts>,
    stop: StopReason,
    stop_sequence: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Tool,
}

impl Writer {
    pub(in crate::translate) fn new(envelope: &Envelope, estimated_prompt_tokens: u64) -> Self {
        Self {
            id: envelope.id.clone(),
            model: envelope.model.clone(),
            estimated_prompt_tokens,
            blocks: 0,
            open: Open::Text,
            counts: None,
            stop: StopReason::End,
            stop_sequence: None,
        }
    }

    pub(in crate::translate) fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Start(counts) => self.start(*counts, out),
            Delta::Open(block) => self.open(block, out),
            Delta::More(more) => {
                let (kind, field) = match self.open {
                    Open::Text => ("text_delta", "text"),
                    Open::Thinking => ("thinking_delta", "thinking"),
                    Open::Tool => ("input_json_delta", "partial_json"),
                };
                self.piece(kind, field, more, out);
            }
            Delta::Signature(signature) => self.piece("signature_delta", "signature", signature, out),
            Delta::Close => {
                let index = self.blocks.saturating_sub(1);
                event("content_block_stop", out, |w| w.key("index").number(index));
            }
            Delta::Stop(reason, sequence) => {
                self.stop = *reason;
                self.stop_sequence = sequence.as_ref().map(|sequence| sequence.decode().into_owned());
            }
            Delta::Counts(counts) => self.counts = Some(*counts),
            Delta::End => self.end(out),
            Delta::Error { kind, message } => event("error", out, |w| {
                w.key("error");
                crate::translate::error::write_anthropic(kind.as_ref(), message.as_ref(), w);
            }),
            Delta::Ping => event("ping", out, |_| {}),
        }
    }

    pub(in crate::translate) fn estimated_prompt_tokens(&self) -> u64 {
        self.estimated_prompt_tokens
    }

    pub(in crate::translate) fn id(&self) -> &str {
        &self.id
    }

    fn start(&mut self, counts: Option<Counts>, out: &mut Vec<u8>) {
        self.counts = counts.or(self.counts);
        let estimate = Counts { input: self.estimated_prompt_tokens, output: 1, ..Counts::default() };
        event("message_start", out, |w| {
            w.key("message").object(|w| {
                w.key("id").text(&format!("msg_{}", self.id));
                w.key("type").text("message");
                w.key("role").text("assistant");
                w.key("model").text(&self.model);
                w.key("content").array(|_| {});
                w.key("stop_reason").null();
                w.key("stop_sequence").null();
                write_usage(counts.unwrap_or(estimate), w);
            });
        });
    }

    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        let index = self.blocks;
        self.blocks += 1;
        self.open = match block {
            Block::Text | Block::Refusal | Block::Redacted(_) => Open::Text,
            Block::Thinking => Open::Thinking,
            Block::Tool { .. } => Open::Tool,
        };
        event("content_block_start", out, |w| {
            w.key("index").number(index);
            w.key("content_block").object(|w| match block {
                Block::Text | Block::Refusal => {
                    w.key("type").text("text");
                    w.key("text").text("");
                }
                Block::Thinking => {
                    w.key("type").text("thinking");
                    w.key("thinking").text("");
                    w.key("signature").text("");
                }
                Block::Redacted(data) => {
                    w.key("type").text("redacted_thinking");
                    w.key("data").string(data);
                }
                Block::Tool { id, name } => {
                    w.key("type").text("tool_use");
                    w.key("id").text(&fit_id(id, 128));
                    w.key("name").string(name);
                    w.key("input").object(|_| {});
                }
            });
        });
    }

    fn piece(&self, kind: &str, field: &'static str, value: &Str<'_>, out: &mut Vec<u8>) {
        let index = self.blocks.saturating_sub(1);
        event("content_block_delta", out, |w| {
            w.key("index").number(index);
            w.key("delta").object(|w| {
                w.key("type").text(kind);
                w.key(field).string(value);
            });
        });
    }

    fn end(&self, out: &mut Vec<u8>) {
        let sequence = self.stop_sequence.as_deref().map(Str::of);
        event("message_delta", out, |w| {
            w.key("delta").object(|w| write_stop(self.stop, sequence.as_ref(), w));
            let estimate = Counts { input: self.estimated_prompt_tokens, ..Counts::default() };
            write_usage(self.counts.unwrap_or(estimate), w);
        });
        event("message_stop", out, |_| {});
    }
}

/// An event, whose type stands in its data, too.
fn event(kind: &'static str, out: &mut Vec<u8>, members: impl FnOnce(&mut Json)) {
    Json::append(out, |w| {
        w.frame(b"event: ");
        w.frame(kind.as_bytes());
        w.frame(b"\ndata: ");
        w.object(|w| {
            w.key("type").text(kind);
            members(w);
        });
        w.frame(b"\n\n");
    });
}
