//! A chat completion's stream, read and written. It owns which chunk means what and where blocks begin
//! and end, which chunks do not say; it refuses tool calls that come in turns, for the other dialects
//! finish one block before the next.

use super::{answer, content, finish_reason, stop_reason, usage, write_usage};
use crate::translate::Envelope;
use crate::translate::document::{self, Fault, Input, Read, Str};
use crate::translate::neutral::{Counts, Part, StopReason, fit_id};
use crate::translate::stream::{Block, Delta};
use crate::translate::{error, writer};

/// Reads chunks.
#[derive(Default)]
pub(in crate::translate) struct Reader {
    started: bool,
    open: Open,
    called: bool,
    /// The last call's index and id, to tell the next call from more of this one.
    call: Option<(u64, String)>,
    /// Calls so far, to name those that have no id.
    calls: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Refusal,
    Thinking,
    Tool,
}

impl Reader {
    pub(in crate::translate) fn read<'d>(&mut self, data: &'d [u8], deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        if data.trim_ascii() == b"[DONE]" {
            self.close(deltas);
            deltas.push(Delta::End);
            return Ok(());
        }
        // Usage is read after the choices, wherever it stands, for it is their total.
        let mut counts = None;
        let mut failed = None;
        document::read(data, |input| {
            input.object(|input, key| {
                match key {
                    "choices" => {
                        input.unless_null(|input| input.array(|input| self.choice(input, deltas)))?;
                    }
                    "usage" => counts = input.unless_null(usage)?,
                    "error" => failed = input.unless_null(failure)?,
                    _ => input.skip()?,
                }
                Ok(())
            })
        })?;
        if let Some(error) = failed {
            deltas.clear();
            deltas.push(error);
            return Ok(());
        }
        deltas.extend(counts.map(Delta::Counts));
        Ok(())
    }

    /// Ends the open block, if there is one.
    pub(in crate::translate) fn close(&mut self, deltas: &mut Vec<Delta<'_>>) {
        if std::mem::take(&mut self.open) != Open::Nothing {
            deltas.push(Delta::Close);
        }
    }

    fn choice<'d>(&mut self, input: &mut Input<'d>, deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        let (mut stop, mut matched) = (None, None);
        input.object(|input, key| {
            match key {
                "index" => {
                    if input.count()? != 0 {
                        return Err(Fault::here("must be 0: one choice was asked for"));
                    }
                }
                "delta" => {
                    input.unless_null(|input| self.delta(input, deltas))?;
                }
                "finish_reason" => stop = input.unless_null(Input::word)?.map(|word| stop_reason(&word)),
                "stop_reason" => matched = answer::matched(input)?,
                _ => input.skip()?,
            }
            Ok(())
        })?;
        if let Some(stop) = stop {
            self.start(deltas);
            self.close(deltas);
            let stop = match stop {
                StopReason::End if matched.is_some() => StopReason::Sequence,
                stop => stop.with_tools(self.called),
            };
            deltas.push(Delta::Stop(stop, matched));
        }
        Ok(())
    }

    fn delta<'d>(&mut self, input: &mut Input<'d>, deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        self.start(deltas);
        // Reasoning precedes what it led to, whatever the order in one chunk.
        let (mut thinking, mut content, mut refusal, mut calls) = (None, Vec::new(), None, Vec::new());
        input.object(|input, key| {
            match key {
                "reasoning_content" | "reasoning" => {
                    thinking = input.unless_null(Input::string)?.or(thinking.take());
                }
                "content" => content = content::answered(input)?,
                "refusal" => refusal = input.unless_null(Input::string)?,
                "tool_calls" => {
                    input.unless_null(|input| {
                        input.array(|input| {
                            calls.push(Fragment::read(input)?);
                            Ok(())
                        })
                    })?;
                }
                _ => input.skip()?,
            }
            Ok(())
        })?;
        self.more(Open::Thinking, thinking, deltas);
        for part in content {
            match part {
                Part::Thinking { text, .. } => self.more(Open::Thinking, Some(text), deltas),
                Part::Text(text) => self.more(Open::Text, Some(text), deltas),
                _ => {}
            }
        }
        self.more(Open::Refusal, refusal, deltas);
        calls.into_iter().try_for_each(|call| self.call(call, deltas))
    }

    fn start(&mut self, deltas: &mut Vec<Delta<'_>>) {
        if !std::mem::replace(&mut self.started, true) {
            deltas.push(Delta::Start(None));
        }
    }

    fn more<'d>(&mut self, open: Open, more: Option<Str<'d>>, deltas: &mut Vec<Delta<'d>>) {
        if let Some(more) = more.filter(|more| !more.is_empty()) {
            self.switch(open, deltas);
            deltas.push(Delta::More(more));
        }
    }

    fn switch(&mut self, open: Open, deltas: &mut Vec<Delta<'_>>) {
        if self.open == open {
            return;
        }
        self.close(deltas);
        self.open = open;
        deltas.push(Delta::Open(match open {
            Open::Refusal => Block::Refusal,
            Open::Thinking => Block::Thinking,
            Open::Nothing | Open::Text | Open::Tool => Block::Text,
        }));
    }

    fn call<'d>(&mut self, call: Fragment<'d>, deltas: &mut Vec<Delta<'d>>) -> Read<()> {
        let id = call.id.filter(|id| !id.is_empty());
        // Some servers give every call the index 0 and tell them apart by id alone.
        let same = self.call.as_ref().is_some_and(|(index, last)| {
            *index == call.index && id.as_ref().is_none_or(|id| id.decode() == last.as_str())
        });
        if !same || self.open != Open::Tool {
            if self.call.as_ref().is_some_and(|(index, _)| call.index < *index) || (same && self.called) {
                return Err(Fault::at(
                    "tool_calls",
                    "come in turns: one call must be complete before the next",
                ));
            }
            let name = call.name.filter(|name| !name.is_empty());
            let name = name.ok_or(Fault::at("tool_calls", "begin with a call that has no name"))?;
            let id = id.unwrap_or_else(|| Str::of(&format!("call_{}", self.calls)));
            self.close(deltas);
            self.open = Open::Tool;
            self.called = true;
            self.calls += 1;
            self.call = Some((call.index, id.decode().into_owned()));
            deltas.push(Delta::Open(Block::Tool { id, name }));
        }
        deltas.extend(call.arguments.filter(|more| !more.is_empty()).map(Delta::More));
        Ok(())
    }
}

/// A piece of a tool call.
#[derive(Default)]
struct Fragment<'d> {
    index: u64,
    id: Option<Str<'d>>,
    name: Option<Str<'d>>,
    arguments: Option<Str<'d>>,
}

impl<'d> Fragment<'d> {
    fn read(input: &mut Input<'d>) -> Read<Self> {
        let mut fragment = Self::default();
        input.object(|input, key| {
            match key {
                "index" => fragment.index = input.unless_null(Input::count)?.unwrap_or(0),
                "id" => fragment.id = input.unless_null(Input::string)?,
                "function" => {
                    input.unless_null(|input| {
                        input.object(|input, key| {
                            match key {
                                "name" => fragment.name = input.unless_null(Input::string)?,
                                "arguments" => fragment.arguments = input.unless_null(Input::string)?,
                                _ => input.skip()?,
                            }
                            Ok(())
                        })
                    })?;
                }
                _ => input.skip()?,
            }
            Ok(())
        })?;
        Ok(fragment)
    }
}

/// An error inside a stream. Servers that send a bare string are believed, too.
fn failure<'d>(input: &mut Input<'d>) -> Read<Delta<'d>> {
    if input.kind()? == crate::json::Kind::String {
        return Ok(Delta::Error { kind: None, message: Some(input.string()?) });
    }
    let (mut kind, mut message) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = answer::matched(input)?,
            "message" => message = answer::matched(input)?,
            _ => input.skip()?,
        }
        Ok(())
    })?;
    Ok(Delta::Error { kind, message })
}

/// Writes chunks.
pub(in crate::translate) struct Writer {
    /// All that is the same in every chunk, from its framing to the choices.
    head: Vec<u8>,
    usage_wanted: bool,
    counts: Option<Counts>,
    /// Calls so far.
    calls: u64,
    open: OpenBlock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenBlock {
    Text,
    Refusal,
    Thinking,
    /// A call, and whether any of its arguments have been written.
    Tool(bool),
    /// Nothing that a chat caller can read.
    Hidden,
}

impl Writer {
    pub(in crate::translate) fn new(envelope: &Envelope, usage_wanted: bool) -> Self {
        let mut head = writer::Writer::default();
        head.frame(b"data: {");
        head.key("id").text(&format!("chatcmpl-{}", envelope.id));
        head.key("object").text("chat.completion.chunk");
        head.key("created").number(envelope.created_unix);
        head.key("model").text(&envelope.model);
        let mut head = head.into_bytes();
        head.push(b',');
        Self { head, usage_wanted, counts: None, calls: 0, open: OpenBlock::Text }
    }

    pub(in crate::translate) fn write(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Start(counts) => {
                self.counts = counts.or(self.counts);
                self.chunk(out, None, |w| {
                    w.key("role").text("assistant");
                    w.key("content").text("");
                });
            }
            Delta::Open(block) => self.open(block, out),
            Delta::More(more) => self.more(more, out),
            Delta::Close => {
                // No arguments at all: an empty object, or the caller could not parse them.
                if self.open == OpenBlock::Tool(false) {
                    self.more(&Str::of("{}"), out);
                }
                self.open = OpenBlock::Text;
            }
            Delta::Stop(reason, _) => self.chunk(out, Some(*reason), |_| {}),
            Delta::Counts(counts) => self.counts = Some(*counts),
            Delta::End => self.end(out),
            Delta::Error { kind, message } => {
                writer::Writer::append(out, |w| {
                    w.frame(b"data: ");
                    w.object(|w| error::write_openai(kind.as_ref(), message.as_ref(), w));
                    w.frame(b"\n\n");
                });
            }
            Delta::Signature(_) => {}
            Delta::Ping => out.extend_from_slice(b": ping\n\n"),
        }
    }

    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        self.open = match block {
            Block::Text => OpenBlock::Text,
            Block::Refusal => OpenBlock::Refusal,
            Block::Thinking => OpenBlock::Thinking,
            Block::Redacted(_) => OpenBlock::Hidden,
            Block::Tool { id, name } => {
                let index = self.calls;
                self.calls += 1;
                self.chunk(out, None, |w| {
                    w.key("tool_calls").array(|w| {
                        w.object(|w| {
                            w.key("index").number(index);
                            w.key("id").text(&fit_id(id, 40));
                            w.key("type").text("function");
                            w.key("function").object(|w| {
                                w.key("name").string(name);
                                w.key("arguments").text("");
                            });
                        });
                    });
                });
                OpenBlock::Tool(false)
            }
        };
    }

    fn more(&mut self, more: &Str<'_>, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        match self.open {
            OpenBlock::Hidden => {}
            OpenBlock::Text => self.chunk(out, None, |w| w.key("content").string(more)),
            OpenBlock::Refusal => self.chunk(out, None, |w| w.key("refusal").string(more)),
            OpenBlock::Thinking => self.chunk(out, None, |w| w.key("reasoning_content").string(more)),
            OpenBlock::Tool(_) => {
                self.open = OpenBlock::Tool(true);
                let index = self.calls.saturating_sub(1);
                self.chunk(out, None, |w| {
                    w.key("tool_calls").array(|w| {
                        w.object(|w| {
                            w.key("index").number(index);
                            w.key("function").object(|w| w.key("arguments").string(more));
                        });
                    });
                });
            }
        }
    }

    fn chunk(&self, out: &mut Vec<u8>, stop: Option<StopReason>, delta: impl FnOnce(&mut writer::Writer)) {
        writer::Writer::append(out, |w| {
            w.frame(&self.head);
            w.key("choices").array(|w| {
                w.object(|w| {
                    w.key("index").number(0);
                    w.key("delta").object(delta);
                    match stop {
                        Some(reason) => w.key("finish_reason").text(finish_reason(reason)),
                        None => w.key("finish_reason").null(),
                    }
                });
            });
            if self.usage_wanted {
                w.key("usage").null();
            }
            w.frame(b"}\n\n");
        });
    }

    fn end(&self, out: &mut Vec<u8>) {
        if let (true, Some(counts)) = (self.usage_wanted, self.counts) {
            writer::Writer::append(out, |w| {
                w.frame(&self.head);
                w.key("choices").array(|_| {});
                write_usage(counts, w);
                w.frame(b"}\n\n");
            });
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
