//! Who is turned away when there is not room for all. It owns priorities and the shares of a bound at which
//! each is shed; it refuses to count what is under way (the edge does).

use std::time::Duration;

use rule_table::{Mode, Priority};
use vocabulary::Reason;

use crate::{Exchange, Refusal};

/// What is under way in the whole gateway, without the request that is being admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests.
    pub in_flight: u64,
    /// Bytes of bodies and answers that are held.
    pub buffered: u64,
}

/// The share of a bound, in percent, from which a priority is shed.
const fn share(priority: Priority) -> u64 {
    match priority {
        Priority::Batch => 80,
        Priority::Standard => 90,
        Priority::Critical => 100,
    }
}

fn reached(amount: u64, bound: Option<u64>, priority: Priority) -> bool {
    bound.is_some_and(|bound| amount.saturating_mul(100) >= bound.saturating_mul(share(priority)))
}

impl Exchange {
    /// Whose turn it is when there is not room for all: the consumer's word, else its team's, else the
    /// route's. `None` while it depends on a route that is not known yet.
    #[must_use]
    pub fn priority(&self) -> Option<Priority> {
        let policy = self.gate.policy();
        let consumer = self.consumer.and_then(|id| policy.consumers.get(id as usize)?.priority);
        let team = || self.team.and_then(|id| policy.teams.get(id as usize)?.priority);
        let route = || match self.route() {
            Some(route) => Some(route.priority.unwrap_or_default()),
            None => (!self.gate.has_route_priority()).then(Priority::default),
        };
        consumer.or_else(team).or_else(route)
    }

    /// Lets the request in, unless so much is under way that there is no room for its priority.
    ///
    /// # Errors
    /// [`Reason::Overloaded`], with a time to come back that differs from request to request, so that those
    /// shed together do not return together.
    pub fn admit_load(&mut self, priority: Priority, load: Load) -> Result<(), Refusal> {
        let overload = &self.gate.policy().overload;
        let full = reached(load.in_flight, overload.max_in_flight.map(u64::from), priority)
            || reached(load.buffered, overload.max_buffered, priority);
        if !full {
            return Ok(());
        }
        if overload.mode == Mode::Shadow {
            if !self.would_refuse.contains(&Reason::Overloaded) {
                self.would_refuse.push(Reason::Overloaded);
            }
            return Ok(());
        }
        let words = "the gateway has no room for requests of this priority now; try again after the time in Retry-After";
        Err(Refusal::new(Reason::Overloaded, words).with_retry_after(Some(self.jitter())))
    }

    /// One to three seconds, by the request's id (FNV-1a, 64 bits).
    fn jitter(&self) -> Duration {
        let hash = self.request_id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Duration::from_secs(1 + (hash >> 32) % 3)
    }
}
