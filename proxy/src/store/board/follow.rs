//! Reading the board all the time. It owns the poll, what this replica last saw, and putting that back when
//! the store lost its data; it refuses to act on values.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::{BoardError, Entry, Expect, Listing, SharedBoard};

/// How often a replica asks whether the board changed. What one publishes, all have seen within two of it.
pub const POLL_EVERY: Duration = Duration::from_secs(1);
/// An answer that takes longer counts as none.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// What this replica knows of the board. Clones see the same.
#[derive(Clone, Debug)]
pub struct Follower {
    seen: watch::Receiver<Arc<Listing>>,
    away: watch::Receiver<Option<String>>,
}

impl Follower {
    /// The board as last seen. While the store is away, this stays.
    #[must_use]
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.seen.borrow())
    }

    /// The entries whose keys begin with `prefix`, as last seen.
    #[must_use]
    pub fn entries(&self, prefix: &str) -> Vec<Entry> {
        let listing = self.seen.borrow();
        listing.entries.iter().filter(|entry| entry.key.starts_with(prefix)).cloned().collect()
    }

    /// Why the board could not be read the last time; nothing when it could.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        self.away.borrow().clone()
    }

    /// Waits until the board differs from what was last waited for. Pends for ever when the gateway stops.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A view of `board`, and the work that keeps it fresh: spawn that where tasks are tracked, and end it when
/// the gateway stops.
pub fn follow(board: SharedBoard) -> (Follower, impl Future<Output = ()> + Send) {
    let (seen, seen_by) = watch::channel(Arc::new(Listing::default()));
    let (away, away_by) = watch::channel(None);
    let polling = Polling { board, seen, away, last: None, expires: None };
    (Follower { seen: seen_by, away: away_by }, polling.run())
}

struct Polling {
    board: SharedBoard,
    seen: watch::Sender<Arc<Listing>>,
    away: watch::Sender<Option<String>>,
    /// Epoch and version of what was last seen, and when that was.
    last: Option<(u64, u64, Instant)>,
    /// When the first entry seen is over.
    expires: Option<Instant>,
}

impl Polling {
    async fn run(mut self) {
        let mut beat = tokio::time::interval(POLL_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let polled = tokio::time::timeout(ANSWER_WITHIN, self.poll()).await;
            let trouble = match polled {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {ANSWER_WITHIN:?}")),
            };
            self.away.send_if_modified(|away| std::mem::replace(away, trouble.clone()) != trouble);
        }
    }

    async fn poll(&mut self) -> Result<(), BoardError> {
        let (epoch, version) = self.board.version().await?;
        let now = Instant::now();
        if let Some((known, seen, at)) = self.last {
            if known != epoch {
                self.put_back(at).await?;
            } else if seen == version && self.expires.is_none_or(|first| now < first) {
                return Ok(());
            }
        }
        let listing = self.board.list("").await?;
        self.last = Some((epoch, version, now));
        self.expires =
            listing.entries.iter().filter_map(|entry| entry.expires_in).min().map(|left| now + left);
        self.seen.send_replace(Arc::new(listing));
        Ok(())
    }

    /// The store came back without its data. Every replica puts back what it saw, and the first wins; what
    /// was removed in the last moments before the loss may come back with it.
    async fn put_back(&self, seen_at: Instant) -> Result<(), BoardError> {
        let known = Arc::clone(&self.seen.borrow());
        let elapsed = seen_at.elapsed();
        for entry in &known.entries {
            let left = match entry.expires_in {
                Some(left) if left <= elapsed => continue,
                left => left.map(|left| left - elapsed),
            };
            match self.board.publish(&entry.key, entry.value.clone(), left, Expect::Absent).await {
                Ok(_) | Err(BoardError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;

    use super::super::{Board, MemoryBoard};
    use super::*;

    /// A board that can lose everything or go away.
    #[derive(Debug, Default)]
    struct Frail {
        board: Mutex<Option<Arc<MemoryBoard>>>,
    }

    impl Frail {
        fn up() -> Arc<Self> {
            Arc::new(Self { board: Mutex::new(Some(Arc::new(MemoryBoard::new()))) })
        }

        fn board(&self) -> Result<Arc<MemoryBoard>, BoardError> {
            self.board.lock().clone().ok_or_else(|| BoardError::Away("refused".to_owned()))
        }
    }

    #[async_trait]
    impl Board for Frail {
        async fn publish(
            &self,
            key: &str,
            value: Vec<u8>,
            ttl: Option<Duration>,
            expect: Expect,
        ) -> Result<u64, BoardError> {
            self.board()?.publish(key, value, ttl, expect).await
        }

        async fn remove(&self, key: &str, expect: Expect) -> Result<bool, BoardError> {
            self.board()?.remove(key, expect).await
        }

        async fn list(&self, prefix: &str) -> Result<Listing, BoardError> {
            self.board()?.list(prefix).await
        }

        async fn version(&self) -> Result<(u64, u64), BoardError> {
            self.board()?.version().await
        }
    }

    fn keys(follower: &Follower) -> Vec<String> {
        follower.entries("").into_iter().map(|entry| entry.key).collect()
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_millis(seconds * 1000 + 10)).await;
    }

    fn following(board: &Arc<Frail>) -> (Follower, tokio_util::task::AbortOnDropHandle<()>) {
        let (follower, work) = follow(Arc::clone(board) as SharedBoard);
        let tasks = tokio_util::task::TaskTracker::new();
        (follower, tokio_util::task::AbortOnDropHandle::new(tasks.spawn(work)))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_published_is_seen_and_what_expires_goes() {
        let board = Frail::up();
        let (follower, _work) = following(&board);
        after(0).await;
        let ttl = Some(Duration::from_secs(5));
        board.publish("holds/1", b"{}".to_vec(), ttl, Expect::Anything).await.unwrap();
        after(1).await;
        assert_eq!(keys(&follower), ["holds/1"]);
        after(6).await;
        assert_eq!(keys(&follower), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_store_is_away_the_last_listing_stays_and_the_reason_is_told() {
        let board = Frail::up();
        let (follower, _work) = following(&board);
        board.publish("holds/1", b"{}".to_vec(), None, Expect::Anything).await.unwrap();
        after(1).await;
        *board.board.lock() = None;
        after(1).await;
        assert_eq!(keys(&follower), ["holds/1"]);
        assert!(follower.away().unwrap().contains("refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_lost_its_data_is_told_again_what_was_known() {
        let board = Frail::up();
        let (follower, _work) = following(&board);
        let ttl = Some(Duration::from_secs(60));
        board.publish("holds/1", b"{}".to_vec(), ttl, Expect::Anything).await.unwrap();
        board.publish("keys", b"[]".to_vec(), None, Expect::Anything).await.unwrap();
        after(1).await;
        *board.board.lock() = Some(Arc::new(MemoryBoard::new()));
        after(1).await;
        let listing = board.list("").await.unwrap();
        assert_eq!(listing.entries.len(), 2);
        let left = listing.entries[0].expires_in.unwrap();
        assert!(left < Duration::from_secs(60), "a hold does not last longer for it: {left:?}");
        assert_eq!(keys(&follower), ["holds/1", "keys"]);
        assert_eq!(follower.away(), None);
    }
}
