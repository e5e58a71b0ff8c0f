//! Spreading over addresses, avoiding those that failed, and keeping what is known.

use std::collections::BTreeMap;

use super::*;

fn address(text: &str) -> SocketAddr {
    format!("{text}:443").parse().unwrap_or_else(|_| format!("[{text}]:443").parse().unwrap())
}

/// A name that was found to lead to these, in the resolver's order.
fn known(found: &[&str], now: Instant) -> Addresses {
    let addresses = Addresses::new("api.example", 443, now);
    addresses.found(found.iter().map(|text| address(text)).collect());
    addresses
}

fn picks(addresses: &Addresses, count: usize, now: Instant) -> BTreeMap<SocketAddr, usize> {
    let mut picks = BTreeMap::new();
    for _ in 0..count {
        *picks.entry(addresses.pick(|| now).unwrap()).or_default() += 1;
    }
    picks
}

#[test]
fn a_literal_address_is_known_at_once_and_never_looked_up() {
    let now = Instant::now();
    for literal in ["192.0.2.1", "::1"] {
        let addresses = Addresses::new(literal, 443, now);
        assert_eq!(addresses.pick(|| now), Some(address(literal)));
        assert!(addresses.take(now).is_none());
    }
    assert_eq!(Addresses::new("api.example", 443, now).pick(|| now), None);
}

#[test]
fn requests_are_spread_over_the_preferred_family() {
    let now = Instant::now();
    let addresses = known(&["192.0.2.1", "192.0.2.2", "2001:db8::1"], now);
    assert_eq!(
        picks(&addresses, 10, now),
        BTreeMap::from([(address("192.0.2.1"), 5), (address("192.0.2.2"), 5)])
    );
    let addresses = known(&["2001:db8::1", "192.0.2.1"], now);
    assert_eq!(picks(&addresses, 4, now), BTreeMap::from([(address("2001:db8::1"), 4)]));
}

#[test]
fn an_address_that_refused_is_left_alone_for_a_while_where_others_exist() {
    let now = Instant::now();
    let addresses = known(&["192.0.2.1", "192.0.2.2", "2001:db8::1"], now);
    addresses.failed(address("192.0.2.1"), now);
    assert!(addresses.avoids(address("192.0.2.1"), now));
    assert_eq!(picks(&addresses, 4, now), BTreeMap::from([(address("192.0.2.2"), 4)]));
    addresses.failed(address("192.0.2.2"), now);
    assert_eq!(picks(&addresses, 4, now), BTreeMap::from([(address("2001:db8::1"), 4)]), "the other family");
    addresses.failed(address("2001:db8::1"), now);
    assert_eq!(picks(&addresses, 6, now).len(), 3, "when all refused, all are tried");
    let later = now + AVOID;
    assert!(!addresses.avoids(address("192.0.2.1"), later));
    assert_eq!(picks(&addresses, 4, later).len(), 2, "forgiven");
}

#[test]
fn a_new_look_up_forgets_no_refusal() {
    let now = Instant::now();
    let addresses = known(&["192.0.2.1", "192.0.2.2"], now);
    addresses.failed(address("192.0.2.1"), now);
    assert!(!addresses.found(vec![address("192.0.2.2"), address("192.0.2.1")]), "the order is no change");
    assert!(addresses.found(vec![address("192.0.2.3"), address("192.0.2.1")]));
    assert_eq!(picks(&addresses, 4, now), BTreeMap::from([(address("192.0.2.3"), 4)]));
}

#[test]
fn a_failed_connection_brings_the_next_look_up_forward_but_not_without_bound() {
    let now = Instant::now();
    let addresses = known(&["192.0.2.1"], now);
    addresses.take(now).unwrap().ends(true);
    addresses.failed(address("192.0.2.1"), now);
    assert!(addresses.take(now + RESOLVE_AGAIN / 2).is_none());
    assert!(addresses.take(now + RESOLVE_AGAIN).is_some());
}

#[tokio::test]
async fn a_name_that_no_longer_resolves_keeps_its_last_addresses() {
    let now = Instant::now();
    // RFC 6761 §6.4: nothing below `invalid` resolves.
    let addresses = Addresses::new("gone.invalid", 443, now);
    addresses.found(vec![address("192.0.2.1")]);
    let turn = addresses.take(now).unwrap();
    assert!(!addresses.resolve(turn).await);
    assert_eq!(addresses.all(), [address("192.0.2.1")]);
}

#[tokio::test]
async fn localhost_resolves_to_this_machine() {
    let now = Instant::now();
    let addresses = Addresses::new("localhost", 443, now);
    let turn = addresses.take(now).unwrap();
    assert!(addresses.resolve(turn).await);
    assert!(addresses.all().iter().all(|address| address.ip().is_loopback() && address.port() == 443));
}
