//! Where requests went lately: the realised weights of a loop that has no weights. It owns the last ten
//! seconds of picks and why shares moved; it refuses to influence a pick.

use vocabulary::Moment;
use vocabulary::admin::ShareChange;

use crate::decisions::Scored;
use crate::standing::Standing;

/// Seconds a share is measured over.
const SPAN: u64 = 10;
/// A share is reported when it has moved this far since it was last reported, and by this many standard
/// errors of a share counted over so few picks: chance is no news.
const REPORTED_MOVE: f64 = 0.05;
const REPORTED_ERRORS: f64 = 2.0;
/// A standing explains a move when the time out of service changed by this much, in its direction.
const STANDING_MOVE: f64 = 0.2;
const TERMS: [&str; 4] = ["cost", "miss", "queue", "pace"];

/// Picks per second and member.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    seconds: Vec<Second>,
    reported: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Second {
    /// One more than the second it is about; 0 when unused.
    stamp: u64,
    members: Vec<Tally>,
}

/// One member in one second, or summed over several.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    picks: u32,
    scored: u32,
    out: u32,
    /// Sums of the terms, in USD.
    terms: [f64; 4],
}

impl Shares {
    pub(crate) fn new(members: usize) -> Self {
        let second = Second { stamp: 0, members: vec![Tally::default(); members] };
        Self { seconds: vec![second; SPAN as usize + 1], reported: vec![0.0; members] }
    }

    /// One pick, or one request for which there was none.
    pub(crate) fn record(&mut self, now: Moment, scored: &[Scored], chosen: Option<usize>) {
        let stamp = stamp(now);
        let slot = usize::try_from(stamp % (SPAN + 1)).unwrap_or(0);
        let Some(second) = self.seconds.get_mut(slot) else { return };
        if second.stamp != stamp {
            second.stamp = stamp;
            second.members.fill(Tally::default());
        }
        for (index, (tally, scored)) in second.members.iter_mut().zip(scored).enumerate() {
            tally.picks += u32::from(chosen == Some(index));
            if scored.standing == Standing::NotEligible {
                continue;
            }
            tally.scored += 1;
            tally.out += u32::from(scored.standing != Standing::Ready);
            for (sum, term) in tally.terms.iter_mut().zip(scored.terms()) {
                *sum += term;
            }
        }
    }

    /// Share of `member` in the picks of the last ten seconds, 0 to 1.
    pub(crate) fn share(&self, now: Moment, member: usize) -> f64 {
        let picks = f64::from(self.sum(now, 0..SPAN, member).picks);
        picks / f64::from(self.picks(now).max(1))
    }

    /// Picks of the last ten seconds.
    fn picks(&self, now: Moment) -> u32 {
        (0..self.reported.len()).map(|member| self.sum(now, 0..SPAN, member).picks).sum()
    }

    /// Shares that moved since they were last reported.
    pub(crate) fn changes(
        &mut self,
        now: Moment,
        pool: &str,
        names: &[std::sync::Arc<str>],
    ) -> Vec<ShareChange> {
        let mut changes = Vec::new();
        let picks = f64::from(self.picks(now).max(1));
        for (member, name) in names.iter().enumerate().take(self.reported.len()) {
            let to = self.share(now, member);
            let from = self.reported.get(member).copied().unwrap_or(0.0);
            let error = (from.max(to) * (1.0 - from.min(to)) / picks).sqrt();
            if (to - from).abs() < REPORTED_MOVE.max(REPORTED_ERRORS * error) {
                continue;
            }
            let because = self.because(now, member, to > from);
            if let Some(reported) = self.reported.get_mut(member) {
                *reported = to;
            }
            changes.push(ShareChange {
                at_s: now.as_secs_f64(),
                pool: pool.to_owned(),
                member: name.to_string(),
                from,
                to,
                because: because.to_owned(),
            });
        }
        changes
    }

    /// The term that moved most in the direction of the change, between the older and the newer half of the
    /// span and relative to the other members.
    fn because(&self, now: Moment, member: usize, rose: bool) -> &'static str {
        let halves = [SPAN / 2..SPAN, 0..SPAN / 2].map(|ages| {
            let own = self.sum(now, ages.clone(), member);
            let others = (0..self.reported.len())
                .filter(|other| *other != member)
                .map(|other| self.sum(now, ages.clone(), other))
                .fold(Tally::default(), Tally::plus);
            (own, others)
        });
        let [(own_before, others_before), (own_after, others_after)] = halves;
        let own_out = own_after.out_ratio() - own_before.out_ratio();
        let others_out = others_after.out_ratio() - others_before.out_ratio();
        let sign = if rose { 1.0 } else { -1.0 };
        if (others_out * sign).max(-own_out * sign) > STANDING_MOVE {
            return "standing";
        }
        let moved = |term: usize| {
            let gap = |own: &Tally, others: &Tally| own.mean(term) - others.mean(term);
            let delta = gap(&own_after, &others_after) - gap(&own_before, &others_before);
            if rose { -delta } else { delta }
        };
        let largest = (0..TERMS.len()).map(|term| (term, moved(term))).max_by(|a, b| a.1.total_cmp(&b.1));
        largest
            .filter(|(_, moved)| *moved > 0.0)
            .and_then(|(term, _)| TERMS.get(term))
            .copied()
            .unwrap_or("standing")
    }

    /// Sum over the seconds of the given ages; age 0 is the current second.
    fn sum(&self, now: Moment, ages: std::ops::Range<u64>, member: usize) -> Tally {
        let current = stamp(now);
        self.seconds
            .iter()
            .filter(|second| {
                second.stamp > 0 && second.stamp <= current && ages.contains(&(current - second.stamp))
            })
            .filter_map(|second| second.members.get(member).copied())
            .fold(Tally::default(), Tally::plus)
    }
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        let [a, b, c, d] = self.terms;
        let [e, f, g, h] = other.terms;
        Self {
            picks: self.picks + other.picks,
            scored: self.scored + other.scored,
            out: self.out + other.out,
            terms: [a + e, b + f, c + g, d + h],
        }
    }

    fn out_ratio(&self) -> f64 {
        f64::from(self.out) / f64::from(self.scored.max(1))
    }

    fn mean(&self, term: usize) -> f64 {
        self.terms.get(term).copied().unwrap_or(0.0) / f64::from(self.scored.max(1))
    }
}

fn stamp(now: Moment) -> u64 {
    now.0 / 1_000_000_000 + 1
}
