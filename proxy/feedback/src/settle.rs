//! What became of a pick. It owns which outcome teaches what; it refuses to pick.

use std::time::Duration;

use vocabulary::{Moment, Usage};

use crate::open::{LONGEST_ANSWER, Open};
use crate::pool::Member;
use crate::{EjectionSpec, Pool, Ticket};

/// Why an attempt did not serve the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429: no room. Says nothing of speed or soundness.
    RateLimited {
        /// The member's own word on when to come back.
        retry_after: Option<Duration>,
    },
    /// 5xx, a broken answer, or a stream that broke.
    ServerError {
        /// The member's own word on when to come back.
        retry_after: Option<Duration>,
    },
    /// No answer in the time allowed.
    Timeout,
    /// No connection; nothing was sent.
    Connect,
    /// The caller left.
    Cancelled,
    /// 4xx of the request itself: no fault of the member.
    Refused,
    /// The member refuses the gateway's credential, or its account is out of service. Ejects at once:
    /// every further request would fail alike.
    Auth,
}

impl Pool {
    /// The first output of a streamed request came. Without a stream, and after the first call, this does
    /// nothing.
    pub fn first_token(&mut self, now: Moment, ticket: &Ticket) {
        let Some(open) = self.open.answer(ticket, now + LONGEST_ANSWER) else { return };
        self.controller.record(now, now.since(open.arrived) > self.objective.ttft);
        let Some(member) = open.member.and_then(|member| self.members.get_mut(member)) else { return };
        member.unanswered_tokens = member.unanswered_tokens.saturating_sub(open.prompt_tokens);
        member.estimator.answered(now, &open.features, open.predicted, now.since(open.sent).as_secs_f64());
        member.health.answered(now, open.sent);
    }

    /// The answer is complete. `usage` settles what was booked; without it the estimate stands.
    pub fn finished(&mut self, now: Moment, ticket: Ticket, usage: Option<Usage>) {
        let Some(open) = self.close(&ticket) else { return };
        self.closes.finished += 1;
        if let Some(usage) = &usage {
            self.typical.answered(usage.output as f64);
        }
        let Some(member) = open.member.and_then(|member| self.members.get_mut(member)) else { return };
        if open.waiting || !open.streamed {
            member.estimator.worked(now);
            member.health.answered(now, open.sent);
        }
        if let Some(breaker) = &self.ejection.breaker {
            member.breaker.record(now, breaker, false);
        }
        member.health.completed();
        if let Some(usage) = &usage {
            member.quota.settle(now, &open.booking, usage);
            member.learn_cache(usage);
        }
    }

    /// The attempt failed.
    pub fn failed(&mut self, now: Moment, ticket: Ticket, failure: Failure) {
        let Some(open) = self.close(&ticket) else { return };
        self.closes.failed += 1;
        if failure == Failure::Cancelled && open.waiting && now.since(open.arrived) > self.objective.ttft {
            self.controller.record(now, true);
        }
        let ejection = self.ejection;
        let Some(index) = open.member else { return };
        let Some(member) = self.members.get_mut(index) else { return };
        match member.learn_failure(now, &open, failure, &ejection) {
            Verdict::Stays => {}
            Verdict::FailedTooOften => self.eject_within_share(now, index),
            Verdict::Useless => member.health.eject(now, ejection.base, ejection.consecutive_failures),
        }
    }

    /// A request ended without any answer, for a cause that lies with the pool: every attempt failed, its
    /// deadline passed, or no member could take it. It counts as a miss. Call it once per request.
    pub fn unanswered(&mut self, now: Moment) {
        self.controller.record(now, true);
    }

    /// The member that serves `ticket` says what is left of its quota, as in `x-ratelimit-remaining-tokens`
    /// and `-requests`.
    pub fn observe_remaining(
        &mut self,
        now: Moment,
        ticket: &Ticket,
        tokens: Option<u64>,
        requests: Option<u64>,
    ) {
        let Some(open) = self.open.get(ticket).copied() else { return };
        if let Some(member) = open.member.and_then(|member| self.members.get_mut(member)) {
            member.quota.observe(now, &open.booking, (tokens, requests));
        }
    }

    /// The active probe of `member` has come to a verdict, thresholds already applied. An unhealthy member
    /// takes no requests; a healthy one that was not returns slowly. A passing probe ends no ejection.
    pub fn probe(&mut self, now: Moment, member: usize, healthy: bool) {
        if let Some(member) = self.members.get_mut(member) {
            member.health.probed(now, healthy);
        }
    }

    fn close(&mut self, ticket: &Ticket) -> Option<Open> {
        let Some(open) = self.open.close(ticket) else {
            self.closes.stray += 1;
            return None;
        };
        if let Some(member) = open.member.and_then(|member| self.members.get_mut(member)) {
            member.release(&open);
        }
        Some(open)
    }

    /// Ejects unless too many members are out already: then the failures show in the score alone.
    fn eject_within_share(&mut self, now: Moment, index: usize) {
        let out = self.members.iter().filter(|member| member.health.is_ejected(now)).count();
        let most = (self.ejection.max_share * self.members.len() as f64).floor().max(1.0);
        let ejection = self.ejection;
        if let Some(member) = self.members.get_mut(index).filter(|_| (out as f64) < most) {
            member.health.eject(now, ejection.base, ejection.consecutive_failures);
            member.breaker.forget();
        }
    }
}

/// What a failure means for a member's place in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Stays,
    FailedTooOften,
    Useless,
}

impl Member {
    fn learn_failure(
        &mut self,
        now: Moment,
        open: &Open,
        failure: Failure,
        ejection: &EjectionSpec,
    ) -> Verdict {
        let waited = now.since(open.sent).as_secs_f64();
        match failure {
            Failure::RateLimited { retry_after } => {
                self.quota.refused(now, retry_after.is_some());
                self.health.cool_down(now, retry_after);
                return Verdict::Stays;
            }
            Failure::Cancelled => {
                if open.waiting {
                    self.estimator.abandoned(now, open.predicted, waited);
                }
                return Verdict::Stays;
            }
            Failure::Refused => {
                self.quota.refund(now, &open.booking);
                return Verdict::Stays;
            }
            Failure::Auth => {
                self.quota.refund(now, &open.booking);
                self.estimator.errored(now);
                return Verdict::Useless;
            }
            Failure::Timeout if open.waiting => self.estimator.timed_out(now, open.predicted, waited),
            Failure::Connect => {
                self.quota.refund(now, &open.booking);
                self.estimator.errored(now);
            }
            Failure::ServerError { retry_after } => {
                self.estimator.errored(now);
                if retry_after.is_some() {
                    self.health.cool_down(now, retry_after);
                }
            }
            Failure::Timeout => self.estimator.errored(now),
        }
        let after_first_token = open.streamed && !open.waiting;
        let tripped = ejection.breaker.as_ref().is_some_and(|spec| self.breaker.record(now, spec, true));
        if self.health.failed(after_first_token, ejection.consecutive_failures) || tripped {
            Verdict::FailedTooOften
        } else {
            Verdict::Stays
        }
    }
}
