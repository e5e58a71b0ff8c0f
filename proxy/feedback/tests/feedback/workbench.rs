//! A pool by hand: a few members, one event at a time.

use std::time::Duration;

use feedback_loop::{
    Ask, EjectionSpec, Failure, MemberSet, MemberSpec, Objective, Pick, Pool, PoolSpec, QuotaShape,
    QuotaSpec, Strategy,
};
use vocabulary::admin::DecisionRecord;
use vocabulary::{Moment, Usage};

use crate::sim::fleet::{member, prices};

pub(crate) fn spec(strategy: Strategy, members: Vec<MemberSpec>) -> PoolSpec {
    PoolSpec {
        name: "chat".to_owned(),
        strategy,
        objective: Objective { ttft: Duration::from_secs(2), attainment: 0.95, max_cost_per_miss_usd: 0.2 },
        ejection: EjectionSpec {
            consecutive_failures: 5,
            base: Duration::from_secs(30),
            max_share: 0.5,
            breaker: None,
            ramp: Duration::from_secs(8),
        },
        members,
    }
}

/// Members named `a`, `b`, … that expect 0.5 s and cost as given, in USD per million tokens in and out.
pub(crate) fn priced(usd: &[(f64, f64)]) -> Vec<MemberSpec> {
    let names = ('a'..='z').map(String::from);
    names.zip(usd).map(|(name, usd)| MemberSpec { prices: prices(*usd), ..member(&name, 0.5) }).collect()
}

pub(crate) fn per_minute(tokens: u64) -> QuotaSpec {
    QuotaSpec {
        tokens: Some((tokens, Duration::from_secs(60))),
        requests: None,
        shape: QuotaShape::FixedWindow,
        burst: Duration::ZERO,
        output_weight: 1,
    }
}

pub(crate) fn at(seconds: f64) -> Moment {
    Moment::from_secs_f64(seconds)
}

pub(crate) fn ask(now: Moment) -> Ask<'static> {
    Ask {
        request_id: "request",
        attempt: 1,
        arrived: now,
        prompt_tokens: 1_000,
        max_output_tokens: Some(100),
        streamed: true,
        eligible: MemberSet::ALL,
    }
}

pub(crate) trait Workbench {
    /// Picks for an ordinary request.
    fn pick(&mut self, now: Moment) -> Pick;
    /// Picks, answers after `ttft` seconds and finishes; returns the member.
    fn serve(&mut self, now: Moment, ttft: f64) -> usize;
    /// Picks and fails at once; returns the member.
    fn fail(&mut self, now: Moment, failure: Failure) -> usize;
    /// Picks on `member` alone and fails at once.
    fn fail_on(&mut self, now: Moment, member: usize, failure: Failure);
    /// Standing of each member, in order.
    fn standings(&self, now: Moment) -> Vec<String>;
    /// The latest decision.
    fn latest(&self) -> DecisionRecord;
}

impl Workbench for Pool {
    fn pick(&mut self, now: Moment) -> Pick {
        self.choose(now, &ask(now)).expect("a member is eligible")
    }

    fn serve(&mut self, now: Moment, ttft: f64) -> usize {
        let pick = self.pick(now);
        let answered = now + Duration::from_secs_f64(ttft);
        self.first_token(answered, &pick.ticket);
        self.finished(answered, pick.ticket, Some(Usage { input: 1_000, output: 100, ..Usage::default() }));
        pick.member
    }

    fn fail(&mut self, now: Moment, failure: Failure) -> usize {
        let pick = self.pick(now);
        self.failed(now, pick.ticket, failure);
        pick.member
    }

    fn fail_on(&mut self, now: Moment, member: usize, failure: Failure) {
        let only = Ask { eligible: MemberSet::EMPTY.with(member), ..ask(now) };
        let pick = self.choose(now, &only).expect("the member is eligible");
        self.failed(now, pick.ticket, failure);
    }

    fn standings(&self, now: Moment) -> Vec<String> {
        self.status(now).members.into_iter().map(|member| member.standing).collect()
    }

    fn latest(&self) -> DecisionRecord {
        self.decisions(1).pop().expect("a decision was made")
    }
}
