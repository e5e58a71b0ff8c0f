//! How many bytes of bodies and answers the gateway holds. It owns the count, and that whatever was counted
//! is taken off again; who is turned away because of it is `decision`'s to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use decision::Load;

use crate::live::Live;

/// Bytes held by all requests together.
#[derive(Clone, Debug, Default)]
pub struct Buffered(Arc<AtomicU64>);

/// What one request holds. Dropping it takes it off.
#[derive(Debug)]
pub struct Held {
    all: Arc<AtomicU64>,
    own: u64,
}

impl Buffered {
    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// An account of nothing yet.
    #[must_use]
    pub fn hold(&self) -> Held {
        Held { all: Arc::clone(&self.0), own: 0 }
    }
}

impl Held {
    /// Counts `bytes` more, until this is dropped.
    pub fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.own += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

impl Live {
    /// What is under way besides the request that asks.
    #[must_use]
    pub fn load(&self) -> Load {
        Load { in_flight: self.in_flight().saturating_sub(1), buffered: self.buffered.bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_held_is_taken_off_with_it() {
        let buffered = Buffered::default();
        let mut one = buffered.hold();
        one.grow(10);
        let mut other = buffered.hold();
        other.grow(5);
        one.grow(1);
        assert_eq!(buffered.bytes(), 16);
        drop(one);
        assert_eq!(buffered.bytes(), 5);
        drop(other);
        assert_eq!(buffered.bytes(), 0);
    }
}
