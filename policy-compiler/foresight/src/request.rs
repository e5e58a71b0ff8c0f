//! A request as people have it at hand. It owns the value, its bounds and which of two ways of writing it is
//! read; it refuses what the gateway could take for another request than its author meant.

mod curl;
mod raw;

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Uri};

/// The longest request that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;

/// A request that nobody has sent yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Host and port, as `Host` or the URL says; empty where neither does.
    pub host: String,
    /// Path without query.
    pub path: String,
    /// Query without its question mark.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// Headers, queries and bodies may hold what is nobody's business.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a text is no request: what is wrong, where and how to mend it. Never quotes values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}; {fix}")]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub fix: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { line, what: what.into(), fix: fix.into() }
    }
}

impl Request {
    /// Reads a request: raw HTTP/1.1, as REST clients keep it in files, or a curl command line.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn parse(text: &[u8]) -> Result<Self, Fault> {
        if text.len() > MAX_BYTES {
            let what = format!("the request is longer than {} MiB", MAX_BYTES >> 20);
            return Err(Fault::new(1, what, "shorten its body"));
        }
        let start = raw::skip_comments(text);
        let request = match start.rest.strip_prefix(b"curl") {
            Some([b' ' | b'\t' | b'\\', ..]) => curl::parse(start)?,
            _ => raw::parse(start)?,
        };
        Ok(request)
    }

    /// Puts a target and its headers and body together, and states the body's length where nobody has.
    fn assemble(method: Method, target: &Target, headers: HeaderMap, body: Bytes) -> Self {
        let host = headers.get(HOST).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut request = Self {
            method,
            host: host.unwrap_or_else(|| target.host.clone()),
            path: target.path.clone(),
            query: target.query.clone(),
            headers,
            body,
        };
        if !request.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&request.host)
            && !request.host.is_empty()
        {
            request.headers.insert(HOST, host);
        }
        if !request.body.is_empty() && !request.headers.contains_key(TRANSFER_ENCODING) {
            request.headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        request
    }
}

/// Where a request goes: a URL, or a path alone.
struct Target {
    host: String,
    path: String,
    query: String,
}

impl Target {
    /// `url` may lack its scheme and, where `bare` hosts are taken, be a host first.
    fn read(url: &str, bare: bool, line: usize) -> Result<Self, Fault> {
        let fault = || {
            Fault::new(
                line,
                "the target is neither a path nor a URL",
                "write it as `/v1/models` or `https://host/v1/models`, without spaces and fragment",
            )
        };
        let (url, _) = url.split_once('#').unwrap_or((url, ""));
        let url = match url {
            _ if url.starts_with('/') || url.contains("://") => url.to_owned(),
            _ if bare && !url.is_empty() => format!("http://{url}"),
            _ => return Err(fault()),
        };
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err(Fault::new(
                line,
                "the URL holds a user or password",
                "send an `Authorization` header instead",
            ));
        }
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        Ok(Self {
            host: authority.to_owned(),
            path: path.to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
        })
    }
}

/// What is left of a text, and the line it begins on.
#[derive(Clone, Copy)]
struct Rest<'a> {
    rest: &'a [u8],
    line: usize,
}
