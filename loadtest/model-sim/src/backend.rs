//! A simulated server without its sockets: arrival to end, one state machine. It owns the order of
//! checks, the length of answers and the log's entries; it refuses bytes, which `server` turns into
//! arrivals, and clocks.

use vocabulary::{Moment, Operation, Usage};

use crate::config::SimConfig;
use crate::engine::{Emission, Engine, Job, SeqId};
use crate::faults::{FaultKind, FaultScript};
use crate::log::{CAPACITY, Log, Outcome, Record, Totals};
use crate::quota::{Quota, retry_headers};
use crate::random::Draws;

#[cfg(test)]
mod tests;

/// A request, counted.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// The caller's id for it; one of the server's own when absent.
    pub request_id: Option<String>,
    /// What is asked; nothing is generated for embeddings.
    pub operation: Option<Operation>,
    /// The model asked for.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Choices asked for; 0 counts as 1.
    pub choices: u64,
    /// The caller's ceiling on output tokens, per choice.
    pub max_output_tokens: Option<u64>,
    /// The exact number of output tokens wanted, per choice; wins over the ceiling.
    pub output_tokens: Option<u64>,
    /// Key of this request's draws; its position in order of arrival when absent.
    pub key: Option<u64>,
    /// The fault this request asks for itself.
    pub fault: Option<FaultKind>,
}

/// The server's word on an arrival.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Taken: the engine will emit for `seq`, unless `fault` says it hangs or is reset.
    Accepted(Plan),
    /// Refused and ended.
    Refused(Refusal),
}

/// What will come out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The sequence in the engine, and the record in the log.
    pub seq: SeqId,
    /// Output tokens per choice.
    pub output_tokens: u64,
    /// Choices, at least 1. Token `i` of the sequence belongs to choice `i % choices`.
    pub choices: u64,
    /// Whether the answer ends because it met its ceiling.
    pub cut_by_ceiling: bool,
    /// Seed of the answer's text; see `tokens::token_text`.
    pub text_seed: u64,
    /// The request's id.
    pub request_id: String,
    /// Headers for the answer.
    pub headers: Vec<(&'static str, String)>,
    /// What is to go wrong on the wire.
    pub fault: Option<FaultKind>,
}

/// Why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Status.
    pub status: u16,
    /// OpenAI's `error.type`.
    pub kind: &'static str,
    /// OpenAI's `error.code`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// The request's id.
    pub request_id: String,
    /// Headers for the answer.
    pub headers: Vec<(&'static str, String)>,
}

/// Median and sigma of the answers' lengths when the caller names none, after the conversation trace of
/// Azure's 2023 release: half are longer than 130 tokens, one in twenty longer than 450.
const OUTPUT_MEDIAN: f64 = 130.0;
const OUTPUT_SIGMA: f64 = 0.755;

/// Separate the draws for an answer's length and text from the engine's.
const LENGTH_DRAW: u64 = 0x1E;
const TEXT_DRAW: u64 = 0x7E;

/// One server: engine, quota, faults and log under one clock that starts at zero.
#[derive(Debug)]
pub struct Backend {
    config: SimConfig,
    engine: Engine,
    quota: Quota,
    faults: FaultScript,
    faults_set_at: Moment,
    /// The moment up to which the engine knows its condition.
    seen: Moment,
    log: Log,
    next_seq: u64,
    /// What came out while the engine was brought up to an arrival, not yet handed out.
    pending: Vec<Emission>,
}

impl Backend {
    /// An idle server whose fault script starts at zero.
    #[must_use]
    pub fn new(config: SimConfig) -> Self {
        let mut engine = Engine::new(&config.profile, config.seed);
        engine.set_condition(config.faults.condition(0.0));
        Self {
            engine,
            quota: Quota::new(config.quota.clone()),
            faults: config.faults.clone(),
            faults_set_at: Moment::ZERO,
            seen: Moment::ZERO,
            log: Log::new(CAPACITY),
            next_seq: 0,
            pending: Vec::new(),
            config,
        }
    }

    /// The settings it was made with.
    #[must_use]
    pub const fn config(&self) -> &SimConfig {
        &self.config
    }

    /// The fault script set last.
    #[must_use]
    pub const fn faults(&self) -> &FaultScript {
        &self.faults
    }

    /// Back to zero, with the fault script set last. Whatever is under way is forgotten.
    pub fn reset(&mut self) {
        *self = Self::new(SimConfig { faults: self.faults.clone(), ..self.config.clone() });
    }

    /// Replaces the fault script; its times count from `now`.
    pub fn set_faults(&mut self, now: Moment, faults: FaultScript) {
        self.catch_up(now);
        self.engine.set_condition(faults.condition(0.0));
        self.faults = faults;
        self.faults_set_at = now;
        self.seen = now;
    }

    /// Whether the health probe is green at `now`.
    #[must_use]
    pub fn is_probe_green(&self, now: Moment) -> bool {
        self.faults.is_probe_green(FaultScript::since(self.faults_set_at, now))
    }

    /// Decides on a request: its own validity, then faults, then the quota.
    pub fn arrive(&mut self, now: Moment, arrival: Arrival) -> Verdict {
        self.catch_up(now);
        let seq = SeqId(self.next_seq);
        self.next_seq += 1;
        let key = arrival.key.unwrap_or(seq.0);
        let request_id =
            arrival.request_id.clone().unwrap_or_else(|| format!("{}-{}", self.config.name, seq.0));
        let since = FaultScript::since(self.faults_set_at, now);
        let fault = arrival.fault.clone().or_else(|| self.faults.strike(since, self.config.seed, key));
        self.log.open(record(seq, now, &request_id, &arrival, fault.as_ref()));

        let plan = self.plan(seq, key, request_id.clone(), &arrival, fault);
        match self.check(now, &plan, &arrival) {
            Err(refusal) => {
                let outcome = if refusal.status == 429 { Outcome::Refused } else { Outcome::Failed };
                if let Some(record) = self.log.get_mut(seq.0) {
                    record.status = refusal.status;
                }
                self.log.end(seq.0, now, outcome);
                Verdict::Refused(Refusal { request_id, ..refusal })
            }
            Ok(headers) => {
                self.start(now, key, &plan, arrival.prompt_tokens);
                Verdict::Accepted(Plan { headers, ..plan })
            }
        }
    }

    fn plan(
        &self,
        seq: SeqId,
        key: u64,
        request_id: String,
        arrival: &Arrival,
        fault: Option<FaultKind>,
    ) -> Plan {
        let seed = self.config.seed;
        let window = self.config.model(&arrival.model).map_or(u64::MAX, |model| model.context_window);
        let room = window.saturating_sub(arrival.prompt_tokens);
        let drawn =
            (OUTPUT_MEDIAN * Draws::keyed(seed, &[LENGTH_DRAW, key]).lognormal(OUTPUT_SIGMA)).max(1.0) as u64;
        let ceiling = arrival.max_output_tokens.unwrap_or(u64::MAX).min(room);
        let generates = arrival.operation != Some(Operation::Embeddings);
        let output_tokens =
            if generates { arrival.output_tokens.unwrap_or_else(|| drawn.min(ceiling)) } else { 0 };
        Plan {
            seq,
            output_tokens,
            choices: arrival.choices.max(1),
            cut_by_ceiling: output_tokens >= ceiling,
            text_seed: Draws::keyed(seed, &[TEXT_DRAW, key]).bits(),
            request_id,
            headers: Vec::new(),
            fault,
        }
    }

    fn check(
        &mut self,
        now: Moment,
        plan: &Plan,
        arrival: &Arrival,
    ) -> Result<Vec<(&'static str, String)>, Refusal> {
        let Some(model) = self.config.model(&arrival.model) else {
            let message = format!("The model `{}` does not exist on this server.", arrival.model);
            return Err(refusal(404, "invalid_request_error", "model_not_found", message));
        };
        let asked = arrival.prompt_tokens.saturating_add(arrival.max_output_tokens.unwrap_or(0));
        if asked > model.context_window {
            let message = format!(
                "This model's context window is {} tokens; prompt and ceiling together ask for {asked}.",
                model.context_window
            );
            return Err(refusal(400, "invalid_request_error", "context_length_exceeded", message));
        }
        match plan.fault {
            Some(FaultKind::ServerError { status }) => {
                return Err(refusal(
                    status,
                    "server_error",
                    "server_error",
                    "The server had an error.".to_owned(),
                ));
            }
            Some(FaultKind::RateLimited { retry_after }) => {
                let wait = retry_after.and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
                return Err(rate_limited(wait.map(retry_headers).unwrap_or_default()));
            }
            _ => {}
        }
        let capacity = self.faults.condition(FaultScript::since(self.faults_set_at, now)).capacity;
        let output = arrival.max_output_tokens.unwrap_or(plan.output_tokens).saturating_mul(plan.choices);
        let verdict = self.quota.admit(now, arrival.prompt_tokens, output, capacity);
        if verdict.is_admitted() { Ok(verdict.headers) } else { Err(rate_limited(verdict.headers)) }
    }

    fn start(&mut self, now: Moment, key: u64, plan: &Plan, prompt_tokens: u64) {
        if matches!(plan.fault, Some(FaultKind::HangBeforeHeaders | FaultKind::ResetBeforeHeaders)) {
            return;
        }
        let output_tokens = plan.output_tokens.saturating_mul(plan.choices);
        self.engine.submit(now, Job { seq: plan.seq, prompt_tokens, output_tokens, key });
        if let Some(record) = self.log.get_mut(plan.seq.0) {
            record.billed = true;
        }
    }

    /// The next moment at which [`Self::advance`] has something to do.
    #[must_use]
    pub fn next_event(&self) -> Option<Moment> {
        self.pending.first().map(|emission| emission.at).or_else(|| self.engine.next_event())
    }

    /// Everything that came out up to and including `now`. Faults that begin or end in between take
    /// effect at their own moment.
    pub fn advance(&mut self, now: Moment) -> Vec<Emission> {
        self.catch_up(now);
        std::mem::take(&mut self.pending)
    }

    fn catch_up(&mut self, now: Moment) {
        let known = self.pending.len();
        while let Some(change) = self.next_change().filter(|change| *change <= now) {
            self.pending.extend(self.engine.advance(change));
            self.seen = change;
            self.engine.set_condition(self.faults.condition(FaultScript::since(self.faults_set_at, change)));
        }
        self.pending.extend(self.engine.advance(now));
        self.seen = self.seen.max(now);
        for emission in self.pending.iter().skip(known).filter(|emission| emission.token_index == 0) {
            if let Some(record) = self.log.get_mut(emission.seq.0) {
                record.first_token_due = Some(emission.at);
            }
        }
    }

    fn next_change(&self) -> Option<Moment> {
        let since = FaultScript::since(self.faults_set_at, self.seen);
        // Rounded up to the nanosecond after, so that the fault's own clock is past the edge.
        let edge = self.faults.next_change(since)?;
        Some(Moment(self.faults_set_at.0.saturating_add((edge * 1e9).ceil() as u64 + 1)))
    }

    /// Takes note that the head of an answer has gone out.
    pub fn head_sent(&mut self, seq: SeqId, status: u16) {
        if let Some(record) = self.log.get_mut(seq.0) {
            record.status = status;
        }
    }

    /// Takes note that the first token has gone out.
    pub fn first_token_sent(&mut self, now: Moment, seq: SeqId) {
        if let Some(record) = self.log.get_mut(seq.0) {
            record.first_token.get_or_insert(now);
        }
    }

    /// Ends a request: frees its place in the engine, settles its cost. `output_tokens` and `events` are
    /// what was sent. Ending twice changes nothing.
    pub fn end(&mut self, now: Moment, seq: SeqId, outcome: Outcome, output_tokens: u64, events: u64) {
        self.engine.cancel(now, seq);
        self.pending.retain(|emission| emission.seq != seq);
        let prices = &self.config.prices;
        if let Some(record) = self.log.get_mut(seq.0) {
            record.output_tokens = output_tokens;
            record.events = events;
            let usage: Usage = record.usage();
            record.cost_nanos = prices.cost(record.arrival, &usage).nanos;
        }
        self.log.end(seq.0, now, outcome);
    }

    /// Every record in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Record> {
        self.log.records()
    }

    /// Sums over ended requests.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.log.totals()
    }
}

fn record(seq: SeqId, now: Moment, request_id: &str, arrival: &Arrival, fault: Option<&FaultKind>) -> Record {
    Record {
        seq: seq.0,
        request_id: request_id.to_owned(),
        operation: arrival.operation,
        model: arrival.model.clone(),
        stream: arrival.stream,
        arrival: now,
        first_token_due: None,
        first_token: None,
        end: None,
        status: 0,
        outcome: Outcome::InFlight,
        billed: false,
        prompt_tokens: arrival.prompt_tokens,
        output_tokens: 0,
        events: 0,
        fault: fault.map(|kind| kind.name().to_owned()),
        cost_nanos: 0,
    }
}

fn refusal(status: u16, kind: &'static str, code: &'static str, message: String) -> Refusal {
    Refusal { status, kind, code, message, request_id: String::new(), headers: Vec::new() }
}

fn rate_limited(headers: Vec<(&'static str, String)>) -> Refusal {
    let message = "Rate limit reached; come back later.".to_owned();
    Refusal { headers, ..refusal(429, "rate_limit_error", "rate_limit_exceeded", message) }
}
