//! Callers that try keys: wrong ones are counted by address, and an address that shows too many is refused for a
//! while whatever it shows. It owns those counts; it refuses to judge keys.

use std::net::IpAddr;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use vocabulary::{Moment, Rate};

/// Addresses counted at once; past it the ones that began longest ago are dropped.
const ADDRESSES: usize = 65_536;

/// Counts of wrong keys.
#[derive(Debug)]
pub(crate) struct KeyFailures {
    allowed: u64,
    window: Duration,
    block: Duration,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Moment,
    failures: u64,
    blocked_until: Option<Moment>,
}

impl KeyFailures {
    pub(super) fn new(rate: Rate, block: Duration) -> Self {
        Self { allowed: rate.amount, window: rate.per, block, counts: Mutex::default() }
    }

    /// How long an address is still refused.
    pub(crate) fn refused(&self, address: IpAddr, now: Moment) -> Option<Duration> {
        let counts = self.counts.lock();
        let until = counts.get(&network(address))?.blocked_until?;
        (until > now).then(|| until.since(now))
    }

    /// An address showed a wrong key. Whether it is refused from now on.
    pub(crate) fn failed(&self, address: IpAddr, now: Moment) -> bool {
        let mut counts = self.counts.lock();
        if counts.len() >= ADDRESSES {
            self.make_room(&mut counts, now);
        }
        let count =
            counts.entry(network(address)).or_insert(Count { since: now, failures: 0, blocked_until: None });
        let over = count.blocked_until.is_none_or(|until| until <= now);
        if over && now.since(count.since) >= self.window {
            *count = Count { since: now, failures: 0, blocked_until: None };
        }
        count.failures = count.failures.saturating_add(1);
        if count.failures > self.allowed && over {
            count.blocked_until = Some(now + self.block);
        }
        count.blocked_until.is_some_and(|until| until > now)
    }

    fn make_room(&self, counts: &mut HashMap<IpAddr, Count>, now: Moment) {
        counts.retain(|_, count| {
            let blocked = count.blocked_until.is_some_and(|until| until > now);
            blocked || now.since(count.since) < self.window
        });
        if counts.len() >= ADDRESSES {
            // An attack from everywhere at once: what was counted longest says least.
            let latest = counts.values().map(|count| count.since).max().unwrap_or(now);
            counts.retain(|_, count| count.since >= latest);
        }
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        address => address,
    }
}
