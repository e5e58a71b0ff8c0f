//! The register all replicas share. It owns the one transition, which the script in the shared store
//! repeats word for word; it refuses to know how it is reached.

use std::collections::BTreeMap;

use super::call::{Call, Epoch, MAX_AMOUNT, Reply, Slot};

/// How long a new epoch grants nothing, in milliseconds: two beats of every replica's heart.
pub const GRACE_MS: u64 = 2000;

/// What a server knows of itself when a call arrives.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Drawn anew whenever the server starts.
    pub run: &'a str,
    /// Its clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// What one replica holds of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Lease {
    life: u64,
    granted: u64,
    returned: u64,
}

impl Lease {
    fn held(self) -> u64 {
        self.granted - self.returned
    }

    /// What is known after hearing `call`; nothing when that comes from a life that is over.
    fn hear(known: Option<Self>, call: &Call) -> Option<Self> {
        let returned = call.returned.min(MAX_AMOUNT);
        let granted = call.granted.clamp(returned, MAX_AMOUNT);
        let stated = Self { life: call.replica.life, granted, returned };
        let Some(known) = known else { return Some(stated) };
        match known.life.cmp(&stated.life) {
            std::cmp::Ordering::Greater => None,
            // A new life begins with what the old one left. What it returned of that it says itself.
            std::cmp::Ordering::Less => {
                Some(Self { granted: stated.granted.max(known.held()).max(returned), ..stated })
            }
            std::cmp::Ordering::Equal => Some(Self {
                life: known.life,
                granted: known.granted.max(granted),
                returned: known.returned.max(returned),
            }),
        }
    }
}

/// Who holds how much of what, since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    epoch: Option<Epoch>,
    slots: BTreeMap<Slot, BTreeMap<u64, Lease>>,
}

impl Register {
    /// An empty register. Its first call begins an epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hears what a replica states, then grants what it wants, or what there is when that is of use to it,
    /// or nothing.
    pub fn answer(&mut self, server: Server<'_>, call: &Call) -> Reply {
        let epoch = self.epoch_at(server);
        let grace = server.now_ms < epoch.since_ms.saturating_add(GRACE_MS);
        let leases = self.slots.entry(call.slot).or_default();
        let name = call.replica.name;
        let Some(mut lease) = Lease::hear(leases.get(&name).copied(), call) else {
            return Reply { granted: 0, returned: 0, room: 0, epoch, grace, stale: true };
        };
        leases.insert(name, lease);
        let held = leases.values().fold(0, |sum: u64, lease| sum.saturating_add(lease.held()));
        let room = call.ceiling.min(MAX_AMOUNT).saturating_sub(held);
        let piece = call.want.min(room);
        let current = call.epoch.as_ref() == Some(&epoch);
        let useful =
            current && !grace && piece >= call.least && lease.granted.saturating_add(piece) <= MAX_AMOUNT;
        let piece = if useful { piece } else { 0 };
        lease.granted += piece;
        leases.insert(name, lease);
        let Lease { granted, returned, .. } = lease;
        Reply { granted, returned, room: room - piece, epoch, grace, stale: false }
    }

    /// Forgets a slot whose window is over for every replica.
    pub fn expire(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }

    /// What is granted and not returned of `slot`, over all replicas.
    #[must_use]
    pub fn held(&self, slot: Slot) -> u64 {
        let leases = self.slots.get(&slot).into_iter().flat_map(BTreeMap::values);
        leases.fold(0, |sum: u64, lease| sum.saturating_add(lease.held()))
    }

    /// What `name` holds of `slot`.
    #[must_use]
    pub fn held_by(&self, slot: Slot, name: u64) -> u64 {
        self.slots.get(&slot).and_then(|leases| leases.get(&name)).map_or(0, |lease| lease.held())
    }

    /// A clock that went back begins the epoch anew, or its grace would not end in time.
    fn epoch_at(&mut self, server: Server<'_>) -> Epoch {
        let known = self.epoch.take();
        let goes_on = known.filter(|epoch| epoch.run == server.run && epoch.since_ms <= server.now_ms);
        let epoch = goes_on.unwrap_or_else(|| Epoch { run: server.run.to_owned(), since_ms: server.now_ms });
        self.epoch = Some(epoch.clone());
        epoch
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::Replica;
    use super::*;

    const SLOT: Slot = Slot { key: 7, window: 3 };
    const WARM: Server<'static> = Server { run: "a", now_ms: 10_000 };

    fn warm() -> Register {
        let mut register = Register::new();
        register.epoch_at(Server { run: "a", now_ms: 1000 });
        register
    }

    fn call(name: u64, granted: u64, want: u64) -> Call {
        let replica = Replica { name, life: 1 };
        let epoch = Some(Epoch { run: "a".into(), since_ms: 1000 });
        Call { replica, slot: SLOT, epoch, granted, returned: 0, want, least: 1, ceiling: 100 }
    }

    #[test]
    fn grants_of_all_replicas_together_stop_at_the_ceiling() {
        let mut register = warm();
        assert_eq!(register.answer(WARM, &call(1, 0, 60)).granted, 60);
        let second = register.answer(WARM, &call(2, 0, 60));
        assert_eq!((second.granted, second.room), (40, 0));
        assert_eq!(register.answer(WARM, &call(3, 0, 1)).granted, 0);
    }

    #[test]
    fn less_than_is_of_use_is_left_for_others() {
        let mut register = warm();
        register.answer(WARM, &call(1, 0, 95));
        let refused = register.answer(WARM, &Call { least: 10, ..call(2, 0, 60) });
        assert_eq!((refused.granted, refused.room), (0, 5));
    }

    #[test]
    fn a_call_heard_twice_states_once_and_asks_twice() {
        let mut register = warm();
        let state = Call { want: 0, ..call(1, 30, 0) };
        register.answer(WARM, &state);
        register.answer(WARM, &state);
        assert_eq!(register.held(SLOT), 30);
    }

    #[test]
    fn a_return_that_arrives_late_does_not_take_back_what_was_granted_since() {
        let mut register = warm();
        register.answer(WARM, &call(1, 0, 60));
        let back = Call { returned: 50, want: 0, ..call(1, 60, 0) };
        register.answer(WARM, &back);
        assert_eq!(register.answer(WARM, &Call { want: 50, ..back.clone() }).granted, 110);
        register.answer(WARM, &back);
        assert_eq!(register.held(SLOT), 60);
    }

    #[test]
    fn a_new_life_takes_over_what_the_old_one_held_and_the_old_one_is_stale() {
        let mut register = warm();
        register.answer(WARM, &call(1, 0, 60));
        register.answer(WARM, &Call { returned: 10, want: 0, ..call(1, 60, 0) });
        let again = |granted| Call { replica: Replica { name: 1, life: 2 }, ..call(1, granted, 0) };
        assert_eq!(register.answer(WARM, &again(20)).granted, 50);
        let late = register.answer(WARM, &Call { returned: 60, ..call(1, 60, 0) });
        assert!(late.stale);
        assert_eq!(register.held(SLOT), 50);
    }

    #[test]
    fn a_register_that_lost_everything_grants_nothing_until_all_could_say_what_they_hold() {
        let mut register = Register::new();
        let born = Server { run: "b", now_ms: 5000 };
        let during = register.answer(born, &call(1, 0, 60));
        assert!(during.grace && during.granted == 0);
        register.answer(Server { now_ms: 6999, ..born }, &call(2, 80, 0));
        let informed = Call { epoch: Some(during.epoch), ..call(1, 0, 60) };
        let after = register.answer(Server { now_ms: 7000, ..born }, &informed);
        assert_eq!((after.grace, after.granted), (false, 20));
    }

    #[test]
    fn a_call_made_under_another_epoch_states_and_is_granted_nothing() {
        let mut register = warm();
        let elsewhere = Epoch { run: "z".into(), since_ms: 1000 };
        for epoch in [None, Some(elsewhere)] {
            let reply = register.answer(WARM, &Call { epoch, ..call(1, 30, 60) });
            assert_eq!((reply.granted, reply.room), (30, 70));
        }
    }

    #[test]
    fn a_server_that_restarted_begins_an_epoch_though_it_kept_its_data() {
        let mut register = warm();
        register.answer(WARM, &call(1, 0, 60));
        let restarted = register.answer(Server { run: "b", now_ms: 11_000 }, &call(2, 0, 10));
        assert!(restarted.grace);
        assert_eq!(restarted.epoch, Epoch { run: "b".into(), since_ms: 11_000 });
        assert_eq!(register.held(SLOT), 60);
    }

    #[test]
    fn what_was_spent_beyond_the_ceiling_leaves_no_room_and_does_not_wrap() {
        let mut register = warm();
        let overspent = register.answer(WARM, &call(1, u64::MAX, 5));
        assert_eq!((overspent.granted, overspent.room), (MAX_AMOUNT, 0));
        assert_eq!(register.answer(WARM, &call(2, u64::MAX, 5)).room, 0);
    }
}
