//! Continuous batching with chunked prefill, iteration by iteration. It owns the queue, the running
//! batch and the length of an iteration; it refuses any queueing formula: waiting is what is left over.

use std::collections::VecDeque;

use vocabulary::Moment;

use super::{Condition, Emission, Job, SeqId};
use crate::random::Draws;

#[derive(Clone, Debug)]
pub(super) struct Speed {
    pub(super) slots: usize,
    pub(super) prefill_nanos_per_token: f64,
    pub(super) prefill_chunk: u64,
    pub(super) base_nanos: f64,
    pub(super) sequence_nanos: f64,
    pub(super) sigma: f64,
}

#[derive(Clone, Debug)]
struct Sequence {
    job: Job,
    arrived: Moment,
    prompt_left: u64,
    emitted: u64,
    /// This sequence's factor on the cost of its prefill.
    luck: f64,
    /// Prompt tokens the iteration under way prefills.
    chunk: u64,
    /// Whether the iteration under way works for this sequence.
    scheduled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct BatchEngine {
    speed: Speed,
    seed: u64,
    pub(super) condition: Condition,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    /// End of the iteration under way.
    ends: Option<Moment>,
}

impl BatchEngine {
    pub(super) const fn new(speed: Speed, seed: u64) -> Self {
        let condition = Condition { first_token: 1.0, decode: 1.0, capacity: 1.0 };
        Self { speed, seed, condition, waiting: VecDeque::new(), running: Vec::new(), ends: None }
    }

    pub(super) fn submit(&mut self, now: Moment, job: Job) {
        let luck = Draws::keyed(self.seed, &[job.key]).lognormal(self.speed.sigma);
        self.waiting.push_back(Sequence {
            job,
            arrived: now,
            prompt_left: job.prompt_tokens,
            emitted: 0,
            luck,
            chunk: 0,
            scheduled: false,
        });
        if self.ends.is_none() {
            self.begin(now);
        }
    }

    pub(super) const fn next_event(&self) -> Option<Moment> {
        self.ends
    }

    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Emission>) {
        while let Some(end) = self.ends.filter(|end| *end <= now) {
            self.finish(end, out);
            let idle_until = self.waiting.front().map(|sequence| sequence.arrived);
            let start = if self.running.is_empty() { idle_until.map(|at| at.max(end)) } else { Some(end) };
            self.ends = None;
            if let Some(start) = start {
                self.begin(start);
            }
        }
    }

    pub(super) fn cancel(&mut self, now: Moment, seq: SeqId) -> bool {
        let before = self.in_flight();
        self.waiting.retain(|sequence| sequence.job.seq != seq);
        self.running.retain(|sequence| sequence.job.seq != seq);
        // An iteration under way is not shortened: the others in it wait for its end as before. With
        // nobody left the engine is idle at once.
        if self.in_flight() == 0 && self.ends.is_some_and(|end| end > now) {
            self.ends = None;
        }
        self.in_flight() < before
    }

    pub(super) fn in_flight(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    fn slots(&self) -> usize {
        ((self.speed.slots as f64 * self.condition.capacity) as usize).max(1)
    }

    /// Admits who has arrived, shares out the prefill budget in order of admission, and fixes the end.
    fn begin(&mut self, start: Moment) {
        // Who arrives at the very moment an iteration begins is too late for it, unless it begins for them:
        // whether this is asked before or after they came must not matter.
        while self.running.len() < self.slots()
            && self.waiting.front().is_some_and(|next| {
                next.arrived < start || (self.running.is_empty() && next.arrived == start)
            })
        {
            self.running.extend(self.waiting.pop_front());
        }
        let mut budget = self.speed.prefill_chunk;
        let mut prefill = 0.0;
        let mut batch = 0_u32;
        for sequence in &mut self.running {
            sequence.chunk = sequence.prompt_left.min(budget);
            budget -= sequence.chunk;
            prefill += sequence.chunk as f64 * sequence.luck;
            sequence.scheduled = sequence.chunk > 0 || sequence.prompt_left == 0;
            batch += u32::from(sequence.scheduled);
        }
        let decode =
            (self.speed.base_nanos + self.speed.sequence_nanos * f64::from(batch)) * self.condition.decode;
        let prefill = prefill * self.speed.prefill_nanos_per_token * self.condition.first_token;
        // Never zero, or an engine with no costs would iterate without end at one moment.
        let length = (decode + prefill).max(1.0) as u64;
        self.ends = Some(Moment(start.0.saturating_add(length)));
    }

    /// Every sequence whose prompt was done before the iteration, or is with it, has its next token.
    fn finish(&mut self, end: Moment, out: &mut Vec<Emission>) {
        for sequence in self.running.iter_mut().filter(|sequence| sequence.scheduled) {
            sequence.prompt_left -= sequence.chunk;
            if sequence.prompt_left > 0 {
                continue;
            }
            let token_index = sequence.emitted;
            sequence.emitted += 1;
            let last = sequence.emitted >= sequence.job.output_tokens;
            out.push(Emission { seq: sequence.job.seq, at: end, token_index, last });
        }
        self.running
            .retain(|sequence| sequence.emitted == 0 || sequence.emitted < sequence.job.output_tokens);
    }
}
