//! The first question of all: the access control list. It owns when the list is asked and what its answer
//! does to a request; it refuses to match (the rule table does) and to find out addresses and countries.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use rule_table::{AclAction, AclVerdict, Body};
use vocabulary::Reason;

use crate::access::Country;
use crate::identify::Head;
use crate::{Exchange, Refusal};

impl Exchange {
    /// Asks the access control list about a request's head. `ends_here` is whether the head is all there is;
    /// `country` is asked only where some rule names countries. A rule on the body's size that comes before
    /// any decision is asked again: by [`Self::admit_body`] or [`Self::admit_unread`].
    ///
    /// # Errors
    /// [`Reason::AclBlocked`], with the rule's status.
    pub fn admit_acl(
        &mut self,
        head: &Head<'_>,
        ends_here: bool,
        country: impl FnOnce(IpAddr) -> Option<Country>,
    ) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        if gate.acl().is_empty() {
            return Ok(());
        }
        if gate.acl_by_country() {
            self.country = self.peer.address.and_then(country);
        }
        self.ask_acl(head, declared(head, ends_here))
    }

    /// Asks again what only a body's size can answer, once it is read.
    ///
    /// # Errors
    /// As [`Self::admit_acl`].
    pub fn admit_body(&mut self, head: &Head<'_>, bytes: usize) -> Result<(), Refusal> {
        if self.acl_waits { self.ask_acl(head, Body::Bytes(bytes as u64)) } else { Ok(()) }
    }

    /// Asks again what only a body's size can answer, where the body is passed on as it comes.
    ///
    /// # Errors
    /// As [`Self::admit_acl`].
    pub fn admit_unread(&mut self, head: &Head<'_>) -> Result<(), Refusal> {
        if self.acl_waits { self.ask_acl(head, Body::Untold) } else { Ok(()) }
    }

    fn ask_acl(&mut self, head: &Head<'_>, body: Body) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        let verdict = self.with_facts(head, body, |facts| gate.acl().ask(facts));
        self.acl_waits = verdict.undecided.is_some();
        self.note_acl(&verdict);
        match verdict.decided {
            Some((_, AclAction::Block(status))) => {
                let mut refusal = Refusal::new(
                    Reason::AclBlocked,
                    "requests like this one are not served here; the operator's access control list decides",
                );
                refusal.stated_status = Some(status);
                Err(refusal)
            }
            _ => Ok(()),
        }
    }

    fn note_acl(&mut self, verdict: &AclVerdict) {
        let gate = Arc::clone(&self.gate);
        let rule = |id: u32| gate.policy().acl.get(id as usize);
        let refuses = |id: u32| rule(id).is_some_and(|rule| matches!(rule.action, AclAction::Block(_)));
        if verdict.shadowed.iter().any(|id| refuses(*id)) && !self.would_refuse.contains(&Reason::AclBlocked)
        {
            self.would_refuse.push(Reason::AclBlocked);
        }
        let decided = verdict.decided.map(|(id, _)| id);
        let named = verdict.noted.iter().chain(&verdict.shadowed).copied().chain(decided);
        self.acl_rules.extend(named.filter_map(rule).map(|rule| rule.name.clone()));
    }
}

/// What a head says of its body's size. `Content-Length` is the size only without a transfer coding (RFC 9112
/// §6.3).
fn declared(head: &Head<'_>, ends_here: bool) -> Body {
    if ends_here {
        return Body::Bytes(0);
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return Body::Unread;
    }
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.map_or(Body::Unread, Body::Bytes)
}
