//! The pick: which member a request goes to. It owns standings, scores, strategies and the booking that
//! comes with a pick; it refuses to look at outcomes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vocabulary::Moment;

use crate::decisions::{Cause, Decision, Scored};
use crate::estimator::Outlook;
use crate::open::{LONGEST_ANSWER, Open};
use crate::pool::Member;
use crate::standing::Standing;
use crate::{MemberSet, Pool, Strategy, Ticket, turns};

/// Requests in line beyond the concurrency at which one more costs a full miss.
const QUEUE_OF_ONE_MISS: f64 = 6.0;
/// Price of spending ahead of a window: misses at most, slope per fraction ahead, tokens of one unit.
const PACE_MOST: f64 = 0.5;
const PACE_SLOPE: f64 = 2.5;
const PACE_TOKENS: f64 = 1400.0;
/// A member not used for this long is tried with a small prompt: at most this share of picks, and prompts
/// at most this many times the median.
const EXPLORE_AFTER: Duration = Duration::from_secs(6);
const EXPLORE_SHARE: f64 = 0.02;
const SMALL_PROMPT: f64 = 1.5;
/// A request without a first token for this many of its timeouts, and at least this long, is lost.
const LOST_AFTER_TIMEOUTS: u32 = 4;
const LOST_AFTER_LEAST: Duration = Duration::from_secs(60);

/// What is asked of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// For the decision record.
    pub request_id: &'a str,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When the caller's request arrived: the objective counts from there.
    pub arrived: Moment,
    /// Estimated prompt tokens.
    pub prompt_tokens: u64,
    /// The caller's ceiling on output tokens, all choices together.
    pub max_output_tokens: Option<u64>,
    /// Whether the answer is streamed. Without a stream the first byte comes with the last token, so its
    /// time says nothing of the time to first token and is not learned from.
    pub streamed: bool,
    /// Members that may take it: right model, wide enough, not tried yet.
    pub eligible: MemberSet,
}

/// A pick, booked.
#[derive(Debug)]
#[must_use = "the pick has booked room; send the request and close the ticket"]
pub struct Pick {
    /// Index of the member in the spec.
    pub member: usize,
    /// To be closed when the attempt is over.
    pub ticket: Ticket,
    /// Whether the pick was made to learn, not because it was best.
    pub probe: bool,
}

/// No member may take the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCandidate {
    /// When the first member of the pool ends its cooling down or ejection, if any has one.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for NoCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no member of the pool may take this request")?;
        self.retry_after
            .map_or(Ok(()), |after| write!(f, "; one may return in {} s", after.as_secs_f64().ceil()))
    }
}

impl std::error::Error for NoCandidate {}

impl Pool {
    /// Picks a member and books the request there at once: in-flight, unanswered prompt tokens and quota.
    ///
    /// # Errors
    /// [`NoCandidate`] when no member is eligible, or all that are asked for rest. Members that are spent,
    /// ejected or unhealthy are used when nothing better is at hand, in that order.
    pub fn choose(&mut self, now: Moment, ask: &Ask<'_>) -> Result<Pick, NoCandidate> {
        let prompt = ask.prompt_tokens as f64;
        let output =
            ask.max_output_tokens.map_or(self.typical.output, |most| self.typical.output.min(most as f64));
        let slack = self.objective.ttft.as_secs_f64() - now.since(ask.arrived).as_secs_f64();
        if ask.attempt <= 1 {
            self.typical.asked(prompt);
        }
        let mut decision = self.decision(now, ask, slack);
        self.score(now, ask, (prompt, output, slack), &mut decision.scored);
        let tier = decision.scored.iter().filter_map(|scored| scored.standing.tier()).min();
        let ready = decision.scored.iter().filter(|scored| scored.standing == Standing::Ready).count();
        self.had_alternatives |= ready > 1;
        let best = tier.and_then(|tier| self.best(tier, &decision.scored));
        let probe =
            best.filter(|_| tier == Some(0)).and_then(|best| self.explore(now, ask, best, &decision.scored));
        decision.chosen = probe.or(best);
        decision.cause = match (decision.chosen, probe, self.strategy) {
            (None, ..) => Cause::Nobody,
            (_, Some(_), _) => Cause::Probe,
            (.., Strategy::Adaptive) if !self.held.is_frozen() => Cause::Total,
            _ => Cause::Turn,
        };
        let chosen = decision.chosen;
        self.shares.record(now, &decision.scored, chosen);
        self.ring.put(decision);
        let booked = chosen.and_then(|member| Some((member, self.book(now, ask, member, output)?)));
        let (member, ticket) = booked.ok_or_else(|| NoCandidate { retry_after: self.first_back(now) })?;
        Ok(Pick { member, ticket, probe: probe.is_some() })
    }

    /// An empty decision in the buffers of the oldest one.
    fn decision(&mut self, now: Moment, ask: &Ask<'_>, slack: f64) -> Decision {
        let (mut request_id, mut scored) =
            self.ring.take_oldest().map_or_else(Default::default, |old| (old.request_id, old.scored));
        request_id.clear();
        request_id.push_str(ask.request_id);
        scored.clear();
        Decision {
            at: now,
            request_id,
            attempt: ask.attempt,
            strategy: self.strategy,
            lambda: self.controller.lambda(),
            prompt_tokens: ask.prompt_tokens,
            slack,
            names: Arc::clone(&self.names),
            scored,
            chosen: None,
            cause: Cause::Nobody,
        }
    }

    fn score(&mut self, now: Moment, ask: &Ask<'_>, request: (f64, f64, f64), scored: &mut Vec<Scored>) {
        let (prompt, output, slack) = request;
        let adaptive = self.strategy == Strategy::Adaptive;
        let ramp = self.ejection.ramp;
        let lambda = if adaptive { self.controller.lambda() } else { 0.0 };
        for index in 0..self.members.len() {
            let oldest = self.oldest_waiting(now, index);
            let Some(member) = self.members.get_mut(index) else { continue };
            let eligible = ask.eligible.contains(index);
            let held = self.held.standing(index).filter(|_| eligible);
            let standing = held.unwrap_or_else(|| {
                let has_room = !adaptive || member.quota.admits(now, prompt, output);
                member.standing(now, ramp, eligible, has_room)
            });
            let outlook = if eligible {
                member.estimator.outlook(&member.features(prompt), slack, oldest)
            } else {
                Outlook { ttft: 0.0, miss: 0.0 }
            };
            let ahead = if adaptive { member.quota.ahead(now) } else { 0.0 };
            scored.push(Scored {
                standing,
                cost: member.cost(prompt, output),
                miss: lambda * outlook.miss,
                queue: lambda * (member.over_knee() / QUEUE_OF_ONE_MISS).min(1.0),
                pace: lambda * PACE_MOST * (PACE_SLOPE * ahead).min(1.0) * (prompt + output) / PACE_TOKENS,
                outlook,
            });
        }
    }

    /// The best of the members whose standing is of `tier`.
    fn best(&mut self, tier: u8, scored: &[Scored]) -> Option<usize> {
        let usable = scored.iter().enumerate().filter(|(_, scored)| scored.standing.tier() == Some(tier));
        if let Some(weights) = self.held.weights() {
            let weight = |index: usize| weights.get(index).copied().unwrap_or(0);
            return turns::next(&mut self.turns, usable.map(|(index, _)| (index, weight(index))));
        }
        let members = &self.members;
        let weight = |index: usize| members.get(index).map_or(0, |member| member.spec.weight);
        match self.strategy {
            Strategy::Adaptive => usable.min_by(|a, b| a.1.cmp_merit(b.1)).map(|(index, _)| index),
            Strategy::RoundRobin => turns::next(&mut self.turns, usable.map(|(index, _)| (index, 1))),
            Strategy::Weighted => {
                turns::next(&mut self.turns, usable.map(|(index, _)| (index, weight(index))))
            }
        }
    }

    /// A ready member other than `best` that has been idle for long, when this request is small enough to
    /// try it with and the budget allows.
    fn explore(&mut self, now: Moment, ask: &Ask<'_>, best: usize, scored: &[Scored]) -> Option<usize> {
        if self.strategy != Strategy::Adaptive || self.held.is_frozen() {
            return None;
        }
        self.exploration = (self.exploration + EXPLORE_SHARE).min(1.0);
        let small = ask.prompt_tokens as f64 <= SMALL_PROMPT * self.typical.median_prompt;
        // The budget is a sum of many small shares: a hair below one is one.
        if self.exploration < 1.0 - 1e-9 || !small || ask.attempt > 1 || self.controller.at_ceiling() {
            return None;
        }
        let (_, idle) = self
            .members
            .iter()
            .zip(scored)
            .enumerate()
            .filter(|(index, (member, scored))| {
                *index != best
                    && scored.standing == Standing::Ready
                    && now.since(member.used_at) > EXPLORE_AFTER
            })
            .map(|(index, (member, _))| (member.used_at, index))
            .min()?;
        self.exploration = 0.0;
        Some(idle)
    }

    fn book(&mut self, now: Moment, ask: &Ask<'_>, index: usize, output: f64) -> Option<Ticket> {
        let member = self.members.get_mut(index)?;
        let features = member.features(ask.prompt_tokens as f64);
        let lost_after =
            member.spec.first_token_timeout.saturating_mul(LOST_AFTER_TIMEOUTS).max(LOST_AFTER_LEAST);
        let open = Open {
            member: Some(index),
            sent: now,
            arrived: ask.arrived,
            prompt_tokens: ask.prompt_tokens,
            waiting: ask.streamed,
            streamed: ask.streamed,
            features,
            predicted: member.estimator.predict(&features),
            booking: member.quota.book(now, ask.prompt_tokens as f64, output),
            expires: now + if ask.streamed { lost_after } else { LONGEST_ANSWER.max(lost_after) },
        };
        member.health.picked();
        member.used_at = now;
        member.in_flight = member.in_flight.saturating_add(1);
        if open.waiting {
            member.unanswered_tokens = member.unanswered_tokens.saturating_add(ask.prompt_tokens);
        }
        Some(self.open.insert(open))
    }

    fn first_back(&self, now: Moment) -> Option<Duration> {
        self.members.iter().filter_map(|member| member.health.back_at(now)).min().map(|back| back.since(now))
    }
}

impl Member {
    fn standing(&mut self, now: Moment, ramp: Duration, eligible: bool, has_room: bool) -> Standing {
        if !eligible {
            return Standing::NotEligible;
        }
        match self.health.standing(now) {
            Standing::Ready if !has_room => Standing::QuotaSpent,
            Standing::Ready if !self.health.ramp(now, ramp) => Standing::Ramping,
            standing => standing,
        }
    }
}
