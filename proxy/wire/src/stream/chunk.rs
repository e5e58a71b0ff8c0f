//! Chunks of chat and text completions. It owns their members; it refuses to know where in the stream
//! a chunk stands.

use std::ops::Range;

use super::{EventClass, Reading, present, text};
use crate::json::{Fault, Kind, Reader, member};
use crate::usage::{Counts, Shape};

pub(super) fn read(data: &[u8]) -> Result<Reading, Fault> {
    let mut walk = Walk::default();
    let mut reader = Reader::new(data)?;
    reader.begin_object()?;
    let mut before = reader.offset();
    let mut first = true;
    while let Some(key) = reader.next_key()? {
        match key.decode().as_ref() {
            "choices" => walk.choices(&mut reader)?,
            "usage" => {
                walk.counts = Counts::read(&mut reader, Shape::Completions)?;
                walk.usage_member = Some(member(data, before, reader.offset(), first));
            }
            "error" => walk.error |= present(&mut reader)?,
            _ => {
                reader.skip()?;
            }
        }
        before = reader.offset();
        first = false;
    }
    reader.finish()?;
    Ok(walk.into_reading())
}

#[derive(Default)]
struct Walk {
    counts: Option<Counts>,
    usage_member: Option<Range<usize>>,
    output_bytes: u64,
    output: bool,
    finished: bool,
    choices: u32,
    error: bool,
}

impl Walk {
    fn into_reading(self) -> Reading {
        let class = if self.error {
            EventClass::Error
        } else if self.output || self.finished {
            EventClass::Output
        } else if self.choices == 0 && self.counts.is_some() {
            EventClass::UsageOnly
        } else {
            EventClass::Preamble
        };
        Reading {
            counts: self.counts,
            output_bytes: self.output_bytes,
            finished: self.finished,
            usage_member: self.usage_member,
            ..Reading::new(class)
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
                "text" => self.generated(reader)?,
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
                "content" | "reasoning_content" | "reasoning" | "refusal" => self.generated(reader)?,
                "tool_calls" | "function_call" => self.call(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    fn generated(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let bytes = text(reader)?;
        self.output |= bytes > 0;
        self.output_bytes += bytes;
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
                        "name" | "arguments" => self.generated(reader)?,
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
