//! One event as it came over the wire. It owns the reading of its fields; it refuses to change it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memchr2};

/// A block of lines up to and with the blank line that closes it. A block may hold comments only, or
/// be a lone blank line; then it [has no data](Self::data), and the standard dispatches nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    raw: Bytes,
    lead: usize,
}

impl Event {
    pub(super) fn new(raw: Bytes, lead: usize) -> Self {
        Self { raw, lead }
    }

    /// The bytes as they arrived, line ends included, to be relayed unchanged.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The bytes as they arrived, by value.
    #[must_use]
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// The data: the values of the `data` fields, joined by LF. Borrowed from
    /// [`raw`](Self::raw) when there is one such field, as there nearly always is.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut values = self.fields().filter_map(|(name, value)| (name == b"data").then_some(value));
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
        Some(Cow::Owned(joined))
    }

    /// Where in [`raw`](Self::raw) the data stands, when it is the value of a single field.
    #[must_use]
    pub fn data_range(&self) -> Option<Range<usize>> {
        let mut fields = self.fields();
        let mut found = None;
        while let Some((name, value)) = fields.next() {
            if name == b"data" && found.replace(fields.range_of(value)).is_some() {
                return None;
            }
        }
        found
    }

    /// The event's type: the last `event` field. Absent means `message`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.last(b"event")
    }

    /// The event's id: the last `id` field that holds no NUL.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.fields()
            .filter(|(name, value)| *name == b"id" && memchr(0, value).is_none())
            .map(|field| field.1)
            .last()
    }

    /// Every field in order as name and value; comments are left out.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields { raw: &self.raw, at: self.lead, value_end: 0 }
    }

    fn last(&self, wanted: &[u8]) -> Option<&[u8]> {
        self.fields().filter(|(name, _)| *name == wanted).map(|field| field.1).last()
    }
}

/// Only sizes: an event's bytes are content.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("raw_bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Iterator over an event's fields.
#[derive(Clone)]
pub struct Fields<'e> {
    raw: &'e [u8],
    at: usize,
    /// Where the last value ended.
    value_end: usize,
}

impl Fields<'_> {
    /// Where the value that was given out last stands.
    fn range_of(&self, value: &[u8]) -> Range<usize> {
        self.value_end - value.len()..self.value_end
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'e> Iterator for Fields<'e> {
    type Item = (&'e [u8], &'e [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.raw.get(self.at..).filter(|rest| !rest.is_empty())?;
            let line = rest.get(..memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()))?;
            self.value_end = self.at + line.len();
            // The LF of a CRLF makes an empty line, which is passed over like any other.
            self.at = self.value_end + 1;
            match memchr(b':', line) {
                None if line.is_empty() => {}
                None => return Some((line, b"")),
                Some(0) => {}
                Some(colon) => {
                    let (name, value) = line.split_at_checked(colon)?;
                    let value = value.get(1..).unwrap_or_default();
                    return Some((name, value.strip_prefix(b" ").unwrap_or(value)));
                }
            }
        }
    }
}
