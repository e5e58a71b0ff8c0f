//! One JSON line per request, written by a thread of its own within some 20 ms. It owns the queue, the file
//! and its reopening; it refuses to make a request wait: what the queue cannot take is dropped and counted.

mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;
use vocabulary::access_log::AccessLogRecord;

use crate::drops::{Drops, Signal};
use writer::{Output, Writer};

/// Records that wait for the disk, at most.
const QUEUE: usize = 8_192;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file, which is reopened when it is renamed away or removed.
    File(PathBuf),
}

/// Why the access log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file cannot be opened for appending.
    #[error("access log {} cannot be opened for appending: {source}; check that its directory exists and is writable", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("the access log's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// The running access log. Clones share one queue.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    running: Option<Arc<Running>>,
}

#[derive(Debug)]
struct Running {
    queue: SyncSender<Line>,
    /// Lines queued since the writer began to let them gather.
    gathered: Arc<AtomicUsize>,
    /// Lines at which the writer shall not wait for more.
    enough: usize,
    writer: Thread,
    drops: Drops,
    stopped: Mutex<Receiver<()>>,
}

enum Line {
    Record(Box<AccessLogRecord>),
    Flush(SyncSender<()>),
    Stop,
}

impl AccessLog {
    /// Writes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Opens the target and starts its thread. Lost lines are added to `drops`.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn start(target: &AccessLogTarget, drops: &Drops) -> Result<Self, AccessLogError> {
        let output = match target {
            AccessLogTarget::Off => return Ok(Self::off()),
            AccessLogTarget::Stdout => Output::stdout(),
            AccessLogTarget::File(path) => {
                Output::file(path).map_err(|source| AccessLogError::Open { path: path.clone(), source })?
            }
        };
        Self::start_with(output, drops, QUEUE).map_err(AccessLogError::Thread)
    }

    fn start_with(output: Output, drops: &Drops, queue: usize) -> std::io::Result<Self> {
        let (sender, lines) = sync_channel(queue);
        let (done, stopped) = sync_channel(1);
        let writer = Writer::new(output, drops.clone());
        let gathered = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&gathered);
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run(&lines, &counted);
            // The receiver is gone when nobody waits for the end.
            let _ = done.send(());
        })?;
        let running = Running {
            queue: sender,
            gathered,
            enough: queue / 4,
            writer: thread.thread().clone(),
            drops: drops.clone(),
            stopped: Mutex::new(stopped),
        };
        Ok(Self { running: Some(Arc::new(running)) })
    }

    /// Whether records are written, so that a caller can skip drawing one up.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.running.is_some()
    }

    /// Queues a record. Never blocks.
    pub fn write(&self, record: AccessLogRecord) {
        let Some(running) = &self.running else { return };
        if running.queue.try_send(Line::Record(Box::new(record))).is_err() {
            running.drops.add(Signal::AccessLog, 1);
        } else if running.gathered.fetch_add(1, Ordering::Relaxed) == running.enough {
            running.writer.unpark();
        }
    }

    /// Waits until everything queued so far is written, or `timeout` has passed; says whether it was.
    /// Blocks: not for the request path.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        let Some(running) = &self.running else { return true };
        let (done, written) = sync_channel(1);
        let queued = running.queue.try_send(Line::Flush(done)).is_ok();
        running.writer.unpark();
        queued && written.recv_timeout(timeout).is_ok()
    }

    /// Writes what is queued and ends the thread, within `timeout`; says whether it ended. Blocks.
    /// Records written afterwards are dropped and counted.
    pub fn shutdown(&self, timeout: Duration) -> bool {
        let Some(running) = &self.running else { return true };
        // A full queue cannot take the order to stop: the writer is stuck, and the wait below is bounded.
        let _ = running.queue.try_send(Line::Stop);
        running.writer.unpark();
        !matches!(running.stopped.lock().recv_timeout(timeout), Err(RecvTimeoutError::Timeout))
    }
}

#[cfg(test)]
mod tests;
