//! What a prompt begins with, as chained hashes. It owns the blocks and the chain; it refuses to hold
//! more text than one block, and that only while hashing it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of text behind each prefix id.
pub const PREFIX_BLOCK_BYTES: usize = 2048;
/// Most prefix ids.
pub const MAX_PREFIX_IDS: usize = 64;

/// Chained hashes of the text's leading blocks.
#[derive(Default)]
pub(super) struct Prefix {
    ids: Vec<u64>,
    block: Vec<u8>,
}

impl Prefix {
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while self.ids.len() < MAX_PREFIX_IDS && !bytes.is_empty() {
            let room = PREFIX_BLOCK_BYTES - self.block.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.block.extend_from_slice(now);
            if self.block.len() == PREFIX_BLOCK_BYTES {
                self.ids.push(xxh3_64_with_seed(&self.block, last(&self.ids)));
                self.block.clear();
            }
            bytes = later;
        }
    }

    /// This text after another. Blocks are not cut anew, because by now both texts are gone: what the
    /// other has beyond its last whole block only seeds what follows, and the ids here are hashed again.
    pub(super) fn after(self, mut before: Self) -> Self {
        let mut seed = last(&before.ids);
        if !before.block.is_empty() {
            seed = xxh3_64_with_seed(&before.block, seed);
        }
        for id in self.ids {
            seed = xxh3_64_with_seed(&id.to_le_bytes(), seed);
            before.ids.push(seed);
        }
        before.ids.truncate(MAX_PREFIX_IDS);
        Self { ids: before.ids, block: self.block }
    }

    pub(super) fn into_ids(self) -> Vec<u64> {
        self.ids
    }
}

fn last(ids: &[u64]) -> u64 {
    ids.last().copied().unwrap_or_default()
}
