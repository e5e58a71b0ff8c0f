//! One request outside of traffic, to learn whether a backend can be reached and answers. It owns
//! connecting, sending and reading a short answer; it refuses to retry and to judge what it is told.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use rule_table::BackendKind;

use super::links::Links;
use super::peer;
use crate::clock::Clock;
use crate::upstream::Upstream;

/// The most of an answer's body that is read.
const BODY: usize = 64 * 1024;

/// Runs errands, one at a time.
pub(crate) struct Errands {
    links: Links,
    clock: Clock,
}

/// What is asked for.
pub(crate) struct Errand {
    pub(crate) path: String,
    /// A GET without one, a POST with one.
    pub(crate) body: Option<Bytes>,
    /// From the connection to the end of the answer.
    pub(crate) patience: Duration,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Why nothing came back, for people. Never holds what was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ErrandError {
    #[error("{0}")]
    Broken(String),
    #[error("no answer within {} ms", .0.as_millis())]
    Silent(Duration),
}

impl Errands {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { links: Links::new(), clock }
    }

    /// Connects, with all that belongs to it: proxy, handshake, verified certificate.
    pub(crate) async fn connect(&self, upstream: &Upstream) -> Result<(), ErrandError> {
        // As long as the peer's own limit for connecting as a whole, and for a second address.
        let patience = self.clock.wall(upstream.backend.timeouts.connect).saturating_mul(4);
        let work = async {
            let (mut session, ..) = peer::connect(&self.links, upstream, &self.clock).await?;
            session.shutdown().await;
            Ok(())
        };
        // Connecting needs much room on the stack.
        Box::pin(within(patience, work)).await
    }

    /// Asks, with the backend's credential where there is one.
    pub(crate) async fn ask(&self, upstream: &Upstream, errand: Errand) -> Result<Answer, ErrandError> {
        let patience = errand.patience;
        let work = async {
            let header = header(upstream, &errand)?;
            let (mut session, ..) = peer::connect(&self.links, upstream, &self.clock).await?;
            let answer = exchange(&mut session, header, errand.body).await;
            session.shutdown().await;
            answer
        };
        Box::pin(within(patience, work)).await
    }
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, Box<Error>>>,
) -> Result<T, ErrandError> {
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(ErrandError::Broken(describe(&error))),
        Err(_) => Err(ErrandError::Silent(patience)),
    }
}

fn header(upstream: &Upstream, errand: &Errand) -> Result<RequestHeader> {
    let method = if errand.body.is_some() { "POST" } else { "GET" };
    let mut header = RequestHeader::build(method, errand.path.as_bytes(), Some(8))?;
    header.insert_header(HOST, decision::authority(&upstream.backend))?;
    header.insert_header(USER_AGENT, "sluicegate-check")?;
    header.insert_header(ACCEPT, "*/*")?;
    if let Some(body) = &errand.body {
        header.insert_header(CONTENT_TYPE, "application/json")?;
        header.insert_header(CONTENT_LENGTH, body.len())?;
    }
    if upstream.backend.kind == BackendKind::Anthropic {
        header.insert_header("anthropic-version", "2023-06-01")?;
    }
    // Whether there is a token is a question of its own, and asked before.
    if let Ok(Some(credential)) = upstream.credential() {
        header.insert_header(credential.0.clone(), credential.1.clone())?;
    }
    Ok(header)
}

async fn exchange(session: &mut HttpSession, header: RequestHeader, body: Option<Bytes>) -> Result<Answer> {
    session.write_request_header(Box::new(header)).await?;
    if let Some(body) = body {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(0, |header| header.status.as_u16());
    let mut whole = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await? {
        let room = BODY.saturating_sub(whole.len());
        whole.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if whole.len() >= BODY {
            break;
        }
    }
    Ok(Answer { status, body: whole.freeze() })
}

/// What went wrong, without the addresses and names that Pingora adds for its own log.
fn describe(error: &Error) -> String {
    if peer::is_certificate_refused(error) {
        return "the backend refused our certificate, or wants one".to_owned();
    }
    let what = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => "no connection in time",
        ErrorType::ConnectRefused => "the connection was refused",
        ErrorType::ConnectNoRoute => "there is no way to it",
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert | ErrorType::TLSWantX509Lookup => {
            "the TLS handshake failed"
        }
        ErrorType::ConnectProxyFailure => "the egress proxy did not let us through",
        ErrorType::ConnectionClosed => "the backend closed the connection without an answer",
        other => other.as_str(),
    };
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    match cause.and_then(std::io::Error::get_ref) {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}
