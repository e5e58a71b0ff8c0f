//! How lines hang together. It owns the hash of a line and the head record; it refuses to touch files.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the first line names as the hash of the line before.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The last line written, by number and hash: kept apart so that a log cut short shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) sha256: String,
}

impl Default for Head {
    fn default() -> Self {
        Self { seq: 0, sha256: GENESIS.to_owned() }
    }
}

impl Head {
    /// The head after `line`, which has number `seq`.
    pub(super) fn after(seq: u64, line: &[u8]) -> Self {
        Self { seq, sha256: hash(line) }
    }
}

/// SHA-256 of a line without its newline, in lower-case hex.
pub(super) fn hash(line: &[u8]) -> String {
    Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What of a line its place in the chain depends on.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) previous: String,
}

/// Reads the link of a line.
pub(super) fn link(line: &[u8]) -> Option<Link> {
    serde_json::from_slice(line).ok()
}
