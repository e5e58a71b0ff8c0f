//! The board in the shared store: one hash of values, one number that grows with every change. It owns
//! their form there; following and putting back after a loss are the follower's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;

use super::connection::Redis;
use super::{number, text};
use crate::store::board::{Board, BoardError, Entry, Expect, Listing, check_size};
use crate::store::shared::Away;

/// KEYS: values, state. ARGV: operation, field, expectation, milliseconds to live or 0, new epoch, value.
const SCRIPT: &str = include_str!("../board.lua");

/// The board of replicas that share a server.
#[derive(Clone, Debug)]
pub struct RedisBoard {
    redis: Arc<Redis>,
}

impl From<Away> for BoardError {
    fn from(Away(why): Away) -> Self {
        Self::Away(why)
    }
}

impl RedisBoard {
    /// A board on this server, under its prefix.
    #[must_use]
    pub fn new(redis: Arc<Redis>) -> Self {
        Self { redis }
    }

    async fn run(
        &self,
        operation: &str,
        field: &str,
        expect: Expect,
        ttl: Option<Duration>,
        value: Vec<u8>,
    ) -> Result<Vec<Value>, BoardError> {
        let mut script = self.redis.script(SCRIPT);
        script.key(self.redis.key("board")).key(self.redis.key("board:state"));
        let expect = match expect {
            Expect::Anything => "any".to_owned(),
            Expect::Absent => "0".to_owned(),
            Expect::Version(version) => version.to_string(),
        };
        let ttl = ttl.map_or(0, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1));
        // Below 2^53, so that a script can carry it.
        let epoch = rand::random::<u64>() >> 11;
        script.arg(operation).arg(field).arg(expect).arg(ttl).arg(epoch).bytes(value);
        match self.redis.invoke(&script).await? {
            Value::Array(parts) => Ok(parts),
            _ => Err(unreadable(field)),
        }
    }

    /// The version a change was made at; an error when the expectation did not hold.
    async fn change(
        &self,
        operation: &str,
        field: &str,
        expect: Expect,
        ttl: Option<Duration>,
        value: Vec<u8>,
    ) -> Result<u64, BoardError> {
        let parts = self.run(operation, field, expect, ttl, value).await?;
        let [made, version] = parts.as_slice() else { return Err(unreadable(field)) };
        let version = number(version).ok_or_else(|| unreadable(field))?;
        match number(made) {
            Some(1) => Ok(version),
            _ => Err(BoardError::Conflict { key: field.to_owned(), found: (version > 0).then_some(version) }),
        }
    }
}

#[async_trait]
impl Board for RedisBoard {
    async fn publish(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<Duration>,
        expect: Expect,
    ) -> Result<u64, BoardError> {
        check_size(key, &value)?;
        self.change("publish", key, expect, ttl, value).await
    }

    async fn remove(&self, key: &str, expect: Expect) -> Result<bool, BoardError> {
        Ok(self.change("remove", key, expect, None, Vec::new()).await? > 0)
    }

    async fn list(&self, prefix: &str) -> Result<Listing, BoardError> {
        let parts = self.run("list", prefix, Expect::Anything, None, Vec::new()).await?;
        let (head, entries) = parts.split_first().ok_or_else(|| unreadable(prefix))?;
        let epoch = number(head).ok_or_else(|| unreadable(prefix))?;
        let mut entries = entries.chunks(4).map(entry).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Listing { epoch, entries })
    }

    async fn version(&self) -> Result<(u64, u64), BoardError> {
        let parts = self.run("version", "", Expect::Anything, None, Vec::new()).await?;
        let read = |part: Option<&Value>| part.and_then(number).ok_or_else(|| unreadable("state"));
        Ok((read(parts.first())?, read(parts.get(1))?))
    }
}

fn entry(parts: &[Value]) -> Result<Entry, BoardError> {
    let [key, version, left, value] = parts else { return Err(unreadable("an entry")) };
    let key = text(key).ok_or_else(|| unreadable("an entry"))?;
    let (Some(version), Some(left), Value::BulkString(value)) = (number(version), number(left), value) else {
        return Err(unreadable(&key));
    };
    let expires_in = (left > 0).then(|| Duration::from_millis(left));
    Ok(Entry { key, value: value.clone(), version, expires_in })
}

fn unreadable(key: &str) -> BoardError {
    BoardError::Unreadable {
        key: key.to_owned(),
        what: "another program, or another version of the gateway, may be using this prefix".to_owned(),
    }
}
