//! `traceparent` and `tracestate` as bytes from a stranger (W3C Trace Context §3.2 and §3.3). It owns
//! the grammar; it refuses to repair what does not match it.

use std::fmt;

use super::{SpanId, TraceId};

/// Why a header is not a trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Wrong length, wrong separators or characters other than lower-case hex.
    #[error("traceparent is not `version-traceid-parentid-flags` in lower-case hex")]
    Malformed,
    /// Version `ff` is forbidden.
    #[error("traceparent has the forbidden version ff")]
    ForbiddenVersion,
    /// An id of zeros only.
    #[error("traceparent has an all-zero trace or parent id")]
    ZeroId,
    /// A key, a value or a separator outside the grammar.
    #[error("tracestate member {0} is not `key=value`")]
    Member(usize),
    /// The same key twice.
    #[error("tracestate member {0} repeats a key")]
    Duplicate(usize),
    /// More than 32 members or 8 KiB.
    #[error("tracestate is longer than 32 members or 8 KiB")]
    TooLong,
}

/// What a `traceparent` header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The sender's span.
    pub parent_id: SpanId,
    /// Whether the sender may have recorded it.
    pub sampled: bool,
}

const LENGTH: usize = 55;

impl TraceParent {
    /// Reads a header value. Versions after 00 may carry more fields, which are ignored.
    ///
    /// # Errors
    /// When the value is outside the grammar or has an id of zeros.
    pub fn parse(value: &[u8]) -> Result<Self, ContextError> {
        let (known, rest) = value.split_at_checked(LENGTH).ok_or(ContextError::Malformed)?;
        let mut fields = known.split(|byte| *byte == b'-');
        let mut field = || fields.next().unwrap_or_default();
        let [version] = hex::<1>(field())?;
        let trace_id = hex::<16>(field())?;
        let parent_id = hex::<8>(field())?;
        let [flags] = hex::<1>(field())?;
        if version == 0xff {
            return Err(ContextError::ForbiddenVersion);
        }
        let rest_allowed = rest.is_empty() || (version > 0 && rest.first() == Some(&b'-'));
        if !rest_allowed {
            return Err(ContextError::Malformed);
        }
        Ok(Self {
            trace_id: TraceId::new(trace_id).ok_or(ContextError::ZeroId)?,
            parent_id: SpanId::new(parent_id).ok_or(ContextError::ZeroId)?,
            sampled: flags & 1 == 1,
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, u8::from(self.sampled))
    }
}

fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], ContextError> {
    if digits.len() != 2 * N {
        return Err(ContextError::Malformed);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            *byte = *byte << 4 | nibble(*digit).ok_or(ContextError::Malformed)?;
        }
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const MAX_MEMBERS: usize = 32;
const MAX_BYTES: usize = 8 * 1024;

/// A checked `tracestate`: at most 32 `key=value` members, in the order they came.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TraceState(String);

impl TraceState {
    /// Reads all `tracestate` header values of a request as one list.
    ///
    /// # Errors
    /// When any member is outside the grammar, repeats a key, or there are too many.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ContextError> {
        let mut text = String::new();
        let mut count = 0;
        for value in values {
            for member in value.split(|byte| *byte == b',') {
                let member = trim(member);
                if member.is_empty() {
                    continue;
                }
                count += 1;
                if count > MAX_MEMBERS || text.len() + member.len() > MAX_BYTES {
                    return Err(ContextError::TooLong);
                }
                let member = checked(member).ok_or(ContextError::Member(count))?;
                let key = member.split('=').next().unwrap_or_default();
                if pairs(&text).any(|(known, _)| known == key) {
                    return Err(ContextError::Duplicate(count));
                }
                if !text.is_empty() {
                    text.push(',');
                }
                text.push_str(member);
            }
        }
        Ok(Self(text))
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The header's value, to be sent with a `traceparent`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The members in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.0)
    }
}

impl fmt::Debug for TraceState {
    /// Keys only: vendors put what they like into values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members().map(|(key, _)| key)).finish()
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').filter_map(|member| member.split_once('='))
}

fn trim(member: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = member.iter().position(|byte| !blank(byte)).unwrap_or(member.len());
    let end = member.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    member.get(start..end).unwrap_or_default()
}

fn checked(member: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(member).ok()?;
    let (key, value) = text.split_once('=')?;
    (key_is_valid(key) && value_is_valid(value)).then_some(text)
}

/// `simple-key`, or `tenant@system`.
fn key_is_valid(key: &str) -> bool {
    let tail =
        |text: &str| text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'));
    let lower = |text: &str| text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    match key.split_once('@') {
        None => key.len() <= 256 && lower(key) && tail(key),
        Some((tenant, system)) => {
            let tenant_starts = lower(tenant) || tenant.bytes().next().is_some_and(|b| b.is_ascii_digit());
            tenant.len() <= 241
                && tenant_starts
                && tail(tenant)
                && system.len() <= 14
                && lower(system)
                && tail(system)
        }
    }
}

/// Printable ASCII without `,` and `=`; blanks at the end were trimmed with the member.
fn value_is_valid(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 256
        && value.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b',' && b != b'=')
}
