//! What one replica makes of the register's replies. It owns the totals it states and the epoch it knows;
//! it refuses to decide how much to want, and to count what is spent.

use std::collections::BTreeMap;

use super::call::{Call, Epoch, Replica, Reply, Slot};

/// How much a call wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// How much more.
    pub want: u64,
    /// Less than this is of no use.
    pub least: u64,
    /// What all replicas together may spend.
    pub ceiling: u64,
}

/// What a reply came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It says what is held now.
    Lease,
    /// The register began an epoch: [`Lessee::unstated`] is to be stated, at once.
    News,
    /// It is of an epoch that was left, and tells nothing.
    Late,
    /// Another process goes by this replica's name. Nothing may be spent any more.
    Stale,
}

/// What is held of one slot. Never more than the register granted, but for what was spent, which is true
/// whoever granted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Holding {
    granted: u64,
    returned: u64,
    /// Whether the register of the present epoch has heard of it.
    stated: bool,
}

/// One replica's leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lessee {
    replica: Replica,
    epoch: Option<Epoch>,
    holdings: BTreeMap<Slot, Holding>,
}

impl Lessee {
    /// A replica at the start of a life. It holds nothing until it hears from the register.
    #[must_use]
    pub fn new(replica: Replica) -> Self {
        Self { replica, epoch: None, holdings: BTreeMap::new() }
    }

    /// Who it is.
    #[must_use]
    pub fn replica(&self) -> Replica {
        self.replica
    }

    /// The epoch it knows.
    #[must_use]
    pub fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref()
    }

    /// What may have been spent of `slot` in all.
    #[must_use]
    pub fn held(&self, slot: Slot) -> u64 {
        self.holdings.get(&slot).map_or(0, |holding| holding.granted - holding.returned)
    }

    /// Every slot it knows, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.holdings.keys().copied()
    }

    /// Slots the register of the present epoch has not heard of.
    pub fn unstated(&self) -> impl Iterator<Item = Slot> + '_ {
        self.holdings.iter().filter(|(_, holding)| !holding.stated).map(|(slot, _)| *slot)
    }

    /// A call that states what is held of `slot`, at least `spent` (used and reserved), and wants more.
    pub fn call(&mut self, slot: Slot, spent: u64, wants: Wants) -> Call {
        let holding = self.holdings.entry(slot).or_default();
        holding.granted = holding.granted.max(holding.returned.saturating_add(spent));
        Call {
            replica: self.replica,
            slot,
            epoch: self.epoch.clone(),
            granted: holding.granted,
            returned: holding.returned,
            want: wants.want,
            least: wants.least,
            ceiling: wants.ceiling,
        }
    }

    /// Gives up all but `keep` of `slot`; the next call tells the register. `keep` must cover what is spent
    /// and reserved, and nothing beyond it may be reserved any more: lower the ledger's grant first.
    pub fn keep_only(&mut self, slot: Slot, keep: u64) {
        if let Some(holding) = self.holdings.get_mut(&slot) {
            holding.returned = holding.returned.max(holding.granted.saturating_sub(keep));
        }
    }

    /// Takes note of the reply to `call`, however late.
    pub fn hear(&mut self, call: &Call, reply: &Reply) -> Heard {
        if call.epoch != self.epoch {
            return Heard::Late;
        }
        if reply.stale {
            self.holdings.clear();
            return Heard::Stale;
        }
        let news = self.epoch.as_ref() != Some(&reply.epoch);
        if news {
            self.epoch = Some(reply.epoch.clone());
            self.holdings.values_mut().for_each(|holding| holding.stated = false);
        }
        let holding = self.holdings.entry(call.slot).or_default();
        // What the register knows it may have been told by a life before this one, in any epoch.
        holding.granted = holding.granted.max(reply.granted);
        holding.returned = holding.returned.max(reply.returned);
        holding.stated = true;
        if news { Heard::News } else { Heard::Lease }
    }

    /// Drops a slot whose window is over.
    pub fn forget(&mut self, slot: Slot) {
        self.holdings.remove(&slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::register::{GRACE_MS, Register, Server};
    use super::*;

    const SLOT: Slot = Slot { key: 1, window: 1 };

    fn wants(want: u64) -> Wants {
        Wants { want, least: 1, ceiling: 100 }
    }

    /// Asks and hears at once.
    fn ask(lessee: &mut Lessee, register: &mut Register, now_ms: u64, spent: u64, want: u64) -> Heard {
        let call = lessee.call(SLOT, spent, wants(want));
        let reply = register.answer(Server { run: "a", now_ms }, &call);
        lessee.hear(&call, &reply)
    }

    fn lessee(name: u64, life: u64) -> Lessee {
        Lessee::new(Replica { name, life })
    }

    #[test]
    fn a_lease_begins_when_the_epoch_is_known_and_its_grace_is_over() {
        let (mut lessee, mut register) = (lessee(1, 1), Register::new());
        assert_eq!(ask(&mut lessee, &mut register, 0, 0, 10), Heard::News);
        assert_eq!(ask(&mut lessee, &mut register, 1, 0, 10), Heard::Lease);
        assert_eq!(lessee.held(SLOT), 0);
        assert_eq!(ask(&mut lessee, &mut register, GRACE_MS, 0, 10), Heard::Lease);
        assert_eq!(lessee.held(SLOT), 10);
    }

    #[test]
    fn a_lost_reply_is_made_good_by_the_next() {
        let (mut lessee, mut register) = (lessee(1, 1), Register::new());
        ask(&mut lessee, &mut register, 0, 0, 0);
        let lost = lessee.call(SLOT, 0, wants(10));
        register.answer(Server { run: "a", now_ms: GRACE_MS }, &lost);
        ask(&mut lessee, &mut register, GRACE_MS, 0, 0);
        assert_eq!(lessee.held(SLOT), 10);
    }

    #[test]
    fn what_was_granted_before_a_loss_is_not_learnt_after_it() {
        let (mut lessee, mut register) = (lessee(1, 1), Register::new());
        ask(&mut lessee, &mut register, 0, 0, 0);
        let call = lessee.call(SLOT, 0, wants(10));
        let delayed = register.answer(Server { run: "a", now_ms: GRACE_MS }, &call);
        assert_eq!(delayed.granted, 10);
        register = Register::new();
        assert_eq!(ask(&mut lessee, &mut register, 9000, 0, 0), Heard::News);
        assert_eq!(lessee.hear(&call, &delayed), Heard::Late);
        assert_eq!(lessee.held(SLOT), 0);
    }

    #[test]
    fn after_news_everything_held_is_to_be_stated() {
        let (mut lessee, mut register) = (lessee(1, 1), Register::new());
        ask(&mut lessee, &mut register, 0, 0, 0);
        ask(&mut lessee, &mut register, GRACE_MS, 0, 10);
        let elsewhere = Slot { key: 2, window: 1 };
        register = Register::new();
        let call = lessee.call(elsewhere, 0, wants(0));
        let reply = register.answer(Server { run: "b", now_ms: 9000 }, &call);
        assert_eq!(lessee.hear(&call, &reply), Heard::News);
        assert_eq!(lessee.unstated().collect::<Vec<_>>(), [SLOT]);
        ask(&mut lessee, &mut register, 9001, 4, 0);
        assert_eq!(register.held(SLOT), 10);
    }

    #[test]
    fn a_second_process_of_the_same_name_ends_the_first() {
        let (mut first, mut second, mut register) = (lessee(1, 1), lessee(1, 2), Register::new());
        ask(&mut first, &mut register, 0, 0, 0);
        ask(&mut first, &mut register, GRACE_MS, 0, 10);
        ask(&mut second, &mut register, GRACE_MS, 0, 0);
        assert_eq!(second.held(SLOT), 10);
        assert_eq!(ask(&mut first, &mut register, GRACE_MS, 3, 10), Heard::Stale);
        assert_eq!(first.held(SLOT), 0);
    }

    #[test]
    fn what_is_given_up_is_for_others_and_what_is_spent_is_kept() {
        let (mut lessee, mut register) = (lessee(1, 1), Register::new());
        ask(&mut lessee, &mut register, 0, 0, 0);
        ask(&mut lessee, &mut register, GRACE_MS, 0, 60);
        lessee.keep_only(SLOT, 25);
        ask(&mut lessee, &mut register, GRACE_MS, 25, 0);
        assert_eq!((lessee.held(SLOT), register.held(SLOT)), (25, 25));
    }
}
