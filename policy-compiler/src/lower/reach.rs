//! Backends: how they are reached and what is presented to them.

use rule_table::{
    Backend, Credential, EgressProxy, Entra, EntraSource, HealthProbe, SecretRef, Setting, Timeouts,
    TlsOptions,
};
use vocabulary::Operation;

use super::edge::secret;
use super::rewrite::rewrite;
use crate::manifest::{self, BackendKind, Identity, Manifest};
use crate::resolve::{default_scope, endpoint};

pub(super) fn backends(manifest: &Manifest) -> Option<Vec<Backend>> {
    manifest.backends.iter().map(|(name, backend)| one_backend(name, backend, manifest)).collect()
}

fn one_backend(name: &str, backend: &manifest::Backend, manifest: &Manifest) -> Option<Backend> {
    let url = endpoint(&backend.url).ok()?;
    let auth = match &backend.auth {
        Some(identity) => Some(credential(manifest.identities.get(identity)?, backend.kind)),
        None => None,
    };
    let egress = match &backend.egress_proxy {
        Some(proxy) => Some(egress(proxy)?),
        None => None,
    };
    Some(Backend {
        name: name.to_owned(),
        kind: backend.kind.compiled(),
        tls: url.tls,
        host: url.host,
        port: url.port,
        base_path: url.base_path,
        api_version: backend.api_version.clone(),
        tls_options: backend.tls.as_ref().map(tls_options).unwrap_or_default(),
        egress,
        auth,
        forward_trace_context: backend.forward_trace_context.unwrap_or_default(),
        http2: backend.http2,
        health: backend.health.as_ref().and_then(probe),
        timeouts: timeouts(&backend.timeouts),
        idempotency_header: backend.idempotency_header.as_ref().map(|name| name.to_ascii_lowercase()),
        rewrite: rewrite(backend.rewrite.as_ref()),
    })
}

fn timeouts(timeouts: &manifest::Timeouts) -> Timeouts {
    Timeouts {
        connect: timeouts.connect.0.0,
        first_byte: timeouts.first_byte.unwrap_or(timeouts.first_token).0.0,
        first_token: timeouts.first_token.0.0,
        idle: timeouts.idle.0.0,
    }
}

fn tls_options(tls: &manifest::BackendTls) -> TlsOptions {
    let client = tls.client_certificate.as_ref();
    TlsOptions {
        ca: tls.ca.as_ref().map(|ca| ca.file.clone()),
        certificate: client.map(|client| client.certificate.file.clone()),
        key: client.map(|client| client.key.file.clone()),
        server_name: tls.server_name.as_ref().map(|name| name.to_ascii_lowercase()),
    }
}

fn egress(proxy: &manifest::EgressProxy) -> Option<EgressProxy> {
    let url = endpoint(&proxy.url).ok()?;
    Some(EgressProxy {
        host: url.host,
        port: url.port,
        authorization: proxy.authorization.as_ref().map(secret),
    })
}

fn credential(identity: &Identity, kind: BackendKind) -> Credential {
    let entra = |scope: &Option<manifest::Scope>, authority: &manifest::Authority, source| {
        let scope = scope.as_ref().map_or_else(|| default_scope(kind), |scope| scope.0.as_str());
        Credential::Entra(Entra {
            scope: scope.to_owned(),
            authority: authority.0.trim_end_matches('/').to_owned(),
            source,
        })
    };
    match identity {
        Identity::ApiKey(key) => Credential::ApiKey(secret(key)),
        Identity::Header(header) => {
            Credential::Header { name: header.name.to_ascii_lowercase(), value: secret(&header.value) }
        }
        Identity::ManagedIdentity(managed) => entra(
            &managed.scope,
            &manifest::Authority::default(),
            EntraSource::ManagedIdentity {
                client_id: managed.client_id.as_ref().map(setting),
                endpoint: managed.endpoint.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            },
        ),
        Identity::WorkloadIdentity(workload) => entra(
            &workload.scope,
            &workload.authority,
            EntraSource::WorkloadFederation {
                tenant: setting(&workload.tenant_id),
                client_id: setting(&workload.client_id),
                token_file: workload.token_file.clone(),
            },
        ),
        Identity::ClientSecret(application) => entra(
            &application.scope,
            &application.authority,
            EntraSource::ClientSecret {
                tenant: setting(&application.tenant_id),
                client_id: setting(&application.client_id),
                secret: secret(&application.client_secret),
            },
        ),
    }
}

fn setting(setting: &manifest::Setting) -> Setting {
    match setting {
        manifest::Setting::Written(value) => Setting::Literal(value.clone()),
        manifest::Setting::Kept(reference) => match secret(reference) {
            SecretRef::Env(name) => Setting::Env(name),
            SecretRef::File(path) => Setting::File(path),
        },
    }
}

fn probe(health: &manifest::Health) -> Option<HealthProbe> {
    if !health.enabled {
        return None;
    }
    // A probe that spends tokens is a completion; where it goes is the backend's kind's business.
    let path =
        health.path.clone().or_else(|| health.spend_tokens.then(|| Operation::Chat.path().to_owned()))?;
    Some(HealthProbe {
        path,
        interval: health.interval.0.0,
        timeout: health.timeout.0.0,
        unhealthy_after: health.unhealthy_after,
        healthy_after: health.healthy_after,
        spend_tokens: health.spend_tokens,
    })
}
