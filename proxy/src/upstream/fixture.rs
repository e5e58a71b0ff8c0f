//! What the tests of this room share: a backend's section, and a token service that says what it is told.
//! It owns recording what was asked; it refuses to assert.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rule_table::{Backend, BackendKind, Credential, Entra, EntraSource, Rewrite, Timeouts, TlsOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A backend at a host and port, with nothing special about it.
pub(crate) fn backend(name: &str, host: &str, port: u16) -> Backend {
    let second = Duration::from_secs(1);
    Backend {
        name: name.into(),
        kind: BackendKind::Openai,
        tls: false,
        host: host.into(),
        port,
        base_path: String::new(),
        api_version: None,
        tls_options: TlsOptions::default(),
        egress: None,
        auth: None,
        forward_trace_context: false,
        http2: false,
        health: None,
        timeouts: Timeouts { connect: second, first_byte: second, first_token: second, idle: second },
        idempotency_header: None,
        rewrite: Rewrite::default(),
    }
}

/// An identity of the machine, whose metadata service is at `endpoint`.
pub(crate) fn managed(endpoint: SocketAddr) -> Entra {
    Entra {
        scope: "https://cognitiveservices.azure.com/.default".into(),
        authority: "https://login.microsoftonline.com".into(),
        source: EntraSource::ManagedIdentity {
            client_id: None,
            endpoint: Some(format!("http://{endpoint}")),
        },
    }
}

/// A backend that is presented a token.
pub(crate) fn entra_backend(name: &str, entra: Entra) -> Backend {
    Backend { auth: Some(Credential::Entra(entra)), ..backend(name, "127.0.0.1", 9) }
}

/// A request to a token service.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

type Script = dyn Fn(usize, &Asked) -> Option<Response<String>> + Send + Sync;

/// A token service that plays a script: by the number of the request, an answer or silence.
pub(crate) struct TokenService {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl TokenService {
    pub(crate) async fn start(
        script: impl Fn(usize, &Asked) -> Option<Response<String>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, script): (Arc<Mutex<Vec<Asked>>>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let seen = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                let service =
                    service_fn(move |request| answer(request, Arc::clone(&seen), Arc::clone(&script)));
                connections.spawn(async move {
                    let served = hyper::server::conn::http1::Builder::new();
                    // A client that leaves early has its reasons.
                    drop(served.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Script>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
    let asked = Asked { line: format!("{} {}", parts.method, parts.uri), headers: parts.headers, body };
    let reply = {
        let mut seen = seen.lock();
        seen.push(asked.clone());
        script(seen.len() - 1, &asked)
    };
    match reply {
        Some(reply) => Ok(reply.map(|text| Full::from(Bytes::from(text)))),
        None => std::future::pending().await,
    }
}

/// An answer with a token that is good for so many seconds, written as the metadata service writes it.
pub(crate) fn token(text: &str, seconds: u64) -> Option<Response<String>> {
    let body = serde_json::json!({
        "access_token": text, "expires_in": seconds.to_string(), "expires_on": "0", "token_type": "Bearer",
    });
    Some(Response::new(body.to_string()))
}

/// An error with these headers.
pub(crate) fn error(status: u16, headers: &[(&str, &str)], body: &str) -> Option<Response<String>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.to_owned()).ok()
}

/// Calls `look` until it finds something, for at most 20 s.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = tokio::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "waited 20 s for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
