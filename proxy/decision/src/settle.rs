//! Stage 9: what the request came to. It owns cost, the limits' final count and the access-log record; it
//! refuses to write or send them.

use ledger::{Meter, Took};
use rule_table::Deployment;
use vocabulary::access_log::{ACCESS_LOG_VERSION, AccessLogRecord, AttemptRecord};
use vocabulary::{Moment, Reason, Usage, Usd};

use crate::exchange::{Attempt, Exchange};
use crate::price::{amortised, marginal};
use feedback_loop::Failure;

/// How the request ended, as the edge saw it.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// When.
    pub at: Moment,
    /// Status sent to the caller; 499 when none was.
    pub status: u16,
    /// The gateway's own wall-clock share of the time, in microseconds.
    pub overhead_us: u64,
}

/// A request, accounted.
#[derive(Clone, Debug)]
pub struct Settled {
    /// For the access log.
    pub record: AccessLogRecord,
    /// What it cost, failed attempts included.
    pub cost: Usd,
}

impl Exchange {
    /// Closes what is still open, settles limits by real usage and draws up the account. Runs once,
    /// whatever happened before; later calls see the same account with nothing left to close.
    pub fn settle(&mut self, ending: &Ending) -> Settled {
        let abandoned =
            if self.reason == Some(Reason::ClientClosed) { Failure::Cancelled } else { Failure::Refused };
        self.attempt_failed_if_open(ending.at, abandoned);
        let charged = self.settle_limits(ending.at);
        self.tell_unanswered(ending.at);
        self.settled = true;
        let cost = self.cost();
        let charged_tokens = charged.map(|took| took.tokens);
        let waf = self.guard_note();
        Settled { record: AccessLogRecord { charged_tokens, waf, ..self.record(ending, cost) }, cost }
    }

    /// Corrects what was reserved by what is known. Tokens that were spent count, whoever failed. Gives what
    /// limits on tokens were charged, if there are any.
    fn settle_limits(&mut self, now: Moment) -> Option<Took> {
        let reservation = self.reservation.take()?;
        let counts_tokens = reservation.lines().iter().any(|line| line.meter == Meter::Tokens);
        let ledger = self.gate.ledger();
        let now = ledger.time().at(now);
        let known = self.attempts.iter().filter_map(Attempt::charged);
        let tokens = known.map(|usage| usage.total()).reduce(u64::saturating_add);
        let took = match (tokens, self.reason) {
            (Some(tokens), _) => Took {
                tokens,
                spend_nanos: self.charged_cost(marginal),
                amortised_nanos: self.charged_cost(amortised),
            },
            // Served, and nobody counted: the estimate stands.
            (None, None) => reservation.held(),
            (None, Some(reason)) if reason.is_bad() => {
                ledger.release(now, reservation);
                return counts_tokens.then(Took::default);
            }
            // The caller's own doing, such as a request its backend refused: it counts, without tokens.
            (None, Some(_)) => Took::default(),
        };
        ledger.settle(now, reservation, &took);
        counts_tokens.then_some(took)
    }

    /// A request that no backend answered missed its objective, though no attempt can say so.
    fn tell_unanswered(&self, now: Moment) {
        let bad = self.reason.is_some_and(Reason::is_bad);
        if let (true, Some(pool), false) = (bad, self.pool, self.settled)
            && self.first_output.is_none()
        {
            self.gate.pool_unanswered(pool, now);
        }
    }

    /// Ends the attempt under way, if one is, so that its room comes back.
    pub(crate) fn attempt_failed_if_open(&mut self, now: Moment, failure: Failure) {
        let open = self.attempts.last().is_some_and(|attempt| attempt.ticket.is_some());
        if open {
            if self.attempts.last().is_some_and(|attempt| attempt.serves_as.is_some()) {
                self.owe();
            }
            let reason = self.reason.unwrap_or(Reason::Internal);
            self.attempt_failed(now, reason, failure);
        }
    }

    /// What limits are charged by `price`: also for attempts that failed and may have been worked on.
    fn charged_cost(&self, price: impl Fn(&Deployment, &Usage) -> Option<Usd>) -> u64 {
        self.sum(|attempt, deployment| price(deployment, &attempt.charged()?)).nanos
    }

    fn cost(&self) -> Usd {
        self.sum(|attempt, deployment| marginal(deployment, &attempt.usage?))
    }

    fn sum(&self, cost: impl Fn(&Attempt, &Deployment) -> Option<Usd>) -> Usd {
        let costs = self
            .attempts
            .iter()
            .filter_map(|attempt| cost(attempt, self.gate.deployment(attempt.deployment)?));
        costs.fold(Usd::ZERO, |sum, cost| sum + cost)
    }

    fn record(&self, ending: &Ending, cost: Usd) -> AccessLogRecord {
        let policy = self.gate.policy();
        let route = self.route();
        let facts = self.facts.as_ref();
        let name = |attempt: &Attempt| {
            self.gate.deployment(attempt.deployment).map(|deployment| deployment.name.clone())
        };
        AccessLogRecord {
            v: ACCESS_LOG_VERSION,
            arrival_ms: self.arrived_unix_nanos / 1_000_000,
            request_id: self.request_id.clone(),
            trace_id: None,
            route: route.map(|route| route.name.clone()),
            method: self.method.as_str().to_owned(),
            path_template: route.map(|route| route.path_template.clone()),
            matched_headers: route
                .map(|route| route.matching.headers.iter().map(|header| header.name.clone()).collect())
                .unwrap_or_default(),
            consumer: self.consumer.and_then(|id| policy.consumers.get(id as usize)).map(|c| c.name.clone()),
            operation: self.operation,
            model: facts.map(|facts| facts.model.clone()),
            stream: facts.is_some_and(|facts| facts.stream),
            usage: self.usage,
            usage_source: self.usage.map(|_| self.usage_source),
            charged_tokens: None,
            max_output_tokens: facts.and_then(|facts| facts.max_output_tokens),
            prefix_ids: facts.map(|facts| facts.prefix_ids.clone()).unwrap_or_default(),
            pool: self.pool.and_then(|id| policy.pools.get(id as usize)).map(|pool| pool.name.clone()),
            backend: self
                .attempts
                .last()
                .and_then(name)
                .or_else(|| self.gate.deployment(self.piped_to?).map(|deployment| deployment.name.clone())),
            attempts: self
                .attempts
                .iter()
                .map(|attempt| AttemptRecord {
                    backend: name(attempt).unwrap_or_default(),
                    processing: self
                        .gate
                        .deployment(attempt.deployment)
                        .and_then(|deployment| Some(deployment.processing.as_ref()?.to_string())),
                    status: attempt.status,
                    reason: attempt.reason,
                    ttft_ms: attempt.first_output.map(|at| millis(attempt.started, at)),
                    duration_ms: millis(attempt.started, attempt.ended.unwrap_or(ending.at)),
                })
                .collect(),
            status: ending.status,
            reason: self.reason,
            would_refuse: self.would_refuse.clone(),
            acl: self.acl_rules.clone(),
            waf: None,
            ttft_ms: self.first_output.map(|at| millis(self.arrived, at)),
            duration_ms: millis(self.arrived, ending.at),
            overhead_us: ending.overhead_us,
            cost_nanos: cost.nanos,
            bundle: self.gate.digest().to_owned(),
        }
    }
}

fn millis(from: Moment, to: Moment) -> f64 {
    to.since(from).as_secs_f64() * 1e3
}
