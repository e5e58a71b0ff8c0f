//! Keeps this replica's ledger supplied with leases. It owns when to ask the shared store, what to do while
//! it is away, and who waits for it; the sums are the ledger's and the register's.
//!
//! Requests do not come here but when their lease does not cover them. Everything else happens behind
//! them: counters are looked at every [`LOOK_EVERY`], and those that run low are supplied in one round trip
//! for all.

mod desk;
mod supply;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ledger::lease::{Replica, Slot};
use parking_lot::Mutex;
use rule_table::WhenAway;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use vocabulary::Moment;

use super::shared::Registrar;
use desk::Desk;
use supply::Supply;

/// How often counters are looked at. A piece of a lease lasts five times as long.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest a request waits for a store without which a share of its own is left to it.
const WAIT: Duration = Duration::from_millis(50);
/// The longest it waits where it would be refused instead: a server that is slow for a moment is not away.
const WAIT_OR_REFUSE: Duration = Duration::from_millis(500);

/// A counter as the ledger has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which, and in which window.
    pub slot: Slot,
    /// When that window ends.
    pub ends: Moment,
    /// What all replicas together may spend in it.
    pub ceiling: u64,
    /// Used and reserved here.
    pub taken: u64,
    /// What may be taken here.
    pub granted: u64,
}

/// The ledger, as far as leases go.
pub trait Counters: std::fmt::Debug + Send + Sync {
    /// Ledger time.
    fn now(&self) -> Moment;

    /// Shows every shared counter; `show` is quick and does not call back.
    fn shared(&self, show: &mut dyn FnMut(Counted));

    /// Sets what may be taken of a slot, but never less than is taken; returns what it was set to. Nothing
    /// when the counter is in another window, or unknown.
    fn grant(&self, slot: Slot, total: u64) -> Option<u64>;
}

/// How the store and this replica stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Amounts are shared.
    Ready,
    /// The store began an epoch, and grants nothing for a moment.
    Grace,
    /// It does not answer.
    Away(String),
    /// Another process goes by this replica's name. This one spends nothing until it is started again.
    Replaced,
}

/// What came of asking for cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// More was granted: try again.
    More,
    /// There is not enough left in this window.
    Spent,
    /// The store cannot say.
    Unknown,
}

/// A shared claim that its lease does not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Which counter, and in which window.
    pub slot: Slot,
    /// When that window ends.
    pub ends: Moment,
    /// How much more is needed.
    pub short: u64,
    /// What all replicas together may spend.
    pub ceiling: u64,
}

/// What shapes the sharing.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// This process.
    pub replica: Replica,
    /// How many replicas share amounts, at most.
    pub replicas: u32,
    /// Stance while the store is away.
    pub when_away: WhenAway,
}

impl Terms {
    /// The longest a round trip may take before the store counts as away.
    fn wait(&self) -> Duration {
        match self.when_away {
            WhenAway::Closed => WAIT_OR_REFUSE,
            WhenAway::LocalShare => WAIT,
        }
    }
}

/// This replica's leases. Requests hold it to ask for cover; [`Leases::work`] keeps it supplied.
#[derive(Debug)]
pub struct Leases {
    counts: Arc<dyn Counters>,
    registrar: Arc<dyn Registrar>,
    terms: Terms,
    desk: Mutex<Desk>,
    wake: Notify,
    rounds: watch::Sender<u64>,
    standing: watch::Sender<Standing>,
}

impl Leases {
    /// Leases of nothing yet. What a journal remembers as granted is taken back: this life has to hear it
    /// from the register.
    #[must_use]
    pub fn new(counts: Arc<dyn Counters>, registrar: Arc<dyn Registrar>, terms: Terms) -> Self {
        let mut remembered = Vec::new();
        counts.shared(&mut |counted| remembered.push(counted.slot));
        for slot in remembered {
            counts.grant(slot, 0);
        }
        Self {
            counts,
            registrar,
            terms,
            desk: Mutex::default(),
            wake: Notify::new(),
            rounds: watch::Sender::new(0),
            standing: watch::Sender::new(Standing::Away("not reached yet".to_owned())),
        }
    }

    /// How the store and this replica stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// What is done while the store is away.
    #[must_use]
    pub fn when_away(&self) -> WhenAway {
        self.terms.when_away
    }

    /// Waits until amounts are shared, at most `limit`. Whether they are.
    pub async fn ready(&self, limit: Duration) -> bool {
        let mut standing = self.standing.subscribe();
        let ready = standing.wait_for(|standing| *standing == Standing::Ready);
        tokio::time::timeout(limit, ready).await.is_ok_and(|ready| ready.is_ok())
    }

    /// Round trips made to the store, heartbeats included.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        *self.rounds.borrow()
    }

    /// Gets more for claims that their leases do not cover: what is held already, or what the store grants
    /// in time. Does not wait for a store that is known to be away.
    pub async fn cover(&self, shorts: &[Short]) -> Covered {
        let Some(round) = self.at_the_desk(shorts) else { return Covered::More };
        let standing = self.standing();
        if standing != Standing::Ready {
            return self.cover_alone(shorts, &standing);
        }
        let round = match round {
            desk::Place::Refused => return Covered::Spent,
            desk::Place::Round(round) => round,
        };
        self.wake.notify_one();
        let mut rounds = self.rounds.subscribe();
        let waited = tokio::time::timeout(self.terms.wait(), rounds.wait_for(|done| *done >= round)).await;
        let standing = self.standing();
        match waited {
            Ok(Ok(_)) if standing == Standing::Ready => self.outcome(shorts),
            _ => self.cover_alone(shorts, &standing),
        }
    }

    /// Nothing when the desk held something for every one of `shorts`, and the ledger has it now.
    fn at_the_desk(&self, shorts: &[Short]) -> Option<desk::Place> {
        let mut desk = self.desk.lock();
        let found = shorts.iter().filter(|short| self.hand_over(&mut desk, short.slot)).count();
        (found < shorts.len()).then(|| desk.queue(shorts, tokio::time::Instant::now()))
    }

    /// Gives the ledger what is held of `slot`, if it was not told yet.
    fn hand_over(&self, desk: &mut Desk, slot: Slot) -> bool {
        let Some(held) = desk.untold(slot) else { return false };
        let told = self.counts.grant(slot, held).is_some();
        if told {
            desk.told(slot);
        }
        told
    }

    fn outcome(&self, shorts: &[Short]) -> Covered {
        let desk = self.desk.lock();
        let dry = shorts.iter().any(|short| desk.is_dry(short, tokio::time::Instant::now()));
        if dry { Covered::Spent } else { Covered::More }
    }

    /// Without the store: this replica's share, where the manifest says so.
    fn cover_alone(&self, shorts: &[Short], standing: &Standing) -> Covered {
        if self.terms.when_away == WhenAway::Closed || *standing == Standing::Replaced {
            return Covered::Unknown;
        }
        let mut desk = self.desk.lock();
        let mut covered = Covered::Spent;
        for short in shorts {
            // Once per window: whoever is short of that has spent it.
            if desk.alone.insert(short.slot) {
                let own = desk.held(short.slot).max(supply::share_of(short.ceiling, &self.terms));
                self.counts.grant(short.slot, own);
                covered = Covered::More;
            }
        }
        covered
    }

    /// Keeps the ledger supplied until `stop`, then gives back what is not spent. Spawn it where tasks are
    /// tracked.
    pub async fn work(self: Arc<Self>, stop: CancellationToken) {
        let mut supply = Supply::new(Arc::clone(&self));
        stop.run_until_cancelled(supply.run()).await;
        supply.close().await;
    }
}
