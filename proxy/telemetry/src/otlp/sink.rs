//! The one queue of spans, for requests and for the gateway's own. It owns the rule that a trace is
//! queued whole or dropped whole; batching and delivery are the SDK's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanProcessor};

use super::exporters::CountedSpans;
use crate::drops::{Drops, Signal};

/// Spans of one export, at most.
const BATCH: usize = 512;
/// How long a span waits for others to share an export with.
const DELAY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct SpanSink {
    processor: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    room: usize,
    closed: AtomicBool,
    drops: Drops,
}

impl SpanSink {
    pub(super) fn start(exporter: CountedSpans, resource: &Resource, room: usize, drops: &Drops) -> Self {
        let room = room.max(1);
        let waiting = exporter.waiting();
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(room)
            .with_max_export_batch_size(BATCH.min(room))
            .with_scheduled_delay(DELAY)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        processor.set_resource(resource);
        Self { processor, waiting, room, closed: AtomicBool::new(false), drops: drops.clone() }
    }

    /// Queues all of `spans`, or drops and counts all of them. Never blocks.
    pub(crate) fn submit(&self, spans: Vec<SpanData>) {
        let count = spans.len();
        let fits = |waiting: usize| waiting.checked_add(count).filter(|total| *total <= self.room);
        let closed = self.closed.load(Ordering::Relaxed);
        if closed || self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            self.drops.add(Signal::Traces, count as u64);
            return;
        }
        for span in spans {
            self.processor.on_end(span);
        }
    }
}

/// Lets the tracer provider share the sink.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<SpanSink>);

impl SpanProcessor for Shared {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.submit(vec![span]);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.closed.store(true, Ordering::Relaxed);
        self.0.processor.shutdown_with_timeout(timeout)
    }
}
