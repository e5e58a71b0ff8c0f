//! Where requests go. It owns the reading of a URL and the pre-flight; it refuses to know what is asked
//! of the server there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use tokio::net::{TcpStream, lookup_host};

/// The path asked when a URL names none.
const CHAT_PATH: &str = "/v1/chat/completions";
/// How long the pre-flight waits for a connection, in wall-clock time.
const PREFLIGHT: Duration = Duration::from_secs(3);

/// A server and the path of its chat completions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
}

/// A URL that cannot be a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` cannot be tested: {why}. Write it like `http://127.0.0.1:8080`")]
pub struct TargetError {
    given: String,
    why: &'static str,
}

/// A target that does not answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {target}: {why}. Is the server running, and is this its address?")]
pub struct Unreachable {
    target: String,
    why: String,
}

impl Target {
    /// The value of the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == 80 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The path requests are posted to.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Resolves the host once, and shows that something listens there.
    pub async fn preflight(&self) -> Result<SocketAddr, Unreachable> {
        let unreachable = |why: String| Unreachable { target: self.to_string(), why };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> =
            lookup_host((host, self.port)).await.map_err(|e| unreachable(e.to_string()))?.collect();
        let mut why = "the name has no address".to_owned();
        for address in addresses {
            match tokio::time::timeout(PREFLIGHT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(address),
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("no connection within {} s", PREFLIGHT.as_secs()),
            }
        }
        Err(unreachable(why))
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = |why| TargetError { given: text.to_owned(), why };
        let uri: Uri = text.parse().map_err(|_| error("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(error("only plain http is spoken; test a plain listener of the gateway"));
            }
            _ => return Err(error("it does not begin with http://")),
        }
        let authority = uri.authority().ok_or_else(|| error("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("it holds credentials; pass a key with --key-env"));
        }
        if uri.query().is_some() {
            return Err(error("it has a query"));
        }
        let path = match uri.path().trim_end_matches('/') {
            "" => CHAT_PATH.to_owned(),
            path if path.ends_with("/v1") => format!("{path}/chat/completions"),
            path => path.to_owned(),
        };
        Ok(Self { host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(80), path })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_stop_early() {
        for (given, read) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/chat/completions"),
            ("http://gw.corp/v1/", "http://gw.corp/v1/chat/completions"),
            ("http://gw.corp:80/llm/v1", "http://gw.corp/llm/v1/chat/completions"),
            (
                "http://[::1]:9000/openai/deployments/a/chat/completions",
                "http://[::1]:9000/openai/deployments/a/chat/completions",
            ),
        ] {
            assert_eq!(given.parse::<Target>().unwrap().to_string(), read);
        }
    }

    #[test]
    fn what_cannot_be_tested_is_said() {
        for (given, why) in [
            ("gateway:8080", "http://"),
            ("https://gateway", "plain http"),
            ("http://me:secret@gateway", "credentials"),
            ("http://gateway/?a=b", "query"),
        ] {
            assert!(given.parse::<Target>().unwrap_err().to_string().contains(why), "{given}");
        }
    }

    #[tokio::test]
    async fn the_preflight_says_that_nobody_listens() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = format!("http://{free}").parse::<Target>().unwrap().preflight().await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
