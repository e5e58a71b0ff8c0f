//! The yardstick: bare Pingora with the gateway's way of dispatching (read the request, send it to a
//! backend, hold the answer, send it on) and no policy at all. It owns being as lean as that can be; it
//! refuses every feature.

use std::net::SocketAddr;
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use pingora_core::apps::HttpServerOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::server::Fds;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, ProxyServiceBuilder, Session};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Fallible, say_aside};

struct Bare {
    connector: Connector,
    peer: HttpPeer,
    host: String,
}

/// Serves on one worker thread until killed.
pub(crate) fn serve(backend: SocketAddr) -> Fallible<()> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?.to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async move {
        let (_stop, watch) = watch::channel(false);
        let bare = Bare::new(backend);
        let conf = Arc::new(ServerConf::default());
        let mut service = ProxyServiceBuilder::new(&conf, bare)
            .name("bare")
            .server_options(HttpServerOptions::default())
            .build();
        service.add_tcp(&address);
        let mut fds = Fds::new();
        fds.add(address.clone(), socket.into_raw_fd());
        let fds = Arc::new(Mutex::new(fds));
        let mut serving = JoinSet::new();
        serving.spawn(async move { service.start_service(Some(fds), watch, 1).await });
        say_aside(&format!("bench: bare Pingora on {address}\nbench: ready"));
        while serving.join_next().await.is_some() {}
        Ok(())
    })
}

impl Bare {
    #[expect(clippy::disallowed_methods, reason = "given a SocketAddr it neither resolves nor fails")]
    fn new(backend: SocketAddr) -> Self {
        let host = backend.to_string();
        Self { connector: Connector::new(None), peer: HttpPeer::new(backend, false, host.clone()), host }
    }

    async fn dispatch(&self, session: &mut Session) -> Result<()> {
        let body = request_body(session).await?;
        let (mut upstream, _) = self.connector.get_http_session(&self.peer).await?;
        let mut header = RequestHeader::build("POST", session.req_header().uri.path().as_bytes(), Some(3))?;
        header.insert_header("host", &self.host)?;
        header.insert_header("content-type", "application/json")?;
        header.insert_header("content-length", body.len())?;
        upstream.write_request_header(Box::new(header)).await?;
        upstream.write_request_body(body, true).await?;
        upstream.finish_request_body().await?;
        upstream.read_response_header().await?;
        let length = upstream.response_header().and_then(|head| head.headers.get("content-length").cloned());
        match length {
            Some(_) => whole(session, &mut upstream).await?,
            None => stream(session, &mut upstream).await?,
        }
        self.connector.release_http_session(upstream, &self.peer, None).await;
        Ok(())
    }
}

async fn request_body(session: &mut Session) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = session.as_downstream_mut().read_request_body().await? {
        if whole.is_empty() && session.as_downstream_mut().is_body_done() {
            return Ok(chunk);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// An answer of known length: held, as the gateway holds it, then sent.
async fn whole(session: &mut Session, upstream: &mut HttpSession) -> Result<()> {
    let mut body = BytesMut::new();
    while let Some(chunk) = upstream.read_response_body().await? {
        body.extend_from_slice(&chunk);
    }
    let mut header = ResponseHeader::build(200, Some(2))?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("content-length", body.len())?;
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body.freeze()), true).await
}

/// A stream: each piece is sent on as it comes.
async fn stream(session: &mut Session, upstream: &mut HttpSession) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(2))?;
    header.insert_header("content-type", "text/event-stream")?;
    header.insert_header("transfer-encoding", "chunked")?;
    session.write_response_header(Box::new(header), false).await?;
    while let Some(chunk) = upstream.read_response_body().await? {
        session.write_response_body(Some(chunk), false).await?;
    }
    session.write_response_body(None, true).await
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        self.dispatch(session).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Err(Error::new(ErrorType::InternalError))
    }
}
