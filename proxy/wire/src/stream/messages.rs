//! Events of Anthropic's Messages. It owns their types and members; it refuses the `event` field, which
//! says the same as `type` where both are there.

use super::{EventClass, Reading, present, text};
use crate::json::{Fault, Kind, Reader};
use crate::usage::{Counts, Shape};

pub(super) fn read(data: &[u8]) -> Result<Reading, Fault> {
    let mut walk = Walk::default();
    let mut reader = Reader::new(data)?;
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        match key.decode().as_ref() {
            "type" if reader.peek()? == Kind::String => {
                walk.kind = EventKind::of(&reader.string()?.decode());
            }
            "message" => walk.message(&mut reader)?,
            "content_block" => walk.block(&mut reader)?,
            "delta" => walk.delta(&mut reader)?,
            "usage" => {
                walk.counts = Counts::read(&mut reader, Shape::Messages)?;
                walk.counts_output = walk.counts.is_some();
            }
            "error" => walk.error |= present(&mut reader)?,
            _ => {
                reader.skip()?;
            }
        }
    }
    reader.finish()?;
    Ok(walk.into_reading())
}

#[derive(Clone, Copy, Default)]
enum EventKind {
    BlockStart,
    BlockDelta,
    MessageDelta,
    MessageStop,
    Error,
    /// `message_start`, `ping`, `content_block_stop`, and what is yet to be invented.
    #[default]
    Other,
}

impl EventKind {
    fn of(name: &str) -> Self {
        match name {
            "content_block_start" => Self::BlockStart,
            "content_block_delta" => Self::BlockDelta,
            "message_delta" => Self::MessageDelta,
            "message_stop" => Self::MessageStop,
            "error" => Self::Error,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Walk {
    kind: EventKind,
    counts: Option<Counts>,
    counts_output: bool,
    output_bytes: u64,
    /// Something else than text was generated: a tool call, a signature, a citation.
    other_output: bool,
    finished: bool,
    error: bool,
}

impl Walk {
    fn into_reading(self) -> Reading {
        let output = self.output_bytes > 0 || self.other_output;
        let class = match self.kind {
            _ if self.error => EventClass::Error,
            EventKind::Error => EventClass::Error,
            EventKind::MessageStop => EventClass::Done,
            EventKind::BlockStart | EventKind::BlockDelta if output => EventClass::Output,
            EventKind::MessageDelta if self.finished => EventClass::Output,
            _ => EventClass::Preamble,
        };
        Reading {
            counts: self.counts,
            counts_output: self.counts_output,
            output_bytes: if class == EventClass::Output { self.output_bytes } else { 0 },
            finished: self.finished,
            ..Reading::new(class)
        }
    }

    /// The message as it begins: its usage knows the input, and no more than a placeholder of output.
    fn message(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            if key.decode() == "usage" {
                self.counts = Counts::read(reader, Shape::Messages)?.or(self.counts);
            } else {
                reader.skip()?;
            }
        }
        Ok(())
    }

    /// A content block as it begins: a text begins empty, a tool call with its name.
    fn block(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "type" if reader.peek()? == Kind::String => {
                    let text = matches!(reader.string()?.decode().as_ref(), "text" | "thinking");
                    self.other_output |= !text;
                }
                "text" | "thinking" | "name" => self.output_bytes += text(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    /// The delta of a content block or of the message.
    fn delta(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "text" | "thinking" | "partial_json" => self.output_bytes += text(reader)?,
                "signature" | "citation" => self.other_output |= present(reader)?,
                "stop_reason" => {
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
}
