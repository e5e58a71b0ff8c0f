//! Pulls typed values out of a JSON document and remembers where one was wrong. It owns places, strings
//! that are carried over without being unescaped, and the refusal of a field that comes twice; it refuses
//! to build a tree, so that a body costs no more memory than what is kept of it.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::json::{self, Kind, Reader};

/// Most members of an object that is read. Schemas and arguments are carried over unread.
const MAX_MEMBERS: usize = 64;

/// A value that cannot be used: where it stands and why. Never quotes it.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the inside out.
    steps: Vec<Step>,
    why: &'static str,
}

#[derive(Debug)]
enum Step {
    Field(String),
    Index(usize),
}

pub(super) type Read<T> = Result<T, Fault>;

impl Fault {
    /// A fault of the value that is being read.
    pub(super) fn here(why: &'static str) -> Self {
        Self { steps: Vec::new(), why }
    }

    /// A fault of a member of the object that is being read.
    pub(super) fn at(field: &str, why: &'static str) -> Self {
        Self::here(why).inside(field)
    }

    /// The fault, seen from the object whose member `field` holds it.
    pub(super) fn inside(mut self, field: &str) -> Self {
        self.steps.push(Step::Field(field.to_owned()));
        self
    }

    fn element(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    pub(super) fn why(&self) -> &'static str {
        self.why
    }

    /// The place, such as `messages[3].content[0].type`; `body` when it is the document itself.
    pub(super) fn place(&self) -> String {
        let mut place = String::new();
        for step in self.steps.iter().rev() {
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Field(name) if place.is_empty() => write!(place, "{name}"),
                Step::Field(name) => write!(place, ".{name}"),
                Step::Index(index) => write!(place, "[{index}]"),
            };
        }
        if place.is_empty() { "body".to_owned() } else { place }
    }
}

/// Adds a step to a fault's place. A syntax error has no place: the member it lies in may be one the
/// sender made up, whose name is not ours to repeat.
fn locate(fault: Fault, step: impl FnOnce(Fault) -> Fault) -> Fault {
    if fault.why == NOT_JSON { fault } else { step(fault) }
}

/// A string as it stands in a document, quotes and escapes included, so that text is checked once and
/// copied once on its way from one dialect to another.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Str<'a>(Cow<'a, str>);

impl<'a> Str<'a> {
    /// The literal of a text.
    pub(super) fn of(text: &str) -> Str<'static> {
        let mut writer = super::writer::Writer::default();
        writer.text(text);
        Str(Cow::Owned(String::from_utf8(writer.into_bytes()).unwrap_or_default()))
    }

    /// Several texts as one, with `between` between them.
    pub(super) fn joined(texts: Vec<Self>, between: &str) -> Self {
        match <[Self; 1]>::try_from(texts) {
            Ok([text]) => text,
            Err(texts) => {
                let texts: Vec<_> = texts.iter().map(Self::decode).collect();
                Str::of(&texts.join(between))
            }
        }
    }

    /// The literal, quotes included.
    pub(super) fn literal(&self) -> &str {
        &self.0
    }

    /// The literal between its quotes.
    pub(super) fn inner(&self) -> &str {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inner().is_empty()
    }

    /// Bytes of the text that the literal stands for.
    pub(super) fn text_bytes(&self) -> u64 {
        let bytes = |piece| match piece {
            json::Piece::Plain(plain) => plain.len() as u64,
            json::Piece::Escaped(value) => value.len_utf8() as u64,
        };
        let text = Reader::new(self.0.as_bytes()).and_then(|mut reader| reader.string());
        text.map(|text| text.pieces().map(bytes).sum()).unwrap_or_default()
    }

    /// The text that the literal stands for.
    pub(super) fn decode(&self) -> Cow<'_, str> {
        decode(&self.0)
    }

    /// The same, by value.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self.0 {
            Cow::Borrowed(literal) => decode(literal),
            Cow::Owned(literal) => Cow::Owned(decode(&literal).into_owned()),
        }
    }
}

fn decode(literal: &str) -> Cow<'_, str> {
    // The literal has been read as a string before: this cannot fail.
    Reader::new(literal.as_bytes())
        .and_then(|mut reader| reader.string())
        .map(json::Text::decode)
        .unwrap_or_default()
}

/// A document that is being read.
pub(super) struct Input<'a> {
    reader: Reader<'a>,
    text: &'a str,
}

/// Reads a whole document, which must be one JSON value and nothing after it.
pub(super) fn read<'a, T>(document: &'a [u8], value: impl FnOnce(&mut Input<'a>) -> Read<T>) -> Read<T> {
    let reader = Reader::new(document).map_err(syntax)?;
    let text = std::str::from_utf8(document).unwrap_or_default();
    let mut input = Input { reader, text };
    let value = value(&mut input)?;
    input.reader.finish().map_err(syntax)?;
    Ok(value)
}

fn syntax(_: json::Fault) -> Fault {
    Fault::here(NOT_JSON)
}

const NOT_JSON: &str = "is not valid JSON";

impl<'a> Input<'a> {
    pub(super) fn kind(&mut self) -> Read<Kind> {
        self.reader.peek().map_err(syntax)
    }

    /// Reads an object member by member; `member` must read each value. A member that comes twice is
    /// refused, for two parsers would read two things.
    pub(super) fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Read<()>) -> Read<()> {
        self.expect(Kind::Object, "must be an object")?;
        self.reader.begin_object().map_err(syntax)?;
        let mut seen: Vec<Cow<'a, str>> = Vec::with_capacity(8);
        while let Some(key) = self.reader.next_key().map_err(syntax)? {
            let key = key.decode();
            if seen.contains(&key) {
                return Err(Fault::here("has a field twice"));
            }
            if seen.len() == MAX_MEMBERS {
                return Err(Fault::here("has more than 64 fields"));
            }
            member(self, &key).map_err(|fault| locate(fault, |fault| fault.inside(&key)))?;
            seen.push(key);
        }
        Ok(())
    }

    /// Reads an array element by element; `element` must read each.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.expect(Kind::Array, "must be an array")?;
        self.reader.begin_array().map_err(syntax)?;
        let mut index = 0;
        while self.reader.next_element().map_err(syntax)? {
            element(self).map_err(|fault| locate(fault, |fault| fault.element(index)))?;
            index += 1;
        }
        Ok(())
    }

    /// Reads the value unless it is `null`, which is the same as absent.
    pub(super) fn unless_null<T>(&mut self, value: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.kind()? == Kind::Null {
            self.raw()?;
            return Ok(None);
        }
        value(self).map(Some)
    }

    pub(super) fn string(&mut self) -> Read<Str<'a>> {
        self.expect(Kind::String, "must be a string")?;
        let start = self.reader.offset();
        self.reader.string().map_err(syntax)?;
        Ok(Str(Cow::Borrowed(self.slice(start))))
    }

    /// A string of the protocol: a role, a type, a reason.
    pub(super) fn word(&mut self) -> Read<Cow<'a, str>> {
        self.string().map(Str::into_text)
    }

    pub(super) fn number(&mut self) -> Read<&'a str> {
        self.expect(Kind::Number, "must be a number")?;
        self.reader.number().map_err(syntax)
    }

    pub(super) fn count(&mut self) -> Read<u64> {
        self.number()?.parse().map_err(|_| Fault::here("must be a whole number that is not negative"))
    }

    pub(super) fn boolean(&mut self) -> Read<bool> {
        self.expect(Kind::Bool, "must be true or false")?;
        self.reader.boolean().map_err(syntax)
    }

    /// An object as it stands.
    pub(super) fn raw_object(&mut self) -> Read<&'a str> {
        self.expect(Kind::Object, "must be an object")?;
        self.raw()
    }

    /// Any value as it stands.
    pub(super) fn raw(&mut self) -> Read<&'a str> {
        let place = self.reader.skip().map_err(syntax)?;
        Ok(self.text.get(place).unwrap_or_default())
    }

    pub(super) fn skip(&mut self) -> Read<()> {
        self.raw().map(drop)
    }

    fn expect(&mut self, kind: Kind, otherwise: &'static str) -> Read<()> {
        if self.kind()? == kind { Ok(()) } else { Err(Fault::here(otherwise)) }
    }

    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.reader.offset()).unwrap_or_default()
    }
}

/// Whether a text is one JSON object.
pub(super) fn is_object(text: &str) -> bool {
    read(text.as_bytes(), |input| input.raw_object()).is_ok()
}
