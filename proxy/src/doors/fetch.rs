//! Getting documents from issuers: discovery (OpenID Connect Discovery 1.0 §4) and key sets, over HTTPS or
//! from a file. It owns bounds of size and time; it refuses redirects, and issuers that name another.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use rule_table::{Issuer, KeySet};
use serde::Deserialize;

use crate::upstream::client::{Client, Unanswered};

/// The longest document that is read.
const LONGEST: usize = 256 * 1024;
/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks issuers.
#[derive(Debug)]
pub(super) struct Fetch {
    client: Option<Client>,
}

/// Of an issuer's description, what is needed here.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Fetch {
    pub(super) fn new() -> Self {
        Self { client: Client::new() }
    }

    /// An issuer's set; files relative to `base`.
    pub(super) async fn key_set(&self, issuer: &Issuer, base: &Path) -> Result<Vec<u8>, String> {
        match &issuer.keys {
            KeySet::File(file) => {
                let path = base.join(file);
                let read = tokio::fs::read(&path).await;
                read.map_err(|error| format!("the file {} cannot be read: {error}", path.display()))
            }
            KeySet::Url(url) => self.get(url).await,
            KeySet::Discovery => {
                let place =
                    format!("{}/.well-known/openid-configuration", issuer.issuer.trim_end_matches('/'));
                let description: Description = serde_json::from_slice(&self.get(&place).await?)
                    .map_err(|_| format!("{place} is not a description with `issuer` and `jwks_uri`"))?;
                if description.issuer != issuer.issuer {
                    return Err(format!("{place} describes another issuer, so its keys are not taken"));
                }
                self.get(&description.jwks_uri).await
            }
        }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let client = self.client.as_ref().ok_or("there is no TLS to ask with")?;
        let uri: Uri = url.parse().map_err(|_| "its URL is malformed".to_owned())?;
        if !is_protected(&uri) {
            return Err(format!("{url} is not `https://`, so whoever is on the way could answer"));
        }
        let agent = concat!("sluicegate/", env!("CARGO_PKG_VERSION"));
        let request = Request::get(uri)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, agent)
            .body(Full::new(Bytes::new()))
            .map_err(|_| "its URL is malformed".to_owned())?;
        match client.ask(request, PATIENCE, LONGEST).await {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body.to_vec()),
            Ok(reply) => {
                let status = StatusCode::from_u16(reply.status).unwrap_or_default();
                Err(format!("{url} answered {status}"))
            }
            Err(Unanswered::Unreached(why)) => Err(why),
            Err(Unanswered::TooLong) => {
                Err(format!("what {url} answers is longer than 256 KiB or broke off"))
            }
            Err(Unanswered::Timeout) => Err(format!("{url} did not answer within 5 s")),
        }
    }
}

/// Whether nobody on the way can change what is answered.
fn is_protected(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let on_this_machine =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("https") || on_this_machine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_in_plain_text_on_this_machine_only() {
        for (url, protected) in [
            ("https://login.example/keys", true),
            ("http://127.0.0.1:80/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://login.example/keys", false),
            ("http://127.0.0.1.example/keys", false),
        ] {
            assert_eq!(is_protected(&url.parse().unwrap()), protected, "{url}");
        }
    }
}
