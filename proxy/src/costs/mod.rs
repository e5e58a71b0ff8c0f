//! What everything cost, by hour, team, consumer, model and deployment: gathered in memory as requests
//! settle, written to the state directory once a second. It owns the account of money spent; it refuses to
//! limit anything (the ledger does).
//!
//! Up to a second of it is lost when the process is killed, and nothing when it stops in order.

mod focus;
mod provider;
mod reconcile;
mod rollup;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use decision::Exchange;
use parking_lot::Mutex;
use rule_table::Policy;
use vocabulary::UsageSource;

pub use focus::{Charge, ChargeKind, charges, csv as focus_csv, json as focus_json};
pub use provider::{Format, ProviderDay, ProviderError, Reported, read as read_provider};
pub use reconcile::{Drift, reconcile};
pub use rollup::{Fixed, Hour, Key, Sums};
pub use store::{CostsError, read};

use self::rollup::HOUR;
use self::store::Store;
use crate::clock::{Clock, unix_nanos};
use crate::settlement::provider;

/// The account under way. Clones share it; without a state directory it keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Costs(Option<Arc<Account>>);

#[derive(Debug)]
struct Account {
    clock: Clock,
    /// Wall-clock Unix nanoseconds when the policy clock stood at zero.
    origin: u64,
    pending: Mutex<Pending>,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Pending {
    hours: BTreeMap<u64, Hour>,
    /// What costs by the hour now.
    fixed: BTreeMap<String, Fixed>,
    /// The last hour whose fixed costs were noted.
    noted: Option<u64>,
}

impl Costs {
    /// An account in `state_dir`.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(state_dir: Option<&Path>, clock: Clock) -> io::Result<Self> {
        let Some(state_dir) = state_dir else { return Ok(Self::default()) };
        let store = Mutex::new(Store::open(state_dir)?);
        let since = u64::try_from(clock.wall(clock.now().since(vocabulary::Moment::ZERO)).as_nanos());
        let origin = unix_nanos().saturating_sub(since.unwrap_or_default());
        Ok(Self(Some(Arc::new(Account { clock, origin, pending: Mutex::default(), store }))))
    }

    /// A policy is in force: what it says of costs by the hour holds from this hour on.
    pub fn policy_accepted(&self, policy: &Policy) {
        let Some(account) = &self.0 else { return };
        let fixed = policy.deployments.iter().filter_map(|deployment| {
            let backend = policy.backends.get(deployment.backend as usize)?;
            let fixed = Fixed {
                provider: provider(backend.kind).to_owned(),
                nanos_per_hour: deployment.hourly?.nanos_per_hour,
            };
            Some((deployment.name.clone(), fixed))
        });
        let fixed = fixed.collect();
        let hour = account.hour();
        let mut pending = account.pending.lock();
        // Hours that have passed cost what was in force then.
        pending.note(hour);
        pending.fixed = fixed;
        pending.noted = None;
        pending.note(hour);
    }

    /// A request is settled: every attempt that consumed something is counted where it was made.
    pub fn settled(&self, exchange: &Exchange) {
        let Some(account) = &self.0 else { return };
        let gate = &exchange.gate;
        let policy = gate.policy();
        let name = |list: Option<&String>| list.cloned();
        let last = exchange.attempts.len().saturating_sub(1);
        let mut consumed = Vec::new();
        for (index, attempt) in exchange.attempts.iter().enumerate() {
            let Some((deployment, usage)) = gate.deployment(attempt.deployment).zip(attempt.usage) else {
                continue;
            };
            let Some(backend) = policy.backends.get(deployment.backend as usize) else { continue };
            let key = Key {
                team: name(exchange.team.and_then(|id| Some(&policy.teams.get(id as usize)?.name))),
                consumer: name(
                    exchange.consumer.and_then(|id| Some(&policy.consumers.get(id as usize)?.name)),
                ),
                model: exchange.known_model().map(str::to_owned),
                deployment: deployment.name.clone(),
                provider: provider(backend.kind).to_owned(),
                estimated: index == last && exchange.usage_source == UsageSource::Gateway,
            };
            let cost = deployment.prices.map_or(0, |prices| prices.cost(&usage).nanos);
            consumed.push((key, Sums::of(&usage, cost)));
        }
        if consumed.is_empty() {
            return;
        }
        let now = account.hour();
        let mut pending = account.pending.lock();
        let hour = pending.hours.entry(now).or_default();
        consumed.iter().for_each(|(key, sums)| hour.consume(key.clone(), sums));
    }

    /// Writes what has come since the last time. Blocks on the disk. What could not be written is kept for
    /// the next time.
    ///
    /// # Errors
    /// [`CostsError`].
    pub fn flush(&self) -> Result<(), CostsError> {
        let Some(account) = &self.0 else { return Ok(()) };
        let mut store = account.store.lock();
        let hours = {
            let mut pending = account.pending.lock();
            pending.note(account.hour());
            std::mem::take(&mut pending.hours)
        };
        let mut failed = None;
        for (hour, more) in hours {
            let written = if failed.is_none() { store.append(hour, &more) } else { Ok(()) };
            if let Err(error) = written {
                failed = Some(error);
            }
            if failed.is_some() {
                account.pending.lock().hours.entry(hour).or_default().merge(more);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Account {
    /// Hours since the Unix epoch, in policy time: compressed runs have short ones.
    fn hour(&self) -> u64 {
        let nanos = if self.clock.scale() == 1.0 {
            unix_nanos()
        } else {
            self.origin.saturating_add(self.clock.now().0)
        };
        nanos / 1_000_000_000 / HOUR
    }
}

impl Pending {
    /// Notes the fixed costs of every hour up to `now` that they have not been noted of.
    fn note(&mut self, now: u64) {
        let from = self.noted.map_or(now, |noted| noted.saturating_add(1));
        for hour in from..=now {
            if !self.fixed.is_empty() {
                self.hours.entry(hour).or_default().fixed.clone_from(&self.fixed);
            }
        }
        self.noted = Some(self.noted.map_or(now, |noted| noted.max(now)));
    }
}

/// Writes once a second, for as long as the gateway runs.
pub(crate) async fn keep(costs: Costs) {
    let mut beat = tokio::time::interval(std::time::Duration::from_secs(1));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut failing = false;
    loop {
        beat.tick().await;
        let costs = costs.clone();
        let Ok(written) = tokio::task::spawn_blocking(move || costs.flush()).await else { continue };
        match written {
            Ok(()) => failing = false,
            Err(error) if !std::mem::replace(&mut failing, true) => {
                tracing::error!(%error, "costs cannot be written; they are kept in memory until they can");
            }
            Err(_) => {}
        }
    }
}
