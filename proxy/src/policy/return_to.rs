//! Going back: rollback to an accepted generation, the end of a trial, its promotion. It owns which manifest
//! comes back; putting it in force is the keeper's, by the same checks as any other.

use vocabulary::admin::audit::AuditAction;

use super::{Cause, Keeper, Offer, Source};
use crate::audit::{Actor, Entry};
use crate::clock::unix_nanos;

/// Why there is nothing to go back to.
#[derive(Debug, thiserror::Error)]
pub enum NoReturn {
    /// No earlier generation is kept.
    #[error("no earlier generation is kept; GET /v1/generations lists what is")]
    NothingBefore,
    /// That generation is not kept.
    #[error("generation {0} is not kept; GET /v1/generations lists what is")]
    Unknown(u64),
    /// Its file cannot be read.
    #[error("the history cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Nothing is on trial here.
    #[error("no policy is on trial on this replica")]
    NoCanary,
    /// The file is the source of policy.
    #[error("the manifest file is the source of policy here; change the file, which also ends the trial")]
    FileRules,
}

impl Keeper {
    /// Puts an accepted generation in force again: `to`, or the one before.
    ///
    /// # Errors
    /// [`NoReturn::NothingBefore`], [`NoReturn::Unknown`], [`NoReturn::Unreadable`].
    pub async fn roll_back(
        &self,
        to: Option<u64>,
        actor: Actor,
        reason: Option<String>,
    ) -> Result<Offer, NoReturn> {
        let current = self.live().in_force().gate.generation();
        let to = to.or_else(|| self.history().before(current)).ok_or(NoReturn::NothingBefore)?;
        let manifest = self.history().manifest(to).map_err(NoReturn::Unreadable)?;
        let manifest = manifest.ok_or(NoReturn::Unknown(to))?;
        let cause = Cause { restores: Some(to), reason, ..Cause::new(actor, AuditAction::Rollback) };
        Ok(self.offer(manifest, cause, &|_| true).await)
    }

    /// Ends the trial on this replica: the policy before it comes back.
    ///
    /// # Errors
    /// [`NoReturn::NoCanary`]; and as [`Keeper::roll_back`].
    pub async fn end_canary(&self, actor: Actor, reason: Option<String>) -> Result<Offer, NoReturn> {
        let canary = self.canary().ok_or(NoReturn::NoCanary)?;
        let manifest = self.history().manifest(canary.then).map_err(NoReturn::Unreadable)?;
        let manifest = manifest.ok_or(NoReturn::Unknown(canary.then))?;
        let cause = Cause { reason, ..Cause::new(actor, AuditAction::CanaryEnd) };
        // Somebody may have published meanwhile: that ended the trial as well.
        Ok(self.offer(manifest, cause, &|generation| generation == canary.generation).await)
    }

    /// Makes the policy on trial permanent.
    ///
    /// # Errors
    /// [`NoReturn::NoCanary`], [`NoReturn::FileRules`], [`NoReturn::Unreadable`] when it cannot be kept.
    pub async fn promote(&self, actor: Actor, reason: Option<String>) -> Result<u64, NoReturn> {
        let canary = self.canary().ok_or(NoReturn::NoCanary)?;
        if self.source() == Source::File {
            return Err(NoReturn::FileRules);
        }
        let policy = super::version(&self.live().in_force().gate);
        let entry = Entry::done(actor, AuditAction::Promote, policy).because(reason);
        self.audit().record(entry).await.map_err(NoReturn::Unreadable)?;
        self.keep_canary(canary.generation).map_err(NoReturn::Unreadable)?;
        Ok(canary.generation)
    }

    /// Ends a trial whose time is over.
    pub async fn end_what_is_over(&self) {
        let now_ms = unix_nanos() / 1_000_000;
        if self.canary().is_none_or(|canary| canary.until_ms > now_ms) {
            return;
        }
        let reason = Some("its time is over".to_owned());
        if let Err(error) = self.end_canary(Actor::local("gateway"), reason).await {
            tracing::error!(%error, "the trial of a policy cannot be ended; roll back by hand");
        }
    }
}
