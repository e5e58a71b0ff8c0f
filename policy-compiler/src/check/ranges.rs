//! Sets of addresses as ranges, so that "these but not those" is exact. It owns their arithmetic; it refuses
//! to read networks, which `resolve` does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// First and last address, both of one family: IPv4 is 0, IPv6 is 1.
type Range = (u8, u128, u128);

/// IPv4-mapped addresses (RFC 4291 §2.5.5.2) count as the IPv4 ones.
const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// Networks for private use, as `vocabulary::is_private` has them.
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fe80::/10",
    "fc00::/7",
];

/// Addresses that a connection may come from, and whether it may come from none that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Sorted and apart.
    ranges: Vec<Range>,
    unknown: bool,
}

impl Addresses {
    pub(super) fn all() -> Self {
        let v4 = (0, 0, u128::from(u32::MAX));
        let ranges = vec![v4, (1, 0, MAPPED.0 - 1), (1, MAPPED.1 + 1, u128::MAX)];
        Self { ranges, unknown: true }
    }

    /// Those of these networks. A connection without a known address is in none.
    pub(super) fn of<'n>(networks: impl IntoIterator<Item = &'n IpNet>) -> Self {
        let mut ranges: Vec<Range> = networks.into_iter().map(range).collect();
        ranges.sort_unstable();
        let mut merged: Vec<Range> = Vec::new();
        for next in ranges {
            match merged.last_mut() {
                Some(last) if last.0 == next.0 && next.1 <= last.2.saturating_add(1) => {
                    last.2 = last.2.max(next.2);
                }
                _ => merged.push(next),
            }
        }
        Self { ranges: merged, unknown: false }.and(&Self::all())
    }

    pub(super) fn private() -> Self {
        let networks: Vec<IpNet> = PRIVATE.iter().filter_map(|text| text.parse().ok()).collect();
        Self::of(&networks)
    }

    /// Those in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut ranges = Vec::new();
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.0 == b.0 && a.1.max(b.1) <= a.2.min(b.2) {
                ranges.push((a.0, a.1.max(b.1), a.2.min(b.2)));
            }
            if (a.0, a.2) < (b.0, b.2) {
                left.next()
            } else {
                right.next()
            };
        }
        Self { ranges, unknown: self.unknown && other.unknown }
    }

    /// Those that are not in `other`; whoever is in no network stays.
    pub(super) fn less(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for (family, first, last) in &self.ranges {
            let mut from = Some(*first);
            let inside = other.ranges.iter().filter(|(f, a, b)| f == family && a <= last && b >= first);
            for (_, a, b) in inside {
                let Some(begin) = from else { break };
                if begin < *a {
                    ranges.push((*family, begin, a - 1));
                }
                from = b.checked_add(1).filter(|next| next <= last);
            }
            ranges.extend(from.map(|begin| (*family, begin, *last)));
        }
        Self { ranges, unknown: self.unknown }
    }

    /// Whether no connection is among them.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && !self.unknown
    }

    /// One of them, and not the network's own where there is another.
    pub(super) fn some(&self) -> Option<IpAddr> {
        let (family, first, last) = *self.ranges.first()?;
        let one = if first == last { first } else { first + 1 };
        let v4 = u32::try_from(one).ok().filter(|_| family == 0).map(Ipv4Addr::from_bits);
        Some(v4.map_or_else(|| IpAddr::V6(Ipv6Addr::from_bits(one)), IpAddr::V4))
    }
}

fn range(network: &IpNet) -> Range {
    match network {
        IpNet::V4(v4) => (0, v4.network().to_bits().into(), v4.broadcast().to_bits().into()),
        IpNet::V6(v6) => (1, v6.network().to_bits(), v6.broadcast().to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(addresses: &Addresses, address: IpAddr) -> bool {
        let own = Addresses::of(&[IpNet::from(address)]);
        addresses.and(&own) == own
    }

    #[test]
    fn private_addresses_are_those_that_a_private_listener_takes() {
        let private = Addresses::private();
        for text in PRIVATE {
            let (family, first, last) = range(&text.parse().expect("a network"));
            for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                let address = match (family, u32::try_from(bits)) {
                    (0, Ok(bits)) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
                    (0, Err(_)) => continue,
                    _ => IpAddr::V6(Ipv6Addr::from_bits(bits)),
                };
                assert_eq!(holds(&private, address), vocabulary::is_private(address), "{address}");
            }
        }
        assert!(!private.unknown);
    }

    #[test]
    fn ranges_are_joined_cut_and_taken_away_exactly() {
        let of = |texts: &[&str]| {
            let networks: Vec<IpNet> = texts.iter().map(|text| text.parse().expect("a network")).collect();
            Addresses::of(&networks)
        };
        assert_eq!(of(&["10.0.0.0/9", "10.128.0.0/9"]), of(&["10.0.0.0/8"]));
        assert!(of(&["10.0.0.0/8"]).less(&of(&["10.128.0.0/9", "10.0.0.0/9"])).is_empty());
        assert_eq!(of(&["10.0.0.0/8"]).less(&of(&["10.0.0.0/9"])), of(&["10.128.0.0/9"]));
        assert_eq!(of(&["10.0.0.0/8", "::1/128"]).and(&of(&["::/0"])), of(&["::1/128"]));
        // Nobody comes from an IPv4-mapped address, but those without any are in no network either.
        assert!(of(&["::ffff:0:0/96"]).is_empty());
        assert!(!Addresses::all().less(&of(&["0.0.0.0/0", "::/0"])).is_empty());
        assert!(of(&["::/0"]).less(&of(&["::/0"])).is_empty());
        assert_eq!(of(&["192.0.2.0/24"]).some(), "192.0.2.1".parse().ok());
    }
}
