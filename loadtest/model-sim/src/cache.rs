//! The prompt cache a provider keeps. It owns which prefix is remembered until when and how a prompt
//! divides into read, written and neither; it refuses texts: a prefix is a hash and a length.

use std::collections::BTreeMap;
use std::time::Duration;

use vocabulary::Moment;

/// How long a prefix is remembered after its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Five minutes.
    FiveMinutes,
    /// An hour; its writes are priced apart.
    OneHour,
}

impl Lifetime {
    const fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(300),
            Self::OneHour => Duration::from_secs(3_600),
        }
    }
}

/// A prefix of a prompt that may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePoint {
    /// Hash of everything up to here, the model's name included.
    pub prefix: u64,
    /// Tokens up to here.
    pub tokens: u64,
    /// How long it is remembered.
    pub lifetime: Lifetime,
}

/// How a prompt met the cache, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Read from the cache.
    pub read: u64,
    /// Written, to be remembered for five minutes.
    pub written_5m: u64,
    /// Written, to be remembered for an hour.
    pub written_1h: u64,
}

impl CacheUse {
    /// Tokens of the prompt that the cache had nothing to do with.
    #[must_use]
    pub const fn untouched(&self, prompt_tokens: u64) -> u64 {
        prompt_tokens
            .saturating_sub(self.read)
            .saturating_sub(self.written_5m)
            .saturating_sub(self.written_1h)
    }
}

/// Prefixes remembered at once. A full cache learns nothing until something in it has run out.
const CAPACITY: usize = 100_000;

/// What one server remembers.
#[derive(Clone, Debug, Default)]
pub struct PromptCache {
    until: BTreeMap<u64, Moment>,
}

impl PromptCache {
    /// Meets a prompt with `points`, shortest prefix first: the longest one remembered is read, those
    /// beyond it are written.
    pub fn meet(&mut self, now: Moment, points: &[CachePoint]) -> CacheUse {
        let is_known = |point: &CachePoint| self.until.get(&point.prefix).is_some_and(|until| *until > now);
        let known = points.iter().rposition(is_known).map_or(0, |index| index + 1);
        let (read, beyond) = points.split_at(known);
        let mut reached = read.last().map_or(0, |point| point.tokens);
        let mut seen = CacheUse { read: reached, ..CacheUse::default() };
        for point in beyond {
            let more = point.tokens.saturating_sub(reached);
            reached = reached.max(point.tokens);
            match point.lifetime {
                Lifetime::FiveMinutes => seen.written_5m += more,
                Lifetime::OneHour => seen.written_1h += more,
            }
        }
        self.remember(now, points);
        seen
    }

    fn remember(&mut self, now: Moment, points: &[CachePoint]) {
        if self.until.len() + points.len() > CAPACITY {
            self.until.retain(|_, until| *until > now);
        }
        for point in points {
            if self.until.len() < CAPACITY || self.until.contains_key(&point.prefix) {
                self.until.insert(point.prefix, now + point.lifetime.duration());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn point(prefix: u64, tokens: u64, lifetime: Lifetime) -> CachePoint {
        CachePoint { prefix, tokens, lifetime }
    }

    fn at(seconds: f64) -> Moment {
        Moment::from_secs_f64(seconds)
    }

    #[test]
    fn a_prefix_is_written_once_and_read_until_its_lifetime_ends() {
        let mut cache = PromptCache::default();
        let points = [point(1, 100, Lifetime::OneHour), point(2, 160, Lifetime::FiveMinutes)];
        let first = cache.meet(at(0.0), &points);
        assert_eq!(first, CacheUse { read: 0, written_5m: 60, written_1h: 100 });
        assert_eq!(first.untouched(200), 40);
        assert_eq!(cache.meet(at(299.0), &points).read, 160);
        assert_eq!(cache.meet(at(598.0), &points).read, 160, "a read renews it");
        let late = cache.meet(at(1_000.0), &points);
        assert_eq!(late, CacheUse { read: 100, written_5m: 60, written_1h: 0 });
    }

    #[test]
    fn two_prompts_share_as_much_as_their_prefixes_agree() {
        let mut cache = PromptCache::default();
        cache.meet(at(0.0), &[point(1, 10, Lifetime::FiveMinutes), point(2, 20, Lifetime::FiveMinutes)]);
        let seen =
            cache.meet(at(1.0), &[point(1, 10, Lifetime::FiveMinutes), point(3, 30, Lifetime::FiveMinutes)]);
        assert_eq!(seen, CacheUse { read: 10, written_5m: 20, written_1h: 0 });
    }
}
