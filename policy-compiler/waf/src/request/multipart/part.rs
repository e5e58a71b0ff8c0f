//! One part: its head, read line by line, and its content.

use super::super::{Body, Pair};
use super::{FilePart, Multipart};

/// Lines of a part's head.
const HEADERS: usize = 64;

/// A part while it is read.
#[derive(Debug, Default)]
pub(super) struct Part {
    headers: Vec<Vec<u8>>,
    content: Vec<u8>,
    in_content: bool,
    /// The end of the last line, which belongs to the boundary if one follows.
    held: Vec<u8>,
}

/// What `Content-Disposition` says.
#[derive(Debug, Default)]
struct Disposition {
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
}

impl Part {
    pub(super) fn is_in_head(&self) -> bool {
        !self.in_content
    }

    pub(super) fn line(&mut self, text: &[u8], end: &[u8], multipart: &mut Multipart) {
        if self.in_content {
            self.content.append(&mut self.held);
            self.content.extend_from_slice(text);
            self.held = end.to_vec();
        } else if text.is_empty() {
            self.in_content = true;
        } else if text.first().is_some_and(u8::is_ascii_whitespace) {
            self.folded(text, multipart);
        } else if self.headers.len() < HEADERS && memchr::memchr(b':', text).is_some() {
            self.headers.push(text.to_vec());
        } else {
            multipart.invalid_part = true;
        }
    }

    fn folded(&mut self, text: &[u8], multipart: &mut Multipart) {
        multipart.header_folding = true;
        multipart.invalid_header_folding |= !matches!(text.first(), Some(b' ' | b'\t'));
        match self.headers.last_mut() {
            Some(header) => {
                header.push(b' ');
                header.extend_from_slice(text.trim_ascii_start());
            }
            None => multipart.invalid_part = true,
        }
    }

    pub(super) fn finish(self, multipart: &mut Multipart, read: &mut Body) {
        let disposition = self.headers.iter().find_map(|header| {
            let (name, value) = header.split_at_checked(memchr::memchr(b':', header)?)?;
            name.trim_ascii()
                .eq_ignore_ascii_case(b"content-disposition")
                .then(|| value.get(1..).unwrap_or_default())
        });
        let disposition = disposition.and_then(|value| Disposition::read(value, multipart));
        let Some((name, filename)) = disposition.and_then(|one| Some((one.name?, one.filename))) else {
            multipart.invalid_part = true;
            return;
        };
        for header in self.headers {
            multipart.part_headers.push(Pair { name: name.clone(), value: header });
        }
        multipart.names.push(Pair { name: name.clone(), value: name.clone() });
        match filename {
            Some(filename) => multipart.files.push(FilePart { name, filename, content: self.content }),
            None => read.args.push(Pair { name, value: self.content }),
        }
    }
}

impl Disposition {
    /// `form-data; name="a"; filename="b"`. Nothing where it is something else.
    fn read(value: &[u8], multipart: &mut Multipart) -> Option<Self> {
        let value = value.trim_ascii();
        let mut rest = strip_word(value, b"form-data")?;
        let mut found = Self::default();
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return Some(found);
            }
            match rest.strip_prefix(b";") {
                Some(after) => rest = after.trim_ascii_start(),
                None => multipart.missing_semicolon = true,
            }
            if rest.is_empty() {
                return Some(found);
            }
            let equals = memchr::memchr(b'=', rest)?;
            let (name, after) = rest.split_at_checked(equals)?;
            let (text, left) = parameter(after.get(1..)?.trim_ascii_start(), multipart)?;
            rest = left;
            let slot = match name.trim_ascii().to_ascii_lowercase().as_slice() {
                b"name" => &mut found.name,
                b"filename" => &mut found.filename,
                b"filename*" => {
                    multipart.invalid_part = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(text).is_some() {
                return None;
            }
        }
    }
}

fn strip_word<'v>(value: &'v [u8], word: &[u8]) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

/// A value in quotes, with `\"` and `\\`, or a bare one.
fn parameter<'v>(value: &'v [u8], multipart: &mut Multipart) -> Option<(Vec<u8>, &'v [u8])> {
    let quote = *value.first()?;
    if quote == b'\'' {
        multipart.invalid_quoting = true;
    }
    if quote != b'"' && quote != b'\'' {
        let end = value.iter().position(|byte| matches!(byte, b';' | b' ')).unwrap_or(value.len());
        let (text, rest) = value.split_at_checked(end)?;
        multipart.invalid_quoting |= text.contains(&b'"');
        return Some((text.to_vec(), rest));
    }
    let mut text = Vec::new();
    let mut left = value.get(1..)?;
    loop {
        let (first, after) = left.split_first()?;
        left = after;
        match first {
            b'\\' if matches!(after.first(), Some(b'"' | b'\\')) => {
                text.extend(after.first());
                left = after.get(1..)?;
            }
            byte if *byte == quote => return Some((text, left)),
            byte => text.push(*byte),
        }
    }
}
