//! The caller's side of a terminated request. It owns waiting for a backend while watching the caller,
//! the heartbeats that keep an idle connection alive meanwhile, and whether anything has been sent; it
//! refuses to know what is sent.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use decision::Exchange;
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::time::{Instant, sleep_until};

use super::respond;

/// A comment of server-sent events: every parser skips it (HTML, §9.2.6).
const HEARTBEAT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The caller went away.
#[derive(Debug)]
pub(super) struct Gone;

/// The caller of one request.
pub(super) struct Caller<'s> {
    pub(super) session: &'s mut Session,
    heartbeat: Option<Heartbeat>,
    begun: bool,
}

struct Heartbeat {
    every: Duration,
    next: Instant,
    /// The head of the stream, until it is sent with the first beat.
    head: Option<Box<ResponseHeader>>,
}

impl<'s> Caller<'s> {
    pub(super) fn new(session: &'s mut Session) -> Self {
        Self { session, heartbeat: None, begun: false }
    }

    /// From now on a comment is sent `every` so often on the wall clock, until the stream has output. With
    /// the first one the answer has begun, so its head names no backend.
    pub(super) fn beat_every(&mut self, every: Duration, exchange: &Exchange) -> Result<()> {
        let head = respond::stream_head(self.session, exchange)?;
        self.heartbeat = Some(Heartbeat { every, next: Instant::now() + every, head: Some(Box::new(head)) });
        Ok(())
    }

    /// Whether a stream's head has been sent.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Awaits `work` unless the caller closes its side first.
    pub(super) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> std::result::Result<T, Gone> {
        if self.heartbeat.is_none() {
            return tokio::select! {
                biased;
                done = work => Ok(done),
                () = gone(self.session) => Err(Gone),
            };
        }
        let mut work = pin!(work);
        loop {
            let next = self.heartbeat.as_ref().map_or_else(Instant::now, |beat| beat.next);
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = gone(self.session) => return Err(Gone),
                () = sleep_until(next) => self.beat().await.map_err(|_| Gone)?,
            }
        }
    }

    async fn beat(&mut self) -> Result<()> {
        let Some(heartbeat) = self.heartbeat.as_mut() else { return Ok(()) };
        heartbeat.next = Instant::now() + heartbeat.every;
        if let Some(head) = heartbeat.head.take() {
            self.begun = true;
            self.session.write_response_header(head, false).await?;
        }
        self.session.write_response_body(Some(HEARTBEAT), false).await
    }

    /// Begins the stream unless a heartbeat has; there are no more of those afterwards.
    pub(super) async fn begin_stream(&mut self, exchange: &Exchange) -> Result<()> {
        self.heartbeat = None;
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let head = respond::stream_head(self.session, exchange)?;
        self.session.write_response_header(Box::new(head), false).await
    }

    /// Sends part of a stream.
    pub(super) async fn send(&mut self, bytes: Bytes) -> std::result::Result<(), Gone> {
        self.session.write_response_body(Some(bytes), false).await.map_err(|_| Gone)
    }

    /// Ends a stream, with `last` as its last part.
    pub(super) async fn end(&mut self, last: Option<Bytes>) -> Result<()> {
        self.session.write_response_body(last, true).await
    }
}

/// Resolves when the caller has closed the connection or reset its stream.
async fn gone(session: &mut Session) {
    if session.as_downstream_mut().read_body_or_idle(true).await.is_ok() {
        std::future::pending::<()>().await;
    }
}
