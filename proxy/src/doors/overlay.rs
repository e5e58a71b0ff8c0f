//! The overlay in force. It owns checking that a key narrows what the manifest grants, keeping the document
//! in the state directory before it counts, and agreeing on it with other replicas; it refuses to know HTTP.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use decision::keys::{self, IssuedKeys};
use parking_lot::Mutex;
use rule_table::{Budget, CalendarPeriod, Consumer, Limit, Policy};
use vocabulary::admin::keys::{IssueKey, IssuedKey, KeyLimits, KeyStatus};
use vocabulary::{BudgetPeriod, Rate, RateUnit, UnixTime, Usd};

use super::document::{Change, Document, Row};
use crate::policy::write_whole;
use crate::store::board::{BoardError, Expect, POLL_EVERY, SharedBoard};

/// The file's name in the state directory.
const FILE: &str = "overlay.json";
/// The document's name on the board.
const ON_BOARD: &str = "keys/overlay";
/// How often a replica tries again when another one was faster.
const TRIES: usize = 5;
/// How long names may be.
const LONGEST_NAME: usize = 63;

/// Why no key was issued or changed. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OverlayError {
    /// The key would not narrow what the manifest grants.
    #[error("{0}")]
    Refused(String),
    /// There is no key of that id.
    #[error("no key has the id `{0}`; GET /v1/keys lists them")]
    Unknown(String),
    /// There is no place to keep it.
    #[error("issued keys have to survive a restart: start the gateway with `--state-dir`, which keeps them")]
    NoPlace,
    /// The state directory cannot be written.
    #[error("the state directory cannot be written, so nothing was changed: {0}")]
    NotKept(io::Error),
}

/// Issued keys, in the index that requests are judged by and on the disk.
#[derive(Debug)]
pub(crate) struct Overlay {
    dir: Option<PathBuf>,
    index: Arc<IssuedKeys>,
    board: Option<SharedBoard>,
    /// Whether the board was away the last time.
    away: AtomicBool,
    document: Mutex<Document>,
}

impl Overlay {
    /// Reads what was kept in `dir` and puts it in force.
    ///
    /// # Errors
    /// When the file is there but cannot be read, or is damaged.
    pub(crate) fn open(
        dir: Option<&Path>,
        index: Arc<IssuedKeys>,
        board: Option<SharedBoard>,
    ) -> io::Result<Self> {
        let document = match dir.map(|dir| fs::read(dir.join(FILE))) {
            None => Document::default(),
            Some(Ok(bytes)) => Document::unsealed(&bytes).map_err(|why| {
                let words =
                    format!("{FILE} cannot be used: {why}; restore it, or remove it to forget issued keys");
                io::Error::new(io::ErrorKind::InvalidData, words)
            })?,
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Document::default(),
            Some(Err(error)) => return Err(error),
        };
        put_in_force(&document, &index);
        Ok(Self {
            dir: dir.map(Path::to_owned),
            index,
            board,
            away: AtomicBool::new(false),
            document: Mutex::new(document),
        })
    }

    /// Version of the document in force.
    pub(crate) fn version(&self) -> u64 {
        self.document.lock().version
    }

    /// Every key that is not yet forgotten, and the document's version.
    pub(crate) fn list(&self) -> (u64, Vec<KeyStatus>) {
        let document = self.document.lock();
        (document.version, document.keys.values().map(|row| row.status.clone()).collect())
    }

    /// Issues a key; `now` is in Unix seconds.
    pub(crate) fn issue(
        &self,
        policy: &Policy,
        asked: IssueKey,
        by: &str,
        now: u64,
    ) -> Result<IssuedKey, OverlayError> {
        narrows(policy, &asked, now).map_err(OverlayError::Refused)?;
        let (key, row) = minted(asked, by, now);
        let known = row.status.clone();
        self.change(Change::Issue(Box::new(row)), now)?;
        Ok(IssuedKey { key, known })
    }

    /// Issues a key in the place of another, which stays good for `overlap` seconds at most.
    pub(crate) fn rotate(
        &self,
        policy: &Policy,
        id: &str,
        overlap: u64,
        by: &str,
        now: u64,
    ) -> Result<IssuedKey, OverlayError> {
        let old = self.document.lock().keys.get(id).map(|row| row.status.clone());
        let old = old.ok_or_else(|| OverlayError::Unknown(id.to_owned()))?;
        if old.revoked.is_some() {
            return Err(OverlayError::Refused(format!("the key `{id}` was revoked; issue another")));
        }
        let asked = IssueKey {
            consumer: old.consumer,
            name: old.name,
            expires: old.expires,
            routes: old.routes,
            limits: old.limits,
        };
        narrows(policy, &asked, now).map_err(OverlayError::Refused)?;
        let (key, row) = minted(asked, by, now);
        let known = row.status.clone();
        let ends = now.saturating_add(overlap);
        self.change(Change::Replace { id: id.to_owned(), by: Box::new(row), ends }, now)?;
        Ok(IssuedKey { key, known })
    }

    /// Ends a key at once.
    pub(crate) fn revoke(&self, id: &str, now: u64) -> Result<KeyStatus, OverlayError> {
        self.change(Change::Revoke { id: id.to_owned(), now }, now)?;
        let document = self.document.lock();
        let row = document.keys.get(id).ok_or_else(|| OverlayError::Unknown(id.to_owned()))?;
        Ok(row.status.clone())
    }

    fn change(&self, change: Change, now: u64) -> Result<(), OverlayError> {
        if self.dir.is_none() {
            return Err(OverlayError::NoPlace);
        }
        let about = match &change {
            Change::Issue(row) => row.status.id.clone(),
            Change::Revoke { id, .. } | Change::Replace { id, .. } => id.clone(),
        };
        let mut document = self.document.lock();
        let next = document.changed(change, now).ok_or(OverlayError::Unknown(about))?;
        self.adopt(&mut document, next).map_err(OverlayError::NotKept)
    }

    /// Kept first, then in force: what is in force survives.
    fn adopt(&self, document: &mut Document, next: Document) -> io::Result<()> {
        if let Some(dir) = &self.dir {
            write_whole(dir, FILE, &next.sealed()?)?;
        }
        put_in_force(&next, &self.index);
        *document = next;
        Ok(())
    }

    /// Tells other replicas, and hears of their keys. While the shared store is away this replica's own
    /// document holds, and is told later.
    pub(crate) async fn share(&self) {
        let Some(board) = &self.board else { return };
        for _ in 0..TRIES {
            let outcome = self.exchange(board).await;
            if matches!(outcome, Err(BoardError::Conflict { .. })) {
                continue;
            }
            let was_away = self.away.swap(outcome.is_err(), Ordering::Relaxed);
            match outcome {
                Err(error) if !was_away => {
                    tracing::warn!(%error, "issued keys are not shared with other replicas for now");
                }
                Ok(()) if was_away => tracing::info!("issued keys are shared with other replicas again"),
                _ => {}
            }
            return;
        }
    }

    async fn exchange(&self, board: &SharedBoard) -> Result<(), BoardError> {
        let listing = board.list(ON_BOARD).await?;
        let there = listing.entries.iter().find(|entry| entry.key == ON_BOARD);
        let expect = there.map_or(Expect::Absent, |entry| Expect::Version(entry.version));
        let theirs = there.and_then(|entry| Document::unsealed(&entry.value).ok());
        self.hear(theirs.as_ref());
        let ours = self.document.lock().clone();
        if theirs.as_ref() == Some(&ours) || (theirs.is_none() && ours.version == 0) {
            return Ok(());
        }
        let Ok(sealed) = ours.sealed() else { return Ok(()) };
        board.publish(ON_BOARD, sealed, None, expect).await.map(|_| ())
    }

    fn hear(&self, theirs: Option<&Document>) {
        let Some(theirs) = theirs else { return };
        let mut document = self.document.lock();
        let merged = document.merged(theirs);
        if merged == *document {
            return;
        }
        if let Err(error) = self.adopt(&mut document, merged) {
            tracing::error!(%error, "keys issued on other replicas cannot be kept here");
        }
    }

    /// Keeps up with other replicas until the gateway stops.
    pub(crate) async fn keep_sharing(&self) {
        let mut beat = tokio::time::interval(POLL_EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while self.board.is_some() {
            beat.tick().await;
            self.share().await;
        }
    }
}

/// An end is an end, however it came about: the index knows no other.
fn put_in_force(document: &Document, index: &IssuedKeys) {
    let keys = document.keys.values().filter_map(|row| {
        Some(keys::IssuedKey {
            sha256: keys::parse_hash(&row.sha256)?,
            consumer: row.status.consumer.as_str().into(),
            expires: row.ends(),
            routes: row.status.routes.iter().map(|route| route.as_str().into()).collect(),
            id: row.status.id.as_str().into(),
            limits: row.status.limits,
        })
    });
    index.replace(keys);
}

/// Whether a key grants no more than the manifest does.
pub(crate) fn narrows(policy: &Policy, asked: &IssueKey, now: u64) -> Result<(), String> {
    let consumer = (0..).zip(&policy.consumers).find(|(_, consumer)| consumer.name == asked.consumer);
    let Some((id, consumer)) = consumer else {
        return Err(format!("the manifest has no consumer `{}`; add it there first", asked.consumer));
    };
    let printable = asked.name.chars().all(|c| !c.is_control());
    if asked.name.is_empty() || asked.name.len() > LONGEST_NAME || !printable {
        return Err(format!("`name` takes 1 to {LONGEST_NAME} printable bytes"));
    }
    if asked.expires.is_some_and(|expires| expires.0 <= now) {
        return Err("`expires` has passed; give a later date, or none".to_owned());
    }
    narrows_limits(policy, consumer, &asked.limits)?;
    for name in &asked.routes {
        let Some(route) = policy.routes.iter().find(|route| route.name == *name) else {
            return Err(format!("the manifest has no route `{name}`"));
        };
        if !route.consumers.is_empty() && !route.consumers.contains(&id) {
            return Err(format!("consumer `{}` may not use the route `{name}`", asked.consumer));
        }
    }
    Ok(())
}

/// Whether a key's limits are within those of its consumer, of which it may lack any: those hold as well.
fn narrows_limits(policy: &Policy, consumer: &Consumer, asked: &KeyLimits) -> Result<(), String> {
    let own = || consumer.limits.iter().filter_map(|id| policy.limits.get(*id as usize));
    let wider = |what: &str, asked: String, limit: &Limit| {
        format!(
            "`limits.{what}` of {asked} is more than limit `{}` of consumer `{}` allows; ask for less",
            limit.name, consumer.name
        )
    };
    type Of = fn(&Limit) -> Option<Rate>;
    let rates: [(&str, Option<Rate>, RateUnit, Of); 2] = [
        ("requests", asked.requests, RateUnit::Requests, |limit| limit.requests),
        ("tokens", asked.tokens, RateUnit::Tokens, |limit| limit.tokens),
    ];
    for (what, rate, unit, of) in rates {
        let Some(rate) = rate else { continue };
        if rate.unit != unit || rate.amount == 0 {
            return Err(format!("`limits.{what}` takes an amount such as `60 {what}/min`, not `{rate}`"));
        }
        if let Some(limit) =
            own().find(|limit| of(limit).is_some_and(|most| rate.per_second() > most.per_second()))
        {
            return Err(wider(what, rate.to_string(), limit));
        }
    }
    let Some(budget) = asked.budget else { return Ok(()) };
    if budget.amount == Usd::ZERO {
        return Err("`limits.budget` takes an amount such as `40 USD/month`, more than nothing".to_owned());
    }
    let days = |period| match period {
        CalendarPeriod::Day => 1,
        CalendarPeriod::Week => 7,
        CalendarPeriod::Month => 30,
    };
    let asked_days = match budget.period {
        BudgetPeriod::Day => 1,
        BudgetPeriod::Week => 7,
        BudgetPeriod::Month => 30,
    };
    // Per day, so that periods compare: a month counts as 30.
    let exceeds = |most: Budget| {
        u128::from(budget.amount.nanos) * days(most.period) > u128::from(most.amount.nanos) * asked_days
    };
    match own().find(|limit| limit.budget.is_some_and(exceeds)) {
        Some(limit) => Err(wider("budget", budget.to_string(), limit)),
        None => Ok(()),
    }
}

/// A fresh key, and what stays of it.
fn minted(asked: IssueKey, by: &str, now: u64) -> (String, Row) {
    let key = fresh_key();
    let sha256 = keys::hash(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let status = KeyStatus {
        id: format!("{:016x}", rand::random::<u64>()),
        consumer: asked.consumer,
        name: asked.name,
        prefix: prefix(&key),
        issued: UnixTime(now),
        issued_by: by.to_owned(),
        expires: asked.expires,
        revoked: None,
        routes: asked.routes,
        limits: asked.limits,
    };
    (key, Row { sha256, status })
}

/// 192 random bits: beyond guessing, and short enough to paste.
pub(crate) fn fresh_key() -> String {
    let [a, b, c]: [u64; 3] = rand::random();
    format!("sk-sg-{a:016x}{b:016x}{c:016x}")
}

/// As much of a key as people need to tell keys apart: 16 of its 192 bits.
fn prefix(key: &str) -> String {
    key.chars().take("sk-sg-".len() + 4).collect()
}

#[cfg(test)]
mod tests;
