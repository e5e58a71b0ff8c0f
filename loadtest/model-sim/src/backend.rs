//! A simulated server without its sockets: arrival to end, one state machine. It owns the order of
//! checks, the length of answers and the log's entries; it refuses bytes, which `server` turns into
//! arrivals, and clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use vocabulary::{Moment, Operation, Usage};

use crate::cache::{CacheUse, PromptCache};
use crate::config::{Flavour, SimConfig};
use crate::engine::{Emission, Engine, Job, SeqId};
use crate::faults::{Door, FaultKind, FaultScript};
use crate::log::{CAPACITY, Log, Outcome, Record, Totals};
use crate::quota::{Quota, QuotaVerdict};
use crate::random::Draws;
use crate::tokens;
use refusals::{by_fault, rate_limited, record, refusal, too_long};

mod refusals;
mod terms;
#[cfg(test)]
mod tests;

pub use terms::{Arrival, Ending, Plan, Refusal, Verdict};

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
    cache: PromptCache,
    /// Answers a fault holds back, by the moment they may begin.
    held: BTreeMap<(Moment, SeqId), Job>,
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
            cache: PromptCache::default(),
            held: BTreeMap::new(),
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

    /// How connections are taken at `now`.
    #[must_use]
    pub fn door(&self, now: Moment) -> Door {
        self.faults.door(FaultScript::since(self.faults_set_at, now))
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
                Verdict::Refused(Refusal { seq, request_id, ..*refusal })
            }
            Ok(quota) => {
                let mut cache = self.cache.meet(now, &arrival.cache_points);
                if self.config.flavour != Flavour::Anthropic {
                    // Nobody else charges for a write, so nobody else tells of one.
                    cache = CacheUse { read: cache.read, ..CacheUse::default() };
                }
                let plan = Plan { cache, headers: quota.headers, resets_in: quota.resets_in, ..plan };
                self.start(now, key, &plan, arrival.prompt_tokens);
                Verdict::Accepted(plan)
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
        let text_seed = Draws::keyed(seed, &[TEXT_DRAW, key]).bits();
        let choices = arrival.choices.max(1);
        let (output_tokens, ending) = self.length(key, text_seed, arrival, fault.as_ref());
        Plan {
            seq,
            output_tokens,
            choices,
            reasoning_tokens: arrival.reasoning_tokens.min(output_tokens),
            ending,
            cache: CacheUse::default(),
            resets_in: None,
            text_seed,
            request_id,
            headers: Vec::new(),
            fault,
        }
    }

    /// Output tokens per choice, and why there are no more.
    fn length(
        &self,
        key: u64,
        text_seed: u64,
        arrival: &Arrival,
        fault: Option<&FaultKind>,
    ) -> (u64, Ending) {
        if arrival.operation == Some(Operation::Embeddings) {
            return (0, Ending::Natural);
        }
        let window = self.config.model(&arrival.model).map_or(u64::MAX, |model| model.context_window);
        let room = window.saturating_sub(arrival.prompt_tokens);
        let ceiling = arrival.max_output_tokens.unwrap_or(u64::MAX).min(room);
        let (length, is_cut) = match (arrival.natural_output_tokens, arrival.output_tokens) {
            (Some(natural), _) => (natural.min(ceiling), natural > ceiling),
            (None, Some(asked)) => (asked, asked >= ceiling),
            (None, None) => {
                let mut draws = Draws::keyed(self.config.seed, &[LENGTH_DRAW, key]);
                let drawn = (OUTPUT_MEDIAN * draws.lognormal(OUTPUT_SIGMA)).max(1.0) as u64;
                let drawn = drawn.saturating_add(arrival.reasoning_tokens);
                (drawn.min(ceiling), drawn >= ceiling)
            }
        };
        let text = length.saturating_sub(arrival.reasoning_tokens);
        if let Some(FaultKind::ContentFilter { after_tokens: Some(after) }) = fault {
            return (length.min(*after), Ending::Filter);
        }
        if arrival.natural_output_tokens.is_none() && !arrival.stop.is_empty() {
            let texts = (0..arrival.choices.max(1)).map(|choice| text_seed.wrapping_add(choice));
            let cut = texts.filter_map(|seed| tokens::stop_in(seed, text, &arrival.stop)).min();
            // Choices run side by side, so the first stop among them ends them all.
            if let Some((tokens, which)) = cut {
                let stop = arrival.stop.get(which).cloned().unwrap_or_default();
                return (length - text + tokens, Ending::Stop(stop));
            }
        }
        (length, if is_cut { Ending::Ceiling } else { Ending::Natural })
    }

    fn check(&mut self, now: Moment, plan: &Plan, arrival: &Arrival) -> Result<QuotaVerdict, Box<Refusal>> {
        let Some(model) = self.config.model(&arrival.model) else {
            let message = format!("The model `{}` does not exist on this server.", arrival.model);
            return Err(Box::new(refusal(404, "invalid_request_error", "model_not_found", message)));
        };
        let asked = arrival.prompt_tokens.saturating_add(arrival.max_output_tokens.unwrap_or(0));
        if asked > model.context_window {
            return Err(Box::new(too_long(asked, model.context_window, self.config.flavour)));
        }
        let flavour = self.config.flavour;
        let by_fault = |fault| by_fault(fault, flavour, arrival.prompt_tokens, model.context_window);
        if let Some(refusal) = plan.fault.as_ref().and_then(by_fault) {
            return Err(Box::new(refusal));
        }
        let capacity = self.faults.condition(FaultScript::since(self.faults_set_at, now)).capacity;
        let output = arrival.max_output_tokens.unwrap_or(plan.output_tokens).saturating_mul(plan.choices);
        let verdict = self.quota.admit(now, arrival.prompt_tokens, output, capacity);
        if verdict.is_admitted() {
            Ok(verdict)
        } else {
            Err(Box::new(Refusal { resets_in: verdict.resets_in, ..rate_limited(verdict.headers) }))
        }
    }

    fn start(&mut self, now: Moment, key: u64, plan: &Plan, prompt_tokens: u64) {
        if matches!(
            plan.fault,
            Some(FaultKind::HangBeforeHeaders | FaultKind::ResetBeforeHeaders | FaultKind::CloseAfterRequest)
        ) {
            return;
        }
        let output_tokens = plan.output_tokens.saturating_mul(plan.choices);
        let job = Job { seq: plan.seq, prompt_tokens, output_tokens, key };
        if let Some(FaultKind::SlowFirstToken { by }) = plan.fault {
            let wait = Duration::try_from_secs_f64(by).unwrap_or(Duration::MAX);
            self.held.insert((now + wait, plan.seq), job);
        } else {
            self.engine.submit(now, job);
        }
        if let Some(record) = self.log.get_mut(plan.seq.0) {
            record.billed = true;
            record.cached_tokens = plan.cache.read;
            record.cache_written_5m_tokens = plan.cache.written_5m;
            record.cache_written_1h_tokens = plan.cache.written_1h;
            record.reasoning_tokens = plan.reasoning_tokens.saturating_mul(plan.choices);
        }
    }

    /// The next moment at which [`Self::advance`] has something to do.
    #[must_use]
    pub fn next_event(&self) -> Option<Moment> {
        let held = self.held.keys().next().map(|(at, _)| *at);
        let engine = || [held, self.engine.next_event()].into_iter().flatten().min();
        self.pending.first().map(|emission| emission.at).or_else(engine)
    }

    /// The next moment at which a fault of the script begins or ends.
    #[must_use]
    pub fn next_fault_change(&self) -> Option<Moment> {
        self.next_change()
    }

    /// Everything that came out up to and including `now`. Faults that begin or end in between take
    /// effect at their own moment.
    pub fn advance(&mut self, now: Moment) -> Vec<Emission> {
        self.catch_up(now);
        std::mem::take(&mut self.pending)
    }

    fn catch_up(&mut self, now: Moment) {
        let known = self.pending.len();
        loop {
            let change = self.next_change();
            let held = self.held.keys().next().map(|(at, _)| *at);
            let Some(next) = [change, held].into_iter().flatten().min().filter(|next| *next <= now) else {
                break;
            };
            self.pending.extend(self.engine.advance(next));
            if change == Some(next) {
                self.seen = next;
                let since = FaultScript::since(self.faults_set_at, next);
                self.engine.set_condition(self.faults.condition(since));
            }
            if held == Some(next)
                && let Some((_, job)) = self.held.pop_first()
            {
                self.engine.submit(next, job);
            }
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
        self.held.retain(|(_, held), _| *held != seq);
        self.pending.retain(|emission| emission.seq != seq);
        let prices = &self.config.prices;
        if let Some(record) = self.log.get_mut(seq.0) {
            record.output_tokens = output_tokens;
            record.reasoning_tokens = record.reasoning_tokens.min(output_tokens);
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
