//! When requests are due and how large they are. It owns the Poisson process and the rescaling of
//! traces; it refuses to read clocks: every time is policy time since the start of the run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardUniform};
use trace::Entry;

use super::Lengths;

/// Arrivals in order of time. A trace is read as it is replayed, so reading can fail halfway.
pub type Arrivals = Box<dyn Iterator<Item = Result<Entry, trace::TraceError>> + Send>;

/// Randomness of one request. Request `index` is the same whatever was drawn before it, so that runs
/// that differ elsewhere still send the same requests.
fn randomness(base: &ChaCha8Rng, index: u64) -> ChaCha8Rng {
    let mut rng = base.clone();
    rng.set_stream(index);
    rng
}

/// An open-loop Poisson process.
#[derive(Clone, Debug)]
pub struct Poisson {
    base: ChaCha8Rng,
    index: u64,
    now: f64,
    rate: f64,
    until: f64,
    prompt: Lengths,
    output: Lengths,
}

impl Poisson {
    /// Requests at `rate` per second over `length`, with token counts drawn from `prompt` and `output`.
    #[must_use]
    pub fn new(rate: f64, length: Duration, prompt: Lengths, output: Lengths, seed: u64) -> Self {
        let base = ChaCha8Rng::seed_from_u64(seed);
        Self { base, index: 0, now: 0.0, rate, until: length.as_secs_f64(), prompt, output }
    }
}

impl Iterator for Poisson {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let mut rng = randomness(&self.base, self.index);
        self.index += 1;
        let gap: f64 = Exp1.sample(&mut rng);
        // The gaps are never rescaled to hit a total: that would make the count certain, and a Poisson
        // process is exactly the one whose count is not.
        self.now += gap / self.rate;
        (self.now < self.until).then(|| Entry {
            at: Duration::from_secs_f64(self.now),
            prompt_tokens: self.prompt.sample(&mut rng),
            output_tokens: self.output.sample(&mut rng),
            ..Entry::default()
        })
    }
}

/// How a trace is bent before it is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bend {
    /// Divides every time: 2 replays an hour in half an hour, at twice the load.
    pub speed: f64,
    /// Keeps this share of requests, or repeats them when above 1; times stay as they are.
    pub rate_scale: f64,
    /// Only what arrives in this first part of the trace, by the trace's own time.
    pub window: Option<Duration>,
    /// Decides which requests are kept or repeated.
    pub seed: u64,
}

/// How far a repeated request is moved, so that copies do not arrive in pairs.
const COPY_SPREAD_S: f64 = 5.0;

/// Bends `arrivals`, in memory bounded by the repeated requests of five seconds.
pub fn bend(arrivals: Arrivals, how: Bend) -> Arrivals {
    Box::new(Bent {
        arrivals,
        how,
        base: ChaCha8Rng::seed_from_u64(how.seed),
        index: 0,
        waiting: BinaryHeap::new(),
        ended: false,
    })
}

struct Bent {
    arrivals: Arrivals,
    how: Bend,
    base: ChaCha8Rng,
    index: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    ended: bool,
}

/// An entry ordered by time, then by its place in the trace.
struct Waiting {
    order: (Duration, u64, u64),
    entry: Entry,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

impl Bent {
    fn admit(&mut self, entry: &Entry) {
        let mut rng = randomness(&self.base, self.index);
        let lot: f64 = StandardUniform.sample(&mut rng);
        let copies = self.how.rate_scale.floor() as u64 + u64::from(lot < self.how.rate_scale.fract());
        for copy in 0..copies {
            let shift: f64 = if copy == 0 { 0.0 } else { StandardUniform.sample(&mut rng) };
            let at = entry.at + Duration::from_secs_f64(shift * COPY_SPREAD_S);
            let entry = Entry { at, ..entry.clone() };
            self.waiting.push(Reverse(Waiting { order: (at, self.index, copy), entry }));
        }
        self.index += 1;
    }

    fn release(&mut self) -> Option<Result<Entry, trace::TraceError>> {
        let mut entry = self.waiting.pop()?.0.entry;
        entry.at = entry.at.div_f64(self.how.speed);
        Some(Ok(entry))
    }
}

impl Iterator for Bent {
    type Item = Result<Entry, trace::TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.arrivals.next() {
                Some(Ok(entry)) if self.how.window.is_none_or(|window| entry.at < window) => {
                    let reached = entry.at;
                    self.admit(&entry);
                    // What is still to be read arrives no earlier than `reached`, so this is safe to let go.
                    if self.waiting.peek().is_some_and(|first| first.0.order.0 <= reached) {
                        return self.release();
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Some(Ok(_)) | None => self.ended = true,
            }
        }
        self.release()
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
