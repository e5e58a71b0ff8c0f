//! Pingora's hooks, one line of thought each. It owns the life of a request at this listener, from the
//! parsed head to the log phase; what happens in between is `terminate`'s or `pipe`'s.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use decision::{Destination, Ending, Exchange, Head, Peer, Refusal, Stage};
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use rule_table::Listener;
use telemetry::Trust;
use telemetry::instruments::ActiveRequest;
use telemetry::settled::Scheme;
use vocabulary::Reason;

use super::client_address::Belief;
use super::connections::{self, Asking};
use super::links::Links;
use super::models;
use super::pipe::{self, Piping};
use super::terminate::{Desk, Outcome};
use super::{framing, guard, handshake, upgrade};
use crate::clock::{Stopwatch, unix_nanos};
use crate::live::{InFlight, InForce, Live, request_id};
use crate::settlement::Account;
use crate::trace_ids::TraceIds;

/// The most a caller may take over one write before it counts as gone.
const SLOW_READER: std::time::Duration = std::time::Duration::from_secs(60);

/// One listener's application.
pub(super) struct EdgeService {
    /// Its place in the policy it was bound with, which every later one keeps.
    index: u32,
    listener: Listener,
    belief: Belief,
    live: Arc<Live>,
    links: Arc<Links>,
}

/// One request's state between hooks.
pub(super) struct Context {
    pub(super) watch: Stopwatch,
    pub(super) request: Option<Request>,
}

/// What exists once the head has been read.
pub(super) struct Request {
    pub(super) exchange: Exchange,
    pub(super) in_force: Arc<InForce>,
    pub(super) trace: TraceIds,
    pub(super) piping: Option<Piping>,
    pub(super) status: Option<u16>,
    _active: ActiveRequest,
    _in_flight: InFlight,
    _asking: Option<Asking>,
}

impl EdgeService {
    pub(super) fn new(index: u32, listener: Listener, live: Arc<Live>, links: Arc<Links>) -> Self {
        let belief = Belief::new(listener.forwarded.as_ref());
        Self { index, listener, belief, live, links }
    }

    fn scheme(&self) -> Scheme {
        if self.listener.tls.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Stage 1.
    fn accept(&self, session: &Session) -> Request {
        let arrived = self.live.clock.now();
        let in_force = self.live.in_force();
        let header = session.req_header();
        let trusted = in_force.gate.policy().telemetry.trust_trace_context;
        let trust = if trusted { Trust::Continue } else { Trust::Restart };
        let trace = TraceIds::new(&header.headers, trust);
        let active = self.live.observers.began(&header.method, self.scheme());
        let unix_nanos = unix_nanos();
        let mut exchange = Exchange::new(
            Arc::clone(&in_force.gate),
            request_id(unix_nanos),
            header.method.clone(),
            arrived,
            unix_nanos,
        );
        exchange.peer = self.peer(session);
        exchange.mark(Stage::Accept, arrived, self.live.clock.now());
        Request {
            exchange,
            in_force,
            trace,
            piping: None,
            status: None,
            _active: active,
            _in_flight: self.live.admit(),
            _asking: connections::asking(session),
        }
    }

    /// Who sends this request, as far as its connection tells.
    fn peer(&self, session: &Session) -> Peer {
        let headers = &session.req_header().headers;
        Peer {
            listener: self.index,
            address: connections::address(session).map(|peer| self.belief.client(peer, headers)),
            certificate: handshake::certificate(session),
        }
    }

    /// Whether a request is taken at all: read in one way only, over TLS that is new enough, from where the
    /// listener takes requests.
    fn admit(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        in_force: &InForce,
    ) -> std::result::Result<(), Refusal> {
        framing::check(session)?;
        let oldest = self.listener.tls.as_ref().map(|tls| tls.min_version);
        if oldest.is_some() && handshake::version(session) < oldest {
            session.as_downstream_mut().set_keepalive(None);
            return Err(Refusal::new(
                Reason::TlsVersion,
                "this listener takes TLS 1.3 or newer; update the client, or allow it to use TLS 1.3",
            ));
        }
        if handshake::is_disowned(session) {
            session.as_downstream_mut().set_keepalive(None);
            return Err(Refusal::new(
                Reason::InvalidCertificate,
                "the client certificate is expired, or of an authority that is not trusted here any more; connect anew with another",
            ));
        }
        let country = |address| in_force.countries.country(address);
        let ends_here = session.as_downstream_mut().is_body_empty();
        exchange.admit_acl(&head(session), ends_here, country)?;
        exchange.admit_peer(&session.req_header().headers, country)
    }

    /// Stages 2 to 8 of what is not piped; `false` hands the request to Pingora's pipe.
    async fn handle(
        &self,
        session: &mut Session,
        request: &mut Request,
        watch: &mut Stopwatch,
    ) -> Result<bool> {
        let Request { exchange, in_force, trace, piping, status, .. } = request;
        let desk = Desk { live: &self.live, in_force, links: &self.links, listener: &self.listener, trace };
        let start = self.live.clock.now();
        let admitted = self.admit(session, exchange, in_force);
        let admitted = admitted.and_then(|()| exchange.admit_keys(start));
        let mut identified = admitted.and_then(|()| exchange.identify(&head(session)));
        if let Some(issuer) = exchange.wants_keys_of() {
            // Nothing but its issuer's next keys can tell what the token is worth.
            watch.pause();
            self.live.key_sets.missed(&exchange.gate, issuer).await;
            watch.resume();
            identified = exchange.identify(&head(session));
        }
        exchange.mark(Stage::Identify, start, self.live.clock.now());
        let outcome = match identified {
            Err(refusal) => {
                desk.compare(session, exchange, Some(&refusal));
                desk.refuse(session, exchange, refusal).await?
            }
            Ok(Destination::ListModels) if let Err(refusal) = exchange.admit_unread(&head(session)) => {
                desk.refuse(session, exchange, refusal).await?
            }
            Ok(Destination::ListModels)
                if let Err(refusal) = guard::head(session, exchange, in_force, &self.listener)
                    .and_then(|()| guard::nothing(exchange)) =>
            {
                desk.refuse(session, exchange, refusal).await?
            }
            Ok(Destination::ListModels) => {
                models::answer(session, exchange).await?;
                Outcome::Answered(200)
            }
            Ok(Destination::Terminate(operation)) => {
                desk.terminate(session, exchange, operation, watch).await?
            }
            Ok(Destination::Pipe(_)) => match pipe::prepare(&desk, session, exchange).await {
                Ok(ready) => {
                    desk.compare(session, exchange, None);
                    *piping = Some(ready);
                    return Ok(false);
                }
                Err(refusal) => desk.refuse(session, exchange, refusal).await?,
            },
        };
        *status = match outcome {
            Outcome::Answered(status) => Some(status),
            // The log phase knows whether a status was sent before.
            Outcome::CallerGone => None,
        };
        Ok(true)
    }
}

/// What matching reads of a request's head.
pub(super) fn head(session: &Session) -> Head<'_> {
    let header = session.req_header();
    let authority = header.uri.authority().map(http::uri::Authority::as_str);
    let host = header.headers.get(http::header::HOST).and_then(|value| value.to_str().ok());
    Head {
        host: authority.or(host).unwrap_or_default(),
        path: header.uri.path(),
        query: header.uri.query().unwrap_or_default(),
        headers: &header.headers,
    }
}

#[async_trait]
impl ProxyHttp for EdgeService {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context { watch: Stopwatch::default(), request: None }
    }

    /// No modules: compression would hold event streams back.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let downstream = session.as_downstream_mut();
        downstream.set_write_timeout(Some(SLOW_READER));
        if self.live.draining() {
            downstream.set_keepalive(None);
        }
        let accepted = self.accept(session);
        let request = ctx.request.insert(accepted);
        self.handle(session, request, &mut ctx.watch).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        let mut peer = pipe::peer(ctx, &self.live.clock)?;
        if session.is_upgrade_req() {
            upgrade::prepare(&mut peer);
        }
        Ok(peer)
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        ctx.watch.pause();
        pipe::rewrite(upstream, ctx, &self.live.observers.traces)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        last: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        // After an upgrade there is no request body any more, only bytes of another protocol.
        if session.as_downstream().was_upgraded() {
            return Ok(());
        }
        pipe::count_body(body.as_ref(), &self.listener, ctx)?;
        pipe::inspect_body(body, last, ctx)
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        pipe::answered(response, ctx, &self.live.clock)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        // Nothing was sent, so another member may be tried whatever the method.
        error.set_retry(pipe::connect_failed(ctx, self.live.clock.now()));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        let status = pipe::failed(session, error, ctx, self.listener.max_body).await;
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        let Some(mut request) = ctx.request.take() else { return };
        ctx.watch.resume();
        let start = self.live.clock.now();
        let written = session.response_written().map(|header| header.status.as_u16());
        if error.is_some() && request.exchange.reason.is_none() {
            request.exchange.reason = Some(Reason::ClientClosed);
        }
        pipe::ended(&mut request, start);
        let status = request.status.or(written).unwrap_or(Reason::ClientClosed.status());
        let ending = Ending { at: start, status, overhead_us: ctx.watch.busy_us() };
        let settled = request.exchange.settle(&ending);
        request.exchange.mark(Stage::Settle, start, self.live.clock.now());
        self.live.observers.settled(Account {
            exchange: &request.exchange,
            settled,
            trace: &request.trace,
            scheme: self.scheme(),
            clock: &self.live.clock,
        });
    }

    /// Paths may carry secrets in their query: the log names the method and our own id only.
    fn request_summary(&self, session: &Session, ctx: &Context) -> String {
        let id = ctx.request.as_ref().map_or("-", |request| request.exchange.request_id.as_str());
        format!("{} request {id}", session.req_header().method)
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        // The access log has the reason; Pingora's own line could quote an upstream's words.
        true
    }
}
