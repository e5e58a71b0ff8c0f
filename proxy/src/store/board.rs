//! A small blackboard all replicas read: operators' holds, issued keys. It owns how values are published,
//! versioned and let expire; it refuses to know what they mean, and it is no place for anything large or
//! on the path of a request.

mod follow;
mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use follow::{Follower, POLL_EVERY, follow};
pub use memory::MemoryBoard;

/// A value on the board.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unique on the board; `kind/name` by custom, so that a prefix lists a kind.
    pub key: String,
    /// What was published. JSON by custom.
    pub value: Vec<u8>,
    /// Grows with every change of the board, so a later value of a key has a higher version.
    pub version: u64,
    /// Time until it is gone; stays when absent.
    pub expires_in: Option<Duration>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold what must not reach a log.
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("bytes", &self.value.len())
            .field("version", &self.version)
            .field("expires_in", &self.expires_in)
            .finish()
    }
}

/// What the board held at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Drawn at random when the board was made. A different one means that the board was lost and made anew.
    pub epoch: u64,
    /// Entries asked for, sorted by key, without expired ones.
    pub entries: Vec<Entry>,
}

/// What must be true of a key for a change to be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: the last writer wins.
    #[default]
    Anything,
    /// The key holds nothing.
    Absent,
    /// The key holds exactly this version.
    Version(u64),
}

/// Why the board did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// The store does not answer. Nothing is known about whether a change was made.
    #[error("the shared store is away: {0}; the change may or may not have been made")]
    Away(String),
    /// The key did not hold what was expected. Nothing was changed.
    #[error("`{key}` was changed by somebody else: version {found:?} is there; read it again, then retry")]
    Conflict {
        /// The key.
        key: String,
        /// What it holds; absent when it holds nothing.
        found: Option<u64>,
    },
    /// The value is larger than [`MAX_VALUE`]. Nothing was changed.
    #[error("`{key}` would hold {bytes} bytes; the board takes values up to {MAX_VALUE} bytes")]
    TooLarge {
        /// The key.
        key: String,
        /// Size of the value.
        bytes: usize,
    },
    /// The store answered what this version does not understand.
    #[error("the shared store holds `{key}` in a form this version cannot read: {what}")]
    Unreadable {
        /// The key.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Largest value, in bytes. Every replica reads the whole board when it changes.
pub const MAX_VALUE: usize = 8 << 20;

/// Small values shared by replicas. Cheap to poll: [`Board::version`] reads one number.
#[async_trait]
pub trait Board: fmt::Debug + Send + Sync {
    /// Puts `value` under `key`, gone after `ttl` if that is given. Returns its version.
    ///
    /// # Errors
    /// [`BoardError::Conflict`] when `expect` does not hold; [`BoardError::TooLarge`];
    /// [`BoardError::Away`].
    async fn publish(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<Duration>,
        expect: Expect,
    ) -> Result<u64, BoardError>;

    /// Takes `key` off the board. Returns whether it held anything.
    ///
    /// # Errors
    /// [`BoardError::Conflict`] when `expect` does not hold; [`BoardError::Away`].
    async fn remove(&self, key: &str, expect: Expect) -> Result<bool, BoardError>;

    /// Everything whose key begins with `prefix`.
    ///
    /// # Errors
    /// [`BoardError::Away`], [`BoardError::Unreadable`].
    async fn list(&self, prefix: &str) -> Result<Listing, BoardError>;

    /// The board's epoch, and its version: different whenever anything was published or removed, but not
    /// when something merely expired.
    ///
    /// # Errors
    /// [`BoardError::Away`].
    async fn version(&self) -> Result<(u64, u64), BoardError>;
}

/// A board that many parts of the gateway hold.
pub type SharedBoard = Arc<dyn Board>;

/// Refuses what is too large, before it is sent anywhere.
pub(super) fn check_size(key: &str, value: &[u8]) -> Result<(), BoardError> {
    if value.len() > MAX_VALUE {
        return Err(BoardError::TooLarge { key: key.to_owned(), bytes: value.len() });
    }
    Ok(())
}
