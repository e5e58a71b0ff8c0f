//! Edits of single fields by path. It owns the walk to the field and what happens on the way; it
//! refuses to look at anything beside the path.

use std::ops::Range;

use bytes::Bytes;

use super::layout::Inside;
use super::splice::{self, Splice};
use super::{FieldEdit, FieldOperation};
use crate::json::{Fault, Kind, Reader, member};

/// The body with one edit made.
pub(super) fn edit(body: &Bytes, edit: &FieldEdit<'_>) -> Result<Bytes, Fault> {
    let mut body = body.clone();
    loop {
        let mut reader = Reader::new(&body)?;
        let mut walk = Walk { body: &body, operation: edit.operation, splices: Vec::new() };
        walk.object(&mut reader, edit.path)?;
        reader.finish()?;
        let removed = edit.operation == FieldOperation::Remove && !walk.splices.is_empty();
        body = splice::apply(&body, walk.splices);
        if !removed {
            return Ok(body);
        }
        // A key that came twice: two members that go may share a comma, so each goes alone.
    }
}

struct Walk<'a> {
    body: &'a [u8],
    operation: FieldOperation<'a>,
    splices: Vec<Splice>,
}

impl Walk<'_> {
    fn object(&mut self, reader: &mut Reader<'_>, path: &[String]) -> Result<(), Fault> {
        let Some((name, rest)) = path.split_first() else {
            reader.skip()?;
            return Ok(());
        };
        reader.begin_object()?;
        let mut inside = Inside { open: reader.offset(), empty: true };
        let mut before = inside.open;
        let mut found = false;
        while let Some(key) = reader.next_key()? {
            if key.decode() == name.as_str() {
                found = true;
                if rest.is_empty() {
                    self.value(reader, before, inside.empty)?;
                } else {
                    self.step(reader, rest)?;
                }
            } else {
                reader.skip()?;
            }
            before = reader.offset();
            inside.empty = false;
        }
        if let (false, FieldOperation::Set(value) | FieldOperation::Default(value)) = (found, self.operation)
        {
            let added = format!("{}:{}", super::quoted(name), nested(rest, value));
            self.splices.extend(inside.insert(added));
        }
        Ok(())
    }

    /// The value of a key on the way.
    fn step(&mut self, reader: &mut Reader<'_>, rest: &[String]) -> Result<(), Fault> {
        let kind = reader.peek()?;
        if kind == Kind::Object {
            return self.object(reader, rest);
        }
        let place = reader.skip()?;
        match self.operation {
            FieldOperation::Set(value) => self.replace(&place, &nested(rest, value)),
            FieldOperation::Default(value) if kind == Kind::Null => {
                self.replace(&place, &nested(rest, value));
            }
            _ => {}
        }
        Ok(())
    }

    /// The value of the field itself; the value before its key ended at `before`.
    fn value(&mut self, reader: &mut Reader<'_>, before: usize, first: bool) -> Result<(), Fault> {
        let kind = reader.peek()?;
        let place = reader.skip()?;
        match self.operation {
            FieldOperation::Set(value) => self.replace(&place, value),
            FieldOperation::Default(value) if kind == Kind::Null => self.replace(&place, value),
            FieldOperation::Remove if self.splices.is_empty() => {
                let place = member(self.body, before, place.end, first);
                self.splices.push(Splice { place, text: String::new() });
            }
            FieldOperation::Clamp { min, max } if kind == Kind::Number => {
                let value =
                    self.body.get(place.clone()).and_then(|text| number(std::str::from_utf8(text).ok()?));
                if let Some(value) = value {
                    let low = min.filter(|min| number(min).is_some_and(|min| value < min));
                    let high = max.filter(|max| number(max).is_some_and(|max| value > max));
                    if let Some(text) = low.or(high) {
                        self.replace(&place, text);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn replace(&mut self, place: &Range<usize>, text: &str) {
        self.splices.extend(Splice::replace(self.body, place, text));
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// `value` inside of objects with these keys.
fn nested(path: &[String], value: &str) -> String {
    path.iter().rev().fold(value.to_owned(), |value, key| format!("{{{}:{value}}}", super::quoted(key)))
}
