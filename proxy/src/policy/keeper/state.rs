//! What the keeper knows besides the policy itself, and what it tells: the source's text, what overrides it,
//! rejections, shares, status. It owns when a source's own policy is overridden; it refuses to change policy.

use std::collections::VecDeque;
use std::sync::Arc;

use vocabulary::Moment;
use vocabulary::admin::generations::{Canary, RolledBack};
use vocabulary::admin::{Rejection, ShareChange, Status};

use super::{Keeper, now_ms};
use crate::clock::unix_nanos;
use crate::policy::{Cause, Source, Written};

/// Share changes kept for the admin API.
const SHARE_CHANGES: usize = 512;

#[derive(Debug)]
pub(super) struct State {
    pub(super) manifest: Written,
    pub(super) loaded_at_ms: u64,
    pub(super) last_rejection: Option<Rejection>,
    pub(super) share_changes: VecDeque<ShareChange>,
    /// What the manifest file held when it was last read.
    pub(super) file_seen: Option<Written>,
    pub(super) rolled_back: Option<RolledBack>,
    pub(super) canary: Option<Canary>,
}

impl Keeper {
    /// Whether an offer has been rejected at `at_ms` or later.
    pub(crate) fn has_rejected_since(&self, at_ms: u64) -> bool {
        self.state.lock().last_rejection.as_ref().is_some_and(|rejection| rejection.at_ms >= at_ms)
    }

    /// Whether what the manifest file holds is in force already, or somebody put another policy before it since
    /// it last changed.
    #[must_use]
    pub fn file_is_known(&self, written: &Written) -> bool {
        let state = self.state.lock();
        state.manifest == *written || (state.is_overridden() && state.file_seen.as_ref() == Some(written))
    }

    /// Takes note of what the manifest file holds.
    pub fn saw_file(&self, written: &Written) {
        self.state.lock().file_seen = Some(written.clone());
    }

    /// Whether the policy in force is not the source's own: rolled back, or on trial.
    #[must_use]
    pub fn is_overridden(&self) -> bool {
        self.state.lock().is_overridden()
    }

    /// The policy on trial.
    #[must_use]
    pub fn canary(&self) -> Option<Canary> {
        self.state.lock().canary.clone()
    }

    /// What was on trial is now what a restart serves.
    pub(in crate::policy) fn keep_canary(&self, generation: u64) -> std::io::Result<()> {
        let mut state = self.state.lock();
        self.settings.last_good.remember(&state.manifest, generation)?;
        state.canary = None;
        Ok(())
    }

    /// The one-second loop: pools learn, shares are published.
    pub fn tick(&self) {
        let now = self.live.clock.now();
        let gate = Arc::clone(&self.live.in_force().gate);
        let clock = &self.live.clock;
        if (clock.scale() - 1.0).abs() < f64::EPSILON {
            // A compressed run has no wall clock to follow.
            gate.ledger().time().look(now, Moment(unix_nanos()));
        }
        let changes = gate.tick(now);
        self.live.observers.states(&gate.pool_status(now), &self.live.stores());
        let mut state = self.state.lock();
        state.share_changes.extend(changes);
        let surplus = state.share_changes.len().saturating_sub(SHARE_CHANGES);
        state.share_changes.drain(..surplus);
    }

    /// How realised shares moved lately, newest first.
    #[must_use]
    pub fn share_changes(&self) -> Vec<ShareChange> {
        self.state.lock().share_changes.iter().rev().cloned().collect()
    }

    /// `GET /v1/status`, with the `counters` fullest counters of limits.
    #[must_use]
    pub fn status(&self, counters: usize) -> Status {
        let in_force = self.live.in_force();
        let gate = Arc::clone(&in_force.gate);
        let state = self.state.lock();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: if self.live.draining() { "draining" } else { "serving" }.to_owned(),
            generation: gate.generation(),
            digest: gate.digest().to_owned(),
            overlay_version: 0,
            source: self.settings.source.name().to_owned(),
            loaded_at_ms: state.loaded_at_ms,
            last_rejection: state.last_rejection.clone(),
            time_scale: self.live.clock.scale(),
            in_flight: self.live.in_flight(),
            rolled_back: state.rolled_back.clone(),
            canary: state.canary.clone(),
            holds: self.settings.holds.list().to_vec(),
            stores: self.live.stores(),
            countries: in_force.countries.digest(),
            pools: gate.pool_status(self.live.clock.now()),
            limits: gate.limit_standings(self.live.clock.now(), counters),
        }
    }
}

impl State {
    pub(super) fn is_overridden(&self) -> bool {
        self.rolled_back.is_some() || self.canary.is_some()
    }

    /// What another policy in force means for a rollback and for a trial.
    pub(super) fn note(&mut self, cause: &Cause, from: u64, generation: u64, source: Source) {
        self.rolled_back = cause.restores.filter(|_| source == Source::File).map(|to| RolledBack {
            from,
            to,
            at_ms: now_ms(),
            by: cause.actor.name.clone(),
            until: "the manifest file changes".to_owned(),
        });
        self.canary = cause.until_ms.map(|until_ms| Canary {
            generation,
            then: from,
            until_ms,
            by: cause.actor.name.clone(),
        });
    }
}
