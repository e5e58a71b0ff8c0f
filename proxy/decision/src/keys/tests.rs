//! Keys are found by their hashes, until they expire.

use std::cell::Cell;

use super::*;

fn consumer(name: &str, key: &str) -> Consumer {
    let hash = hash(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let key = rule_table::Key { name: "one".into(), sha256: hash, prefix: None, expires: Some(100) };
    Consumer {
        name: name.into(),
        keys: vec![key],
        credentials: Vec::new(),
        team: None,
        limits: Vec::new(),
        priority: None,
    }
}

fn owner(index: &KeyIndex, key: &[u8], now: u64) -> Option<u32> {
    match index.find(&hash(key), now) {
        Found::Good(known) => Some(known.owner),
        Found::Unknown | Found::Expired => None,
    }
}

#[test]
fn a_key_finds_its_consumer_and_no_other() {
    let index = KeyIndex::of_consumers(&[consumer("a", "sk-a"), consumer("b", "sk-b")]);
    assert_eq!(owner(&index, b"sk-b", 0), Some(1));
    assert_eq!(owner(&index, b"sk-c", 0), None);
    assert_eq!(owner(&index, b"", 0), None);
}

#[test]
fn a_key_is_refused_from_the_second_it_expires_and_is_told_apart_from_an_unknown_one() {
    let index = KeyIndex::of_consumers(&[consumer("a", "sk-a")]);
    assert_eq!(owner(&index, b"sk-a", 99), Some(0));
    assert_eq!(index.find(&hash(b"sk-a"), 100), Found::Expired);
    assert_eq!(index.find(&hash(b"sk-b"), 100), Found::Unknown);
}

#[test]
fn an_end_beyond_2106_is_none() {
    let known = Known { owner: 0, terms: 0, expires: short(u64::MAX) };
    let index = KeyIndex::new([(hash(b"k"), known)]);
    assert_eq!(index.find(&hash(b"k"), u64::MAX), Found::Good(known));
}

#[test]
fn a_million_keys_take_less_than_two_hundred_megabytes() {
    let known = Known { owner: 0, terms: 0, expires: NEVER };
    let index = KeyIndex::new((0..1_000_000_u64).map(|n| (hash(&n.to_le_bytes()), known)));
    assert!(index.bytes() < 200_000_000, "{} bytes", index.bytes());
    assert_eq!(index.find(&hash(&7_u64.to_le_bytes()), 0), Found::Good(known));
}

thread_local! {
    /// Hash operations of this test.
    pub(super) static HASHED: Cell<u32> = const { Cell::new(0) };
}

/// Timing is not measured, since a machine shared with others would make that a coin toss. What an answer costs
/// is counted: one hash of what was sent, whole, before anything is looked at, and look-ups by that hash.
#[test]
fn key_enumeration_by_timing_learns_nothing_since_any_key_costs_one_hash_and_hashes_alone_are_compared() {
    let secret = b"sk-sg-0123456789abcdef0123456789abcdef0123456789abcdef";
    let known = Known { owner: 0, terms: 0, expires: NEVER };
    let expired = Known { expires: 1, ..known };
    let index = KeyIndex::new([(hash(secret), known), (hash(b"sk-old"), expired)]);
    let cost = |key: &[u8]| {
        let before = HASHED.get();
        let found = index.find(&hash(key), 5);
        (found, HASHED.get() - before)
    };
    assert_eq!(cost(secret), (Found::Good(known), 1));
    assert_eq!(cost(b"sk-old"), (Found::Expired, 1));
    for shared in [0, 16, 40, secret.len() - 1] {
        let mut guess = *secret;
        guess[shared] ^= 1;
        assert_eq!(cost(&guess), (Found::Unknown, 1), "{shared} bytes are right");
        // Sharing any number of a key's first bytes shares nothing of its hash.
        let common = hash(secret).iter().zip(hash(&guess)).take_while(|(a, b)| **a == *b).count();
        assert!(common < 4, "{common} bytes of the hash agree");
    }
}

#[test]
fn an_issued_key_stands_for_its_consumer_on_its_terms_until_all_are_replaced() {
    let issued = IssuedKeys::default();
    let key = IssuedKey {
        sha256: hash(b"k"),
        consumer: "team".into(),
        expires: Some(10),
        routes: vec!["chat".into()],
        id: "1f0c".into(),
        limits: vocabulary::admin::keys::KeyLimits::default(),
    };
    issued.replace([key]);
    let Owner::Good(consumer, terms) = issued.find(&hash(b"k"), 9) else { panic!("not found") };
    assert_eq!(&*consumer, "team");
    assert!(terms.allow("chat") && !terms.allow("code"));
    assert_eq!(issued.find(&hash(b"k"), 10), Owner::Expired);
    issued.replace([]);
    assert_eq!(issued.find(&hash(b"k"), 9), Owner::Unknown);
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
