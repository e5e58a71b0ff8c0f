//! Where the account of a request goes once it is drawn up: metrics, trace, access log. It owns turning
//! an exchange into what each of them wants; it refuses to compute any of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use decision::{Attempt, Exchange, Gate, Settled, Stage};
use rule_table::{Backend, BackendKind, Deployment};
use telemetry::context::Outcome;
use telemetry::instruments::ActiveRequest;
use telemetry::settled::{
    AiSettled, AttemptSettled, BackendReading, CostParts, LambdaReading, MemberReading, Method, Readings,
    Reload, RequestSettled, Scheme, StoreReading, WafSettled,
};
use telemetry::spans::{self, AttemptSpan, ExchangeTrace, PolicyClock, RootSpan, StageSpan};
use telemetry::{AccessLog, Instruments, SpanId, Traces};
use vocabulary::Moment;
use vocabulary::access_log::WafRecord;
use vocabulary::admin::PoolStatus;
use vocabulary::admin::stores::{SharedStanding, Stores};

use crate::clock::Clock;
use crate::costs::Costs;
use crate::trace_ids::TraceIds;
use crate::why::Stories;

/// Everyone who wants to know.
#[derive(Clone, Debug, Default)]
pub struct Observers {
    /// Metrics.
    pub instruments: Instruments,
    /// Traces.
    pub traces: Traces,
    /// Access log.
    pub access_log: AccessLog,
    /// Money spent.
    pub costs: Costs,
    /// Why requests ended otherwise than they should.
    pub stories: Option<Stories>,
}

/// A settled request on its way to the observers.
#[derive(Debug)]
pub struct Account<'a> {
    /// The request.
    pub exchange: &'a Exchange,
    /// Its account.
    pub settled: Settled,
    /// Its trace.
    pub trace: &'a TraceIds,
    /// How the caller connected.
    pub scheme: Scheme,
    /// For wall-clock times of spans.
    pub clock: &'a Clock,
}

impl Observers {
    /// Counts a request as active until the guard is dropped.
    #[must_use]
    pub fn began(&self, method: &http::Method, scheme: Scheme) -> ActiveRequest {
        self.instruments.begin(Method::parse(method.as_str()), scheme)
    }

    /// Tells everyone about a request that is over.
    pub fn settled(&self, account: Account<'_>) {
        self.costs.settled(account.exchange);
        if self.instruments.enabled() {
            self.record(&account);
        }
        let record = &account.settled.record;
        let outcome = Outcome { reason: record.reason, duration: millis(record.duration_ms) };
        let context = account.trace.context();
        if self.traces.keep(context, &outcome) {
            self.traces.record(&tree(&account));
        }
        if let Some(stories) = &self.stories {
            stories.take(account.exchange, record);
        }
        if self.access_log.enabled() {
            let mut record = account.settled.record;
            record.trace_id = Some(context.trace_id.to_string());
            self.access_log.write(record);
        }
    }

    /// A policy is in force: its series begin at zero.
    pub fn policy_accepted(&self, gate: &Gate) {
        self.instruments.reload(Reload::Accepted);
        self.instruments.generation(gate.generation());
        let policy = gate.policy();
        self.costs.policy_accepted(policy);
        let mut declared = Vec::new();
        for pool in &policy.pools {
            for member in &pool.members {
                let Some(deployment) = gate.deployment(member.deployment) else { continue };
                let Some(backend) = policy.backends.get(deployment.backend as usize) else { continue };
                declared.push(labels(backend, deployment, &pool.name));
            }
        }
        self.instruments.declare(&declared);
    }

    /// A reload ended.
    pub fn reloaded(&self, result: Reload) {
        self.instruments.reload(result);
    }

    /// Pools as of the last tick, and what counts and stories are kept in.
    pub fn states(&self, pools: &[PoolStatus], stores: &Stores) {
        if !self.instruments.enabled() {
            return;
        }
        let mut readings = Readings {
            stores: store_readings(stores),
            stories_dropped: self.stories.as_ref().map(Stories::dropped),
            ..Readings::default()
        };
        for pool in pools {
            readings.lambdas.extend(
                pool.lambda_usd.map(|lambda_usd| LambdaReading { pool: pool.pool.clone(), lambda_usd }),
            );
            for member in &pool.members {
                let backend = member.member.clone();
                readings.members.push(MemberReading {
                    pool: pool.pool.clone(),
                    backend: backend.clone(),
                    share: member.share,
                });
                readings.backends.push(BackendReading { backend, ready: member.standing == "ready" });
            }
        }
        self.instruments.publish(readings);
    }

    fn record(&self, account: &Account<'_>) {
        let (exchange, record) = (account.exchange, &account.settled.record);
        let gate = &exchange.gate;
        let pool = record.pool.as_deref();
        for (index, attempt) in exchange.attempts.iter().enumerate() {
            let Some((backend, deployment)) = placed(gate, attempt) else { continue };
            let (Some(operation), Some(pool)) = (exchange.operation, pool) else { continue };
            self.instruments.record_attempt(&AttemptSettled {
                deployment: labels(backend, deployment, pool),
                operation,
                reason: attempt.reason,
                failed_over: index + 1 < exchange.attempts.len(),
                duration: attempt.ended.unwrap_or(attempt.started).since(attempt.started),
                time_to_first_chunk: attempt.first_output.map(|at| at.since(attempt.started)),
                usage: attempt.usage,
                cost: cost(deployment, attempt),
            });
        }
        if let Some(waf) = &record.waf {
            self.found(waf);
        }
        let last = exchange.attempts.last().and_then(|attempt| placed(gate, attempt));
        let ai = exchange.operation.zip(exchange.known_model()).map(|(operation, model)| AiSettled {
            operation,
            provider: last.filter(|_| record.reason.is_none()).map(|(backend, _)| provider(backend.kind)),
            model,
            pool,
            time_to_first_token: record.ttft_ms.filter(|_| record.stream).map(millis),
            output_tokens: record.usage.map(|usage| usage.output),
        });
        self.instruments.record_request(&RequestSettled {
            method: Method::parse(&record.method),
            scheme: account.scheme,
            route: record.path_template.as_deref(),
            status: record.status,
            reason: record.reason,
            would_refuse: &record.would_refuse,
            duration: millis(record.duration_ms),
            overhead: Duration::from_micros(record.overhead_us),
            ai,
        });
    }
}

impl Observers {
    /// Counts what a firewall found, each kind once.
    fn found(&self, waf: &WafRecord) {
        let outcome = waf.outcome.name();
        let mut found = BTreeSet::new();
        for rule in &waf.rules {
            let place = rule.target.as_deref().unwrap_or_default().split(':').next().unwrap_or_default();
            found.insert((rule.family.as_deref().unwrap_or("other"), place.to_ascii_lowercase()));
        }
        found.extend(waf.bot.iter().map(|bot| ("bot", bot.clone())));
        found.extend(waf.jailbreak.map(|_| ("jailbreak", "text".to_owned())));
        found.extend(waf.leaks.iter().map(|kind| ("leak", kind.clone())));
        found.extend(waf.shape.iter().map(|measure| ("shape", measure.clone())));
        found.extend(waf.answer.iter().map(|kind| ("answer", kind.clone())));
        for (family, class) in &found {
            self.instruments.record_waf(&WafSettled { firewall: &waf.firewall, family, class, outcome });
        }
    }
}

fn tree(account: &Account<'_>) -> ExchangeTrace {
    let (exchange, record) = (account.exchange, &account.settled.record);
    let text = |value: &Option<String>| value.as_deref().map(Arc::from);
    let end = exchange.arrived + millis(record.duration_ms);
    ExchangeTrace {
        context: account.trace.context().clone(),
        clock: policy_clock(exchange, account.clock),
        root: RootSpan {
            start: exchange.arrived,
            end,
            method: Method::parse(&record.method),
            scheme: account.scheme,
            route: text(&record.path_template),
            request_id: Arc::from(record.request_id.as_str()),
            consumer: text(&record.consumer),
            pool: text(&record.pool),
            operation: record.operation,
            model: exchange.known_model().map(Arc::from),
            stream: record.stream,
            status: record.status,
            reason: record.reason,
            usage: record.usage,
            cost: account.settled.cost,
            overhead: Duration::from_micros(record.overhead_us),
            bundle: Arc::from(record.bundle.as_str()),
        },
        stages: stages(exchange),
        attempts: (1..)
            .zip(&exchange.attempts)
            .filter_map(|(n, attempt)| attempt_span(exchange, attempt, n, end))
            .collect(),
    }
}

fn stages(exchange: &Exchange) -> Vec<StageSpan> {
    let spans = exchange.marks.iter().filter_map(|mark| {
        let stage = match mark.stage {
            Stage::Identify => spans::Stage::Identify,
            Stage::Admit => spans::Stage::Admit,
            Stage::Inspect => spans::Stage::Inspect,
            Stage::Reserve => spans::Stage::Reserve,
            Stage::Choose => spans::Stage::Choose,
            Stage::Rewrite => spans::Stage::Rewrite,
            Stage::Settle => spans::Stage::Settle,
            // The root span is the first and the attempts are the second.
            Stage::Accept | Stage::Relay => return None,
        };
        Some(StageSpan { stage, start: mark.start, end: mark.end, reason: mark.refused })
    });
    spans.collect()
}

fn attempt_span(exchange: &Exchange, attempt: &Attempt, number: u32, end: Moment) -> Option<AttemptSpan> {
    let (backend, deployment) = placed(&exchange.gate, attempt)?;
    Some(AttemptSpan {
        span_id: SpanId::new(attempt.span_id.to_be_bytes())?,
        number,
        start: attempt.started,
        first_chunk: attempt.first_output,
        end: attempt.ended.unwrap_or(end),
        backend: Arc::from(deployment.name.as_str()),
        processing: deployment.processing.as_ref().map(|place| Arc::from(place.name())),
        provider: Arc::from(provider(backend.kind)),
        address: Arc::from(backend.host.as_str()),
        port: backend.port,
        operation: exchange.operation,
        model: deployment.model.as_deref().map(Arc::from),
        response_model: None,
        stream: exchange.facts.as_ref().is_some_and(|facts| facts.stream),
        status: attempt.status,
        reason: attempt.reason,
        usage: attempt.usage,
        finish_reasons: Vec::new(),
        cost: cost(deployment, attempt).total(),
    })
}

/// The wall-clock time of the policy clock's origin, worked back from this request's own arrival.
fn policy_clock(exchange: &Exchange, clock: &Clock) -> PolicyClock {
    let arrived = SystemTime::UNIX_EPOCH + Duration::from_nanos(exchange.arrived_unix_nanos);
    let since_origin = clock.wall(exchange.arrived.since(Moment::ZERO));
    PolicyClock { origin: arrived.checked_sub(since_origin).unwrap_or(arrived), time_scale: clock.scale() }
}

fn placed<'g>(gate: &'g Gate, attempt: &Attempt) -> Option<(&'g Backend, &'g Deployment)> {
    let deployment = gate.deployment(attempt.deployment)?;
    Some((gate.policy().backends.get(deployment.backend as usize)?, deployment))
}

fn labels<'a>(
    backend: &'a Backend,
    deployment: &'a Deployment,
    pool: &'a str,
) -> telemetry::settled::Deployment<'a> {
    telemetry::settled::Deployment {
        backend: &deployment.name,
        provider: provider(backend.kind),
        model: deployment.model.as_deref().unwrap_or_default(),
        pool,
        address: &backend.host,
        port: backend.port,
    }
}

/// What counts are kept in: it works when it can be written to, or grants.
fn store_readings(stores: &Stores) -> Vec<StoreReading> {
    let journal = stores.journal.as_ref().map(|journal| ("journal", !journal.failing));
    let shared = stores.shared.as_ref().map(|shared| ("shared", shared.standing == SharedStanding::Ready));
    let found = journal.into_iter().chain(shared);
    found.map(|(store, available)| StoreReading { store, available }).collect()
}

/// OTel's value of `gen_ai.provider.name`.
pub(crate) fn provider(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Openai => "openai",
        BackendKind::AzureOpenai => "azure.ai.openai",
        BackendKind::Vllm => "vllm",
        BackendKind::LlamaCpp => "llama_cpp",
        BackendKind::Mistral => "mistral_ai",
        BackendKind::Anthropic => "anthropic",
        BackendKind::AzureCognitive => "azure.ai.inference",
        BackendKind::AzureMl => "azure.ml",
        BackendKind::Kserve => "kserve",
        BackendKind::Http => "http",
    }
}

fn cost(deployment: &Deployment, attempt: &Attempt) -> CostParts {
    match (deployment.prices, attempt.usage) {
        (Some(prices), Some(usage)) => CostParts::of(&prices, &usage),
        _ => CostParts::default(),
    }
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default()
}
