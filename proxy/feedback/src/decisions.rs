//! The latest decisions, with every candidate's terms. It owns their cheap form, taken on the request path
//! without allocating once warm, and the sentence a person reads; it refuses to be asked about anything
//! older than its ring.

use std::cmp::Ordering;
use std::sync::Arc;

use vocabulary::Moment;
use vocabulary::admin::{Candidate, DecisionRecord};

use crate::Strategy;
use crate::estimator::Outlook;
use crate::standing::Standing;

/// Kept decisions.
const CAPACITY: usize = 256;

/// A member as one decision saw it. Amounts in USD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) standing: Standing,
    pub(crate) cost: f64,
    pub(crate) miss: f64,
    pub(crate) queue: f64,
    pub(crate) pace: f64,
    pub(crate) outlook: Outlook,
}

impl Scored {
    pub(crate) fn total(&self) -> f64 {
        self.cost + self.miss + self.queue + self.pace
    }

    /// Lower total first; of equal totals, the smaller risk of a miss.
    pub(crate) fn cmp_merit(&self, other: &Self) -> Ordering {
        self.total().total_cmp(&other.total()).then(self.outlook.miss.total_cmp(&other.outlook.miss))
    }

    pub(crate) const fn terms(&self) -> [f64; 4] {
        [self.cost, self.miss, self.queue, self.pace]
    }
}

/// What settled a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The lowest total.
    Total,
    /// A small prompt sent to a member that had not been used for a while.
    Probe,
    /// Its turn.
    Turn,
    /// No member may take the request.
    Nobody,
}

#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) at: Moment,
    pub(crate) request_id: String,
    pub(crate) attempt: u32,
    pub(crate) strategy: Strategy,
    pub(crate) lambda: f64,
    pub(crate) prompt_tokens: u64,
    pub(crate) slack: f64,
    pub(crate) names: Arc<[Arc<str>]>,
    pub(crate) scored: Vec<Scored>,
    pub(crate) chosen: Option<usize>,
    pub(crate) cause: Cause,
}

/// A ring of decisions.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    kept: Vec<Decision>,
    next: usize,
    total: u64,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Self { kept: Vec::new(), next: 0, total: 0 }
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// Hands out the place of the oldest decision, whose buffers are to be used again.
    pub(crate) fn take_oldest(&mut self) -> Option<Decision> {
        (self.kept.len() == CAPACITY).then(|| self.kept.swap_remove(self.next))
    }

    /// Puts the newest decision into the place last taken.
    pub(crate) fn put(&mut self, decision: Decision) {
        self.kept.push(decision);
        let last = self.kept.len() - 1;
        self.kept.swap(self.next.min(last), last);
        self.next = (self.next + 1) % CAPACITY;
        self.total += 1;
    }

    /// Newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Decision> {
        let (newer, older) = self.kept.split_at(self.next.min(self.kept.len()));
        newer.iter().rev().chain(older.iter().rev())
    }
}

impl Decision {
    /// The record shown to operators.
    pub(crate) fn render(&self, pool: &str) -> DecisionRecord {
        DecisionRecord {
            at_s: self.at.as_secs_f64(),
            request_id: self.request_id.clone(),
            attempt: self.attempt,
            pool: pool.to_owned(),
            strategy: self.strategy.name().to_owned(),
            lambda_usd: (self.strategy == Strategy::Adaptive).then_some(self.lambda),
            prompt_tokens: self.prompt_tokens,
            slack_s: self.slack,
            candidates: self
                .scored
                .iter()
                .zip(self.names.iter())
                .map(|(scored, name)| candidate(scored, name))
                .collect(),
            chosen: self.chosen.and_then(|member| self.names.get(member)).map(ToString::to_string),
            why: self.why(),
        }
    }

    fn why(&self) -> String {
        let Some((chosen, scored)) = self.chosen.and_then(|member| Some((member, self.scored.get(member)?)))
        else {
            return "No member of the pool may take this request.".to_owned();
        };
        let name = self.name(chosen);
        match scored.standing.tier() {
            Some(0) => {}
            Some(3) => {
                return format!(
                    "No member is sound; `{name}` ({}) was used rather than refuse.",
                    scored.standing.name()
                );
            }
            _ => {
                return format!(
                    "No member is ready; `{name}` ({}) was the last resort.",
                    scored.standing.name()
                );
            }
        }
        match self.cause {
            Cause::Probe => format!("`{name}` had not been used for a while; this small prompt tries it."),
            Cause::Turn => format!("It was the turn of `{name}`."),
            Cause::Total | Cause::Nobody => self.why_total(chosen, scored),
        }
    }

    fn why_total(&self, chosen: usize, scored: &Scored) -> String {
        let name = self.name(chosen);
        let ready = |other: &(usize, &Scored)| other.0 != chosen && other.1.standing == Standing::Ready;
        let next =
            self.scored.iter().enumerate().filter(ready).min_by(|a, b| a.1.total().total_cmp(&b.1.total()));
        let Some((next, other)) = next else {
            return format!("`{name}` was the only member ready.");
        };
        let labels = ["cost", "miss risk", "queue", "quota pace"];
        let largest = labels
            .into_iter()
            .zip(other.terms().into_iter().zip(scored.terms()).map(|(theirs, ours)| theirs - ours))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map_or("cost", |(label, _)| label);
        format!(
            "`{name}` has the lowest total, {:.6} USD; `{}` would be {:.6} USD, mostly for its {largest}.",
            scored.total(),
            self.name(next),
            other.total(),
        )
    }

    fn name(&self, member: usize) -> &str {
        self.names.get(member).map_or("", |name| name)
    }
}

fn candidate(scored: &Scored, name: &str) -> Candidate {
    Candidate {
        member: name.to_owned(),
        standing: scored.standing.name().to_owned(),
        cost_usd: scored.cost,
        miss_usd: scored.miss,
        queue_usd: scored.queue,
        pace_usd: scored.pace,
        total_usd: scored.total(),
        miss_probability: scored.outlook.miss,
        predicted_ttft_s: scored.outlook.ttft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(k: u64) -> Decision {
        Decision {
            at: Moment(k),
            request_id: k.to_string(),
            attempt: 1,
            strategy: Strategy::Adaptive,
            lambda: 0.01,
            prompt_tokens: 1,
            slack: 2.0,
            names: Arc::from([]),
            scored: Vec::new(),
            chosen: None,
            cause: Cause::Nobody,
        }
    }

    #[test]
    fn the_ring_keeps_the_latest_and_gives_them_newest_first() {
        let mut ring = Ring::new();
        for k in 0_u64..1_000 {
            let reused = ring.take_oldest();
            assert_eq!(reused.map(|old| old.at.0), k.checked_sub(CAPACITY as u64));
            ring.put(decision(k));
        }
        let kept: Vec<u64> = ring.newest_first().map(|decision| decision.at.0).collect();
        assert_eq!(kept, (1_000 - CAPACITY as u64..1_000).rev().collect::<Vec<_>>());
        assert_eq!(ring.total(), 1_000);
    }
}
