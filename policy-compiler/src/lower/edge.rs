//! Listeners, admin, consumers, limits and telemetry.

use rule_table::{
    AccessLogTarget, Admin, Budget, CalendarPeriod, Consumer, Key, Limit, Listener, ListenerTls, Mode,
    ModelTerms, OnFailure, Otlp, OtlpProtocol, SecretRef, Telemetry, TlsVersion,
};

use vocabulary::BudgetPeriod;

use super::{Ids, ids, reference, references};
use crate::manifest::{self, Manifest, Priority};
use crate::resolve::address;

pub(super) fn secret(reference: &manifest::SecretRef) -> SecretRef {
    match reference {
        manifest::SecretRef::Env(name) => SecretRef::Env(name.clone()),
        manifest::SecretRef::File(path) => SecretRef::File(path.clone()),
    }
}

pub(super) fn listeners(manifest: &Manifest) -> Option<Vec<Listener>> {
    let one = |(name, listener): (&String, &manifest::Listener)| {
        Some(Listener {
            name: name.clone(),
            address: address(&listener.address).ok()?.to_string(),
            tls: listener.tls.as_ref().map(|tls| ListenerTls {
                certificate: tls.certificate.file.clone(),
                key: tls.key.file.clone(),
                names: Vec::new(),
                min_version: TlsVersion::default(),
                clients: None,
            }),
            http2: listener.http2,
            max_body: listener.max_body.0.0,
            head_timeout: listener.head_timeout.0.0,
            body_timeout: listener.body_timeout.0.0,
            private: false,
            proxy_protocol: Vec::new(),
            forwarded: None,
            max_connections: None,
            access: Vec::new(),
        })
    };
    manifest.listeners.iter().map(one).collect()
}

pub(super) fn admin(manifest: &Manifest) -> Option<Option<Admin>> {
    let Some(admin) = &manifest.admin else { return Some(None) };
    let address = address(&admin.address).ok()?.to_string();
    Some(Some(Admin {
        address,
        token: admin.token.as_ref().map(secret),
        tokens: Vec::new(),
        oidc: None,
        certificates: Vec::new(),
        tls: None,
        clients: None,
    }))
}

pub(super) fn consumers(manifest: &Manifest, limits: &Ids) -> Option<Vec<Consumer>> {
    let teams = ids(manifest.teams.keys());
    let one = |(name, consumer): (&String, &manifest::Consumer)| {
        let key = |(name, key): (&String, &manifest::KeySource)| Key {
            name: name.clone(),
            sha256: key.sha256.0.clone(),
            prefix: None,
            expires: None,
        };
        Some(Consumer {
            name: name.clone(),
            keys: consumer.keys.iter().map(key).collect(),
            credentials: Vec::new(),
            team: reference(consumer.team.as_ref(), &teams)?,
            limits: references(&consumer.limit, limits)?,
            priority: consumer.priority.map(Priority::compiled),
        })
    };
    manifest.consumers.iter().map(one).collect()
}

pub(super) fn models(manifest: &Manifest, limits: &Ids) -> Option<Vec<ModelTerms>> {
    let one = |(model, terms): (&String, &manifest::ModelTerms)| {
        Some(ModelTerms { model: model.clone(), limits: references(&terms.limit, limits)? })
    };
    manifest.models.iter().map(one).collect()
}

pub(super) fn limits(manifest: &Manifest) -> Vec<Limit> {
    let one = |(name, limit): (&String, &manifest::Limit)| Limit {
        name: name.clone(),
        requests: limit.requests.map(|rate| rate.0),
        tokens: limit.tokens.map(|rate| rate.0),
        streams: limit.streams,
        budget: limit.budget.map(|budget| Budget {
            amount: budget.0.amount,
            period: match budget.0.period {
                BudgetPeriod::Day => CalendarPeriod::Day,
                BudgetPeriod::Week => CalendarPeriod::Week,
                BudgetPeriod::Month => CalendarPeriod::Month,
            },
        }),
        hard: limit.hard,
        mode: mode(limit.mode),
        on_failure: on_failure(limit.on_failure),
    };
    manifest.limits.iter().map(one).collect()
}

pub(super) fn mode(written: manifest::Mode) -> Mode {
    match written {
        manifest::Mode::Shadow => Mode::Shadow,
        manifest::Mode::Enforce => Mode::Enforce,
    }
}

pub(super) fn on_failure(written: manifest::OnFailure) -> OnFailure {
    match written {
        manifest::OnFailure::Open => OnFailure::Open,
        manifest::OnFailure::Closed => OnFailure::Closed,
    }
}

pub(super) fn telemetry(manifest: &Manifest) -> Telemetry {
    let telemetry = &manifest.telemetry;
    Telemetry {
        otlp: telemetry.otlp.as_ref().map(otlp),
        service_name: telemetry.service_name.clone(),
        trace_sampling: telemetry.trace_sampling.0,
        trust_trace_context: telemetry.trust_trace_context,
        access_log: match &telemetry.access_log {
            None => AccessLogTarget::Off,
            Some(manifest::AccessLog::Stdout(_)) => AccessLogTarget::Stdout,
            Some(manifest::AccessLog::File(path)) => AccessLogTarget::File(path.clone()),
        },
    }
}

fn otlp(otlp: &manifest::Otlp) -> Otlp {
    let mut headers: Vec<_> =
        otlp.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), secret(value))).collect();
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    Otlp {
        endpoint: otlp.endpoint.trim_end_matches('/').to_owned(),
        protocol: match otlp.protocol {
            manifest::OtlpProtocol::Grpc => OtlpProtocol::Grpc,
            manifest::OtlpProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        },
        interval: otlp.interval.0.0,
        headers,
    }
}
