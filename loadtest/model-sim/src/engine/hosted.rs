//! A provider with vast capacity: each answer is timed on its own. It owns the wait for the first token
//! and the pace after it; it refuses a queue, which at such a provider is other people's affair.

use std::collections::{BTreeMap, BTreeSet};

use vocabulary::Moment;

use super::{Condition, Emission, Job, SeqId};
use crate::profile::Profile;
use crate::random::Draws;

/// How much longer an answer in the tail waits.
const TAIL_FACTOR: f64 = 4.0;

#[derive(Clone, Debug)]
struct Answer {
    first: Moment,
    nanos_per_token: f64,
    output_tokens: u64,
    next: u64,
}

impl Answer {
    /// Computed from the first token each time, so that rounding never adds up.
    fn due(&self) -> Moment {
        Moment(self.first.0.saturating_add((self.nanos_per_token * self.next as f64) as u64))
    }
}

#[derive(Clone, Debug)]
pub(super) struct HostedEngine {
    profile: Profile,
    seed: u64,
    pub(super) condition: Condition,
    answers: BTreeMap<SeqId, Answer>,
    due: BTreeSet<(Moment, SeqId)>,
}

impl HostedEngine {
    pub(super) fn new(profile: &Profile, seed: u64) -> Self {
        Self {
            profile: profile.clone(),
            seed,
            condition: Condition::default(),
            answers: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    pub(super) fn submit(&mut self, now: Moment, job: Job) {
        let Profile::Hosted {
            ttft_base,
            prefill_tokens_per_s,
            time_per_token,
            sigma,
            tail,
            soft_concurrency,
        } = self.profile
        else {
            return;
        };
        let mut draws = Draws::keyed(self.seed, &[job.key]);
        let mut wait = ttft_base.as_secs_f64() + job.prompt_tokens as f64 / prefill_tokens_per_s.max(1e-3);
        wait *= self.condition.first_token * draws.lognormal(sigma);
        if draws.chance(tail) {
            wait *= TAIL_FACTOR;
        }
        if let Some(soft) = soft_concurrency {
            let soft = (f64::from(soft) * self.condition.capacity).max(1.0);
            let excess = ((self.answers.len() + 1) as f64 - soft).max(0.0) / soft;
            wait *= 1.0 + excess * excess;
        }
        let answer = Answer {
            first: Moment(now.0.saturating_add((wait * 1e9) as u64)),
            nanos_per_token: time_per_token.as_secs_f64() * 1e9 * self.condition.decode,
            output_tokens: job.output_tokens,
            next: 0,
        };
        self.due.insert((answer.due(), job.seq));
        self.answers.insert(job.seq, answer);
    }

    pub(super) fn next_event(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Emission>) {
        while let Some((at, seq)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let Some(answer) = self.answers.get_mut(&seq) else { continue };
            let token_index = answer.next;
            answer.next += 1;
            let last = answer.next >= answer.output_tokens;
            out.push(Emission { seq, at, token_index, last });
            if last {
                self.answers.remove(&seq);
            } else {
                self.due.insert((answer.due(), seq));
            }
        }
    }

    pub(super) fn cancel(&mut self, seq: SeqId) -> bool {
        let Some(answer) = self.answers.remove(&seq) else { return false };
        self.due.remove(&(answer.due(), seq));
        true
    }

    pub(super) fn in_flight(&self) -> usize {
        self.answers.len()
    }
}
