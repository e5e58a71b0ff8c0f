//! The audit log: who changed what, when and why, in a hash chain that shows tampering. It owns the file,
//! its head record, rotation and verification; it refuses content: no manifest text, no secret, no prompt.
//!
//! What it does not show: somebody who may write the state directory can rewrite the whole log and its head
//! together. Copy `audit.head` elsewhere now and then; a rewritten log does not lead to that hash.

mod chain;
mod file;
mod verify;

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use vocabulary::admin::audit::{AUDIT_VERSION, AuditAction, AuditLine, AuditOutcome, PolicyVersion};

use crate::clock::unix_nanos;
use file::File;

pub use verify::{Broken, Verified, files, verify};

/// The log's name in the state directory.
pub const LOG: &str = "audit.jsonl";
/// The head record's name.
pub const HEAD: &str = "audit.head";

/// Who acts, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Name of a token or certificate, or what in the gateway acts.
    pub name: String,
    /// How it is known.
    pub how: String,
}

impl Actor {
    /// What did not come over the network: `file`, `signal`, `gateway`.
    #[must_use]
    pub fn local(name: &str) -> Self {
        Self { name: name.to_owned(), how: "local".to_owned() }
    }
}

/// What is to be written: a line without its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To what.
    pub target: Option<String>,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// Policy before.
    pub before: PolicyVersion,
    /// Policy after.
    pub after: PolicyVersion,
    /// Sections that differ.
    pub changed: Vec<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// Particulars.
    pub detail: Option<String>,
}

impl Entry {
    /// Something done while `policy` stays in force.
    #[must_use]
    pub fn done(actor: Actor, action: AuditAction, policy: PolicyVersion) -> Self {
        Self {
            actor,
            action,
            target: None,
            reason: None,
            before: policy.clone(),
            after: policy,
            changed: Vec::new(),
            outcome: AuditOutcome::Done,
            detail: None,
        }
    }

    /// The same, done to `target`.
    #[must_use]
    pub fn to(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The same, for `reason`.
    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }

    /// The same, refused.
    #[must_use]
    pub fn refused(mut self, detail: impl Into<String>) -> Self {
        self.outcome = AuditOutcome::Refused;
        self.detail = Some(detail.into());
        self
    }
}

/// The log. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct Audit {
    file: Arc<Mutex<File>>,
}

impl Audit {
    /// Opens the log in `dir`, or one in memory that keeps the latest lines. When the file does not lead to
    /// its head, a line says so, and the chain goes on from what is there.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn open(dir: Option<&Path>) -> io::Result<Self> {
        let (file, damage) = File::open(dir)?;
        let audit = Self { file: Arc::new(Mutex::new(file)) };
        if let Some(damage) = damage {
            tracing::error!(%damage, "the audit log is damaged; run `sluicegate audit verify`");
            let policy = PolicyVersion::default();
            let entry = Entry::done(Actor::local("gateway"), AuditAction::AuditDamaged, policy);
            audit.write(Entry { detail: Some(damage), ..entry })?;
        }
        Ok(audit)
    }

    /// Writes a line and waits until it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written. What it was about must not be done then.
    pub async fn record(&self, entry: Entry) -> io::Result<()> {
        let log = self.clone();
        // Waiting for the disk is not for a thread that serves requests.
        tokio::task::spawn_blocking(move || log.write(entry)).await.map_err(io::Error::other)?
    }

    /// The same where blocking is all right.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, entry: Entry) -> io::Result<()> {
        let mut file = self.file.lock();
        let (seq, previous) = file.next();
        let line = AuditLine {
            v: AUDIT_VERSION,
            seq,
            at_ms: unix_nanos() / 1_000_000,
            actor: entry.actor.name,
            how: entry.actor.how,
            action: entry.action,
            target: entry.target,
            reason: entry.reason,
            before: entry.before,
            after: entry.after,
            changed: entry.changed,
            outcome: entry.outcome,
            detail: entry.detail,
            previous,
        };
        file.append(&line)
    }

    /// The latest lines, newest first.
    #[must_use]
    pub fn latest(&self, limit: usize) -> Vec<AuditLine> {
        self.file.lock().latest(limit)
    }
}

#[cfg(test)]
mod tests;
