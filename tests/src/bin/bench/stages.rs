//! The gateway's own work, stage by stage, without sockets: the same calls in the same order as the edge
//! makes them, timed on this thread's CPU clock. It owns driving the stages and reading the clock between
//! them; it refuses to time threads beside this one (the access log's and the exporters').

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use decision::{Ending, Exchange, Gate, Head, Sending, Settled, Stage, UpstreamRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ledger::{Claim, Meter, Period, Took};
use policy_compiler::{Finding, Source, compile};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use sluicegate::clock::{Clock, unix_nanos};
use sluicegate::live::request_id;
use sluicegate::settlement::{Account, Observers};
use sluicegate::store::Counts;
use sluicegate::trace_ids::TraceIds;
use telemetry::instruments::ActiveRequest;
use telemetry::settled::Scheme;
use telemetry::{
    AccessLog, AccessLogTarget, Drops, Export, ExportConfig, Protocol, Sampling, Signal, Telemetry, Trust,
};
use vocabulary::{Moment, Operation, Share};

use crate::Fallible;
use crate::backend::ANSWER;
use crate::load::{KEY, body};

/// Requests in flight at once: as many as the load has connections.
const BATCH: usize = 32;
/// Batches between two pauses in which the other threads catch up.
const BATCHES: usize = 32;
/// The longest such a pause may take.
const CATCH_UP: Duration = Duration::from_secs(10);

/// What one stage costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// Its name.
    pub(crate) stage: &'static str,
    /// What is done in it.
    pub(crate) what: &'static str,
    /// CPU time per request.
    pub(crate) ns: f64,
    /// What it may cost.
    pub(crate) budget_ns: f64,
    /// Shown beside the stages, and no part of their sum.
    pub(crate) beside: bool,
}

/// A request on its way.
struct Flight {
    exchange: Exchange,
    trace: TraceIds,
    upstream: Option<UpstreamRequest>,
    settled: Option<Settled>,
    _active: ActiveRequest,
}

/// What all requests share.
struct World {
    gate: Arc<Gate>,
    clock: Clock,
    observers: Observers,
    telemetry: Telemetry,
    drops: Drops,
    headers: HeaderMap,
    body: Bytes,
}

/// A stage's name, what is done in it, and the nanoseconds of CPU it may cost.
struct Label(&'static str, &'static str, f64);

impl Label {
    fn cost(&self, ns: f64, beside: bool) -> Cost {
        let Self(stage, what, budget_ns) = *self;
        Cost { stage, what, ns, budget_ns, beside }
    }
}

/// One stage.
struct Step {
    label: Label,
    run: fn(&World, &mut Flight) -> Fallible<()>,
}

const STEPS: [Step; 9] = [
    Step { label: Label("identify", "route candidates, SHA-256 of the key", 500.0), run: World::identify },
    Step { label: Label("admit", "content type, encoding, size", 150.0), run: World::admit },
    Step { label: Label("inspect", "JSON facts of the body, route by model", 900.0), run: World::inspect },
    Step { label: Label("reserve", "requests and tokens of one limit", 350.0), run: World::reserve },
    Step { label: Label("choose", "adaptive pick of 3", 600.0), run: World::choose },
    Step {
        label: Label("rewrite", "upstream path, headers, body, traceparent", 1_200.0),
        run: World::rewrite,
    },
    Step { label: Label("answer", "usage in the answer, pool told", 900.0), run: World::answer },
    Step { label: Label("settle", "limits settled, cost, record drawn up", 400.0), run: World::settle },
    Step { label: Label("report", "metrics, 1 trace in 10, access log queued", 1_800.0), run: World::report },
];
const ACCEPT: Label = Label("accept", "request id, trace ids, clock", 1_000.0);
const DROP: Label = Label("drop", "memory given back", 200.0);

const JOURNALLED: Label =
    Label("reserve and settle, on disk", "requests and tokens of one limit, in a file first", 6_000.0);

/// CPU time of reserving and settling with counts in a state directory: each reservation is one write.
fn journalled(clock: Clock, count: usize) -> Fallible<f64> {
    let folder = tempfile::tempdir()?;
    let (counts, _) = Counts::open(folder.path(), &clock)?;
    let (ledger, minute) = (counts.ledger(), Period::Window(Duration::from_secs(60)));
    let claim = |key, meter, asked| Claim {
        key,
        group: 0,
        meter,
        ceiling: u64::MAX / 4,
        period: minute,
        asked,
        shadow: false,
        shared: false,
        closed: true,
    };
    let claims = [claim(1, Meter::Requests, 1), claim(2, Meter::Tokens, 300)];
    let took = Took { tokens: 200, ..Took::default() };
    let before = thread_ns();
    for _ in 0..count {
        let now = ledger.time().at(clock.now());
        let held = ledger.reserve(now, &claims)?;
        ledger.settle(now, held, &took);
    }
    Ok(thread_ns().saturating_sub(before) as f64 / count.max(1) as f64)
}

/// Times `count` requests under `manifest`.
pub(crate) fn run(manifest: &str, collector: SocketAddr, log: &Path, count: usize) -> Fallible<Vec<Cost>> {
    let world = World::new(manifest, collector, log)?;
    // Warms caches, pools and the allocator.
    world.pass(BATCHES, &mut Laps::default())?;
    let mut laps = Laps::default();
    let batches = count.div_ceil(BATCH);
    let mut done = 0;
    while done < batches {
        let now = BATCHES.min(batches - done);
        world.pass(now, &mut laps)?;
        done += now;
    }
    let requests = (batches * BATCH) as f64;
    let labels = std::iter::once(&ACCEPT).chain(STEPS.iter().map(|step| &step.label)).chain([&DROP]);
    let mut costs: Vec<Cost> =
        labels.zip(laps.ns).map(|(label, ns)| label.cost(ns as f64 / requests, false)).collect();
    costs.push(JOURNALLED.cost(journalled(world.clock, count)?, true));
    world.telemetry.shutdown(CATCH_UP);
    Ok(costs)
}

/// CPU time of this thread, added up per stage.
#[derive(Default)]
struct Laps {
    ns: [u64; STEPS.len() + 2],
}

impl Laps {
    fn time<T>(&mut self, stage: usize, work: impl FnOnce() -> T) -> T {
        let before = thread_ns();
        let done = work();
        if let Some(sum) = self.ns.get_mut(stage) {
            *sum += thread_ns().saturating_sub(before);
        }
        done
    }
}

fn thread_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

impl World {
    fn new(manifest: &str, collector: SocketAddr, log: &Path) -> Fallible<Self> {
        let outcome = compile(&Source::new("bench", manifest));
        let errors: Vec<String> = outcome.findings.iter().map(Finding::one_line).collect();
        let bundle = outcome.bundle.ok_or_else(|| errors.join("\n"))?;
        let clock = Clock::new(1.0);
        let gate = Arc::new(Gate::new(bundle, 1, None, 0, clock.now()));
        let drops = Drops::default();
        let config = ExportConfig {
            interval: Duration::from_secs(1),
            sampling: Sampling { ratio: Share { ppm: 100_000 }, slow: Some(Duration::from_secs(30)) },
            ..ExportConfig::new(format!("http://{collector}"), Protocol::HttpProtobuf)
        };
        let telemetry = Export::start(&config, &drops)?;
        let access_log = AccessLog::start(&AccessLogTarget::File(log.to_owned()), &drops)?;
        let observers = Observers {
            instruments: telemetry.instruments(),
            traces: telemetry.traces(),
            access_log,
            ..Observers::default()
        };
        observers.policy_accepted(&gate);
        let body = Bytes::from(body(false));
        let headers = headers(&body)?;
        Ok(Self { gate, clock, observers, telemetry, drops, headers, body })
    }

    /// Runs batches through all stages, then lets the other threads catch up.
    fn pass(&self, batches: usize, laps: &mut Laps) -> Fallible<()> {
        for _ in 0..batches {
            let mut flights: Vec<Flight> = Vec::with_capacity(BATCH);
            laps.time(0, || flights.extend((0..BATCH).map(|_| self.accept())));
            for (place, step) in (1..).zip(&STEPS) {
                laps.time(place, || flights.iter_mut().try_for_each(|flight| (step.run)(self, flight)))?;
            }
            laps.time(STEPS.len() + 1, || drop(flights));
        }
        self.gate.tick(self.now());
        let caught_up = self.observers.access_log.flush(CATCH_UP) && self.telemetry.flush(CATCH_UP);
        let lost: u64 = Signal::ALL.into_iter().map(|signal| self.drops.count(signal)).sum();
        if !caught_up || lost > 0 {
            return Err(
                format!("telemetry fell behind and lost {lost} records, so its cost would be wrong").into()
            );
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn head(&self) -> Head<'_> {
        Head { host: "gateway.test", path: Operation::Chat.path(), query: "", headers: &self.headers }
    }

    fn accept(&self) -> Flight {
        let arrived = self.now();
        let trace = TraceIds::new(&self.headers, Trust::Continue);
        let active = self.observers.began(&Method::POST, Scheme::Http);
        let unix_nanos = unix_nanos();
        let id = request_id(unix_nanos);
        let mut exchange = Exchange::new(Arc::clone(&self.gate), id, Method::POST, arrived, unix_nanos);
        exchange.mark(Stage::Accept, arrived, self.now());
        Flight { exchange, trace, upstream: None, settled: None, _active: active }
    }

    fn identify(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        flight.exchange.identify(&self.head())?;
        flight.exchange.mark(Stage::Identify, start, self.now());
        Ok(())
    }

    fn admit(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        flight.exchange.admit_json(&self.headers, 8 << 20)?;
        flight.exchange.mark(Stage::Admit, start, self.now());
        Ok(())
    }

    fn inspect(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        flight.exchange.inspect(Operation::Chat, &self.body, &self.head())?;
        flight.exchange.mark(Stage::Inspect, start, self.now());
        Ok(())
    }

    fn reserve(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        flight.exchange.reserve(start)?;
        flight.exchange.mark(Stage::Reserve, start, self.now());
        Ok(())
    }

    fn choose(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        let span_id = flight.trace.attempt_span(flight.exchange.attempts.len());
        flight.exchange.choose(start, span_id)?;
        flight.exchange.mark(Stage::Choose, start, self.now());
        Ok(())
    }

    fn rewrite(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        let span_id = flight.exchange.attempts.last().map_or(1, |attempt| attempt.span_id);
        let traceparent = flight.trace.traceparent(&self.observers.traces, span_id);
        flight.upstream = Some(flight.exchange.rewrite(&Sending {
            body: &self.body,
            caller: &self.headers,
            credential: None,
            traceparent: traceparent.as_deref(),
        })?);
        flight.exchange.mark(Stage::Rewrite, start, self.now());
        Ok(())
    }

    fn answer(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        let usage = wire::openai::usage_in_body(ANSWER.as_bytes());
        flight.exchange.usage = usage;
        flight.exchange.attempt_served(start, usage);
        flight.exchange.mark(Stage::Relay, start, self.now());
        if usage.is_none() { Err("the answer's usage was not found".into()) } else { Ok(()) }
    }

    fn settle(&self, flight: &mut Flight) -> Fallible<()> {
        let start = self.now();
        flight.settled = Some(flight.exchange.settle(&Ending { at: start, status: 200, overhead_us: 20 }));
        flight.exchange.mark(Stage::Settle, start, self.now());
        Ok(())
    }

    fn report(&self, flight: &mut Flight) -> Fallible<()> {
        let settled = flight.settled.take().ok_or("a stage ran out of order")?;
        let (exchange, trace, clock) = (&flight.exchange, &flight.trace, &self.clock);
        self.observers.settled(Account { exchange, settled, trace, scheme: Scheme::Http, clock });
        Ok(())
    }
}

fn headers(body: &Bytes) -> Fallible<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("host"), HeaderValue::from_static("gateway.test"));
    headers.insert(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"));
    headers
        .insert(HeaderName::from_static("authorization"), HeaderValue::from_str(&format!("Bearer {KEY}"))?);
    headers.insert(HeaderName::from_static("content-length"), HeaderValue::from(body.len()));
    Ok(headers)
}
