//! One attempt: connect, send, read the response head. It owns what a failure up to there means for the
//! caller, the pool and the next attempt; it refuses to retry (the loop in `terminate` does).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decision::{AttemptFailure, Progress, Refusal, UpstreamRequest};
use feedback_loop::Failure;
use http::{HeaderMap, Method};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use vocabulary::{Moment, Reason};

use super::caller::{Caller, Gone};
use super::links::Links;
use super::peer::is_certificate_refused;
use super::verdict::words;
use crate::clock::Clock;
use crate::upstream::Upstream;

/// A kept-alive connection may have been closed by the other side at any moment; each stale one is
/// dropped by trying it, so a pool full of them needs a few tries.
const STALE_CONNECTIONS: usize = 4;
/// The most of an error body that is read to learn its code, and the most that is drained for reuse.
const ERROR_BODY: usize = 64 * 1024;

/// How long a complete answer may take to end its framing.
const DRAIN: Duration = Duration::from_millis(250);

/// An open exchange with a backend whose response head has arrived.
pub(super) struct Open {
    pub(super) session: HttpSession,
    peer: Arc<HttpPeer>,
    links: Arc<Links>,
}

/// Until when an attempt may wait for what, in policy time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience<'c> {
    pub(super) clock: &'c Clock,
    /// When the request's own time is over.
    pub(super) deadline: Moment,
    /// When the attempt was chosen.
    pub(super) started: Moment,
}

impl Patience<'_> {
    /// Wall-clock time left of `allowed`, counted from the attempt's start; never zero, which would mean
    /// no limit to some and no time to others.
    pub(super) fn left_of(&self, allowed: Duration) -> Duration {
        self.until((self.started + allowed).min(self.deadline))
    }

    fn until(&self, end: Moment) -> Duration {
        self.clock.wall(end.since(self.clock.now())).max(Duration::from_millis(1))
    }
}

impl Open {
    /// Connects, sends and reads the head, watching the caller all the while.
    pub(super) async fn send(
        links: &Arc<Links>,
        upstream: &Upstream,
        patience: Patience<'_>,
        request: &UpstreamRequest,
        caller: &mut Caller<'_>,
    ) -> Result<Result<Self, AttemptFailure>, Gone> {
        let timeouts = upstream.backend.timeouts;
        let exchange = async {
            let mut last = failure(Reason::BackendConnect, Failure::Connect, Progress::NotWorkedOn);
            for _ in 0..STALE_CONNECTIONS {
                let (mut session, reused, peer) = super::peer::connect(links, upstream, patience.clock)
                    .await
                    .map_err(|error| connect_failure(&error))?;
                session.set_read_timeout(Some(patience.left_of(timeouts.first_byte)));
                session.set_write_timeout(Some(patience.clock.wall(timeouts.idle)));
                match head(&mut session, request).await {
                    Ok(()) => return Ok(Self { session, peer, links: Arc::clone(links) }),
                    Err(error) => {
                        let timed_out = is_timeout(&error);
                        last = exchange_failure(&error);
                        session.shutdown().await;
                        if !reused || timed_out {
                            return Err(last);
                        }
                    }
                }
            }
            Err(last)
        };
        // Boxed, a stream does not carry what sending needed for its whole life.
        Box::pin(caller.wait(exchange)).await
    }

    /// The backend's status.
    pub(super) fn status(&self) -> u16 {
        self.session.response_header().map_or(0, |header| header.status.as_u16())
    }

    /// The backend's headers.
    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        self.session.response_header().map(|header| &header.headers)
    }

    /// Reads the rest of the body, at most `limit` bytes; `None` when it is longer.
    /// `read` is told of every piece.
    pub(super) async fn body(
        &mut self,
        limit: usize,
        mut read: impl FnMut(usize),
    ) -> pingora_error::Result<Option<Bytes>> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.session.read_response_body().await? {
            if whole.len() + chunk.len() > limit {
                return Ok(None);
            }
            read(chunk.len());
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }

    /// The body of an error answer, as far as it is worth reading.
    pub(super) async fn error_body(&mut self, patience: Duration) -> Bytes {
        self.session.set_read_timeout(Some(patience));
        self.body(ERROR_BODY, |_| ()).await.ok().flatten().unwrap_or_default()
    }

    /// Gives the connection back for reuse, if its response has been read to the end.
    pub(super) async fn release(mut self) {
        if self.session.response_done() {
            self.links.give_back(self.session, &self.peer).await;
        } else {
            self.cancel().await;
        }
    }

    /// Reads what is left of an answer that is complete, so that its connection can be used again; a
    /// backend that keeps it open loses it instead.
    pub(super) async fn drain(mut self) {
        self.session.set_read_timeout(Some(DRAIN));
        while let Ok(Some(_)) = self.session.read_response_body().await {}
        self.release().await;
    }

    /// Makes the backend stop: closes an HTTP/1 connection, resets an HTTP/2 stream.
    pub(super) async fn cancel(mut self) {
        self.session.shutdown().await;
    }
}

async fn head(session: &mut HttpSession, request: &UpstreamRequest) -> pingora_error::Result<()> {
    session.write_request_header(Box::new(header(request)?)).await?;
    let written = async {
        session.write_request_body(request.body.clone(), true).await?;
        session.finish_request_body().await
    }
    .await;
    // A backend may refuse early and stop reading: its answer is worth more than our write error.
    let answered = read_head(session).await;
    match (written, answered) {
        (_, Ok(())) => Ok(()),
        (Err(_), Err(error)) if is_certificate_refused(&error) => Err(error),
        (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
    }
}

/// The request's head. Its headers are taken over as a whole: inserting them one by one takes longer than
/// sending them.
fn header(request: &UpstreamRequest) -> pingora_error::Result<RequestHeader> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.headers = request.headers.clone();
    let mut header = RequestHeader::from(parts);
    header.set_raw_path(request.path_and_query.as_bytes())?;
    Ok(header)
}

async fn read_head(session: &mut HttpSession) -> pingora_error::Result<()> {
    loop {
        session.read_response_header().await?;
        if session.response_header().is_none_or(|header| !header.status.is_informational()) {
            return Ok(());
        }
    }
}

fn is_timeout(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
}

/// A failed attempt, with the words for a caller that gets no other.
pub(super) fn failure(reason: Reason, failure: Failure, progress: Progress) -> AttemptFailure {
    let retry_after = match failure {
        Failure::RateLimited { retry_after } | Failure::ServerError { retry_after } => retry_after,
        _ => None,
    };
    let refusal = Refusal::new(reason, words(reason)).with_retry_after(retry_after);
    AttemptFailure { reason, failure, progress, refusal }
}

fn connect_failure(error: &Error) -> AttemptFailure {
    use ErrorType::{InvalidCert, TLSHandshakeFailure, TLSHandshakeTimedout, TLSWantX509Lookup};
    let tls =
        matches!(error.etype(), InvalidCert | TLSHandshakeFailure | TLSHandshakeTimedout | TLSWantX509Lookup);
    let reason = if tls { Reason::BackendTls } else { Reason::BackendConnect };
    failure(reason, Failure::Connect, Progress::NotWorkedOn)
}

/// After a request was sent it is unknown whether the backend works on it: another attempt could pay twice.
pub(super) fn exchange_failure(error: &Error) -> AttemptFailure {
    if is_certificate_refused(error) {
        return failure(Reason::BackendTls, Failure::Connect, Progress::NotWorkedOn);
    }
    let server_error = Failure::ServerError { retry_after: None };
    let (reason, learnt) = match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => (Reason::BackendTimeout, Failure::Timeout),
        ErrorType::InvalidHTTPHeader | ErrorType::H2Error | ErrorType::InvalidH2 => {
            (Reason::BackendProtocol, server_error)
        }
        _ => (Reason::BackendReset, server_error),
    };
    failure(reason, learnt, Progress::Unknown)
}
