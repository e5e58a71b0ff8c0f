//! Why a request ended as it did, kept for a day: one story for every error, refusal and failover. It owns
//! which requests have a story, the queue that keeps writing off the request path, and finding one again; it
//! refuses content and requests that went as they should.

mod store;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use decision::{Exchange, Gate, Refusal};
use parking_lot::Mutex;
use telemetry::settled::StoriesDropped;
use tokio::sync::mpsc;
use vocabulary::access_log::AccessLogRecord;
use vocabulary::admin::holds::Hold;
use vocabulary::admin::story::{Story, Told};

use crate::policy::Holds;
use store::Store;

/// Stories waiting to be written; more than that are dropped and counted.
const WAITING: usize = 4096;
/// Written in one go.
const BATCH: usize = 256;

/// Takes stories and finds them again. Clones share.
#[derive(Clone, Debug)]
pub struct Stories {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sender: mpsc::Sender<Draft>,
    receiver: Mutex<Option<mpsc::Receiver<Draft>>>,
    queue_full: AtomicU64,
    not_written: AtomicU64,
    store: Mutex<Store>,
}

/// What a story is made of, taken on the request path.
struct Draft {
    record: AccessLogRecord,
    gate: Arc<Gate>,
    team: Option<String>,
    subject: Option<String>,
    refusal: Option<Refusal>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("request_id", &self.record.request_id).finish_non_exhaustive()
    }
}

impl Stories {
    /// Stories below the state directory, or the latest ten thousand in memory.
    ///
    /// # Errors
    /// When the directory cannot be created or read.
    pub fn open(state: Option<&Path>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let shared = Shared {
            sender,
            receiver: Mutex::new(Some(receiver)),
            queue_full: AtomicU64::new(0),
            not_written: AtomicU64::new(0),
            store: Mutex::new(Store::open(state)?),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes the story of a request that is over, if it has one. Never waits.
    pub(crate) fn take(&self, exchange: &Exchange, record: &AccessLogRecord) {
        let smooth = record.reason.is_none()
            && record.attempts.len() <= 1
            && record.attempts.iter().all(|attempt| attempt.reason.is_none());
        if smooth {
            return;
        }
        let team = exchange.team.and_then(|id| exchange.gate.policy().teams.get(id as usize));
        let draft = Draft {
            record: record.clone(),
            gate: Arc::clone(&exchange.gate),
            team: team.map(|team| team.name.clone()),
            subject: exchange.subject.as_deref().map(str::to_owned),
            refusal: exchange.refusal.clone(),
        };
        if self.shared.sender.try_send(draft).is_err() {
            self.shared.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what is taken, until the gateway stops. A second call ends at once.
    pub async fn run(self, holds: Arc<Holds>) {
        let receiver = self.shared.receiver.lock().take();
        let Some(mut receiver) = receiver else { return };
        let mut drafts = Vec::with_capacity(BATCH);
        while receiver.recv_many(&mut drafts, BATCH).await > 0 {
            let held = holds.list();
            let stories: Vec<Story> = drafts.drain(..).map(|draft| draft.told(&held)).collect();
            let shared = Arc::clone(&self.shared);
            // The disk may make it wait.
            let written = tokio::task::spawn_blocking(move || shared.store.lock().write(&stories)).await;
            let lost = match written {
                Ok(Ok(lost)) => lost,
                Ok(Err(error)) => {
                    tracing::error!(%error, "why requests failed cannot be written down");
                    1
                }
                Err(_) => 1,
            };
            self.shared.not_written.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// The story of a request.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, id: uuid::Uuid) -> std::io::Result<Option<Story>> {
        let shared = Arc::clone(&self.shared);
        let find = move || {
            let place = shared.store.lock().place(id);
            place.find(&id.simple().to_string())
        };
        tokio::task::spawn_blocking(find).await.map_err(std::io::Error::other)?
    }

    /// The stories told last, newest first, at most `limit`.
    #[must_use]
    pub fn latest(&self, limit: usize) -> Vec<Story> {
        self.shared.store.lock().latest(limit)
    }

    /// Stories that were not kept since the start.
    #[must_use]
    pub fn dropped(&self) -> StoriesDropped {
        StoriesDropped {
            queue_full: self.shared.queue_full.load(Ordering::Relaxed),
            not_written: self.shared.not_written.load(Ordering::Relaxed),
        }
    }
}

impl Draft {
    fn told(self, holds: &[Hold]) -> Story {
        Story {
            decisions: self.gate.decisions_of(&self.record.request_id),
            generation: self.gate.generation(),
            team: self.team,
            subject: self.subject,
            told: self.refusal.map(|refusal| Told {
                message: refusal.message.into_owned(),
                retry_after_s: refusal.retry_after.map(|after| after.as_secs_f64()),
            }),
            holds: holds.to_vec(),
            request: self.record,
        }
    }
}

#[cfg(test)]
mod tests;
