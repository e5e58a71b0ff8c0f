//! When each token comes out. It owns the two models of a server's speed behind one interface; it
//! refuses to know what a token says, what it costs or whether the caller may have it.

mod batch;
mod hosted;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vocabulary::Moment;

use crate::profile::Profile;
use batch::BatchEngine;
use hosted::HostedEngine;

/// A sequence: one request's answer in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeqId(pub u64);

/// What a sequence asks of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id; ids must not repeat while the sequence is in the engine.
    pub seq: SeqId,
    /// Tokens to prefill.
    pub prompt_tokens: u64,
    /// Tokens to generate. With 0 the engine emits once, when the prompt is done.
    pub output_tokens: u64,
    /// Key of the sequence's draws; equal keys under one seed meet equal luck.
    pub key: u64,
}

/// A token came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// Of which sequence.
    pub seq: SeqId,
    /// When, exactly, whatever the moment the engine was asked.
    pub at: Moment,
    /// Counts from 0.
    pub token_index: u64,
    /// Whether the sequence is done with it.
    pub last: bool,
}

/// How the server feels. All 1 in good health.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Factor on prefill and on the wait for the first token.
    pub first_token: f64,
    /// Factor on decoding.
    pub decode: f64,
    /// Share of slots, soft concurrency and quota that is left.
    pub capacity: f64,
}

impl Default for Condition {
    fn default() -> Self {
        Self { first_token: 1.0, decode: 1.0, capacity: 1.0 }
    }
}

/// A simulated engine.
///
/// Moments given to one engine must not go backwards. Asking late changes nothing but when the caller
/// learns: emissions carry the moment they happened.
#[derive(Clone, Debug)]
pub struct Engine {
    model: Model,
}

#[derive(Clone, Debug)]
enum Model {
    Batch(BatchEngine),
    Hosted(HostedEngine),
}

impl Engine {
    /// An empty engine.
    #[must_use]
    pub fn new(profile: &Profile, seed: u64) -> Self {
        let model = match *profile {
            Profile::SelfHosted {
                slots,
                prefill_tokens_per_s,
                prefill_chunk,
                iteration_base,
                iteration_per_sequence,
                sigma,
            } => Model::Batch(BatchEngine::new(
                batch::Speed {
                    slots: slots.max(1),
                    prefill_nanos_per_token: 1e9 / prefill_tokens_per_s.max(1e-3),
                    prefill_chunk: prefill_chunk.max(1),
                    base_nanos: iteration_base.as_secs_f64() * 1e9,
                    sequence_nanos: iteration_per_sequence.as_secs_f64() * 1e9,
                    sigma,
                },
                seed,
            )),
            Profile::Hosted { .. } => Model::Hosted(HostedEngine::new(profile, seed)),
        };
        Self { model }
    }

    /// Takes a sequence in.
    pub fn submit(&mut self, now: Moment, job: Job) {
        match &mut self.model {
            Model::Batch(engine) => engine.submit(now, job),
            Model::Hosted(engine) => engine.submit(now, job),
        }
    }

    /// The next moment at which something happens, if anything is under way. Not every such moment has
    /// an emission.
    #[must_use]
    pub fn next_event(&self) -> Option<Moment> {
        match &self.model {
            Model::Batch(engine) => engine.next_event(),
            Model::Hosted(engine) => engine.next_event(),
        }
    }

    /// Everything that has come out up to and including `now`, in order of time, then of sequence.
    pub fn advance(&mut self, now: Moment) -> Vec<Emission> {
        let mut out = Vec::new();
        match &mut self.model {
            Model::Batch(engine) => engine.advance(now, &mut out),
            Model::Hosted(engine) => engine.advance(now, &mut out),
        }
        out
    }

    /// Removes a sequence; its slot is free from the next iteration on. False when it was not there.
    pub fn cancel(&mut self, now: Moment, seq: SeqId) -> bool {
        match &mut self.model {
            Model::Batch(engine) => engine.cancel(now, seq),
            Model::Hosted(engine) => engine.cancel(seq),
        }
    }

    /// Sets how the server feels: a batch engine from its next iteration on, a hosted one for
    /// sequences that come after.
    pub fn set_condition(&mut self, condition: Condition) {
        match &mut self.model {
            Model::Batch(engine) => engine.condition = condition,
            Model::Hosted(engine) => engine.condition = condition,
        }
    }

    /// Sequences in the engine, waiting or running.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        match &self.model {
            Model::Batch(engine) => engine.in_flight(),
            Model::Hosted(engine) => engine.in_flight(),
        }
    }
}
