//! Which addresses are private. It owns that one list, with its sources, so that the compiler and the
//! gateway cannot differ over it; it refuses to know networks of an operator's own.

use std::net::{IpAddr, Ipv4Addr};

/// Whether `address` cannot come from the public Internet: private use (RFC 1918), shared with a provider
/// (RFC 6598), loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), link-local (RFC 3927, RFC 4291 §2.5.6) or
/// unique local (RFC 4193). An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) counts as the IPv4 address.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unique_local(),
    }
}

/// 100.64.0.0/10, which the standard library knows only unstably.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_private_network_are_known() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.1",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::",
            "fdff::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(is_private(text.parse().unwrap()), "{text}");
        }
        for text in [
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.0.1",
            "8.8.8.8",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::2",
            "fbff::1",
            "fe00::1",
            "fec0::1",
            "2001:db8::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_private(text.parse().unwrap()), "{text}");
        }
    }
}
