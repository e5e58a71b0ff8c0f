//! One pool's state. It owns what survives a new policy, the one-second loop and the status; picking is in
//! `choose`, learning from outcomes in `settle`.

use std::sync::Arc;
use std::time::Duration;

use vocabulary::admin::{DecisionRecord, MemberStatus, PoolStatus, ShareChange};
use vocabulary::{Moment, Usage};

use crate::breaker::Breaker;
use crate::controller::Controller;
use crate::decisions::Ring;
use crate::estimator::{Estimator, Features};
use crate::health::Health;
use crate::held::{Held, HoldSpec};
use crate::open::OpenTable;
use crate::quota::Quota;
use crate::shares::Shares;
use crate::standing::Standing;
use crate::{EjectionSpec, MAX_MEMBERS, MemberSpec, Objective, PoolSpec, Strategy};

const SECOND: Duration = Duration::from_secs(1);
/// A loop that stood still makes up for at most this many seconds.
const MOST_TICKS: u64 = 60;
/// A typical request, before any is seen: prompt and output tokens.
const TYPICAL_PROMPT: f64 = 1000.0;
const TYPICAL_OUTPUT: f64 = 200.0;
/// Weight of one answer in the expected output, of one request in the median prompt (as a factor), and of
/// one answer in a member's cached share.
const OUTPUT_WEIGHT: f64 = 0.01;
const MEDIAN_STEP: f64 = 1.01;
const CACHED_WEIGHT: f64 = 0.02;

/// One pool: members, what is known of them, and the loop that prices misses. For one thread at a time.
#[derive(Debug)]
pub struct Pool {
    pub(crate) name: String,
    pub(crate) strategy: Strategy,
    pub(crate) objective: Objective,
    pub(crate) ejection: EjectionSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) names: Arc<[Arc<str>]>,
    /// Turns of the members, for the strategies that rotate.
    pub(crate) turns: Vec<i64>,
    pub(crate) open: OpenTable,
    pub(crate) controller: Controller,
    pub(crate) shares: Shares,
    pub(crate) ring: Ring,
    pub(crate) closes: Closes,
    pub(crate) typical: Typical,
    pub(crate) held: Held,
    /// Picks that exploration may still take.
    pub(crate) exploration: f64,
    /// Whether any pick since the last tick had more than one member ready.
    pub(crate) had_alternatives: bool,
    ticked: Moment,
}

/// A member and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) spec: MemberSpec,
    pub(crate) health: Health,
    pub(crate) breaker: Breaker,
    pub(crate) quota: Quota,
    pub(crate) estimator: Estimator,
    pub(crate) in_flight: u32,
    pub(crate) unanswered_tokens: u64,
    /// Share of prompt tokens read from the provider's cache.
    pub(crate) cached_share: f64,
    pub(crate) used_at: Moment,
}

/// What requests of this pool look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typical {
    pub(crate) median_prompt: f64,
    pub(crate) output: f64,
}

/// How tickets ended, since the pool was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closes {
    /// Finished.
    pub finished: u64,
    /// Failed, for any cause.
    pub failed: u64,
    /// Dropped by the caller and given up on.
    pub lost: u64,
    /// Closed again after they were over, or closed at the wrong pool; without effect.
    pub stray: u64,
}

impl Pool {
    /// A pool that has seen nothing. `seed` sets apart pools that would otherwise rotate in step, such as
    /// those of two replicas.
    #[must_use]
    pub fn new(spec: PoolSpec, seed: u64, now: Moment) -> Self {
        let members: Vec<Member> = spec
            .members
            .into_iter()
            .take(MAX_MEMBERS)
            .map(|member| Member::new(member, &spec.objective, Health::new(), now))
            .collect();
        let count = members.len();
        Self {
            controller: Controller::new(&spec.objective, price_spread(&members)),
            names: names(&members),
            turns: turns(seed, count),
            open: OpenTable::new(seed ^ now.0.rotate_left(32), count),
            shares: Shares::new(count),
            ring: Ring::new(),
            closes: Closes::default(),
            typical: Typical { median_prompt: TYPICAL_PROMPT, output: TYPICAL_OUTPUT },
            held: Held::default(),
            exploration: 0.0,
            had_alternatives: false,
            ticked: now,
            name: spec.name,
            strategy: spec.strategy,
            objective: spec.objective,
            ejection: spec.ejection,
            members,
        }
    }

    /// Takes a new spec. Members of the same name keep what was learned, what they have in flight and what
    /// they have used; new prices, quotas and objectives hold from the next pick. New members start slowly.
    pub fn reconfigure(&mut self, spec: PoolSpec, now: Moment) {
        let mut old: Vec<Option<Member>> = std::mem::take(&mut self.members).into_iter().map(Some).collect();
        let mut map = vec![None; old.len()];
        let mut turns = Vec::with_capacity(spec.members.len());
        for (index, next) in spec.members.into_iter().take(MAX_MEMBERS).enumerate() {
            let known = old.iter().position(|m| m.as_ref().is_some_and(|m| m.spec.name == next.name));
            let kept = known.and_then(|known| old.get_mut(known)?.take());
            if let Some(slot) = known.and_then(|known| map.get_mut(known)) {
                *slot = Some(index);
            }
            turns.push(known.and_then(|known| self.turns.get(known).copied()).unwrap_or(0));
            self.members.push(match kept {
                Some(member) => member.reconfigured(next),
                None => Member::new(next, &spec.objective, Health::joining(now), now),
            });
        }
        self.open.renumber(&map, self.members.len());
        if map.iter().enumerate().any(|(from, to)| *to != Some(from)) || map.len() != self.members.len() {
            self.shares = Shares::new(self.members.len());
        }
        self.names = names(&self.members);
        self.held = self.held.renumbered(&self.members);
        self.turns = turns;
        self.controller.reconfigure(&spec.objective, price_spread(&self.members));
        self.name = spec.name;
        self.strategy = spec.strategy;
        self.objective = spec.objective;
        self.ejection = spec.ejection;
    }

    /// The one-second loop. Call it about once per second of policy time; it makes up for late calls.
    /// Returns the realised shares that moved noticeably.
    pub fn tick(&mut self, now: Moment) -> Vec<ShareChange> {
        let due = now.since(self.ticked).as_secs().min(MOST_TICKS);
        if due == 0 {
            return Vec::new();
        }
        self.ticked = if due == MOST_TICKS { now } else { self.ticked + SECOND.saturating_mul(due as u32) };
        let alternatives = std::mem::take(&mut self.had_alternatives);
        for _ in 0..due {
            if !self.held.is_frozen() {
                self.controller.tick(now, alternatives);
            }
            for member in &mut self.members {
                member.estimator.tick(now);
                member.quota.tick();
            }
        }
        self.expire(now);
        self.shares.changes(now, &self.name, &self.names)
    }

    /// The pool as it is now.
    #[must_use]
    pub fn status(&self, now: Moment) -> PoolStatus {
        let adaptive = self.strategy == Strategy::Adaptive;
        PoolStatus {
            pool: self.name.clone(),
            strategy: self.strategy.name().to_owned(),
            lambda_usd: adaptive.then(|| self.controller.lambda()),
            miss_ratio: self.controller.miss_ratio(now),
            feasible: adaptive.then(|| self.controller.feasible(now)),
            frozen: self.held.is_frozen(),
            members: self
                .members
                .iter()
                .enumerate()
                .map(|(index, m)| self.member_status(now, index, m))
                .collect(),
        }
    }

    /// Takes what operators hold, in place of what they held before. It stays over [`Pool::reconfigure`].
    pub fn hold(&mut self, spec: &HoldSpec) {
        if !self.held.is(spec) {
            self.held = Held::new(spec.clone(), &self.members);
        }
    }

    /// The latest decisions, newest first, at most `limit`.
    #[must_use]
    pub fn decisions(&self, limit: usize) -> Vec<DecisionRecord> {
        self.ring.newest_first().take(limit).map(|decision| decision.render(&self.name)).collect()
    }

    /// The kept decisions of one request, newest first.
    #[must_use]
    pub fn decisions_of(&self, request_id: &str) -> Vec<DecisionRecord> {
        let wanted = self.ring.newest_first().filter(|decision| decision.request_id == request_id);
        wanted.map(|decision| decision.render(&self.name)).collect()
    }

    /// Decisions made so far, kept or not.
    #[must_use]
    pub fn decisions_total(&self) -> u64 {
        self.ring.total()
    }

    /// Tickets not yet closed.
    #[must_use]
    pub fn open_tickets(&self) -> usize {
        self.open.len()
    }

    /// How tickets ended.
    #[must_use]
    pub fn closes(&self) -> Closes {
        self.closes
    }

    fn member_status(&self, now: Moment, index: usize, member: &Member) -> MemberStatus {
        let oldest = self.oldest_waiting(now, index);
        let features = member.features(self.typical.median_prompt);
        let drift = member.estimator.drift_factor(oldest);
        let mut standing = self.held.standing(index).unwrap_or_else(|| member.health.standing(now));
        let spent = self.strategy == Strategy::Adaptive
            && !member.quota.admits(now, self.typical.median_prompt, self.typical.output);
        if standing == Standing::Ready && spent {
            standing = Standing::QuotaSpent;
        }
        MemberStatus {
            member: member.spec.name.clone(),
            share: self.shares.share(now, index),
            standing: standing.name().to_owned(),
            in_flight: member.in_flight,
            unanswered_prompt_tokens: member.unanswered_tokens,
            predicted_ttft_s: member.estimator.predict(&features) * drift,
            drift,
            error_ratio: member.estimator.error(),
            quota_used: member.quota.used(now),
        }
    }

    /// How far the longest waiting request of a member is past its prediction, as a ratio.
    pub(crate) fn oldest_waiting(&self, now: Moment, member: usize) -> Option<f64> {
        let (sent, predicted) = self.open.oldest(member)?;
        Some(now.since(sent).as_secs_f64() / predicted.max(1e-6))
    }

    fn expire(&mut self, now: Moment) {
        for open in self.open.expire(now) {
            self.closes.lost += 1;
            if let Some(member) = open.member.and_then(|member| self.members.get_mut(member)) {
                member.release(&open);
            }
        }
    }
}

impl Member {
    fn new(spec: MemberSpec, objective: &Objective, health: Health, now: Moment) -> Self {
        Self {
            health,
            breaker: Breaker::default(),
            quota: Quota::new(spec.quota.as_ref()),
            estimator: Estimator::new(spec.expected_ttft, objective.ttft, now),
            in_flight: 0,
            unanswered_tokens: 0,
            cached_share: 0.0,
            used_at: now,
            spec,
        }
    }

    fn reconfigured(mut self, spec: MemberSpec) -> Self {
        if self.spec.quota != spec.quota {
            self.quota.reconfigure(spec.quota.as_ref());
        }
        self.spec = spec;
        self
    }

    /// What the model is told of a prompt sent now.
    pub(crate) fn features(&self, prompt_tokens: f64) -> Features {
        Features([1.0, prompt_tokens / 1e3, self.unanswered_tokens as f64 / 1e3, self.over_knee()])
    }

    /// Requests beyond those it serves at once, if one more came.
    pub(crate) fn over_knee(&self) -> f64 {
        let knee = self.spec.concurrency.map_or(f64::INFINITY, f64::from);
        (f64::from(self.in_flight) + 1.0 - knee).max(0.0)
    }

    /// Expected price of a request, in USD.
    pub(crate) fn cost(&self, prompt: f64, output: f64) -> f64 {
        let prices = &self.spec.prices;
        let input = prices.input.per_token_f64() * (1.0 - self.cached_share)
            + prices.cached_input.per_token_f64() * self.cached_share;
        prompt * input + output * prices.output.per_token_f64()
    }

    /// Gives back the room of a request that is over.
    pub(crate) fn release(&mut self, open: &crate::open::Open) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if open.waiting {
            self.unanswered_tokens = self.unanswered_tokens.saturating_sub(open.prompt_tokens);
        }
    }

    pub(crate) fn learn_cache(&mut self, usage: &Usage) {
        if usage.input > 0 {
            let share = usage.cached_input.min(usage.input) as f64 / usage.input as f64;
            self.cached_share += CACHED_WEIGHT * (share - self.cached_share);
        }
    }
}

impl Typical {
    /// A request asks for `prompt` tokens. Each moves the estimate by a fixed factor towards itself, which
    /// settles on the median.
    pub(crate) fn asked(&mut self, prompt: f64) {
        let towards = if prompt > self.median_prompt { MEDIAN_STEP } else { 1.0 / MEDIAN_STEP };
        self.median_prompt = (self.median_prompt * towards).clamp(1.0, 1e7);
    }

    /// An answer took `output` tokens.
    pub(crate) fn answered(&mut self, output: f64) {
        self.output += OUTPUT_WEIGHT * (output - self.output);
    }
}

fn names(members: &[Member]) -> Arc<[Arc<str>]> {
    members.iter().map(|member| Arc::from(member.spec.name.as_str())).collect()
}

/// What a typical request costs more on the dearest member than on the cheapest, in USD.
fn price_spread(members: &[Member]) -> f64 {
    let costs = members.iter().map(|member| member.cost(TYPICAL_PROMPT, TYPICAL_OUTPUT));
    let (least, most) =
        costs.fold((f64::INFINITY, 0.0_f64), |(least, most), cost| (least.min(cost), most.max(cost)));
    if least.is_finite() { most - least } else { 0.0 }
}

/// The first turn goes to the member the seed says.
fn turns(seed: u64, members: usize) -> Vec<i64> {
    let mut turns = vec![0; members];
    let first = seed.checked_rem(members as u64).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    if let Some(turn) = turns.get_mut(first) {
        *turn = 1;
    }
    turns
}
