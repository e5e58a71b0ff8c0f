//! Writes JSON front to back into one buffer. It owns commas and escapes; it refuses to know any dialect.

use super::document::Str;

/// A document under way.
#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    /// The innermost container has a member already.
    comma: bool,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), comma: false }
    }

    /// Writes on after what is in `out`, and leaves the whole there.
    pub(super) fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Self)) {
        let mut writer = Self { out: std::mem::take(out), comma: false };
        write(&mut writer);
        *out = writer.out;
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.container(b'{', b'}', members);
    }

    pub(super) fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.container(b'[', b']', elements);
    }

    /// The next member's key; its value must follow.
    pub(super) fn key(&mut self, key: &'static str) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.comma = false;
        self
    }

    /// A value that is JSON already.
    pub(super) fn raw(&mut self, json: &str) {
        self.value(|out| out.extend_from_slice(json.as_bytes()));
    }

    pub(super) fn string(&mut self, string: &Str<'_>) {
        self.raw(string.literal());
    }

    /// Several strings as one.
    pub(super) fn joined<'s>(&mut self, strings: impl Iterator<Item = &'s Str<'s>>) {
        self.value(|out| {
            out.push(b'"');
            strings.for_each(|string| out.extend_from_slice(string.inner().as_bytes()));
            out.push(b'"');
        });
    }

    /// A text, with what must be escaped escaped.
    pub(super) fn text(&mut self, text: &str) {
        self.value(|out| {
            out.push(b'"');
            escape(text, out);
            out.push(b'"');
        });
    }

    pub(super) fn number(&mut self, number: u64) {
        self.raw(&number.to_string());
    }

    pub(super) fn boolean(&mut self, truth: bool) {
        self.raw(if truth { "true" } else { "false" });
    }

    pub(super) fn null(&mut self) {
        self.raw("null");
    }

    /// Bytes outside any document: the framing of events.
    pub(super) fn frame(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.comma = false;
    }

    fn container(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(open);
        self.comma = false;
        inside(self);
        self.out.push(close);
        self.comma = true;
    }

    fn value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.separate();
        write(&mut self.out);
        self.comma = true;
    }

    fn separate(&mut self) {
        if std::mem::take(&mut self.comma) {
            self.out.push(b',');
        }
    }
}

/// RFC 8259 §7: quotation mark, reverse solidus and control characters must be escaped.
fn escape(text: &str, out: &mut Vec<u8>) {
    let must = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let mut rest = text.as_bytes();
    while let Some(length) = rest.iter().position(must) {
        let (plain, special) = rest.split_at(length);
        out.extend_from_slice(plain);
        match special.first() {
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', *byte]),
            Some(byte) => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
