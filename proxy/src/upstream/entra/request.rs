//! The request by which each kind of identity gets its token. It owns addresses, parameters and headers;
//! it refuses to send anything. What it builds holds secrets and is never printed.

use std::path::Path;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use rule_table::{Entra, EntraSource, SecretRef, Setting};

use crate::upstream::secret::{SecretError, read, setting};

/// The Instance Metadata Service, on every Azure machine.
const METADATA_SERVICE: &str = "http://169.254.169.254";
const METADATA_PATH: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01";
/// Of the endpoint that App Service and Container Apps name in the environment.
const ENDPOINT_VERSION: &str = "api-version=2019-08-01";
/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Why no request can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// One of its parts cannot be read.
    #[error(transparent)]
    Part(#[from] SecretError),
    /// Its parts make no request.
    #[error("{0} is not usable in a request")]
    Malformed(&'static str),
}

/// Builds the request for `entra`; files relative to `base`, environment variables from `env`.
///
/// # Errors
/// What cannot be read; never its value.
pub(super) fn request(
    entra: &Entra,
    base: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Request<Full<Bytes>>, RequestError> {
    match &entra.source {
        EntraSource::ManagedIdentity { client_id, endpoint } => {
            let client_id = client_id.as_ref().map(|value| setting(value, base)).transpose()?;
            let service = match (endpoint, env("IDENTITY_ENDPOINT"), env("IDENTITY_HEADER")) {
                (None, Some(url), Some(header)) => Service::Endpoint { url, header },
                (endpoint, ..) => Service::Metadata(endpoint.as_deref().unwrap_or(METADATA_SERVICE)),
            };
            managed(&entra.scope, &service, client_id.as_deref())
        }
        EntraSource::WorkloadFederation { tenant, client_id, token_file } => {
            let assertion = read(&SecretRef::File(token_file.clone()), base)?;
            let secret =
                [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.expose())];
            sign_in(entra, tenant, client_id, &secret, base)
        }
        EntraSource::ClientSecret { tenant, client_id, secret } => {
            let secret = read(secret, base)?;
            sign_in(entra, tenant, client_id, &[("client_secret", secret.expose())], base)
        }
    }
}

/// Who gives managed identities their tokens.
enum Service<'a> {
    /// The machine's metadata service, at this base URL.
    Metadata(&'a str),
    /// The platform's own endpoint, which wants to see a header of the environment's.
    Endpoint { url: String, header: String },
}

fn managed(
    scope: &str,
    service: &Service<'_>,
    client_id: Option<&str>,
) -> Result<Request<Full<Bytes>>, RequestError> {
    let (mut url, name, value) = match service {
        Service::Metadata(base) => (format!("{base}{METADATA_PATH}"), "metadata", "true"),
        Service::Endpoint { url, header } => {
            let joint = if url.contains('?') { '&' } else { '?' };
            (format!("{url}{joint}{ENDPOINT_VERSION}"), "x-identity-header", header.as_str())
        }
    };
    // The metadata service knows resources, not scopes.
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    url.push_str("&resource=");
    encode(resource, &mut url);
    if let Some(client_id) = client_id {
        url.push_str("&client_id=");
        encode(client_id, &mut url);
    }
    let mut value =
        HeaderValue::from_str(value).map_err(|_| RequestError::Malformed("the value of IDENTITY_HEADER"))?;
    value.set_sensitive(true);
    Request::get(url)
        .header(HeaderName::from_static(name), value)
        .header(ACCEPT, "application/json")
        .body(Full::default())
        .map_err(|_| RequestError::Malformed("the metadata service's address"))
}

/// The client credentials grant of RFC 6749 §4.4.
fn sign_in(
    entra: &Entra,
    tenant: &Setting,
    client_id: &Setting,
    secret: &[(&str, &str)],
    base: &Path,
) -> Result<Request<Full<Bytes>>, RequestError> {
    let (tenant, client_id) = (setting(tenant, base)?, setting(client_id, base)?);
    let mut url = format!("{}/", entra.authority);
    encode(&tenant, &mut url);
    url.push_str("/oauth2/v2.0/token");
    let named = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id.as_str()),
        ("scope", entra.scope.as_str()),
    ];
    let mut form = String::new();
    for (name, value) in named.iter().chain(secret) {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        encode(value, &mut form);
    }
    Request::post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Full::from(form))
        .map_err(|_| RequestError::Malformed("the authority's address"))
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3), which a query and a form both
/// understand.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            for digit in [byte >> 4, byte & 15] {
                into.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}
