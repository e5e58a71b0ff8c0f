//! A backend's own state: its quota as the provider counts it, and the GPU's slots.

use std::collections::{BTreeSet, VecDeque};

use super::fleet::{Backend, Kind};
use super::noise::{normal, uniform};
use super::trace::Request;

/// An attempt waiting for or holding a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: usize,
    pub(crate) request: Request,
    pub(crate) key: [u64; 4],
}

/// What happens next at a GPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefilled {
    pub(crate) attempt: usize,
    pub(crate) at: f64,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) backend: Backend,
    pub(crate) in_flight: usize,
    level: f64,
    level_at: f64,
    minute: u64,
    minute_tokens: u64,
    minute_requests: u64,
    waiting: VecDeque<Job>,
    /// Work at which each decoding attempt ends; bits of a non-negative float sort as it does.
    decoding: BTreeSet<(u64, usize)>,
    busy: usize,
    prefill_until: f64,
    work: f64,
    work_at: f64,
    /// Departures scheduled under an older version are void.
    pub(crate) version: u64,
}

impl Server {
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            backend,
            in_flight: 0,
            level: 0.0,
            level_at: 0.0,
            minute: u64::MAX,
            minute_tokens: 0,
            minute_requests: 0,
            waiting: VecDeque::new(),
            decoding: BTreeSet::new(),
            busy: 0,
            prefill_until: 0.0,
            work: 0.0,
            work_at: 0.0,
            version: 0,
        }
    }

    /// Admits by the provider's own count, or says when to come back.
    pub(crate) fn admit(&mut self, now: f64, request: &Request) -> Result<(), f64> {
        let Some(quota) = self.backend.member.quota else { return Ok(()) };
        let (amount, per) = quota.tokens.expect("simulated quotas count tokens");
        let weight = (request.prompt + u64::from(quota.output_weight) * request.output) as f64;
        if quota.shape == feedback_loop::QuotaShape::LeakyBucket {
            let rate = amount as f64 / per.as_secs_f64() * self.backend.capacity.at(now);
            let level = (self.level - (now - self.level_at) * rate).max(0.0);
            let depth = rate * quota.burst.as_secs_f64();
            if level > 0.0 && level + weight > depth {
                return Err(((level + weight - depth) / rate).clamp(0.5, 10.0));
            }
            (self.level, self.level_at) = (level + weight, now);
            return Ok(());
        }
        let minute = (now / 60.0) as u64;
        if minute != self.minute {
            (self.minute, self.minute_tokens, self.minute_requests) = (minute, 0, 0);
        }
        let requests = quota.requests.map_or(u64::MAX, |(requests, _)| requests);
        if self.minute_tokens + weight as u64 > amount || self.minute_requests >= requests {
            return Err(60.0 - now % 60.0);
        }
        self.minute_tokens += weight as u64;
        self.minute_requests += 1;
        Ok(())
    }

    /// Seconds to the first token at a hosted API, this request included in flight.
    pub(crate) fn api_ttft(&self, now: f64, request: &Request, key: [u64; 4]) -> f64 {
        let Kind::Api { base, prefill_rate, soft, .. } = self.backend.kind else { panic!("not an API") };
        let slow = self.backend.slowness.at(now);
        let crowd = soft.map_or(0.0, |soft| ((self.in_flight as f64 - soft) / soft).max(0.0));
        (base + request.prompt as f64 / prefill_rate) * slow * (1.0 + crowd * crowd) * self.luck(key)
    }

    fn luck(&self, [seed, request, backend, attempt]: [u64; 4]) -> f64 {
        let (sigma, tail) = match self.backend.kind {
            Kind::Api { sigma, tail, .. } => (sigma, tail),
            Kind::Gpu { sigma, .. } => (sigma, 0.0),
        };
        let stretched = uniform([seed, request, backend, attempt, 2]) < tail;
        (sigma * normal([seed, request, backend, attempt, 1])).exp() * if stretched { 4.0 } else { 1.0 }
    }

    pub(crate) fn queue(&mut self, job: Job) {
        self.waiting.push_back(job);
    }

    /// An attempt that still waits gives up. Returns whether it did wait.
    pub(crate) fn leave_queue(&mut self, attempt: usize) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|job| job.attempt != attempt);
        self.waiting.len() < before
    }

    /// Fills free slots; each started prefill ends at a known time.
    pub(crate) fn start(&mut self, now: f64) -> Vec<Prefilled> {
        let Kind::Gpu { prefill_rate, slots, network, .. } = self.backend.kind else { panic!("not a GPU") };
        let mut started = Vec::new();
        while self.busy < slots {
            let Some(job) = self.waiting.pop_front() else { break };
            self.advance(now);
            self.busy += 1;
            let slow = self.backend.slowness.at(now);
            let prefill = job.request.prompt as f64 / prefill_rate * slow * self.luck(job.key);
            self.prefill_until = self.prefill_until.max(now) + prefill;
            started.push(Prefilled { attempt: job.attempt, at: self.prefill_until + network });
        }
        started
    }

    /// A prefilled attempt decodes `output` tokens.
    pub(crate) fn decode(&mut self, now: f64, attempt: usize, output: u64) {
        self.advance(now);
        self.decoding.insert(((self.work + output as f64).to_bits(), attempt));
    }

    /// A slot is given up without decoding.
    pub(crate) fn vacate(&mut self, now: f64) {
        self.advance(now);
        self.busy -= 1;
    }

    /// Attempts whose last token is out.
    pub(crate) fn departed(&mut self, now: f64) -> Vec<usize> {
        self.advance(now);
        let done = (self.work + 1e-6).to_bits();
        let left = self.decoding.split_off(&(done, usize::MAX));
        let departed: Vec<usize> =
            std::mem::replace(&mut self.decoding, left).into_iter().map(|(_, a)| a).collect();
        self.busy -= departed.len();
        departed
    }

    /// When the next attempt ends if nothing else changes; voids earlier answers.
    pub(crate) fn next_departure(&mut self, now: f64) -> Option<f64> {
        self.advance(now);
        self.version += 1;
        let (end, _) = self.decoding.first()?;
        Some(now + (f64::from_bits(*end) - self.work).max(0.0) * self.seconds_per_token(now) + 1e-9)
    }

    /// Decoding goes on up to `now`.
    fn advance(&mut self, now: f64) {
        if self.busy > 0 {
            self.work += (now - self.work_at) / self.seconds_per_token(self.work_at);
        }
        self.work_at = now;
    }

    fn seconds_per_token(&self, at: f64) -> f64 {
        let Kind::Gpu { step, step_per_slot, .. } = self.backend.kind else { panic!("not a GPU") };
        (step + step_per_slot * self.busy as f64) * self.backend.slowness.at(at)
    }
}
