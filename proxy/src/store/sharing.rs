//! What replicas share, put together: leases of limits and the board, over one server. It owns the wiring;
//! it refuses to run anything (the gateway spawns the work).

use std::io;
use std::path::Path;
use std::sync::Arc;

use ledger::Ledger;
use ledger::lease::Slot;
use rule_table::SharedStore;
use vocabulary::Moment;

use super::board::SharedBoard;
use super::redis::{Redis, RedisBoard, Settings};
use super::refill::{Counted, Counters, Leases, Terms};
use super::replica;
use super::shared::Registrar;
use crate::clock::Clock;

/// The shared store of a gateway that has one.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Supplies the ledger.
    pub leases: Arc<Leases>,
    /// What operators say to all replicas.
    pub board: SharedBoard,
}

impl Sharing {
    /// Begins this replica's life. Nothing is connected to yet.
    ///
    /// # Errors
    /// When the replica's name cannot be kept in `state`.
    pub fn begin(
        store: &SharedStore,
        ledger: &Arc<Ledger>,
        clock: Clock,
        state: Option<&Path>,
        base: &Path,
    ) -> io::Result<Self> {
        let redis = Arc::new(Redis::new(Settings::new(store, base.to_owned())));
        let replica = replica::begin(state)?;
        let terms = Terms { replica, replicas: store.replicas, when_away: store.when_away };
        let counters = Arc::new(OfLedger { ledger: Arc::clone(ledger), clock });
        let registrar = Arc::clone(&redis) as Arc<dyn Registrar>;
        let leases = Arc::new(Leases::new(counters, registrar, terms));
        Ok(Self { leases, board: Arc::new(RedisBoard::new(redis)) })
    }
}

/// The gateway's ledger, as leases see it.
#[derive(Debug)]
struct OfLedger {
    ledger: Arc<Ledger>,
    clock: Clock,
}

impl Counters for OfLedger {
    fn now(&self) -> Moment {
        self.ledger.time().at(self.clock.now())
    }

    fn shared(&self, show: &mut dyn FnMut(Counted)) {
        self.ledger.standings(|standing| {
            if standing.shared {
                show(Counted {
                    slot: Slot { key: standing.key, window: standing.window_index },
                    ends: standing.window_ends,
                    ceiling: standing.ceiling,
                    taken: standing.taken(),
                    granted: standing.granted,
                });
            }
        });
    }

    fn grant(&self, slot: Slot, total: u64) -> Option<u64> {
        self.ledger.grant(slot.key, slot.window, total)
    }
}
