//! The strict reading of a request's fields. It owns what is refused: two keys where one can count, what is not
//! UTF-8, too much of anything. It refuses to guess which of two readings a backend would choose.

use std::borrow::Cow;
use std::collections::HashSet;

use wire::json::{Fault, Kind, Problem, Reader, Text};

use super::schema::At;
use super::{Bounds, Class, Classes, Field, Fields, Schema};

/// Why a document is refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct FieldFault {
    /// What is wrong.
    pub problem: FieldProblem,
    /// Bytes from the start of the document.
    pub offset: usize,
}

/// The ways a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// Not strict JSON.
    #[error("{0}")]
    Syntax(Problem),
    /// Something else than an object.
    #[error("the body is not an object")]
    NotAnObject,
    /// A key comes twice, or again in other letters.
    #[error("a key comes twice")]
    DuplicateKey,
    /// A key is too long.
    #[error("a key is too long")]
    LongKey,
    /// Nested too deep.
    #[error("nested too deep")]
    Depth,
    /// Too many values.
    #[error("too many values")]
    TooMany,
    /// A number that no double holds, or with too many digits.
    #[error("a number out of range")]
    Number,
}

/// Reads a document strictly.
///
/// Every object's keys are different, also in letters where the schema names them; text is UTF-8 without half
/// surrogates; numbers are finite. Strings of `exempt` classes are left out of [`Fields::visible`]; media counts as
/// exempt only where it looks like base64 or a `data:` or `https:` address. Arguments of tools that are JSON in a
/// string are read like the rest.
///
/// # Errors
///
/// What was wrong first.
pub fn read(schema: &Schema, body: &[u8], bounds: &Bounds, exempt: Classes) -> Result<Fields, FieldFault> {
    let reader = Reader::new(body)?;
    let mut walk = Walk {
        schema,
        bounds,
        exempt,
        reader,
        fields: Fields {
            canonical: Vec::with_capacity(body.len()),
            visible: Vec::with_capacity(body.len().min(4096)),
            ..Fields::default()
        },
        path: String::from("json"),
        values: 0,
        depth: 0,
        message: None,
        writes: true,
    };
    if walk.reader.peek()? != Kind::Object {
        return Err(walk.fault(FieldProblem::NotAnObject));
    }
    walk.value(schema.root(), Class::Unknown)?;
    walk.reader.finish()?;
    Ok(walk.fields)
}

impl From<Fault> for FieldFault {
    fn from(fault: Fault) -> Self {
        Self { problem: FieldProblem::Syntax(fault.problem), offset: fault.offset }
    }
}

struct Walk<'s, 'b> {
    schema: &'s Schema,
    bounds: &'s Bounds,
    exempt: Classes,
    reader: Reader<'b>,
    fields: Fields,
    path: String,
    values: usize,
    depth: usize,
    message: Option<u32>,
    /// Whether what is read is written out: not inside a string.
    writes: bool,
}

impl<'b> Walk<'_, 'b> {
    fn fault(&self, problem: FieldProblem) -> FieldFault {
        FieldFault { problem, offset: self.reader.offset() }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.writes {
            self.fields.canonical.extend_from_slice(bytes);
            self.fields.visible.extend_from_slice(bytes);
        }
    }

    /// `floor` is the class of what the schema does not know: unknown, except inside arguments of tools.
    fn value(&mut self, at: At, floor: Class) -> Result<(), FieldFault> {
        self.values = self.values.saturating_add(1);
        if self.values > self.bounds.values {
            return Err(self.fault(FieldProblem::TooMany));
        }
        match self.reader.peek()? {
            Kind::Object => self.nested(|walk| walk.object(at, floor)),
            Kind::Array => self.nested(|walk| walk.array(at, floor)),
            Kind::String => {
                let text = self.reader.string()?;
                self.string(self.class(at, floor), text)
            }
            Kind::Number => self.number(),
            Kind::Bool => {
                let word = if self.reader.boolean()? { "true" } else { "false" };
                self.write(word.as_bytes());
                Ok(())
            }
            Kind::Null => {
                self.reader.null()?;
                self.write(b"null");
                Ok(())
            }
        }
    }

    fn class(&self, at: At, floor: Class) -> Class {
        match self.schema.class(at) {
            Class::Unknown => floor,
            known => known,
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<(), FieldFault>) -> Result<(), FieldFault> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > self.bounds.depth {
            return Err(self.fault(FieldProblem::Depth));
        }
        let end = self.path.len();
        read(self)?;
        self.path.truncate(end);
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn object(&mut self, at: At, floor: Class) -> Result<(), FieldFault> {
        self.reader.begin_object()?;
        self.write(b"{");
        let mut keys = Keys { seen: HashSet::new(), any_case: self.schema.names_keys(at) };
        let end = self.path.len();
        let mut first = true;
        while let Some(key) = self.reader.next_key()? {
            if key.len() > self.bounds.key_bytes {
                return Err(self.fault(FieldProblem::LongKey));
            }
            let key = key.decode();
            if !keys.is_new(&key) {
                return Err(self.fault(FieldProblem::DuplicateKey));
            }
            if !std::mem::take(&mut first) {
                self.write(b",");
            }
            self.key(&key);
            self.path.truncate(end);
            self.path.push('.');
            self.path.push_str(&key);
            let below = self.schema.key(at, &key);
            self.value(below, floor)?;
        }
        self.write(b"}");
        Ok(())
    }

    fn key(&mut self, key: &str) {
        if self.writes {
            let start = self.fields.canonical.len();
            quote(&mut self.fields.canonical, key);
            self.fields.canonical.push(b':');
            let written = self.fields.canonical.get(start..).unwrap_or_default();
            self.fields.visible.extend_from_slice(written);
        }
    }

    fn array(&mut self, at: At, floor: Class) -> Result<(), FieldFault> {
        self.reader.begin_array()?;
        self.write(b"[");
        let end = self.path.len();
        let messages = matches!(self.path.as_str(), "json.messages" | "json.input") && self.writes;
        let below = self.schema.element(at);
        let mut number = 0u32;
        while self.reader.next_element()? {
            if number > 0 {
                self.write(b",");
            }
            self.path.truncate(end);
            self.path.push_str(".array_");
            self.path.push_str(&number.to_string());
            if messages {
                self.message = Some(number);
                self.fields.roles.push(String::new());
            }
            self.value(below, floor)?;
            number = number.saturating_add(1);
        }
        if messages {
            self.message = None;
        }
        self.write(b"]");
        Ok(())
    }

    fn number(&mut self) -> Result<(), FieldFault> {
        let digits = self.reader.number()?;
        let finite = digits.parse::<f64>().is_ok_and(f64::is_finite);
        if digits.len() > self.bounds.number_digits || !finite {
            return Err(self.fault(FieldProblem::Number));
        }
        self.write(digits.as_bytes());
        Ok(())
    }

    fn string(&mut self, class: Class, text: Text<'b>) -> Result<(), FieldFault> {
        let value = text.decode();
        let class = if class == Class::Media && !is_media(&value) { Class::Unknown } else { class };
        if self.writes {
            quote(&mut self.fields.canonical, &value);
            if self.exempt.has(class) {
                self.fields.visible.extend_from_slice(b"\"\"");
            } else {
                quote(&mut self.fields.visible, &value);
            }
        }
        if self.message.is_some()
            && class == Class::Structure
            && self.path.ends_with(".role")
            && let Some(role) = self.fields.roles.last_mut()
        {
            role.clear();
            role.push_str(&value);
        }
        if class == Class::ToolArguments && self.writes && self.arguments(&value) {
            return Ok(());
        }
        self.keep(class, value);
        Ok(())
    }

    fn keep(&mut self, class: Class, value: Cow<'_, str>) {
        self.fields.fields.push(Field {
            path: self.path.clone(),
            class,
            value: value.into_owned(),
            message: self.message,
        });
    }

    /// Arguments that are JSON in a string: each of their strings is a field. Whether they were.
    fn arguments(&mut self, text: &str) -> bool {
        let Ok(reader) = Reader::new(text.as_bytes()) else { return false };
        let mut inner = Walk {
            schema: self.schema,
            bounds: self.bounds,
            exempt: self.exempt,
            reader,
            fields: Fields::default(),
            path: self.path.clone(),
            values: self.values,
            depth: self.depth,
            message: self.message,
            writes: false,
        };
        let nowhere = At::nowhere();
        let is_document = matches!(inner.reader.peek(), Ok(Kind::Object | Kind::Array))
            && inner.value(nowhere, Class::ToolArguments).is_ok()
            && inner.reader.finish().is_ok();
        if is_document {
            self.values = inner.values;
            self.fields.fields.append(&mut inner.fields.fields);
        }
        is_document
    }
}

struct Keys {
    seen: HashSet<String>,
    any_case: bool,
}

impl Keys {
    fn is_new(&mut self, key: &str) -> bool {
        let key = if self.any_case { key.to_lowercase() } else { key.to_owned() };
        self.seen.insert(key)
    }
}

/// Base64, or an address that holds or leads to media.
fn is_media(value: &str) -> bool {
    let (head, data) = match value.strip_prefix("data:") {
        Some(rest) => match rest.split_once(";base64,") {
            Some((head, data)) => (head, data),
            None => return false,
        },
        None => ("", value),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'+' | b'-');
    head.len() <= 100
        && head.bytes().all(plain)
        && data
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='))
}

/// Writes a string with the fewest escapes (RFC 8259, section 7).
fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
