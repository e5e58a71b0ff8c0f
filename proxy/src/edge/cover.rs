//! Reserving where limits are shared: what a lease does not cover waits for one round trip, or is refused.
//! It owns that wait; limits are `decision`'s, leases the store's.

use decision::{Exchange, Refusal, Reserved, Uncovered};
use ledger::lease::Slot;

use crate::live::Live;
use crate::store::refill::{Covered, Short};

/// Others may take what was granted before this request asks again; then it stands behind them anew.
const TRIES: usize = 4;

/// Stage 5 of a request. Waits only where a lease does not cover it.
pub(super) async fn reserve(live: &Live, exchange: &mut Exchange) -> Result<(), Refusal> {
    let mut last = Vec::new();
    for _ in 0..TRIES {
        let uncovered = match exchange.try_reserve(live.clock.now())? {
            Reserved::Held => return Ok(()),
            Reserved::NeedsLease(uncovered) => uncovered,
        };
        let covered = match live.leases() {
            Some(leases) => leases.cover(&uncovered.iter().map(short).collect::<Vec<_>>()).await,
            None => Covered::Unknown,
        };
        match covered {
            Covered::More => last = uncovered,
            Covered::Spent => return Err(spent(&uncovered)),
            Covered::Unknown => return exchange.reserve_alone(live.clock.now(), &uncovered),
        }
    }
    Err(spent(&last))
}

fn short(uncovered: &Uncovered) -> Short {
    let Uncovered { key, window, ends, short, .. } = *uncovered;
    Short { slot: Slot { key, window }, ends, short, ceiling: uncovered.ceiling() }
}

/// The one that lasts longest: before it ends, trying again is of no use.
fn spent(uncovered: &[Uncovered]) -> Refusal {
    let last = uncovered.iter().max_by_key(|one| one.ends);
    last.map_or_else(
        || Refusal::new(vocabulary::Reason::StoreUnavailable, "no share of a limit could be had; try again"),
        Uncovered::refusal,
    )
}
