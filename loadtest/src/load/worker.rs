//! A thread's share of a run: sends what is due and records how it ended. It owns the limits of one
//! request's life (patience, abort); it refuses to decide when a request is due.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::Connections;
use super::exchange::{Observed, exchange};
use super::pacer::{Due, Gauges};
use super::recorder::{Recorder, Yardstick};
use super::{Outcome, Sample};

/// What one worker works with.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) recorder: Arc<Mutex<Recorder>>,
    pub(crate) yardstick: Arc<Yardstick>,
    /// The longest wait for a whole answer, by the clock on the wall.
    pub(crate) patience: Duration,
    pub(crate) abort: CancellationToken,
}

/// Serves `due` until it closes and the last request has ended.
pub(crate) async fn work(worker: Worker, mut due: UnboundedReceiver<Due>) {
    let worker = Arc::new(worker);
    let connections = Arc::new(Connections::new(worker.address));
    let exchanges = TaskTracker::new();
    while let Some(due) = due.recv().await {
        let (worker, connections) = (Arc::clone(&worker), Arc::clone(&connections));
        exchanges.spawn(async move { worker.serve(&connections, due).await });
    }
    exchanges.close();
    exchanges.wait().await;
}

impl Worker {
    async fn serve(&self, connections: &Connections, due: Due) {
        let sent = Instant::now();
        let mut observed = Observed::default();
        let deadline = tokio::time::Instant::from_std(due.intended + self.patience);
        let asked = exchange(connections, due.prepared.request, due.prepared.stream, &mut observed);
        let outcome = tokio::select! {
            biased;
            outcome = asked => outcome,
            () = self.abort.cancelled() => Outcome::Aborted,
            () = tokio::time::sleep_until(deadline) => Outcome::Timeout,
        };
        let ended = observed.ended.unwrap_or_else(Instant::now);
        let policy = |from: Instant, to: Instant| self.gauges.policy(to.saturating_duration_since(from));
        // One event says nothing of the time between tokens, however many it holds.
        let more = observed.events > 1;
        let sample = Sample {
            at: due.at,
            lag: sent.saturating_duration_since(due.intended),
            stream: due.prepared.stream,
            outcome,
            detail: observed.detail,
            ttft: observed.first.map(|first| policy(due.intended, first)),
            ttft_service: observed.first.map(|first| policy(sent, first)),
            generation: observed
                .first
                .zip(observed.last)
                .filter(|_| more)
                .map(|(first, last)| policy(first, last)),
            stall: more.then(|| self.gauges.policy(observed.stall)),
            response: policy(due.intended, ended),
            usage: observed.usage,
            backend: observed.backend,
            request_id: observed.request_id,
        };
        self.recorder.lock().record(sample, &self.yardstick);
        self.gauges.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
