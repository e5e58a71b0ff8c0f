//! The shared store in Redis or Valkey, 7 or later. It owns the connection and the script; it refuses to
//! retry, since whoever asks knows how long an answer is of use.

mod board;
mod connection;

use async_trait::async_trait;
use ledger::lease::{Epoch, GRACE_MS, MAX_AMOUNT, Reply, Slot};
use redis::{RedisError, Value};

use super::shared::{Asked, Away, Registrar};

pub use board::RedisBoard;
pub use connection::{Redis, Settings};

const LEASE: &str = include_str!("lease.lua");

/// What the script takes and gives per slot.
const PER_SLOT: usize = 4;

impl From<RedisError> for Away {
    fn from(error: RedisError) -> Self {
        // The server's own words may repeat what it was sent; the kind never does.
        let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
        let cause = if error.is_io_error() { format!(": {error}") } else { String::new() };
        Self(format!("{}{code}{cause}", error.category()))
    }
}

#[async_trait]
impl Registrar for Redis {
    async fn ask(&self, calls: &[Asked]) -> Result<Vec<Reply>, Away> {
        let Some(first) = calls.first() else { return Ok(Vec::new()) };
        let mut script = self.script(LEASE);
        script.key(self.key("epoch"));
        script.arg(first.call.epoch.as_ref().map(written).unwrap_or_default()).arg(GRACE_MS);
        for Asked { call, remember } in calls {
            script.key(self.slot(call.slot));
            script.arg(format!("{:016x}", call.replica.name)).arg(call.replica.life);
            let exact = |amount: u64| amount.min(MAX_AMOUNT);
            script.arg(exact(call.granted.max(call.returned))).arg(exact(call.returned));
            script.arg(call.want).arg(call.least).arg(exact(call.ceiling));
            script.arg(u64::try_from(remember.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        let answer = self.invoke(&script).await?;
        read(&answer).filter(|replies| replies.len() == calls.len()).ok_or_else(|| {
            Away("its answer cannot be read; is another version of the gateway using this prefix?".to_owned())
        })
    }

    async fn give_up(&self) {
        self.reset().await;
    }
}

impl Redis {
    fn slot(&self, slot: Slot) -> String {
        self.key(&format!("lease:{:016x}:{}", slot.key, slot.window))
    }
}

fn written(epoch: &Epoch) -> String {
    format!("{} {}", epoch.run, epoch.since_ms)
}

fn read(answer: &Value) -> Option<Vec<Reply>> {
    let Value::Array(parts) = answer else { return None };
    let (head, slots) = parts.split_at_checked(3)?;
    let [run, since_ms, grace] = head else { return None };
    let epoch = Epoch { run: text(run)?, since_ms: number(since_ms)? };
    let grace = number(grace)? == 1;
    let reply = |slot: &[Value]| {
        let [granted, returned, room, stale] = slot else { return None };
        Some(Reply {
            granted: number(granted)?,
            returned: number(returned)?,
            room: number(room)?,
            epoch: epoch.clone(),
            grace,
            stale: number(stale)? == 1,
        })
    };
    slots.chunks(PER_SLOT).map(reply).collect()
}

fn text(value: &Value) -> Option<String> {
    redis::from_redis_value_ref(value).ok()
}

fn number(value: &Value) -> Option<u64> {
    redis::from_redis_value_ref(value).ok()
}
