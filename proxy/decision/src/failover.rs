//! What follows a failed attempt: another member, another pool, or the end. It owns the order of those
//! questions and the pools' retry budgets; it refuses to wait, to send or to choose a member.

use std::sync::Arc;

use feedback_loop::Failure;
use rule_table::{FallbackWhen, Pool as PoolSection};
use vocabulary::{Moment, Operation, Reason, Usage};

use crate::exchange::{Attempt, Exchange};
use crate::refusal::Refusal;

/// How far a failed attempt had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was sent, or the backend said that it does not work on it.
    NotWorkedOn,
    /// It was sent and then there was silence or a cut: the backend may be working on it, and bill it.
    Unknown,
}

/// Why an attempt ended without serving the request.
#[derive(Clone, Debug)]
pub struct AttemptFailure {
    /// The closed reason.
    pub reason: Reason,
    /// What the pool shall learn.
    pub failure: Failure,
    /// How far it had come.
    pub progress: Progress,
    /// What the caller is told if nothing follows.
    pub refusal: Refusal,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Choose again.
    Retry,
    /// The caller gets this.
    Stop(Refusal),
}

impl Exchange {
    /// Books a failed attempt and says what follows.
    pub fn failed(&mut self, now: Moment, failed: AttemptFailure) -> Next {
        let AttemptFailure { reason, failure, progress, refusal } = failed;
        if progress == Progress::Unknown {
            self.owe();
        }
        self.attempt_failed(now, reason, failure);
        let gate = Arc::clone(&self.gate);
        let Some(section) = self.pool.and_then(|id| gate.policy().pools.get(id as usize)) else {
            return Next::Stop(refusal);
        };
        if self.attempts_spent() {
            return Next::Stop(refusal);
        }
        if progress == Progress::Unknown && (self.is_held_once() || !section.retry.ambiguous) {
            // The backend that takes an idempotency key will not do the work twice; any other might.
            if !self.attempt_is_idempotent() {
                return Next::Stop(refusal);
            }
            self.pinned = self.attempts.last().map(|attempt| attempt.deployment);
        }
        let billed = |attempt: &Attempt| attempt.usage.is_some_and(|usage| usage.total() > 0);
        if self.is_held_once() && self.attempts.iter().any(billed) {
            // Another generation would spend what nobody holds room for.
            return Next::Stop(refusal);
        }
        if !self.take_retry(now, section) {
            return Next::Stop(budget_spent(refusal));
        }
        self.last_failure = Some(refusal);
        Next::Retry
    }

    /// The backend may have worked on the attempt under way, and bill it: its prompt at least;
    /// an answer in one piece may have been generated in full, unless its caller left before it began; under a
    /// hard limit all that is held.
    pub(crate) fn owe(&mut self) {
        let Some(facts) = self.facts.as_ref().filter(|facts| facts.operation != Operation::CountTokens)
        else {
            return;
        };
        let estimate = self.estimate();
        let asked = Usage { output: 0, ..estimate };
        let (most, streams) = (self.held_at_most, facts.stream);
        let left = self.reason == Some(Reason::ClientClosed);
        if let Some(attempt) = self.attempts.last_mut().filter(|attempt| attempt.ended.is_none()) {
            let begun = attempt.status.is_some_and(|status| (200..300).contains(&status));
            attempt.owed = Some(most.unwrap_or(if !streams && (begun || !left) { estimate } else { asked }));
        }
    }

    /// A backend that takes an idempotency key does a repeated request once: what its earlier attempts
    /// owed is what the last one was billed.
    pub(crate) fn forget_repeated(&mut self) {
        if !self.attempt_is_idempotent() {
            return;
        }
        let Some((last, earlier)) = self.attempts.split_last_mut() else { return };
        for attempt in earlier.iter_mut().filter(|attempt| attempt.deployment == last.deployment) {
            attempt.owed = None;
        }
    }

    /// Moves to a fallback for a request that its backend refused for what it is: too long, or filtered.
    /// `false` when the refusal stands.
    pub fn fall_back(&mut self, now: Moment, when: FallbackWhen) -> bool {
        let gate = Arc::clone(&self.gate);
        let section = self.pool.and_then(|id| gate.policy().pools.get(id as usize));
        let Some(section) = section.filter(|_| !self.attempts_spent()) else { return false };
        self.take_retry(now, section) && self.enter_fallback(section, &[when])
    }

    /// No member of the pool can be asked now: goes on to a fallback, or gives the refusal to end with.
    pub(crate) fn exhausted(&mut self, section: &PoolSection, too_long: bool) -> Next {
        let mut when = vec![FallbackWhen::Exhausted];
        when.extend(self.last_failure.as_ref().and_then(|last| condition(last.reason)));
        if too_long {
            when.push(FallbackWhen::ContextWindow);
        }
        if !self.attempts_spent() && self.enter_fallback(section, &when) {
            return Next::Retry;
        }
        let none =
            Refusal::new(Reason::NoBackend, "no backend of this route is available now; try again shortly");
        // What a backend said tells more than that none is left to ask.
        Next::Stop(self.last_failure.clone().unwrap_or(none))
    }

    /// Enters the first fallback that is for any of `when`, for this consumer and for data of this class.
    pub(crate) fn enter_fallback(&mut self, section: &PoolSection, when: &[FallbackWhen]) -> bool {
        let next = section.fallback.iter().find(|fallback| {
            let forbidden =
                self.consumer.is_some_and(|consumer| fallback.unless_consumers.contains(&consumer))
                    || self.data_class().is_some_and(|class| {
                        fallback.unless_data_classes.iter().any(|kept_out| kept_out == class)
                    });
            let seen = self.pools_left.contains(&fallback.pool) || self.pool == Some(fallback.pool);
            !forbidden && !seen && fallback.when.iter().any(|condition| when.contains(condition))
        });
        let Some(next) = next else { return false };
        self.pools_left.extend(self.pool);
        self.pool = Some(next.pool);
        self.tried = 0;
        self.pinned = None;
        true
    }

    /// Whether this request has left the pool its route names.
    pub(crate) fn on_fallback(&self) -> bool {
        !self.pools_left.is_empty()
    }

    fn take_retry(&self, now: Moment, section: &PoolSection) -> bool {
        let view = self.pool.and_then(|id| self.gate.pool(id));
        view.is_some_and(|view| view.take_retry(now, &section.retry))
    }

    fn attempt_is_idempotent(&self) -> bool {
        let deployment = self.attempts.last().and_then(|attempt| self.gate.deployment(attempt.deployment));
        deployment
            .and_then(|deployment| self.gate.policy().backends.get(deployment.backend as usize))
            .is_some_and(|backend| backend.idempotency_header.is_some())
    }
}

fn budget_spent(last: Refusal) -> Refusal {
    if matches!(last.reason, Reason::BackendRateLimited | Reason::BackendQuota) {
        // The caller's own client knows what to do about a rate limit.
        return last;
    }
    let after = last.retry_after;
    let message =
        format!("{}; no other backend was asked, since too many attempts fail already", last.message);
    Refusal::new(Reason::RetryBudget, message).with_retry_after(after)
}

/// The condition a failure stands for.
fn condition(reason: Reason) -> Option<FallbackWhen> {
    Some(match reason {
        Reason::BackendRateLimited | Reason::BackendQuota => FallbackWhen::RateLimited,
        Reason::BackendTimeout => FallbackWhen::Timeout,
        Reason::BackendConnect
        | Reason::BackendTls
        | Reason::BackendReset
        | Reason::BackendError
        | Reason::BackendAuth
        | Reason::BackendCredential
        | Reason::BackendProtocol => FallbackWhen::Error,
        Reason::ContextWindowExceeded => FallbackWhen::ContextWindow,
        _ => return None,
    })
}
