//! A member's quota as counted here. It owns windows, buckets and the bookings against them; it refuses to
//! decide what a spent quota means for a pick.
//!
//! Counts are estimates: the provider's own count also sees other callers, and an answer may be longer than
//! expected. So they are corrected by usage, by the provider's `remaining` headers and by its refusals.

use std::time::Duration;

use vocabulary::{Moment, Usage};

use crate::{QuotaShape, QuotaSpec};

/// Part of a token window that picks may fill; the rest absorbs answers longer than expected.
const TOKEN_HEADROOM: f64 = 0.96;
/// A refused bucket is taken to be smaller than stated, by this factor per refusal and down to this least,
/// and grows back by this factor per second.
const SHRINK: f64 = 0.97;
const LEAST_HEALTH: f64 = 0.2;
const REGROW: f64 = 1.004;
/// How far spending may run ahead of the window's passing before it is priced.
const PACE_GRACE: f64 = 0.10;

/// One counted quantity.
#[derive(Clone, Debug, PartialEq)]
enum Meter {
    /// Aligned to policy time: window `index` begins at `index · per`, in nanoseconds.
    Window { limit: f64, per: u64, index: u64, used: f64 },
    /// `level` drains at `rate` per second; `health` scales rate and depth.
    Bucket { rate: f64, depth: f64, health: f64, level: f64, at: Moment },
}

/// What one request was booked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Booking {
    tokens: Charge,
    requests: Charge,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Charge {
    window: u64,
    amount: f64,
}

/// The quota of one member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    tokens: Option<Meter>,
    requests: Option<Meter>,
    output_weight: f64,
}

impl Quota {
    pub(crate) fn new(spec: Option<&QuotaSpec>) -> Self {
        let Some(spec) = spec else { return Self { output_weight: 1.0, ..Self::default() } };
        let meter = |rate: Option<(u64, Duration)>| rate.map(|rate| Meter::new(spec.shape, rate, spec.burst));
        Self {
            tokens: meter(spec.tokens),
            requests: meter(spec.requests),
            output_weight: f64::from(spec.output_weight),
        }
    }

    /// Takes a new spec; what has been used stays used.
    pub(crate) fn reconfigure(&mut self, spec: Option<&QuotaSpec>) {
        let mut next = Self::new(spec);
        for (new, old) in [(&mut next.tokens, &self.tokens), (&mut next.requests, &self.requests)] {
            if let (Some(new), Some(old)) = (new, old) {
                new.inherit(old);
            }
        }
        *self = next;
    }

    /// Whether a request of `prompt` and `output` tokens has room.
    pub(crate) fn admits(&self, now: Moment, prompt: f64, output: f64) -> bool {
        let tokens = prompt + self.output_weight * output;
        self.tokens.as_ref().is_none_or(|meter| meter.admits(now, tokens, TOKEN_HEADROOM))
            && self.requests.as_ref().is_none_or(|meter| meter.admits(now, 1.0, 1.0))
    }

    /// Books a request that is being sent.
    pub(crate) fn book(&mut self, now: Moment, prompt: f64, output: f64) -> Booking {
        let tokens = prompt + self.output_weight * output;
        Booking {
            tokens: self.tokens.as_mut().map(|meter| meter.charge(now, tokens)).unwrap_or_default(),
            requests: self.requests.as_mut().map(|meter| meter.charge(now, 1.0)).unwrap_or_default(),
        }
    }

    /// Replaces the booked tokens by those used.
    pub(crate) fn settle(&mut self, now: Moment, booking: &Booking, usage: &Usage) {
        let used = usage.input as f64 + self.output_weight * usage.output as f64;
        if let Some(meter) = &mut self.tokens {
            meter.correct(now, &booking.tokens, used);
        }
    }

    /// Takes back a booking that the provider never counted.
    pub(crate) fn refund(&mut self, now: Moment, booking: &Booking) {
        if let Some(meter) = &mut self.tokens {
            meter.correct(now, &booking.tokens, 0.0);
        }
        if let Some(meter) = &mut self.requests {
            meter.correct(now, &booking.requests, 0.0);
        }
    }

    /// The provider refused for quota. Where it did not say for how long, a windowed quota counts as spent
    /// until its window turns.
    pub(crate) fn refused(&mut self, now: Moment, said_how_long: bool) {
        for meter in [&mut self.tokens, &mut self.requests].into_iter().flatten() {
            meter.refused(now, said_how_long);
        }
    }

    /// The provider says what is left in the window of `booking`. Only ever raises what counts as used:
    /// requests in flight are booked here before the provider sees them.
    pub(crate) fn observe(&mut self, now: Moment, booking: &Booking, left: (Option<u64>, Option<u64>)) {
        let meters =
            [(&mut self.tokens, booking.tokens, left.0), (&mut self.requests, booking.requests, left.1)];
        for (meter, charge, left) in meters {
            if let (Some(meter), Some(left)) = (meter, left) {
                meter.observe(now, &charge, left as f64);
            }
        }
    }

    /// Used fraction of the tighter quota, 0 to 1; nothing without a quota.
    pub(crate) fn used(&self, now: Moment) -> Option<f64> {
        let used = |meter: &Option<Meter>| meter.as_ref().map(|meter| meter.used(now).min(1.0));
        [used(&self.tokens), used(&self.requests)].into_iter().flatten().reduce(f64::max)
    }

    /// How far the spending of a windowed token quota is ahead of its window, as a fraction; 0 when not.
    pub(crate) fn ahead(&self, now: Moment) -> f64 {
        self.tokens.as_ref().map_or(0.0, |meter| meter.ahead(now))
    }

    /// One second passed.
    pub(crate) fn tick(&mut self) {
        for meter in [&mut self.tokens, &mut self.requests].into_iter().flatten() {
            if let Meter::Bucket { health, .. } = meter {
                *health = (*health * REGROW).min(1.0);
            }
        }
    }
}

impl Meter {
    fn new(shape: QuotaShape, (amount, per): (u64, Duration), burst: Duration) -> Self {
        let per = per.max(Duration::from_nanos(1));
        let limit = amount as f64;
        match shape {
            QuotaShape::FixedWindow => {
                let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
                Self::Window { limit, per, index: 0, used: 0.0 }
            }
            QuotaShape::LeakyBucket => {
                let rate = limit / per.as_secs_f64();
                let depth = rate * burst.as_secs_f64();
                Self::Bucket { rate, depth, health: 1.0, level: 0.0, at: Moment::ZERO }
            }
        }
    }

    fn inherit(&mut self, old: &Self) {
        match (self, old) {
            (Self::Window { per, index, used, .. }, Self::Window { per: old_per, index: i, used: u, .. })
                if per == old_per =>
            {
                (*index, *used) = (*i, *u);
            }
            (Self::Bucket { level, at, health, .. }, Self::Bucket { level: l, at: a, health: h, .. }) => {
                (*level, *at, *health) = (*l, *a, *h);
            }
            _ => {}
        }
    }

    fn admits(&self, now: Moment, amount: f64, headroom: f64) -> bool {
        match self {
            Self::Window { limit, .. } => self.count(now) + amount <= limit * headroom,
            // An empty bucket takes any request, or one larger than its depth would never be served.
            Self::Bucket { depth, health, .. } => {
                let level = self.count(now);
                level <= 0.0 || level + amount <= depth * health
            }
        }
    }

    /// What counts as used now.
    fn count(&self, now: Moment) -> f64 {
        match self {
            Self::Window { index, used, per, .. } if *index == window(now, *per).0 => *used,
            Self::Window { .. } => 0.0,
            Self::Bucket { rate, health, level, at, .. } => {
                (level - now.since(*at).as_secs_f64() * rate * health).max(0.0)
            }
        }
    }

    fn set(&mut self, now: Moment, count: f64) {
        match self {
            Self::Window { index, used, per, .. } => (*index, *used) = (window(now, *per).0, count.max(0.0)),
            Self::Bucket { level, at, .. } => (*level, *at) = (count.max(0.0), now),
        }
    }

    fn charge(&mut self, now: Moment, amount: f64) -> Charge {
        let count = self.count(now);
        self.set(now, count + amount);
        Charge { window: self.window_index(now), amount }
    }

    fn correct(&mut self, now: Moment, charge: &Charge, amount: f64) {
        if self.window_index(now) == charge.window {
            let count = self.count(now);
            self.set(now, count + amount - charge.amount);
        }
    }

    fn refused(&mut self, now: Moment, said_how_long: bool) {
        match self {
            Self::Window { limit, .. } => {
                let limit = *limit;
                if !said_how_long {
                    let count = self.count(now);
                    self.set(now, count.max(limit));
                }
            }
            Self::Bucket { depth, health, .. } => {
                *health = (*health * SHRINK).max(LEAST_HEALTH);
                let full = *depth * *health;
                let count = self.count(now);
                self.set(now, count.max(full));
            }
        }
    }

    fn observe(&mut self, now: Moment, charge: &Charge, left: f64) {
        if self.window_index(now) != charge.window {
            return;
        }
        let used = match self {
            Self::Window { limit, .. } => *limit - left,
            // The header counts against the amount per window, not against the bucket's depth.
            Self::Bucket { .. } => return,
        };
        let count = self.count(now);
        self.set(now, count.max(used));
    }

    fn used(&self, now: Moment) -> f64 {
        let size = match self {
            Self::Window { limit, .. } => *limit,
            Self::Bucket { depth, health, .. } => depth * health,
        };
        self.count(now) / size.max(1e-9)
    }

    fn ahead(&self, now: Moment) -> f64 {
        match self {
            Self::Window { per, .. } => (self.used(now) - window(now, *per).1 - PACE_GRACE).max(0.0),
            Self::Bucket { .. } => 0.0,
        }
    }

    /// Which window `now` is in; buckets have a single one.
    fn window_index(&self, now: Moment) -> u64 {
        match self {
            Self::Window { per, .. } => window(now, *per).0,
            Self::Bucket { .. } => 0,
        }
    }
}

/// Index of the window, and the fraction of it that has passed.
fn window(now: Moment, per: u64) -> (u64, f64) {
    let per = per.max(1);
    (now.0 / per, (now.0 % per) as f64 / per as f64)
}

#[cfg(test)]
mod tests;
