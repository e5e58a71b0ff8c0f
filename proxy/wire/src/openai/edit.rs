//! Edits of a request body on its way to a backend. It owns the splice; it refuses to touch a byte
//! outside the edited fields, so that what a backend sees is what the caller wrote.

use std::ops::Range;

use bytes::Bytes;

use crate::json::{Fault, Kind, Reader};

/// What to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// The `model` to set; nothing leaves the caller's in place, as Azure OpenAI ignores it.
    pub model: Option<&'a str>,
    /// Set `stream_options.include_usage` to true. For streaming requests only: backends refuse the
    /// field otherwise.
    pub include_usage: bool,
}

/// The body with the edits made. A body that needs none comes back as it is, without a copy.
///
/// # Errors
/// When the body is not a JSON object. A body that [`extract`](crate::extract) has accepted never is.
pub fn set_fields(body: &Bytes, edits: &Edits<'_>) -> Result<Bytes, Fault> {
    if edits.model.is_none() && !edits.include_usage {
        return Ok(body.clone());
    }
    let layout = Layout::of(body)?;
    let mut splices = Vec::with_capacity(3);
    let mut added = String::new();
    if let Some(model) = edits.model {
        // A string and nothing else: this cannot fail.
        let value = serde_json::to_string(model).unwrap_or_default();
        match &layout.model {
            Some(place) => splices.extend(replace(body, place, value)),
            None => added = format!("\"model\":{value}"),
        }
    }
    if edits.include_usage {
        match &layout.options {
            Some(options) => splices.extend(options.set_include_usage(body)),
            None => {
                let comma = if added.is_empty() { "" } else { "," };
                added.push_str(comma);
                added.push_str(r#""stream_options":{"include_usage":true}"#);
            }
        }
    }
    splices.extend(layout.body.insert(added));
    splices.sort_by_key(|splice| splice.place.start);
    Ok(if splices.is_empty() { body.clone() } else { apply(body, &splices) })
}

/// Bytes to stand in place of others.
struct Splice {
    place: Range<usize>,
    text: String,
}

fn apply(body: &[u8], splices: &[Splice]) -> Bytes {
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut edited = Vec::with_capacity(body.len() + added);
    let mut at = 0;
    for splice in splices {
        edited.extend_from_slice(body.get(at..splice.place.start).unwrap_or_default());
        edited.extend_from_slice(splice.text.as_bytes());
        at = splice.place.end;
    }
    edited.extend_from_slice(body.get(at..).unwrap_or_default());
    edited.into()
}

/// Where the fields stand that can be edited.
struct Layout {
    body: Inside,
    model: Option<Range<usize>>,
    options: Option<Options>,
}

/// Where new members go in an object: just after its opening brace.
#[derive(Clone, Copy)]
struct Inside {
    open: usize,
    empty: bool,
}

/// The value of `stream_options`.
struct Options {
    value: Range<usize>,
    /// Nothing when it is not an object.
    inside: Option<Inside>,
    include_usage: Option<Range<usize>>,
}

impl Layout {
    fn of(body: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(body)?;
        reader.begin_object()?;
        let inside = Inside { open: reader.offset(), empty: true };
        let mut layout = Self { body: inside, model: None, options: None };
        while let Some(key) = reader.next_key()? {
            layout.body.empty = false;
            match key.decode().as_ref() {
                "model" => layout.model = Some(reader.skip()?),
                "stream_options" => layout.options = Some(Options::read(&mut reader)?),
                _ => {
                    reader.skip()?;
                }
            }
        }
        reader.finish()?;
        Ok(layout)
    }
}

impl Inside {
    /// Puts `members` first; nothing when there are none.
    fn insert(self, mut members: String) -> Option<Splice> {
        if members.is_empty() {
            return None;
        }
        if !self.empty {
            members.push(',');
        }
        Some(Splice { place: self.open..self.open, text: members })
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
            (Some(place), _) => replace(body, place, "true".to_owned()),
            (None, Some(inside)) => inside.insert(r#""include_usage":true"#.to_owned()),
            (None, None) => replace(body, &self.value, r#"{"include_usage":true}"#.to_owned()),
        }
    }
}

/// A splice, unless what it would put there stands there.
fn replace(body: &[u8], place: &Range<usize>, text: String) -> Option<Splice> {
    (body.get(place.clone()) != Some(text.as_bytes())).then(|| Splice { place: place.clone(), text })
}
