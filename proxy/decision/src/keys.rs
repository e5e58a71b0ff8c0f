//! Which consumer a presented API key belongs to. It owns the lookup by hash; it refuses to keep, print
//! or compare a key in the clear.

use std::collections::HashMap;

use http::HeaderValue;
use rule_table::{Consumer, ConsumerId};
use sha2::{Digest, Sha256};

/// Consumers by SHA-256 of their keys. Looking up a hash gives nothing away by its timing: what is
/// compared is not the secret.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    by_hash: HashMap<[u8; 32], ConsumerId>,
}

impl KeyIndex {
    pub(crate) fn build(consumers: &[Consumer]) -> Self {
        let mut by_hash = HashMap::new();
        for (id, consumer) in (0..).zip(consumers) {
            for hash in consumer.keys.iter().filter_map(|key| parse_hash(&key.sha256)) {
                by_hash.insert(hash, id);
            }
        }
        Self { by_hash }
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<ConsumerId> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        self.by_hash.get(&hash).copied()
    }
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0_u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// The key of an `Authorization: Bearer …` or, as Azure's clients send it, an `api-key` header, or
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
mod tests {
    use super::*;

    fn consumer(name: &str, key: &str) -> Consumer {
        let hash = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let key = rule_table::Key { name: "one".into(), sha256: hash, prefix: None, expires: None };
        Consumer {
            name: name.into(),
            keys: vec![key],
            credentials: Vec::new(),
            team: None,
            limits: Vec::new(),
            priority: None,
        }
    }

    #[test]
    fn a_key_finds_its_consumer_and_no_other() {
        let index = KeyIndex::build(&[consumer("a", "sk-a"), consumer("b", "sk-b")]);
        assert_eq!(index.find(b"sk-b"), Some(1));
        assert_eq!(index.find(b"sk-c"), None);
        assert_eq!(index.find(b""), None);
    }

    #[test]
    fn keys_are_read_from_bearer_and_api_key_headers_only() {
        let headers = |name: &'static str, value: &'static str| {
            http::HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )])
        };
        assert_eq!(presented(&headers("authorization", "Bearer sk-a")), Some(&b"sk-a"[..]));
        assert_eq!(presented(&headers("authorization", "bearer sk-a")), Some(&b"sk-a"[..]));
        assert_eq!(presented(&headers("api-key", "sk-a")), Some(&b"sk-a"[..]));
        assert_eq!(presented(&headers("x-api-key", "sk-a")), Some(&b"sk-a"[..]));
        assert_eq!(presented(&headers("authorization", "Basic c2stYQ==")), None);
        assert_eq!(presented(&headers("authorization", "Bearer ")), None);
        assert_eq!(presented(&headers("x-key", "sk-a")), None);
    }
}
