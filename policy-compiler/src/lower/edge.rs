//! Limits, terms of models and telemetry.

use rule_table::{
    AccessLogTarget, Budget, CalendarPeriod, Costs, Limit, Mode, ModelTerms, OnFailure, Otlp, OtlpProtocol,
    SecretRef, Telemetry,
};
use vocabulary::BudgetPeriod;

use super::{Ids, references};
use crate::manifest::{self, Manifest};

pub(super) fn secret(reference: &manifest::SecretRef) -> SecretRef {
    match reference {
        manifest::SecretRef::Env(name) => SecretRef::Env(name.clone()),
        manifest::SecretRef::File(path) => SecretRef::File(path.clone()),
    }
}

pub(super) fn models(manifest: &Manifest, limits: &Ids) -> Option<Vec<ModelTerms>> {
    let one = |(model, terms): (&String, &manifest::ModelTerms)| {
        Some(ModelTerms { model: model.clone(), limits: references(&terms.limit.0, limits)? })
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
        costs: match limit.costs {
            manifest::Costs::Marginal => Costs::Marginal,
            manifest::Costs::Amortised => Costs::Amortised,
        },
        hard: limit.hard,
        shared: manifest.store.shared.is_some() && limit.shared.unwrap_or(true),
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
