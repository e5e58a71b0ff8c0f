//! Stage 5: limits reserved before anything is sent. It owns which limits a request falls under and how
//! much it claims; counting is the ledger's.

use ledger::{Claim, Exhausted};
use rule_table::{LimitId, Mode};
use vocabulary::{Moment, Operation, RateUnit, Reason};

use crate::{Exchange, Refusal};

/// Output tokens assumed for a caller that names no ceiling; settled to the real number afterwards.
const ASSUMED_OUTPUT_TOKENS: u64 = 256;

impl Exchange {
    /// Reserves one request, and its prompt plus the output it may ask for, against every limit.
    ///
    /// # Errors
    /// [`Reason::RequestLimit`] or [`Reason::TokenLimit`], with the time until the window turns unless the
    /// request is larger than a whole window.
    pub fn reserve(&mut self, now: Moment) -> Result<(), Refusal> {
        let claims = self.claims();
        if claims.is_empty() {
            return Ok(());
        }
        // Counting tokens spends none.
        let facts = self.facts.as_ref().filter(|facts| facts.operation != Operation::CountTokens);
        let tokens = facts.map_or(0, |facts| {
            let output =
                facts.max_output_tokens.unwrap_or(ASSUMED_OUTPUT_TOKENS).saturating_mul(facts.choices);
            facts.prompt_tokens.saturating_add(output)
        });
        let reserved = self.gate.ledger().reserve(now, &claims, tokens);
        self.remaining = self.gate.ledger().remaining(now, &claims);
        let reservation = reserved.map_err(|exhausted| refusal(&exhausted))?;
        for reason in reservation.would_refuse().map(reason) {
            // Two limits may agree; the request would have been refused once.
            if !self.would_refuse.contains(&reason) {
                self.would_refuse.push(reason);
            }
        }
        self.reservation = Some(reservation);
        Ok(())
    }

    fn claims(&self) -> Vec<Claim> {
        let policy = self.gate.policy();
        let consumer =
            self.consumer.and_then(|id| Some((id, *policy.consumers.get(id as usize)?.limits.first()?)));
        let route = self.route.and_then(|id| Some((id, *policy.routes.get(id as usize)?.limits.first()?)));
        let claim = |scope: Scope, name: &str, limit: LimitId| {
            policy.limits.get(limit as usize).map(|limit| Claim {
                key: key(scope, &limit.name, name),
                requests: limit.requests,
                tokens: limit.tokens,
                shadow: limit.mode == Mode::Shadow,
            })
        };
        let name_of_consumer =
            |id: u32| policy.consumers.get(id as usize).map_or("", |consumer| consumer.name.as_str());
        let name_of_route = |id: u32| policy.routes.get(id as usize).map_or("", |route| route.name.as_str());
        [
            consumer.and_then(|(id, limit)| claim(Scope::Consumer, name_of_consumer(id), limit)),
            route.and_then(|(id, limit)| claim(Scope::Route, name_of_route(id), limit)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[derive(Clone, Copy)]
enum Scope {
    Consumer = 1,
    Route = 2,
}

/// Counters are keyed by names, so they survive a reload that renumbers. FNV-1a, 64 bits.
fn key(scope: Scope, limit: &str, subject: &str) -> u64 {
    let parts = [&[scope as u8][..], limit.as_bytes(), &[0], subject.as_bytes()];
    parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn refusal(exhausted: &Exhausted) -> Refusal {
    let reason = reason(exhausted.unit);
    if exhausted.never_fits() {
        let Exhausted { asked, amount, .. } = exhausted;
        let message = format!(
            "this request may take {asked} tokens, more than the {amount} of a whole window; shorten its prompt or lower `max_tokens`"
        );
        return Refusal::new(reason, message);
    }
    let what = match exhausted.unit {
        RateUnit::Requests => "requests",
        RateUnit::Tokens => "tokens",
    };
    let message = format!("the {what} of this window are spent; wait for the time in Retry-After");
    Refusal::new(reason, message).with_retry_after(Some(exhausted.retry_after))
}

fn reason(unit: RateUnit) -> Reason {
    match unit {
        RateUnit::Requests => Reason::RequestLimit,
        RateUnit::Tokens => Reason::TokenLimit,
    }
}
