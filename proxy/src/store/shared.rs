//! The seam to a store that replicas share. It owns what is asked of one and how it fails; it refuses to
//! know which product it is.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ledger::lease::{Call, Reply};

/// Why the store gave no answer. Nothing is known about whether it did as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared store is away: {0}")]
pub struct Away(pub String);

/// A call and how long the register must remember its slot: past the window's end on every replica's clock.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is stated and wanted.
    pub call: Call,
    /// From now.
    pub remember: Duration,
}

/// Keeps the register of leases.
#[async_trait]
pub trait Registrar: fmt::Debug + Send + Sync {
    /// Answers calls of one replica under one epoch, in their order, in one round trip.
    ///
    /// # Errors
    /// [`Away`] when there is no answer, or none that can be read.
    async fn ask(&self, calls: &[Asked]) -> Result<Vec<Reply>, Away>;

    /// Forgets what was asked and not answered: whoever asked has stopped waiting.
    async fn give_up(&self);
}
