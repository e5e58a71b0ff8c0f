//! Keys of issuers, had before they are needed. It owns when a set is fetched, and that what was had stays
//! while its issuer is away; it refuses to verify anything, and to ask an issuer more often because callers
//! send nonsense.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use decision::{Gate, IssuerKeys, PublicKeys};
use parking_lot::Mutex;
use rule_table::{Issuer, IssuerId, KeySet};
use tokio::time::Instant;

use super::fetch::Fetch;
use crate::live::Live;

/// How often, in policy time, a set is had anew: how long a key still works that its issuer withdrew.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// The same for a file, which costs nobody anything.
const REREAD: Duration = Duration::from_secs(10);
/// The least time between two fetches of a set, however many tokens ask for it.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a request may wait for a set.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether a set is due.
const BEAT: Duration = Duration::from_millis(250);

/// What tells an issuer from another, over all policies.
type Place = (String, KeySet);

/// Fetches sets.
#[derive(Debug)]
pub struct KeySets {
    fetch: Fetch,
    base: PathBuf,
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
}

/// One set.
#[derive(Debug, Default)]
struct Slot {
    /// Held while the set is fetched, so that it is fetched once.
    turn: tokio::sync::Mutex<Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    began: Option<Instant>,
    failing: bool,
}

impl KeySets {
    /// Files relative to `base`.
    #[must_use]
    pub fn new(base: PathBuf) -> Self {
        Self { fetch: Fetch::new(), base, slots: Mutex::default() }
    }

    /// Waits a moment for newer keys of an issuer, unless they have just been asked for.
    pub(crate) async fn missed(&self, gate: &Gate, id: IssuerId) {
        let issuer = gate.policy().issuers.get(id as usize);
        let (Some(issuer), Some(keys)) = (issuer, gate.issuer_keys(id)) else { return };
        // Out of patience the request is judged by the keys there are.
        let _ = tokio::time::timeout(PATIENCE, self.have(issuer, keys, AGAIN)).await;
    }

    /// Has every issuer's keys anew when that is due.
    pub(crate) async fn keep_fresh(&self, live: Arc<Live>) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            beat.tick().await;
            let gate = Arc::clone(&live.in_force().gate);
            let due = (0..).zip(&gate.policy().issuers).filter_map(|(id, issuer)| {
                let keys = gate.issuer_keys(id)?;
                let every = match (&issuer.keys, keys.are_known()) {
                    (KeySet::File(_), true) => REREAD,
                    (_, true) => REFRESH,
                    (_, false) => AGAIN,
                };
                Some(self.have(issuer, keys, live.clock.wall(every)))
            });
            futures_util::future::join_all(due).await;
        }
    }

    /// Fetches a set unless that began less than `after` ago.
    async fn have(&self, issuer: &Issuer, keys: &IssuerKeys, after: Duration) {
        let place = (issuer.issuer.clone(), issuer.keys.clone());
        let slot = Arc::clone(self.slots.lock().entry(place).or_default());
        let mut turn = slot.turn.lock().await;
        // Whoever waited here finds that it has just been done. A failure is tried again sooner.
        let wait = if turn.failing { after.min(AGAIN) } else { after };
        if turn.began.is_some_and(|began| began.elapsed() < wait) {
            return;
        }
        turn.began = Some(Instant::now());
        let had = self.fetch.key_set(issuer, &self.base).await;
        let was_failing = std::mem::replace(&mut turn.failing, had.is_err());
        let read = had.and_then(|json| PublicKeys::parse(&json).map_err(|fault| fault.to_string()));
        match read {
            Ok(set) => {
                if keys.replace(set) {
                    tracing::info!(issuer = %issuer.name, "the issuer's keys are in use");
                }
            }
            Err(why) => {
                turn.failing = true;
                if !was_failing {
                    let in_hand = keys.are_known();
                    tracing::warn!(issuer = %issuer.name, %why, in_hand, "the issuer's keys cannot be had; asking again");
                }
            }
        }
    }
}
