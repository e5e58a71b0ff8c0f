//! What proxies in front say of the client, hop by hop: `X-Forwarded-For` and `Forwarded` (RFC 7239). It
//! owns reading a list from its right end, where trusted proxies have written; it refuses to decide whom to
//! trust.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A list longer than that is read no further: nobody has so many proxies.
const MOST_HOPS: usize = 64;

/// The client's address by `X-Forwarded-For`, whose lines are given in the order they were sent.
///
/// `peer` sent them and is trusted. The list is read from the right: each trusted address vouches for the one
/// before it, and the first that is not trusted is the client. Where the next is no address, the last one
/// vouched for counts.
pub fn by_x_forwarded_for<'h>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let elements = lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    walk(peer, elements.map(|element| node(element.trim_ascii())), trusted)
}

/// The same by `Forwarded`: the `for` parameter of each element.
pub fn by_forwarded<'h>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'h [u8]>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    // Several lines are one list (RFC 9110 §5.3).
    let elements = lines.rev().flat_map(from_the_right);
    walk(peer, elements.map(|element| node(for_parameter(element)?)), trusted)
}

/// The elements of a line, the last first. Cut from the right, so that a quotation which a client opens in
/// its own part and never ends cannot swallow what a trusted proxy wrote after it.
fn from_the_right(line: &[u8]) -> Vec<&[u8]> {
    let (mut elements, mut end, mut quoted) = (Vec::new(), line.len(), false);
    for (at, &byte) in line.iter().enumerate().rev() {
        if byte == b'"' && !is_escaped(line, at) {
            quoted = !quoted;
        } else if byte == b',' && !quoted {
            elements.push(line.get(at + 1..end).unwrap_or_default());
            end = at;
            if elements.len() == MOST_HOPS {
                return elements;
            }
        }
    }
    elements.push(line.get(..end).unwrap_or_default());
    elements
}

/// Whether an odd number of backslashes stands before `at` (RFC 9110 §5.6.4).
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn walk(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut last = peer;
    for hop in hops.take(MOST_HOPS) {
        let Some(address) = hop else { return last };
        last = address.to_canonical();
        if !trusted(last) {
            return last;
        }
    }
    last
}

/// The value of an element's `for`, quotes taken off; `None` when it has none, or more than one.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for pair in parameters(element)? {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..equals)?, pair.get(equals + 1..)?);
        if name.trim_ascii().eq_ignore_ascii_case(b"for") && found.replace(value.trim_ascii()).is_some() {
            return None;
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        // No address has anything to escape.
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// The parameters of an element, cut outside of quoted strings. `None` when a quotation does not end.
fn parameters(element: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, &byte) in element.iter().enumerate() {
        if byte == b'"' && !is_escaped(element, at) {
            quoted = !quoted;
        } else if byte == b';' && !quoted {
            parts.push(element.get(start..at)?.trim_ascii());
            start = at + 1;
        }
    }
    parts.push(element.get(start..)?.trim_ascii());
    (!quoted).then_some(parts)
}

/// An address, with or without a port, IPv6 with or without brackets. `unknown` and obfuscated identifiers
/// (RFC 7239 §6) are none.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => text.parse::<SocketAddr>().ok().map(|address| address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// 10.0.0.0/8 and the peer are trusted.
    fn inside(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
    }

    fn x(lines: &[&str]) -> String {
        by_x_forwarded_for(ip("10.0.0.1"), lines.iter().map(|line| line.as_bytes()), inside).to_string()
    }

    fn f(lines: &[&str]) -> String {
        by_forwarded(ip("10.0.0.1"), lines.iter().map(|line| line.as_bytes()), inside).to_string()
    }

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        assert_eq!(x(&["192.0.2.7"]), "192.0.2.7");
        assert_eq!(x(&["203.0.113.1, 192.0.2.7, 10.0.0.3"]), "192.0.2.7");
        assert_eq!(x(&["203.0.113.1", "192.0.2.7", "10.0.0.3"]), "192.0.2.7", "lines are one list");
        assert_eq!(x(&["10.0.0.9, 10.0.0.8"]), "10.0.0.9", "a client inside");
        assert_eq!(x(&["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(x(&["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(x(&["2001:db8::7"]), "2001:db8::7");
        assert_eq!(x(&["192.0.2.7, ::ffff:10.0.0.3"]), "192.0.2.7", "a mapped address is the IPv4 one");
    }

    #[test]
    fn where_a_hop_is_no_address_the_last_one_vouched_for_counts() {
        assert_eq!(x(&[]), "10.0.0.1");
        assert_eq!(x(&[""]), "10.0.0.1");
        assert_eq!(x(&["192.0.2.7, unknown"]), "10.0.0.1");
        assert_eq!(x(&["192.0.2.7, junk, 10.0.0.3"]), "10.0.0.3");
        assert_eq!(x(&["192.0.2.7,"]), "10.0.0.1");
        assert_eq!(f(&["for=192.0.2.7, for=_hidden, for=10.0.0.3"]), "10.0.0.3");
        assert_eq!(f(&["for=192.0.2.7, for=\"unknown\""]), "10.0.0.1");
        assert_eq!(f(&["for=192.0.2.7, by=10.0.0.1"]), "10.0.0.1");
        assert_eq!(f(&["for=192.0.2.7;for=192.0.2.8"]), "10.0.0.1", "twice is not once");
        assert_eq!(f(&["for=192.0.2.7, for=10.0.0.3\""]), "10.0.0.1", "a quotation without beginning");
    }

    #[test]
    fn forwarded_elements_are_read_as_the_standard_writes_them() {
        assert_eq!(f(&["for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\""]), "2001:db8:cafe::17");
        assert_eq!(f(&["for=192.0.2.60;proto=http;by=203.0.113.43"]), "192.0.2.60");
        assert_eq!(f(&["for=192.0.2.7;host=\"a,b;c\\\"d\", for=10.0.0.3"]), "192.0.2.7");
        assert_eq!(f(&["for=\"192.0.2.43:47011\""]), "192.0.2.43");
    }

    #[test]
    fn what_a_client_puts_in_front_swallows_nothing() {
        for junk in ["for=\"", "for=\"\\", "host=\"a\\\"", "\"\"\"", "for=\\"] {
            assert_eq!(f(&[&format!("{junk}, for=192.0.2.7, for=10.0.0.3")]), "192.0.2.7", "{junk}");
        }
        let inside_a_host = "for=192.0.2.7;host=\"a\\\", for=10.0.0.9;x=\\\"b\", for=10.0.0.3";
        assert_eq!(f(&[inside_a_host]), "192.0.2.7");
    }

    #[test]
    fn an_endless_list_is_read_no_further() {
        let long = ["192.0.2.7", &"10.0.0.3,".repeat(1000), "10.0.0.4"].join(",").replace(",,", ",");
        assert_eq!(x(&[&long]), "10.0.0.3");
    }
}
