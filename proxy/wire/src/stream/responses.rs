//! Events of OpenAI's Responses. It owns their types and members; it refuses the `event` field, which
//! says the same as `type`.

use super::{EventClass, Reading, present, text};
use crate::answer::read_id;
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
            "delta" => walk.delta_bytes = text(&mut reader)?,
            "item" => walk.item(&mut reader)?,
            "response" => walk.response(&mut reader)?,
            "sequence_number" if reader.peek()? == Kind::Number => {
                walk.sequence_number = reader.number()?.parse().ok();
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

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum EventKind {
    /// `response.completed`, `response.incomplete`
    Completed,
    /// `response.failed`, `error`
    Failed,
    /// `response.output_item.added`
    ItemAdded,
    /// `response.*.delta` of text, reasoning, a refusal, a tool call.
    Delta,
    /// Pieces of media.
    Media,
    /// The frame: what was created, what is in progress, what is done; and what is yet to be invented.
    #[default]
    Frame,
}

impl EventKind {
    fn of(name: &str) -> Self {
        match name {
            "response.completed" | "response.incomplete" => Self::Completed,
            "response.failed" | "error" => Self::Failed,
            "response.output_item.added" => Self::ItemAdded,
            "response.audio.delta" | "response.output_audio.delta" => Self::Media,
            _ if name.ends_with(".delta") => Self::Delta,
            _ if name.ends_with(".partial_image") => Self::Media,
            _ => Self::Frame,
        }
    }
}

#[derive(Default)]
struct Walk {
    kind: EventKind,
    delta_bytes: u64,
    /// The item is something that the model called.
    call: bool,
    name_bytes: u64,
    counts: Option<Counts>,
    response: Option<u64>,
    sequence_number: Option<u64>,
    error: bool,
}

impl Walk {
    fn into_reading(self) -> Reading {
        let (class, output_bytes) = match self.kind {
            EventKind::Failed => (EventClass::Error, 0),
            EventKind::Completed => (EventClass::Done, 0),
            EventKind::Frame if self.error => (EventClass::Error, 0),
            EventKind::ItemAdded if self.call => (EventClass::Output, self.name_bytes),
            EventKind::Delta if self.delta_bytes > 0 => (EventClass::Output, self.delta_bytes),
            EventKind::Media => (EventClass::Output, 0),
            _ => (EventClass::Preamble, 0),
        };
        Reading {
            counts: self.counts,
            output_bytes,
            finished: class == EventClass::Done,
            response: self.response,
            sequence_number: self.sequence_number,
            ..Reading::new(class)
        }
    }

    fn response(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "id" => self.response = read_id(reader)?,
                "usage" => self.counts = Counts::read(reader, Shape::Responses)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    /// An item as it begins: a message or reasoning begins empty, a call with its name.
    fn item(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(());
        }
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match key.decode().as_ref() {
                "type" if reader.peek()? == Kind::String => {
                    self.call = !matches!(reader.string()?.decode().as_ref(), "message" | "reasoning");
                }
                "name" => self.name_bytes = text(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }
}
