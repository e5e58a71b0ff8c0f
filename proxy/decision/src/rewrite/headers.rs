//! The head of a request to a backend, built from nothing. It owns which headers a kind of backend wants
//! and which of the caller's may pass; it refuses framing: the length is exact and known.

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use rule_table::{Backend, BackendKind};
use vocabulary::{Operation, Reason};

use super::Sending;
use super::path::authority;
use crate::Refusal;

/// The name and value by which a backend knows us. The value never prints.
pub type Presentable = (HeaderName, HeaderValue);

/// The version of Anthropic's API whose shapes are spoken here.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// What a head is built from.
pub(super) struct Build<'a> {
    pub(super) backend: &'a Backend,
    pub(super) serves_as: Operation,
    pub(super) stream: bool,
    pub(super) length: usize,
    pub(super) request_id: &'a str,
    pub(super) sending: &'a Sending<'a>,
}

/// The complete head.
pub(super) fn build(build: &Build<'_>) -> Result<HeaderMap, Refusal> {
    let Build { backend, sending, .. } = *build;
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(HOST, value(&authority(backend))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(build.length));
    let accept = if build.stream { "text/event-stream" } else { "application/json" };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
    headers.insert(HeaderName::from_static("x-request-id"), value(build.request_id)?);
    if let (true, Some(traceparent)) = (backend.forward_trace_context, sending.traceparent) {
        headers.insert(HeaderName::from_static("traceparent"), value(traceparent)?);
    }
    if let Some((name, credential)) = sending.credential {
        headers.insert(name.clone(), credential.clone());
    }
    if backend.kind == BackendKind::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), ANTHROPIC_VERSION);
    }
    for name in passing(build.serves_as) {
        if let Some(sent) = sending.caller.get(*name) {
            headers.insert(HeaderName::from_static(name), sent.clone());
        }
    }
    if let Some(name) = &backend.idempotency_header
        && let Ok(name) = HeaderName::try_from(name)
    {
        let own = sending.caller.get("idempotency-key").cloned();
        headers.insert(name, own.map_or_else(|| value(build.request_id), Ok)?);
    }
    Ok(headers)
}

/// The caller's own headers that mean something to a backend with this operation. They are dialect, not
/// framing and not identity.
const fn passing(serves_as: Operation) -> &'static [&'static str] {
    match serves_as {
        Operation::Messages | Operation::CountTokens => &["anthropic-version", "anthropic-beta"],
        Operation::Responses => &["openai-beta"],
        _ => &[],
    }
}

/// The header in which a backend of this kind expects its key; `None` when the key holds bytes no header
/// may hold. The value never prints.
#[must_use]
pub fn credential_header(kind: BackendKind, key: &str) -> Option<Presentable> {
    let (name, value) = match kind {
        BackendKind::AzureOpenai => (HeaderName::from_static("api-key"), key.to_owned()),
        BackendKind::Anthropic => (HeaderName::from_static("x-api-key"), key.to_owned()),
        BackendKind::AzureCognitive => (HeaderName::from_static("ocp-apim-subscription-key"), key.to_owned()),
        _ => (AUTHORIZATION, format!("Bearer {key}")),
    };
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text)
        .map_err(|_| Refusal::new(Reason::Internal, "a header value holds control characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_where_its_kind_expects_it_and_never_prints() {
        for (kind, header, text) in [
            (BackendKind::AzureOpenai, "api-key", "canary"),
            (BackendKind::Anthropic, "x-api-key", "canary"),
            (BackendKind::AzureCognitive, "ocp-apim-subscription-key", "canary"),
            (BackendKind::Openai, "authorization", "Bearer canary"),
        ] {
            let (name, value) = credential_header(kind, "canary").unwrap();
            assert_eq!((name.as_str(), value.to_str().unwrap()), (header, text));
            assert!(!format!("{value:?}").contains("canary"));
        }
        assert!(credential_header(BackendKind::Vllm, "a\nb").is_none());
    }
}
