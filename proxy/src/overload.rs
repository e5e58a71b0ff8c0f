//! What fills the gateway: the requests that were let in, and the bytes of bodies and answers it holds for
//! them. It owns the counts, and that whatever was counted is taken off again; who is turned away because of
//! them is `decision`'s to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use decision::Load;

/// What all requests together fill.
#[derive(Clone, Debug, Default)]
pub struct Occupancy(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    requests: AtomicU64,
}

/// What one request fills. Dropping it takes it off.
#[derive(Debug)]
pub struct Held {
    all: Arc<Counts>,
    bytes: u64,
    counted: bool,
}

impl Occupancy {
    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// An account of nothing yet.
    #[must_use]
    pub fn hold(&self) -> Held {
        Held { all: Arc::clone(&self.0), bytes: 0, counted: false }
    }
}

impl Held {
    /// Counts `bytes` more, until this is dropped.
    pub fn grow(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes += bytes;
        self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts this request, and says what is there besides it. Whoever is then refused drops this before
    /// answering: a crowd of the refused must not keep others out.
    pub fn enter(&mut self) -> Load {
        let others = if self.counted {
            self.all.requests.load(Ordering::Acquire).saturating_sub(1)
        } else {
            self.counted = true;
            self.all.requests.fetch_add(1, Ordering::AcqRel)
        };
        Load { in_flight: others, buffered: self.all.bytes.load(Ordering::Relaxed) }
    }

    /// What all bodies and answers fill, of whoever's.
    #[must_use]
    pub fn buffered(&self) -> Load {
        Load { in_flight: 0, buffered: self.all.bytes.load(Ordering::Relaxed) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if self.counted {
            self.all.requests.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_held_is_taken_off_with_it() {
        let buffered = Occupancy::default();
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
    #[test]
    fn a_request_sees_the_others_that_were_let_in_and_not_itself() {
        let occupancy = Occupancy::default();
        let mut one = occupancy.hold();
        assert_eq!(one.enter().in_flight, 0);
        assert_eq!(one.enter().in_flight, 0);
        let mut other = occupancy.hold();
        assert_eq!(other.enter().in_flight, 1);
        assert_eq!(one.enter().in_flight, 1);
        drop(other);
        assert_eq!(one.enter().in_flight, 0);
    }
}
