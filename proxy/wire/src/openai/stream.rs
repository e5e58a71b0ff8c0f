//! What one event of a stream is. It owns the reading of chunks in a single pass; it refuses to hold
//! anything between events.

use std::ops::Range;

use vocabulary::Usage;

use super::usage;
use crate::json::{Fault, Kind, Piece, Reader};
use crate::sse::Event;

/// What an event means to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventClass {
    /// `[DONE]`: the stream is complete.
    Done,
    /// Generated output: text, reasoning, a refusal, a tool call, or the reason why it finished.
    Output,
    /// A chunk without output: the role that opens a message, a prompt filter's result.
    Preamble,
    /// Usage and no choices: the extra chunk of `include_usage`.
    UsageOnly,
    /// An error object inside a stream that began with success.
    Error,
    /// No data: a comment to keep the connection alive.
    KeepAlive,
    /// Data that is not a JSON object.
    Malformed,
}

/// Classifies an event.
#[must_use]
pub fn classify(event: &Event) -> EventClass {
    match event.data() {
        Some(data) => Chunk::read(&data).class,
        None => EventClass::KeepAlive,
    }
}

/// All that is taken from one event's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) class: EventClass,
    pub(super) usage: Option<Usage>,
    /// Bytes of generated text, unescaped.
    pub(super) output_bytes: u64,
    /// A choice says that it has finished.
    pub(super) finished: bool,
    /// Where the `usage` member stands in the data, with the one comma that goes when it goes.
    pub(super) usage_member: Option<Range<usize>>,
}

impl Chunk {
    fn of(class: EventClass) -> Self {
        Self { class, usage: None, output_bytes: 0, finished: false, usage_member: None }
    }

    pub(super) fn is_done(data: &[u8]) -> bool {
        data.trim_ascii() == b"[DONE]"
    }

    pub(super) fn read(data: &[u8]) -> Self {
        if Self::is_done(data) {
            return Self::of(EventClass::Done);
        }
        Walk::default().document(data).unwrap_or(Self::of(EventClass::Malformed))
    }
}

#[derive(Default)]
struct Walk {
    usage: Option<Usage>,
    usage_member: Option<Range<usize>>,
    output_bytes: u64,
    output: bool,
    finished: bool,
    choices: u32,
    error: bool,
}

impl Walk {
    fn document(mut self, data: &[u8]) -> Result<Chunk, Fault> {
        let mut reader = Reader::new(data)?;
        reader.begin_object()?;
        let mut before = reader.offset();
        let mut first = true;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "choices" => self.choices(&mut reader)?,
                "usage" => {
                    self.usage = usage::read(&mut reader)?;
                    self.usage_member = Some(member(data, before, reader.offset(), first));
                }
                "error" => {
                    self.error |= reader.peek()? != Kind::Null;
                    reader.skip()?;
                }
                _ => {
                    reader.skip()?;
                }
            }
            before = reader.offset();
            first = false;
        }
        reader.finish()?;
        Ok(self.into_chunk())
    }

    fn into_chunk(self) -> Chunk {
        let class = if self.error {
            EventClass::Error
        } else if self.output || self.finished {
            EventClass::Output
        } else if self.choices == 0 && self.usage.is_some() {
            EventClass::UsageOnly
        } else {
            EventClass::Preamble
        };
        Chunk {
            class,
            usage: self.usage,
            output_bytes: self.output_bytes,
            finished: self.finished,
            usage_member: self.usage_member,
        }
    }

    fn choices(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Array {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_array()?;
        while reader.next_element()? {
            self.choices += 1;
            self.choice(reader)?;
        }
        Ok(())
    }

    fn choice(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "delta" if reader.peek()? == Kind::Object => self.delta(reader)?,
                "text" => self.text(reader)?,
                "finish_reason" => {
                    self.finished |= reader.peek()? == Kind::String;
                    reader.skip()?;
                }
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    fn delta(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "content" | "reasoning_content" | "reasoning" | "refusal" => self.text(reader)?,
                "tool_calls" | "function_call" => self.call(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::String {
            reader.skip()?;
            return Ok(());
        }
        let text = reader.string()?;
        self.output |= !text.is_empty();
        self.output_bytes += text
            .pieces()
            .map(|piece| match piece {
                Piece::Plain(plain) => plain.len() as u64,
                Piece::Escaped(value) => value.len_utf8() as u64,
            })
            .sum::<u64>();
        Ok(())
    }

    /// Tool calls: names and arguments are generated; ids and types are not.
    fn call(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match reader.peek()? {
            Kind::Array => {
                reader.begin_array()?;
                while reader.next_element()? {
                    self.output = true;
                    self.call(reader)?;
                }
            }
            Kind::Object => {
                reader.begin_object()?;
                while let Some(key) = reader.next_key()? {
                    match key.decode().as_ref() {
                        "name" | "arguments" => self.text(reader)?,
                        "function" => self.call(reader)?,
                        _ => {
                            reader.skip()?;
                        }
                    }
                }
            }
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    }
}

/// The member whose value ends at `end` and before which the last value, or the opening brace, ended at
/// `began`; with one comma: the one before it or, for the first member, the one after it.
fn member(data: &[u8], began: usize, end: usize, first: bool) -> Range<usize> {
    let rest = data.get(end..).unwrap_or_default();
    let space = rest.len() - rest.trim_ascii_start().len();
    let comma = first && rest.get(space) == Some(&b',');
    began..if comma { end + space + 1 } else { end }
}
