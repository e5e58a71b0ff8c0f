//! What a policy would do with a request up to the choice of a backend, without sending or learning
//! anything. It owns running the stages of a second policy beside the first; it refuses to compare or count.

use std::sync::Arc;

use vocabulary::{Moment, Reason};

use crate::exchange::Exchange;
use crate::gate::Gate;
use crate::identify::{Destination, Head};
use crate::refusal::Refusal;

/// How far a request gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prospect {
    /// Why it is refused, if it is.
    pub refused: Option<Reason>,
    /// Its route.
    pub route: Option<String>,
    /// Its pool.
    pub pool: Option<String>,
    /// Members of that pool that could serve it, whether they are well or not.
    pub members: Vec<String>,
}

impl Exchange {
    /// How far this request got, when stages up to `reserve` ended with `refused`.
    #[must_use]
    pub fn prospect(&self, refused: Option<Reason>) -> Prospect {
        let mut prospect = Prospect { refused, ..Prospect::default() };
        prospect.route = self.route().map(|route| route.name.clone());
        if refused.is_some() {
            return prospect;
        }
        prospect.pool =
            self.pool.and_then(|id| self.gate.policy().pools.get(id as usize)).map(|pool| pool.name.clone());
        match self.eligible_members() {
            Ok(members) => prospect.members = members,
            Err(refusal) => prospect.refused = Some(refusal.reason),
        }
        prospect
    }

    /// How far this request would get under another policy. Its body is not read again: what the first
    /// policy learned from it holds for the second. Load, hooks and active health are left out, for they are
    /// no part of a policy's text. With `limits`, the second policy's own ledger counts the request.
    #[must_use]
    pub fn prospect_under(&self, other: &Arc<Gate>, head: &Head<'_>, now: Moment, limits: bool) -> Prospect {
        let mut second = Self::new(
            Arc::clone(other),
            self.request_id.clone(),
            self.method.clone(),
            self.arrived,
            self.arrived_unix_nanos,
        );
        second.peer = self.peer.clone();
        let refused = second.follow(self, head, now, limits).err().map(|refusal| refusal.reason);
        let prospect = second.prospect(refused);
        // Its reservation stands: the second ledger is to count as the first does.
        drop(second.reservation.take());
        second.settled = true;
        prospect
    }

    fn follow(&mut self, first: &Self, head: &Head<'_>, now: Moment, limits: bool) -> Result<(), Refusal> {
        let destination = self.identify(head)?;
        if let (Destination::Terminate(operation), Some(facts)) = (destination, first.facts.clone())
            && operation == facts.operation
        {
            self.enter_by_facts(facts, head)?;
        }
        if limits { self.reserve(now) } else { Ok(()) }
    }
}
