//! Stage 7: the request a backend gets. It owns path, headers and body edits per kind of backend; it
//! refuses to forward anything of the caller's head: upstream headers are built from nothing, so no
//! framing, key or hop-by-hop header can pass.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use rule_table::{Backend, BackendKind, Deployment};
use vocabulary::{Operation, Reason};

use crate::{Exchange, Refusal};

/// A request ready to send.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// Path and query.
    pub path_and_query: String,
    /// Complete headers, `Host` and exact `Content-Length` included.
    pub headers: HeaderMap,
    /// Complete body.
    pub body: Bytes,
}

/// The default when the manifest names no `api-version`.
const AZURE_API_VERSION: &str = "2024-10-21";

impl Exchange {
    /// Builds the request for the attempt under way.
    ///
    /// # Errors
    /// [`Reason::Internal`] when the stages before have not run.
    pub fn rewrite(
        &self,
        body: &Bytes,
        credential: Option<&(HeaderName, HeaderValue)>,
        traceparent: Option<&str>,
    ) -> Result<UpstreamRequest, Refusal> {
        let internal = || Refusal::new(Reason::Internal, "a stage ran out of order");
        let facts = self.facts.as_ref().ok_or_else(internal)?;
        let attempt = self.attempts.last().ok_or_else(internal)?;
        let deployment = self.gate.deployment(attempt.deployment).ok_or_else(internal)?;
        let backend = self.gate.policy().backends.get(deployment.backend as usize).ok_or_else(internal)?;
        let edits = wire::openai::Edits {
            model: (facts.model != deployment.upstream_name).then_some(deployment.upstream_name.as_str()),
            include_usage: facts.stream && !facts.include_usage,
        };
        let body = wire::openai::set_fields(body, &edits)
            .map_err(|_| Refusal::new(Reason::Internal, "a body that parsed could not be rewritten"))?;
        let mut headers = HeaderMap::with_capacity(10);
        headers.insert(HOST, header(&authority(backend))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(
            ACCEPT,
            HeaderValue::from_static(if facts.stream { "text/event-stream" } else { "application/json" }),
        );
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("sluicegate/", env!("CARGO_PKG_VERSION"))));
        headers.insert(HeaderName::from_static("x-request-id"), header(&self.request_id)?);
        if let (true, Some(traceparent)) = (backend.forward_trace_context, traceparent) {
            headers.insert(HeaderName::from_static("traceparent"), header(traceparent)?);
        }
        if let Some((name, value)) = credential {
            headers.insert(name.clone(), value.clone());
        }
        Ok(UpstreamRequest { path_and_query: path(backend, deployment, facts.operation), headers, body })
    }
}

/// The header in which a backend of this kind expects its credential; `None` when the credential holds
/// bytes no header may hold. The value never prints.
#[must_use]
pub fn credential_header(kind: BackendKind, credential: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = match kind {
        BackendKind::AzureOpenai => (HeaderName::from_static("api-key"), credential.to_owned()),
        BackendKind::Anthropic => (HeaderName::from_static("x-api-key"), credential.to_owned()),
        BackendKind::AzureCognitive => {
            (HeaderName::from_static("ocp-apim-subscription-key"), credential.to_owned())
        }
        _ => (AUTHORIZATION, format!("Bearer {credential}")),
    };
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// Path and body of the cheapest request that proves a deployment infers: one token of output.
#[must_use]
pub fn probe(backend: &Backend, deployment: &Deployment) -> (String, Bytes) {
    let body = serde_json::json!({
        "model": deployment.upstream_name,
        "messages": [{"role": "user", "content": "ping"}],
        "max_tokens": 1,
    });
    (path(backend, deployment, Operation::Chat), Bytes::from(body.to_string()))
}

fn header(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text)
        .map_err(|_| Refusal::new(Reason::Internal, "a header value holds control characters"))
}

/// The `Host` of a backend; the port only where it is not the scheme's own.
#[must_use]
pub fn authority(backend: &Backend) -> String {
    let host = if backend.host.contains(':') { format!("[{}]", backend.host) } else { backend.host.clone() };
    match (backend.tls, backend.port) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

/// OpenAI's own paths below the base path; Azure's name the deployment and the API version.
fn path(backend: &Backend, deployment: &Deployment, operation: Operation) -> String {
    // People write the base URL with and without `/v1`: both mean the same API.
    let base = backend.base_path.strip_suffix("/v1").unwrap_or(&backend.base_path);
    match backend.kind {
        BackendKind::AzureOpenai => {
            let version = backend.api_version.as_deref().unwrap_or(AZURE_API_VERSION);
            let operation = operation.path().trim_start_matches("/v1");
            format!("{base}/openai/deployments/{}{operation}?api-version={version}", deployment.upstream_name)
        }
        _ => format!("{base}{}", operation.path()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn backend(kind: BackendKind, base_path: &str) -> Backend {
        let second = Duration::from_secs(1);
        Backend {
            name: "b".into(),
            kind,
            tls: true,
            host: "api.example".into(),
            port: 443,
            base_path: base_path.into(),
            api_version: None,
            tls_options: rule_table::TlsOptions::default(),
            egress: None,
            auth: None,
            forward_trace_context: false,
            http2: false,
            health: None,
            timeouts: rule_table::Timeouts {
                connect: second,
                first_byte: second,
                first_token: second,
                idle: second,
            },
            idempotency_header: None,
            rewrite: rule_table::Rewrite::default(),
        }
    }

    fn deployment() -> Deployment {
        Deployment {
            name: "b/d".into(),
            backend: 0,
            model: Some("gpt-4o".into()),
            upstream_name: "prod-4o".into(),
            context_window: None,
            max_output: None,
            prices: None,
            hourly: None,
            quota: None,
            concurrency: None,
            expected_ttft: Duration::from_secs(1),
        }
    }

    #[test]
    fn each_kind_gets_its_own_path() {
        let at = |kind, base, operation| path(&backend(kind, base), &deployment(), operation);
        assert_eq!(at(BackendKind::Openai, "", Operation::Chat), "/v1/chat/completions");
        assert_eq!(at(BackendKind::Openai, "/v1", Operation::Embeddings), "/v1/embeddings");
        assert_eq!(at(BackendKind::Vllm, "/llm/v1", Operation::TextCompletion), "/llm/v1/completions");
        assert_eq!(
            at(BackendKind::AzureOpenai, "", Operation::Chat),
            "/openai/deployments/prod-4o/chat/completions?api-version=2024-10-21"
        );
    }

    #[test]
    fn a_credential_goes_where_its_kind_expects_it_and_never_prints() {
        let (name, value) = credential_header(BackendKind::AzureOpenai, "canary-azure").unwrap();
        assert_eq!((name.as_str(), &value), ("api-key", &HeaderValue::from_static("canary-azure")));
        assert!(!format!("{value:?}").contains("canary"));
        let (name, value) = credential_header(BackendKind::Openai, "canary-openai").unwrap();
        assert_eq!(
            (name.as_str(), &value),
            ("authorization", &HeaderValue::from_static("Bearer canary-openai"))
        );
        assert!(!format!("{value:?}").contains("canary"));
        assert!(credential_header(BackendKind::Vllm, "a\nb").is_none());
    }

    #[test]
    fn an_authority_names_only_unusual_ports_and_brackets_ipv6() {
        let mut b = backend(BackendKind::Openai, "");
        assert_eq!(authority(&b), "api.example");
        b.port = 8443;
        b.host = "::1".into();
        assert_eq!(authority(&b), "[::1]:8443");
    }
}
