//! The board of a gateway that is alone. It owns values in memory; it refuses to keep them over a restart,
//! which is for whoever published them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Board, BoardError, Entry, Expect, Listing, check_size};

#[derive(Debug)]
struct Held {
    value: Vec<u8>,
    version: u64,
    until: Option<Instant>,
}

impl Held {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

#[derive(Debug, Default)]
struct Values {
    version: u64,
    by_key: BTreeMap<String, Held>,
}

impl Values {
    /// Forgets what is over, then says whether `key` is as expected.
    fn check(&mut self, key: &str, expect: Expect) -> Result<(), BoardError> {
        let now = Instant::now();
        self.by_key.retain(|_, held| !held.is_over(now));
        let found = self.by_key.get(key).map(|held| held.version);
        let holds = match expect {
            Expect::Anything => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
        };
        if holds { Ok(()) } else { Err(BoardError::Conflict { key: key.to_owned(), found }) }
    }
}

/// A board in this process's memory.
#[derive(Debug)]
pub struct MemoryBoard {
    epoch: u64,
    values: Mutex<Values>,
}

impl Default for MemoryBoard {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBoard {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: rand::random(), values: Mutex::new(Values::default()) }
    }
}

#[async_trait]
impl Board for MemoryBoard {
    async fn publish(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<Duration>,
        expect: Expect,
    ) -> Result<u64, BoardError> {
        check_size(key, &value)?;
        let mut values = self.values.lock();
        values.check(key, expect)?;
        values.version += 1;
        let version = values.version;
        let until = ttl.and_then(|ttl| Instant::now().checked_add(ttl));
        values.by_key.insert(key.to_owned(), Held { value, version, until });
        Ok(version)
    }

    async fn remove(&self, key: &str, expect: Expect) -> Result<bool, BoardError> {
        let mut values = self.values.lock();
        values.check(key, expect)?;
        let removed = values.by_key.remove(key).is_some();
        values.version += u64::from(removed);
        Ok(removed)
    }

    async fn list(&self, prefix: &str) -> Result<Listing, BoardError> {
        let now = Instant::now();
        let values = self.values.lock();
        let entry = |(key, held): (&String, &Held)| Entry {
            key: key.clone(),
            value: held.value.clone(),
            version: held.version,
            expires_in: held.until.map(|until| until.saturating_duration_since(now)),
        };
        let entries = values
            .by_key
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, held)| !held.is_over(now))
            .map(entry)
            .collect();
        Ok(Listing { epoch: self.epoch, entries })
    }

    async fn version(&self) -> Result<(u64, u64), BoardError> {
        Ok((self.epoch, self.values.lock().version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn put(board: &MemoryBoard, key: &str, value: &str) -> u64 {
        board.publish(key, value.into(), None, Expect::Anything).await.unwrap()
    }

    #[tokio::test]
    async fn a_prefix_lists_its_keys_in_order_and_no_others() {
        let board = MemoryBoard::new();
        for key in ["keys/b", "holds/2", "holds/1", "holdsx", "hold"] {
            put(&board, key, "{}").await;
        }
        let keys: Vec<String> =
            board.list("holds/").await.unwrap().entries.into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["holds/1", "holds/2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_gone_when_its_time_is_over() {
        let board = MemoryBoard::new();
        let ttl = Duration::from_secs(30);
        board.publish("holds/1", b"{}".to_vec(), Some(ttl), Expect::Anything).await.unwrap();
        tokio::time::advance(Duration::from_secs(29)).await;
        let left = board.list("").await.unwrap().entries;
        assert_eq!(left[0].expires_in, Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(board.list("").await.unwrap().entries.is_empty());
        board.publish("holds/1", b"{}".to_vec(), None, Expect::Absent).await.unwrap();
    }

    #[tokio::test]
    async fn of_two_writers_who_read_the_same_version_one_is_told() {
        let board = MemoryBoard::new();
        let read = put(&board, "keys", "1").await;
        let written = board.publish("keys", b"2".to_vec(), None, Expect::Version(read)).await.unwrap();
        let late = board.publish("keys", b"3".to_vec(), None, Expect::Version(read)).await;
        assert_eq!(late, Err(BoardError::Conflict { key: "keys".to_owned(), found: Some(written) }));
        assert_eq!(board.list("").await.unwrap().entries[0].value, b"2");
    }

    #[tokio::test]
    async fn the_version_moves_with_every_change_and_only_then() {
        let board = MemoryBoard::new();
        let before = board.version().await.unwrap();
        assert!(!board.remove("holds/1", Expect::Anything).await.unwrap());
        assert_eq!(board.version().await.unwrap(), before);
        put(&board, "holds/1", "{}").await;
        assert!(board.remove("holds/1", Expect::Anything).await.unwrap());
        assert_eq!(board.version().await.unwrap().1, before.1 + 2);
    }

    #[test]
    fn a_debugged_entry_does_not_show_its_value() {
        let entry = Entry { key: "keys".into(), value: b"s3cret".to_vec(), version: 1, expires_in: None };
        let shown = format!("{entry:?}");
        assert!(shown.contains("bytes: 6") && !shown.contains("s3cret"), "{shown}");
    }
}
