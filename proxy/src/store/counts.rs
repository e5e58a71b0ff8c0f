//! What limits have counted, kept across restarts: a checkpoint and the journal since. It owns putting both
//! back at the start and when the next checkpoint is made; it refuses to count (the ledger does).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::journal::{Damage, FileHeader, Reader, Replay, Tail};
use ledger::{Ledger, Timekeeper};
use rule_table::{Limit, Policy};
use vocabulary::Moment;
use vocabulary::admin::stores;

use super::checkpoint::Checkpoints;
use super::journal::{Journal, files};
use crate::clock::{Clock, unix_nanos};

/// A journal of this length is cut.
const LONGEST_JOURNAL: u64 = 16 * 1024 * 1024;
/// So is one of this age, whatever its length.
const OLDEST_JOURNAL: Duration = Duration::from_secs(300);
/// How long records may wait for the disk, where the manifest does not say.
const SYNC: Duration = Duration::from_millis(50);

/// Why counts cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum CountsError {
    /// Another process has them.
    #[error("{} is in use by another gateway: give each its own --state-dir", .0.display())]
    InUse(PathBuf),
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal is not what was written.
    #[error("{}: {damage}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How.
        damage: Damage,
    },
    /// The checkpoint cannot be read or made.
    #[error("{}: {why}; move it away to count anew from the journal alone", path.display())]
    Checkpoint {
        /// The database.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records read after the checkpoint.
    pub records: u64,
    /// Bytes at the end of the journal that a crash had left incomplete.
    pub torn: u64,
}

/// Counts on disk.
#[derive(Debug)]
pub struct Counts {
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    checkpoints: Checkpoints,
    folder: PathBuf,
    /// Held for as long as this process may write.
    _lock: File,
}

impl Counts {
    /// Puts counts back from `<state>/ledger`, or begins them there. Requests that were under way when the
    /// last process ended are counted in full.
    ///
    /// # Errors
    /// [`CountsError`]; nothing was changed then.
    pub fn open(state: &Path, clock: &Clock) -> Result<(Self, Recovered), CountsError> {
        let folder = state.join("ledger");
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CountsError::File { path, source }
        };
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let lock = lock(&folder)?;
        let database = folder.join("counts.redb");
        let broken =
            |error: redb::Error| CountsError::Checkpoint { path: database.clone(), why: error.to_string() };
        let checkpoints = Checkpoints::open(&database).map_err(broken)?;
        let kept = checkpoints.read().map_err(broken)?;
        let mut replay = Replay::new([], kept.time);
        kept.records.iter().for_each(|record| replay.apply(record));
        let written = files(&folder).map_err(at(&folder))?;
        let next = written.last().map_or(kept.journal, |(number, _)| number + 1);
        let mut recovered = Recovered::default();
        for (_, path) in written.iter().filter(|(number, _)| *number >= kept.journal) {
            read(path, &mut replay, &mut recovered)?;
        }
        let (standings, latest) = replay.finish();
        let wall = Moment(unix_nanos());
        let time = Timekeeper::new(clock.now(), wall, latest);
        let now = time.at(clock.now());
        checkpoints.write(&standings, next, now).map_err(broken)?;
        let header = FileHeader { number: next, time: now };
        let journal = Arc::new(Journal::begin(&folder, header).map_err(at(&folder))?);
        let log: Arc<dyn ledger::journal::Log> = Arc::<Journal>::clone(&journal);
        let ledger = Arc::new(Ledger::new(time, Some(log)));
        ledger.restore(standings);
        let counts = Self { ledger, journal, checkpoints, folder, _lock: lock };
        counts.forget_before(next);
        Ok((counts, recovered))
    }

    /// Counts with all that was put back.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// How the journal is doing.
    #[must_use]
    pub fn health(&self) -> stores::Journal {
        let condition = self.journal.condition();
        stores::Journal { failing: condition.failing, failures: condition.failures }
    }

    /// Syncs the journal every so often and cuts it when it is long; never ends.
    pub async fn keep(self: Arc<Self>, clock: Clock, sync: Duration) {
        let mut beat = tokio::time::interval(if sync.is_zero() { SYNC } else { sync });
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut begun = tokio::time::Instant::now();
        loop {
            beat.tick().await;
            let counts = Arc::clone(&self);
            let due = begun.elapsed() >= OLDEST_JOURNAL;
            // Syncing blocks for as long as the disk takes.
            let work = tokio::task::spawn_blocking(move || counts.tend(clock.now(), due));
            if matches!(work.await, Ok(true)) {
                begun = tokio::time::Instant::now();
            }
        }
    }

    /// Writes everything down; for an orderly end.
    pub fn close(&self, now: Moment) {
        if !self.tend(now, true) {
            tracing::warn!("the last counts of limits are in the journal only");
        }
    }

    /// Syncs; returns whether a checkpoint was made too.
    fn tend(&self, now: Moment, due: bool) -> bool {
        let synced = self.journal.sync();
        let condition = self.journal.condition();
        // After a failure a checkpoint holds again what the journal does not.
        if !due && synced.is_ok() && !condition.failing && condition.length < LONGEST_JOURNAL {
            return false;
        }
        match self.checkpoint(now) {
            Ok(()) => {
                if condition.failing {
                    tracing::warn!("limits are recorded again");
                }
                true
            }
            Err(error) => {
                if !condition.failing {
                    tracing::error!(%error, "no checkpoint of limits can be made; the journal grows");
                }
                false
            }
        }
    }

    fn checkpoint(&self, now: Moment) -> Result<(), CountsError> {
        let time = self.ledger.time().at(now);
        let (standings, number) = self.ledger.checkpoint(|| self.journal.turn_over(time));
        let number = number.map_err(|source| CountsError::File { path: self.folder.clone(), source })?;
        self.checkpoints.write(&standings, number, time).map_err(|error| CountsError::Checkpoint {
            path: self.folder.join("counts.redb"),
            why: error.to_string(),
        })?;
        self.forget_before(number);
        Ok(())
    }

    /// Removes files whose counts are in the checkpoint. One that stays is read past at the next start.
    fn forget_before(&self, number: u64) {
        let old = files(&self.folder).unwrap_or_default();
        for (_, path) in old.into_iter().filter(|(old, _)| *old < number) {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "an old journal cannot be removed");
            }
        }
    }
}

/// Whether a policy's limits can be counted for as long as they last: a budget must outlive the process.
///
/// # Errors
/// What to do, in one line.
pub fn can_count(policy: &Policy, durable: bool) -> Result<(), String> {
    let budgeted = policy.limits.iter().find(|limit| limit.budget.is_some());
    match budgeted.filter(|_| !durable) {
        None => Ok(()),
        Some(Limit { name, .. }) => Err(format!(
            "limit `{name}` has a budget, which a restart would give again: run with --state-dir, where counts are kept"
        )),
    }
}

/// A ledger that is kept in `state`, or that ends with the process where there is none.
///
/// # Errors
/// As [`Counts::open`].
pub fn counted(
    state: Option<&Path>,
    clock: &Clock,
) -> Result<(Arc<Ledger>, Option<Arc<Counts>>), CountsError> {
    let Some(state) = state else {
        let time = Timekeeper::new(clock.now(), Moment(unix_nanos()), Moment::ZERO);
        return Ok((Arc::new(Ledger::new(time, None)), None));
    };
    let (counts, recovered) = Counts::open(state, clock)?;
    if recovered.records > 0 {
        tracing::info!(records = recovered.records, torn = recovered.torn, "counts of limits put back");
    }
    Ok((Arc::clone(counts.ledger()), Some(Arc::new(counts))))
}

/// Writes everything down; for an orderly end.
pub async fn close(counts: Option<Arc<Counts>>, now: Moment) {
    if let Some(counts) = counts {
        // A checkpoint that fails has been said; the journal holds what it would have.
        let _ = tokio::task::spawn_blocking(move || counts.close(now)).await;
    }
}

fn lock(folder: &Path) -> Result<File, CountsError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| CountsError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(CountsError::InUse(folder.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(CountsError::File { path, source }),
    }
}

fn read(path: &Path, replay: &mut Replay, recovered: &mut Recovered) -> Result<(), CountsError> {
    let damaged = |damage| CountsError::Damaged { path: path.to_owned(), damage };
    let bytes = std::fs::read(path).map_err(|source| CountsError::File { path: path.to_owned(), source })?;
    let (mut records, header) = Reader::new(&bytes).map_err(damaged)?;
    if let Some(header) = header {
        replay.saw(header.time);
    }
    for record in records.by_ref() {
        replay.apply(&record.map_err(damaged)?);
        recovered.records += 1;
    }
    if let Tail::Torn { at } = records.tail() {
        let torn = (bytes.len() as u64).saturating_sub(at);
        tracing::warn!(path = %path.display(), torn, "the journal of limits ended in the middle of a record, as after a crash; the rest was read");
        recovered.torn += torn;
    }
    Ok(())
}
