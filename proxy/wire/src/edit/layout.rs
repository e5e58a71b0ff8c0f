//! Where the fields stand that the gateway itself edits in nearly every request. It owns these places;
//! it refuses to keep any of the text.

use std::ops::Range;

use bytes::Bytes;
use vocabulary::Operation;

use super::splice::{self, Splice};
use crate::json::{Fault, Kind, Reader};

/// Byte ranges of one body, from [`extract_with_layout`](crate::extract_with_layout).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    operation: Operation,
    body: Inside,
    pub(crate) model: Option<Range<usize>>,
    pub(crate) stream_options: Option<Options>,
}

/// Where new members go in an object: just after its opening brace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) open: usize,
    pub(crate) empty: bool,
}

/// The value of `stream_options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) value: Range<usize>,
    /// Nothing when it is not an object.
    pub(crate) inside: Option<Inside>,
    pub(crate) include_usage: Option<Range<usize>>,
}

impl Layout {
    /// The layout of a body that has members, the first of which goes at `open`.
    pub(crate) fn new(operation: Operation, open: usize) -> Self {
        Self { operation, body: Inside { open, empty: false }, model: None, stream_options: None }
    }

    /// Walks a body only for its layout.
    ///
    /// # Errors
    /// When the body is not a JSON object.
    pub fn of(operation: Operation, body: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body)?;
        reader.begin_object()?;
        let mut layout = Self::new(operation, reader.offset());
        layout.body.empty = true;
        while let Some(key) = reader.next_key()? {
            layout.body.empty = false;
            match key.decode().as_ref() {
                "model" => layout.model = Some(reader.skip()?),
                "stream_options" if layout.has_stream_options() => {
                    layout.stream_options = Some(Options::read(&mut reader)?);
                }
                _ => {
                    reader.skip()?;
                }
            }
        }
        reader.finish()?;
        Ok(layout)
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    /// Responses have a field of this name too, but nothing in it that is edited.
    const fn has_stream_options(&self) -> bool {
        matches!(self.operation, Operation::Chat | Operation::TextCompletion)
    }

    pub(super) fn set(&self, body: &Bytes, model: Option<&str>, include_usage: bool) -> Bytes {
        let mut splices = Vec::new();
        let mut added = String::new();
        if let Some(model) = model {
            let value = super::quoted(model);
            match &self.model {
                Some(place) => splices.extend(Splice::replace(body, place, &value)),
                None => added = format!("\"model\":{value}"),
            }
        }
        if include_usage && self.has_stream_options() {
            match &self.stream_options {
                Some(options) => splices.extend(options.set_include_usage(body)),
                None => {
                    let comma = if added.is_empty() { "" } else { "," };
                    added.push_str(comma);
                    added.push_str(r#""stream_options":{"include_usage":true}"#);
                }
            }
        }
        splices.extend(self.body.insert(added));
        splice::apply(body, splices)
    }
}

impl Inside {
    /// Puts `members` first; nothing when there are none.
    pub(super) fn insert(self, mut members: String) -> Option<Splice> {
        if members.is_empty() {
            return None;
        }
        if !self.empty {
            members.push(',');
        }
        Some(Splice::insert(self.open, members))
    }
}

impl Options {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        if reader.peek()? != Kind::Object {
            return Ok(Self { value: reader.skip()?, inside: None, include_usage: None });
        }
        let start = reader.offset();
        reader.begin_object()?;
        let mut inside = Inside { open: reader.offset(), empty: true };
        let mut include_usage = None;
        while let Some(key) = reader.next_key()? {
            inside.empty = false;
            let value = reader.skip()?;
            if key.decode() == "include_usage" {
                include_usage = Some(value);
            }
        }
        Ok(Self { value: start..reader.offset(), inside: Some(inside), include_usage })
    }

    fn set_include_usage(&self, body: &[u8]) -> Option<Splice> {
        match (&self.include_usage, self.inside) {
            (Some(place), _) => Splice::replace(body, place, "true"),
            (None, Some(inside)) => inside.insert(r#""include_usage":true"#.to_owned()),
            (None, None) => Splice::replace(body, &self.value, r#"{"include_usage":true}"#),
        }
    }
}
