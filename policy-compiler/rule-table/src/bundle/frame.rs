//! Header, body, signatures: how a bundle's file begins and ends. It owns telling a damaged file from one that
//! is no bundle; it refuses to look into the body.

use super::signature::{SIGNATURE_BYTES, Signature, SigningKey};
use super::{BUNDLE_VERSION, BundleError, MAX_BUNDLE_BYTES};
use crate::digest::Digest;

/// How a bundle of any version begins.
pub(super) const NAME: &[u8] = b"sluicegate-bundle";

/// The parts of a file whose body is what the digest says.
pub(super) struct Frame<'a> {
    pub(super) digest: Digest,
    pub(super) body: &'a [u8],
    pub(super) signatures: Vec<Signature>,
}

/// Bytes still to be read.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

pub(super) fn write(body: &[u8], keys: &[SigningKey]) -> Vec<u8> {
    let digest = Digest::of(body);
    let mut bytes = Vec::with_capacity(64 + body.len() + keys.len() * SIGNATURE_BYTES);
    bytes.extend_from_slice(NAME);
    bytes.push(0);
    bytes.extend_from_slice(&BUNDLE_VERSION.to_le_bytes());
    bytes.extend_from_slice(digest.raw());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let keys = keys.get(..keys.len().min(usize::from(u8::MAX))).unwrap_or_default();
    bytes.push(keys.len() as u8);
    bytes.extend_from_slice(body);
    for key in keys {
        Signature::make(key, &digest).write(&mut bytes);
    }
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Frame<'_>, BundleError> {
    let rest = bytes.strip_prefix(NAME).ok_or(BundleError::NotABundle)?;
    if let Some(text) = rest.strip_prefix(b" ") {
        return Err(written_as_text(text));
    }
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(BundleError::TooLarge(bytes.len()));
    }
    let mut cursor = Cursor(rest);
    match cursor.take() {
        Some([0]) => {}
        Some(_) => return Err(BundleError::NotABundle),
        None => return Err(BundleError::Truncated(1)),
    }
    let version = u16::from_le_bytes(cursor.take().ok_or(BundleError::Truncated(1))?);
    if version != BUNDLE_VERSION {
        return Err(BundleError::UnsupportedVersion(version.into()));
    }
    let stated = Digest::from_raw(cursor.take().ok_or(BundleError::Truncated(1))?);
    let length = u64::from_le_bytes(cursor.take().ok_or(BundleError::Truncated(1))?);
    let [signed] = cursor.take().ok_or(BundleError::Truncated(1))?;
    let expected = length.saturating_add(u64::from(signed) * SIGNATURE_BYTES as u64);
    let there = cursor.0.len() as u64;
    if there < expected {
        return Err(BundleError::Truncated(expected - there));
    }
    let body = usize::try_from(length).ok().and_then(|length| cursor.slice(length));
    let body = body.ok_or(BundleError::Truncated(1))?;
    let actual = Digest::of(body);
    if actual != stated {
        return Err(BundleError::ChecksumMismatch { stated, actual });
    }
    let mut signatures = Vec::with_capacity(signed.into());
    for _ in 0..signed {
        signatures.push(Signature::read(&mut cursor).ok_or(BundleError::UnknownSignature)?);
    }
    if !cursor.0.is_empty() {
        return Err(BundleError::TrailingBytes(cursor.0.len()));
    }
    Ok(Frame { digest: actual, body, signatures })
}

/// Version 1 was a line of text and JSON.
fn written_as_text(rest: &[u8]) -> BundleError {
    let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    if number == 0 { BundleError::NotABundle } else { BundleError::UnsupportedVersion(number) }
}
