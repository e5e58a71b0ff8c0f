//! The admin API of a running gateway, as commands ask it. It owns the connection, the token and the words of
//! a refusal; it refuses to know what is asked.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rule_table::SecretRef;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::upstream::{connector, read_secret, unreached};

/// The variable that holds the token unless a file does.
const TOKEN: &str = "SLUICEGATE_ADMIN_TOKEN";
/// The longest answer that is read.
const LONGEST: usize = 16 * 1024 * 1024;
/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the admin API did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    /// What was given cannot be used.
    #[error("{0}")]
    Input(String),
    /// The gateway cannot be reached, or does not speak as it should.
    #[error("the admin API at {url} cannot be asked: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        why: String,
    },
    /// The gateway said no.
    #[error("{title}: {detail}")]
    Refused {
        /// In a few words.
        title: String,
        /// What to do.
        detail: String,
    },
}

/// A running gateway's admin API.
pub(super) struct Remote {
    base: String,
    authorization: Option<HeaderValue>,
}

impl Remote {
    /// At `base`, with the token of a file or the environment, if there is one.
    pub(super) fn new(base: &str, token_file: Option<&Path>) -> Result<Self, RemoteError> {
        let reference = match token_file {
            Some(file) => Some(SecretRef::File(file.display().to_string())),
            None => std::env::var_os(TOKEN).map(|_| SecretRef::Env(TOKEN.to_owned())),
        };
        let header = |reference: SecretRef| {
            let secret = read_secret(&reference, Path::new(""))
                .map_err(|error| RemoteError::Input(error.to_string()))?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose()))
                .map_err(|_| RemoteError::Input("the admin token holds control characters".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let authorization = reference.map(header).transpose()?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), authorization })
    }

    /// Makes a call and reads its answer.
    pub(super) fn call<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, RemoteError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.unreachable(error))?;
        let answer = runtime.block_on(async {
            match tokio::time::timeout(PATIENCE, self.ask(method, path, body)).await {
                Ok(answer) => answer,
                Err(_) => Err(self.unreachable("no answer within 30 s")),
            }
        })?;
        serde_json::from_slice(&answer).map_err(|_| self.unreachable("its answer is of another version"))
    }

    async fn ask(&self, method: &Method, path: &str, body: Option<Value>) -> Result<Bytes, RemoteError> {
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|_| RemoteError::Input(format!("`{}{path}` is no URL", self.base)))?;
        let connector = connector().ok_or_else(|| self.unreachable("there is no TLS to ask with"))?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = client.request(request).await.map_err(|error| self.unreachable(unreached(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let body = body.map_err(|_| self.unreachable("its answer broke off"))?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |field: &str| problem.get(field).and_then(Value::as_str).map(str::to_owned);
        Err(RemoteError::Refused {
            title: text("title").unwrap_or_else(|| format!("the gateway answered {status}")),
            detail: text("detail").unwrap_or_default(),
        })
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> RemoteError {
        RemoteError::Unreachable { url: self.base.clone(), why: why.to_string() }
    }
}
