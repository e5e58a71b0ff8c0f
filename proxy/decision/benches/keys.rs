//! What knowing a caller costs: a key among a million, a token met for the first time and again.
#![expect(missing_docs, reason = "criterion's macro makes a public function without any")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot be set up is best ended"
)]
#![expect(clippy::print_stderr, reason = "bytes per key are a figure of this bench")]

#[path = "../tests/properties/mod.rs"]
#[allow(dead_code, reason = "of the properties only their gate and its signers are used")]
mod properties;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use decision::keys::{Found, KeyIndex, Known, NEVER, hash};
use decision::{Exchange, Head};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;
use vocabulary::Moment;

use properties::minting::Signer;
use properties::{ISSUER, NOW, believing};

const KEYS: u64 = 1_000_000;

/// As long as the product's own keys.
fn key(number: u64) -> String {
    format!("sk-sg-{number:048x}")
}

fn keys(criterion: &mut Criterion) {
    let known = Known { owner: 0, terms: 0, expires: NEVER };
    let index = KeyIndex::new((0..KEYS).map(|number| (hash(key(number).as_bytes()), known)));
    eprintln!("a million keys: {} bytes, {} each", index.bytes(), index.bytes() as u64 / KEYS);
    let presented: Vec<String> = (0..4096).map(|n| key(n * 2_654_435_761 % (2 * KEYS))).collect();
    let mut next = 0;
    criterion.bench_function("a key among a million, hashed, found or not", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % presented.len();
            let found = index.find(&hash(black_box(presented[next].as_bytes())), NOW);
            black_box(!matches!(found, Found::Unknown))
        });
    });
}

/// About as long as one of Entra's.
fn token(signer: &Signer) -> String {
    let groups: Vec<String> = (0..6).map(|n| format!("00000000-0000-0000-0000-{n:012}")).collect();
    let claims = json!({
        "iss": ISSUER, "aud": "api://llm", "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": "9122040d-6c67-4c5b-b112-36a304b66dad",
        "name": "Ada Lovelace", "preferred_username": "ada@corp.example", "scp": "llm.use", "ver": "2.0",
        "exp": NOW + 3600, "nbf": NOW - 60, "iat": NOW - 60, "groups": groups,
    });
    signer.token("k1", &claims)
}

fn tokens(criterion: &mut Criterion) {
    for signer in [Signer::rsa(), Signer::p256()] {
        let (gate, token) = (believing(&signer), token(&signer));
        let algorithm = signer.algorithm();
        eprintln!("a token of {} bytes, {algorithm}", token.len());
        criterion.bench_function(&format!("a token met for the first time, {algorithm}"), |bencher| {
            bencher.iter(|| gate.verify_token(black_box(token.as_bytes()), NOW).unwrap());
        });
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let head = Head { host: "gateway.example", path: "/v1/models", query: "", headers: &headers };
        let arrived = NOW * 1_000_000_000;
        let mut exchange =
            Exchange::new(Arc::clone(&gate), "bench".to_owned(), Method::GET, Moment::ZERO, arrived);
        criterion.bench_function(&format!("a token met again, all of identify, {algorithm}"), |bencher| {
            bencher.iter(|| exchange.identify(black_box(&head)).unwrap());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = keys, tokens
}
criterion_main!(benches);
