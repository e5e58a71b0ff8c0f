//! A set of networks that answers whether an address is among them. It owns one look-up that costs the same
//! for ten networks and for ten thousand; it refuses to say which of them it was.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks of both families. They are kept as sorted ranges that do not touch, so that a look-up is one
/// binary search over a flat list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Reads networks in CIDR form. What is not one is left out: the compiler has written them.
    #[must_use]
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let (mut v4, mut v6): (Vec<Ipv4Net>, Vec<Ipv6Net>) = (Vec::new(), Vec::new());
        for network in texts.into_iter().filter_map(|text| text.parse().ok()) {
            match network {
                IpNet::V4(network) => v4.push(network),
                IpNet::V6(network) => v6.push(network),
            }
        }
        let v4 = v4.iter().map(|network| (network.network().to_bits(), network.broadcast().to_bits()));
        let v6 = v6.iter().map(|network| (network.network().to_bits(), network.broadcast().to_bits()));
        Self { v4: merged(v4.collect()), v6: merged(v6.collect()) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether `address` is in one of them. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) counts as the
    /// IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => holds(&self.v4, v4.to_bits()),
            IpAddr::V6(v6) => holds(&self.v6, v6.to_bits()),
        }
    }
}

/// The same ranges, in order, without overlap. Networks either contain each other or do not meet.
fn merged<T: Copy + Ord>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    // The wider of two with the same beginning comes first.
    ranges.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut kept: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if kept.last().is_none_or(|last| last.1 < range.0) {
            kept.push(range);
        }
    }
    kept
}

fn holds<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= address);
    after.checked_sub(1).and_then(|index| ranges.get(index)).is_some_and(|range| address <= range.1)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4_addresses_and_families_are_apart() {
        let networks = Networks::new(["10.0.0.0/8", "2001:db8::/32"]);
        for (text, expected) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("::ffff:10.0.0.1", true),
            ("::10.0.0.1", false),
            ("2001:db8:ffff::", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(networks.contains(text.parse().unwrap()), expected, "{text}");
        }
        assert!(!Networks::new(["::/0"]).contains("10.0.0.1".parse().unwrap()));
        assert!(Networks::new(["0.0.0.0/0"]).contains("255.255.255.255".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn a_look_up_agrees_with_asking_every_network(
            networks in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            wide in proptest::collection::vec((any::<u128>(), 0_u8..=128), 0..20),
            addresses in proptest::collection::vec(any::<u32>(), 1..40),
        ) {
            let v4 = networks.iter().map(|&(bits, len)| IpNet::new(Ipv4Addr::from_bits(bits).into(), len));
            let v6 = wide.iter().map(|&(bits, len)| IpNet::new(Ipv6Addr::from_bits(bits).into(), len));
            let all: Vec<IpNet> = v4.chain(v6).map(|network| network.unwrap().trunc()).collect();
            let texts: Vec<String> = all.iter().map(IpNet::to_string).collect();
            let set = Networks::new(texts.iter().map(String::as_str));
            let edges = all.iter().flat_map(|network| [network.network(), network.broadcast()]);
            let any = addresses.iter().map(|&bits| IpAddr::from(Ipv4Addr::from_bits(bits)));
            for address in any.chain(edges) {
                let address = address.to_canonical();
                prop_assert_eq!(set.contains(address), all.iter().any(|network| network.contains(&address)));
            }
        }
    }
}
