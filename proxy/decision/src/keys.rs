//! Which consumer a presented API key belongs to. It owns the look-up by hash and until when a key is good;
//! it refuses to keep, print or compare a key in the clear.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use http::HeaderValue;
use ring::digest;
use rule_table::{Consumer, ConsumerId};

mod issued;

pub use issued::{IssuedKey, IssuedKeys};
pub(crate) use issued::{Owner, Terms};

/// SHA-256 of a key.
pub type KeyHash = [u8; 32];

/// What is known of a key. Small, for there may be a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose it is: an index that the index's owner understands, such as a [`ConsumerId`].
    pub owner: u32,
    /// What else is said of it: an index that the index's owner understands.
    pub terms: u32,
    /// Unix seconds from which it is refused; never when it is [`NEVER`].
    pub expires: u32,
}

/// A moment that does not come: the end of a key without one.
pub const NEVER: u32 = u32::MAX;

/// What a presented key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody's.
    Unknown,
    /// Somebody's, once.
    Expired,
    /// Good.
    Good(Known),
}

/// Keys by their SHA-256. A presented key is hashed before anything is looked at, and what is compared then
/// are hashes: how long that takes tells how much of a hash agrees, never how much of a key, and nobody can
/// choose keys by their hashes' first bytes without trying them all.
#[derive(Debug, Default)]
pub struct KeyIndex {
    by_hash: HashMap<KeyHash, Known, BuildHasherDefault<Uniform>>,
}

/// The first bytes of a hash are as good a hash as any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// An array writes its length first, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

impl KeyIndex {
    /// An index of these; the last one wins where a hash comes twice.
    pub fn new(keys: impl IntoIterator<Item = (KeyHash, Known)>) -> Self {
        let mut by_hash: HashMap<_, _, _> = keys.into_iter().collect();
        by_hash.shrink_to_fit();
        Self { by_hash }
    }

    /// The keys of the manifest, whose owner is a [`ConsumerId`].
    pub(crate) fn of_consumers(consumers: &[Consumer]) -> Self {
        let keys = (0..).zip(consumers).flat_map(|(id, consumer)| {
            consumer.keys.iter().filter_map(move |key| {
                let expires = key.expires.map_or(NEVER, short);
                Some((parse_hash(&key.sha256)?, Known { owner: id as ConsumerId, terms: 0, expires }))
            })
        });
        Self::new(keys)
    }

    /// What this hash is `now`, in Unix seconds.
    #[must_use]
    pub fn find(&self, hash: &KeyHash, now: u64) -> Found {
        match self.by_hash.get(hash) {
            None => Found::Unknown,
            Some(known) if known.expires != NEVER && now >= u64::from(known.expires) => Found::Expired,
            Some(known) => Found::Good(*known),
        }
    }

    /// Bytes the index takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.by_hash.allocation_size()
    }
}

/// Unix seconds in four bytes, good until 2106; what is later counts as [`NEVER`].
pub(crate) fn short(unix_seconds: u64) -> u32 {
    u32::try_from(unix_seconds).unwrap_or(NEVER)
}

/// SHA-256 of what was presented.
#[must_use]
pub fn hash(key: &[u8]) -> KeyHash {
    #[cfg(test)]
    tests::HASHED.set(tests::HASHED.get() + 1);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, key).as_ref());
    hash
}

/// A hash written as 64 hex digits.
#[must_use]
pub fn parse_hash(text: &str) -> Option<KeyHash> {
    let mut hash = [0_u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The key or token of an `Authorization: Bearer …` or, as Azure's clients send it, an `api-key` header, or
/// Anthropic's `x-api-key`.
pub(crate) fn presented(headers: &http::HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        return (scheme.eq_ignore_ascii_case(b"bearer ") && !key.is_empty()).then(|| key.trim_ascii());
    }
    let named = |name: &str| headers.get(name).map(HeaderValue::as_bytes).filter(|key| !key.is_empty());
    named("api-key").or_else(|| named("x-api-key"))
}

#[cfg(test)]
mod tests;
