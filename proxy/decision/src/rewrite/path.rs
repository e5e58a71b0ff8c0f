//! Where on a backend an operation is found. It owns paths, queries and the authority; it refuses
//! anything of the caller's own path.

use bytes::Bytes;
use rule_table::{Backend, BackendKind, Deployment};
use vocabulary::Operation;

/// The default when the manifest names no `api-version`.
const AZURE_API_VERSION: &str = "2024-10-21";
/// `api-version` of Azure's surface that is versioned by its path.
const AZURE_V1: &[&str] = &["v1", "preview", "latest"];

/// Path and body of the cheapest request that proves a deployment infers: one token of output.
#[must_use]
pub fn probe(backend: &Backend, deployment: &Deployment) -> (String, Bytes) {
    let operation = backend.kind.serves_as(Operation::Chat).unwrap_or(Operation::Chat);
    let body = serde_json::json!({
        "model": deployment.upstream_name,
        "messages": [{"role": "user", "content": "ping"}],
        "max_tokens": 1,
    });
    (path(backend, deployment, operation), Bytes::from(body.to_string()))
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

/// The API's own paths below the base path; Azure's name the deployment and the API version, unless the
/// version is `v1`.
pub(super) fn path(backend: &Backend, deployment: &Deployment, operation: Operation) -> String {
    // People write the base URL with and without `/v1`: both mean the same API.
    let base = backend.base_path.strip_suffix("/v1").unwrap_or(&backend.base_path);
    if backend.kind != BackendKind::AzureOpenai {
        return format!("{base}{}", operation.path());
    }
    let version = backend.api_version.as_deref().unwrap_or(AZURE_API_VERSION);
    let below = operation.path().trim_start_matches("/v1");
    if AZURE_V1.contains(&version) {
        let query = if version == "v1" { String::new() } else { format!("?api-version={version}") };
        return format!("{base}/openai/v1{below}{query}");
    }
    if operation == Operation::Responses {
        // Responses name the deployment in the body, on either surface.
        return format!("{base}/openai/responses?api-version={version}");
    }
    format!("{base}/openai/deployments/{}{below}?api-version={version}", deployment.upstream_name)
}

/// Where a piped request goes on a backend, given its path and query at this gateway, `/v1/…` for model
/// backends.
pub(super) fn piped(backend: &Backend, deployment: &Deployment, path: &str) -> String {
    if !backend.kind.has_models() {
        return format!("{}{path}", backend.base_path);
    }
    let base = backend.base_path.strip_suffix("/v1").unwrap_or(&backend.base_path);
    if backend.kind != BackendKind::AzureOpenai {
        return format!("{base}{path}");
    }
    let version = backend.api_version.as_deref().unwrap_or(AZURE_API_VERSION);
    let below = path.strip_prefix("/v1").unwrap_or(path);
    if AZURE_V1.contains(&version) {
        return format!("{base}/openai/v1{below}");
    }
    let mark = if below.contains('?') { '&' } else { '?' };
    // What infers is found below its deployment; files, batches and stored responses are the account's.
    let infers = ["/audio/", "/images/"].iter().any(|part| below.starts_with(part));
    let place = if infers { format!("/deployments/{}", deployment.upstream_name) } else { String::new() };
    let realtime = if below.starts_with("/realtime") {
        format!("&deployment={}", deployment.upstream_name)
    } else {
        String::new()
    };
    format!("{base}/openai{place}{below}{mark}api-version={version}{realtime}")
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
            price_changes: Vec::new(),
            prices_until: None,
            hourly: None,
            quota: None,
            concurrency: None,
            expected_ttft: Duration::from_secs(1),
            processing: None,
        }
    }

    #[test]
    fn each_kind_gets_its_own_path() {
        let at = |kind, base, operation| path(&backend(kind, base), &deployment(), operation);
        assert_eq!(at(BackendKind::Openai, "", Operation::Chat), "/v1/chat/completions");
        assert_eq!(at(BackendKind::Openai, "/v1", Operation::Embeddings), "/v1/embeddings");
        assert_eq!(at(BackendKind::Vllm, "/llm/v1", Operation::TextCompletion), "/llm/v1/completions");
        assert_eq!(at(BackendKind::Anthropic, "", Operation::Messages), "/v1/messages");
        assert_eq!(
            at(BackendKind::AzureOpenai, "", Operation::Chat),
            "/openai/deployments/prod-4o/chat/completions?api-version=2024-10-21"
        );
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
