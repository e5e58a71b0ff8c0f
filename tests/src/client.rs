//! A caller. It owns connections by hand, one per request unless a test keeps one, so that leaving in the
//! middle is what it looks like on the wire; it refuses to retry, follow or decompress.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::sse::{Cutter, Event};
use crate::wait::within;

/// The body of a request, of any shape.
pub type Body = BoxBody<Bytes, Infallible>;

/// How to talk to an address.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    headers: HeaderMap,
    http2: bool,
    tls: Option<Arc<rustls::ClientConfig>>,
    first: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// An answer whose body is read event by event. Dropping it leaves the server.
#[derive(Debug)]
pub struct EventStream {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    cutter: Cutter,
    ready: std::collections::VecDeque<Event>,
    broken: bool,
    _connection: Connection,
}

/// A connection. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    host: HeaderValue,
    _driver: JoinSet<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    /// A caller that speaks HTTP/1.1 without TLS and shows no key.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: HeaderMap::new(), http2: false, tls: None, first: Vec::new() }
    }

    /// The same caller, showing a key.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        self.with(AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    /// The same caller, sending a header with every request.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }

    /// The same caller, speaking HTTP/2 by prior knowledge.
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// The same caller over TLS. What ALPN settles on is what is spoken.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// The same caller behind a load balancer, which sends these bytes before anything else.
    #[must_use]
    pub fn behind(mut self, first: &[u8]) -> Self {
        self.first = first.to_vec();
        self
    }

    /// Whom it calls.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Connection {
        let mut stream =
            within("a connection", TcpStream::connect(self.address)).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        within("the first bytes to be taken", stream.write_all(&self.first)).await.expect("an open socket");
        let host = HeaderValue::from_str(&self.address.to_string()).expect("an address is a header value");
        let Some(config) = &self.tls else {
            return Connection::over(TokioIo::new(stream), self.http2, host).await;
        };
        let name = "localhost".try_into().expect("a server name");
        let stream =
            within("a TLS handshake", TlsConnector::from(Arc::clone(config)).connect(name, stream)).await;
        let stream = stream.expect("a TLS handshake");
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Connection::over(TokioIo::new(stream), http2, host).await
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, Empty::new().boxed())).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, json: &Value) -> Answer {
        self.post_bytes(path, json.to_string()).await
    }

    /// Posts bytes that claim to be JSON.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(self.json(path, body)).await
    }

    /// Posts a chat request.
    pub async fn chat(&self, request: &Value) -> Answer {
        self.post("/v1/chat/completions", request).await
    }

    /// Posts a chat request and reads its answer event by event.
    pub async fn chat_events(&self, request: &Value) -> EventStream {
        self.events(self.json("/v1/chat/completions", request.to_string())).await
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.connect().await.send(request).await
    }

    /// Sends a request on a connection of its own and reads its answer event by event.
    pub async fn events(&self, request: Request<Body>) -> EventStream {
        let mut connection = self.connect().await;
        let (parts, body) = connection.begin(request).await.into_parts();
        EventStream {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            cutter: Cutter::default(),
            ready: std::collections::VecDeque::new(),
            broken: false,
            _connection: connection,
        }
    }

    /// A request with this caller's headers.
    #[must_use]
    pub fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path");
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// A POST of JSON with this caller's headers.
    #[must_use]
    pub fn json(&self, path: &str, body: impl Into<Bytes>) -> Request<Body> {
        let mut request = self.request(Method::POST, path, Full::new(body.into()).boxed());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().entry(CONTENT_TYPE).or_insert(json);
        request
    }
}

impl Connection {
    async fn over<S>(stream: TokioIo<S>, http2: bool, host: HeaderValue) -> Self
    where
        TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let mut driver = JoinSet::new();
        let sender = if http2 {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), stream).await.expect("an HTTP/2 handshake");
            driver.spawn(async move { drop(connection.await) });
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(stream).await.expect("an HTTP/1.1 connection");
            driver.spawn(async move { drop(connection.await) });
            Sender::Http1(sender)
        };
        Self { sender, host, _driver: driver }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&mut self, request: Request<Body>) -> Answer {
        Answer::read(self.begin(request).await).await
    }

    /// Sends a request and reads the head of its answer.
    pub async fn begin(&mut self, request: Request<Body>) -> Response<Incoming> {
        let answer = within("an answer", self.try_begin(request)).await;
        answer.expect("an answer")
    }

    /// The same, when there may be no answer.
    ///
    /// # Errors
    /// When the connection ends first.
    pub async fn try_begin(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                request.headers_mut().entry(HOST).or_insert(self.host.clone());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let authority = self.host.to_str().expect("an address");
                let uri = format!("http://{authority}{}", request.uri());
                *request.uri_mut() = uri.parse().expect("an absolute URI");
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

impl Answer {
    /// Reads the body of a response.
    pub async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = within("the body", body.collect()).await.expect("a whole body").to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A header's value, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `x-request-id`.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.header("x-request-id").expect("every answer carries a request id")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.parsed()
    }

    /// The body, read as some type.
    #[must_use]
    pub fn parsed<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The code of an OpenAI error object; empty when it is none.
    #[must_use]
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is a success.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }
}

impl EventStream {
    /// The next event, or nothing at the end of the body or of the connection.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match within("the next event", self.body.frame()).await {
                None => return None,
                Some(Err(_)) => {
                    self.broken = true;
                    return None;
                }
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.ready.extend(self.cutter.push(bytes));
                    }
                }
            }
        }
    }

    /// Every event that is left.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Whether the body ended as HTTP wants it to, and not within an event.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        !self.broken && self.cutter.is_clean()
    }

    /// The `x-request-id`.
    #[must_use]
    pub fn request_id(&self) -> String {
        let id = self.headers.get("x-request-id").expect("every answer carries a request id");
        id.to_str().expect("an id is ASCII").to_owned()
    }
}

/// A body in pieces, without a length.
#[must_use]
pub fn chunked(pieces: Vec<Bytes>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
    BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames)))
}
