//! Stage 3: what the head says of the body.

use http::HeaderMap;
use vocabulary::Reason;

use crate::draft::Draft;
use crate::request::{Caller, NOW};

const MOST: u64 = 8 << 20;

fn admit(headers: &HeaderMap) -> Result<(), Reason> {
    let exchange = Caller::chat().arrives(&Draft::new().gate(), NOW);
    exchange.admit_json(headers, MOST).map_err(|refusal| refusal.reason)
}

#[test]
fn only_json_without_an_encoding_is_admitted() {
    let json = Caller::chat();
    assert_eq!(admit(json.headers()), Ok(()));
    assert_eq!(admit(&HeaderMap::new()), Err(Reason::UnsupportedMediaType));
    for (name, value, reason) in [
        ("content-type", "text/plain", Reason::UnsupportedMediaType),
        ("content-type", "application/json; charset=latin1", Reason::UnsupportedMediaType),
        ("content-encoding", "gzip", Reason::UnsupportedEncoding),
        ("content-encoding", "identity, gzip", Reason::UnsupportedEncoding),
    ] {
        assert_eq!(admit(json.clone().with(name, value).headers()), Err(reason), "{name}: {value}");
    }
    assert_eq!(admit(json.with("content-encoding", "Identity").headers()), Ok(()));
}

#[test]
fn a_declared_size_is_admitted_up_to_the_limit_and_not_a_byte_over() {
    let declared = |bytes: &str| admit(Caller::chat().with("content-length", bytes).headers());
    assert_eq!(declared("0"), Ok(()));
    assert_eq!(declared("8388608"), Ok(()));
    assert_eq!(declared("8388609"), Err(Reason::BodyTooLarge));
    assert_eq!(declared("18446744073709551615"), Err(Reason::BodyTooLarge));
}

#[test]
fn a_body_that_is_too_large_is_told_the_limit_in_its_unit() {
    let refusal = decision::too_large(MOST);
    assert_eq!(refusal.reason, Reason::BodyTooLarge);
    assert!(refusal.message.contains("8MiB"), "{refusal}");
}
