//! What the connections of one server share: the backend behind its lock, the policy clock and who
//! waits for which tokens. It owns the driver; it refuses HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vocabulary::Moment;

use super::files::Files;
use super::mcp::Sessions;
use super::responses::Memory;
use crate::backend::{Arrival, Backend, Plan, Refusal, Verdict};
use crate::config::{Flavour, Keys, SimConfig};
use crate::engine::{Emission, SeqId};
use crate::faults::{Door, FaultScript};
use crate::log::{Exchange, Exchanges, Outcome, Record, Totals};

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the driver when something earlier than its deadline may have come up.
    changed: Notify,
    /// How connections are taken now.
    door: watch::Sender<Door>,
    keys: Mutex<Keys>,
    /// Responses it has given and may be asked to go on from.
    pub(super) memory: Mutex<Memory>,
    /// Files it has been given.
    pub(super) files: Mutex<Files>,
    /// Tool sessions that are open.
    pub(super) sessions: Mutex<Sessions>,
    /// Connections that have left HTTP behind.
    pub(super) upgraded: TaskTracker,
    /// Ends everything.
    pub(super) stop: CancellationToken,
    pub(super) flavour: Flavour,
}

struct State {
    backend: Backend,
    exchanges: Exchanges,
    clock: Clock,
    /// Who hears of a sequence's tokens. Unbounded, but a sequence has an end, and so has its queue.
    waiting: BTreeMap<SeqId, UnboundedSender<Emission>>,
    /// Counts resets: a request from before one must not touch the log after it.
    era: u64,
}

/// Wall clock and policy clock.
#[derive(Clone, Copy)]
struct Clock {
    origin: Instant,
    scale: f64,
}

impl Clock {
    fn start(scale: f64) -> Self {
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { origin: Instant::now(), scale }
    }

    fn now(self) -> Moment {
        Moment::from_secs_f64(self.origin.elapsed().as_secs_f64() * self.scale)
    }

    fn wall(self, moment: Moment) -> Instant {
        let wait = Duration::try_from_secs_f64(moment.as_secs_f64() / self.scale).ok();
        // Far enough to be never, for a moment the clock cannot express.
        let never = Duration::from_secs(365 * 24 * 3600);
        self.origin + wait.unwrap_or(never).min(never)
    }
}

/// A request's place in the server. Dropping it tells that the caller has gone.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    seq: SeqId,
    era: u64,
    ended: bool,
    /// Output tokens handed to the connection.
    pub(super) tokens: u64,
    /// Events handed to the connection.
    pub(super) events: u64,
}

/// A verdict with what is needed to act on it.
pub(super) enum Admission {
    Accepted { plan: Plan, ticket: Ticket, emissions: UnboundedReceiver<Emission> },
    Refused(Refusal),
}

impl Shared {
    pub(super) fn new(config: SimConfig, stop: CancellationToken) -> Self {
        let clock = Clock::start(config.time_scale);
        let (flavour, keys) = (config.flavour, config.keys.clone());
        let door = config.faults.door(0.0);
        let state = State {
            backend: Backend::new(config),
            exchanges: Exchanges::default(),
            clock,
            waiting: BTreeMap::new(),
            era: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            door: watch::Sender::new(door),
            keys: Mutex::new(keys),
            memory: Mutex::default(),
            files: Mutex::default(),
            sessions: Mutex::default(),
            upgraded: TaskTracker::new(),
            stop,
            flavour,
        }
    }

    /// Reads the settings, which never change.
    pub(super) fn with_config<T>(&self, read: impl FnOnce(&SimConfig) -> T) -> T {
        read(self.state.lock().backend.config())
    }

    pub(super) fn log(&self) -> Vec<Record> {
        self.state.lock().backend.log()
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        let state = self.state.lock();
        state.exchanges.with_records(&state.backend.log())
    }

    pub(super) fn keys(&self) -> Keys {
        self.keys.lock().clone()
    }

    pub(super) fn set_keys(&self, keys: Keys) {
        *self.keys.lock() = keys;
    }

    /// How connections are taken, now and whenever that changes.
    pub(super) fn door(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    pub(super) fn totals(&self) -> Totals {
        self.state.lock().backend.totals()
    }

    pub(super) fn faults(&self) -> FaultScript {
        self.state.lock().backend.faults().clone()
    }

    pub(super) fn set_faults(&self, faults: FaultScript) {
        let mut state = self.state.lock();
        let now = state.clock.now();
        self.set_door(faults.door(0.0));
        state.backend.set_faults(now, faults);
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn reset(&self) {
        let mut state = self.state.lock();
        state.backend.reset();
        state.clock = Clock::start(state.clock.scale);
        state.waiting.clear();
        state.exchanges = Exchanges::default();
        state.era += 1;
        self.set_door(state.backend.door(Moment::ZERO));
        drop(state);
        *self.memory.lock() = Memory::default();
        *self.files.lock() = Files::default();
        *self.sessions.lock() = Sessions::default();
        self.changed.notify_one();
    }

    pub(super) fn is_probe_green(&self) -> bool {
        let state = self.state.lock();
        state.backend.is_probe_green(state.clock.now())
    }

    pub(super) fn arrive(self: &Arc<Self>, arrival: Arrival) -> Admission {
        let mut state = self.state.lock();
        let now = state.clock.now();
        let plan = match state.backend.arrive(now, arrival) {
            Verdict::Accepted(plan) => plan,
            Verdict::Refused(refusal) => return Admission::Refused(refusal),
        };
        let (sender, emissions) = unbounded_channel();
        state.waiting.insert(plan.seq, sender);
        let era = state.era;
        drop(state);
        self.changed.notify_one();
        let ticket =
            Ticket { shared: Arc::clone(self), seq: plan.seq, era, ended: false, tokens: 0, events: 0 };
        Admission::Accepted { plan, ticket, emissions }
    }

    /// Hands out everything that is due; returns when to come again.
    fn step(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let now = state.clock.now();
        for emission in state.backend.advance(now) {
            if let Some(sender) = state.waiting.get(&emission.seq) {
                // A receiver that is gone has told so through its ticket, or is about to.
                let _ = sender.send(emission);
            }
            if emission.last {
                state.waiting.remove(&emission.seq);
            }
        }
        self.set_door(state.backend.door(now));
        let next = [state.backend.next_event(), state.backend.next_fault_change()];
        next.into_iter().flatten().min().map(|moment| state.clock.wall(moment))
    }

    fn set_door(&self, door: Door) {
        self.door.send_if_modified(|current| std::mem::replace(current, door) != door);
    }

    /// Takes note of a request that is not for the simulator's own pages.
    pub(super) fn visit(self: &Arc<Self>, exchange: Exchange) -> Visit {
        let mut state = self.state.lock();
        let at = state.clock.now();
        let index = state.exchanges.open(Exchange { at, ..exchange });
        Visit { shared: Arc::clone(self), index, era: state.era, answered: false }
    }
}

/// A request on its way to an answer. Dropping it before there is one tells that the caller has gone.
pub(super) struct Visit {
    shared: Arc<Shared>,
    index: u64,
    era: u64,
    answered: bool,
}

impl Visit {
    fn note(&self, write: impl FnOnce(&mut Exchange)) {
        let mut state = self.shared.state.lock();
        if state.era == self.era
            && let Some(exchange) = state.exchanges.get_mut(self.index)
        {
            write(exchange);
        }
    }

    /// The body has been read.
    pub(super) fn body(&self, length: usize, fields: Vec<String>) {
        self.note(|exchange| (exchange.body_bytes, exchange.fields) = (length as u64, fields));
    }

    /// An answer is being generated, as `seq` of the log.
    pub(super) fn generates(&self, seq: SeqId) {
        self.note(|exchange| exchange.seq = Some(seq.0));
    }

    /// Answered with this status, or broken off with none.
    pub(super) fn answered(mut self, status: u16) {
        self.answered = true;
        self.note(|exchange| exchange.status = status);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if !self.answered {
            self.note(|exchange| exchange.cancelled = true);
        }
    }
}

/// Lets tokens out when they fall due, for as long as it is polled.
pub(super) async fn drive(shared: Arc<Shared>) {
    loop {
        let until = shared.step();
        let due = async {
            match until {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = shared.changed.notified() => {}
        }
    }
}

impl Ticket {
    fn with_backend(&self, act: impl FnOnce(&mut Backend, Moment)) {
        let mut state = self.shared.state.lock();
        if state.era == self.era {
            let now = state.clock.now();
            act(&mut state.backend, now);
        }
    }

    /// The head of the answer is on its way.
    pub(super) fn head_sent(&self, status: u16) {
        self.with_backend(|backend, _| backend.head_sent(self.seq, status));
    }

    /// The first token is on its way.
    pub(super) fn first_token_sent(&self) {
        self.with_backend(|backend, now| backend.first_token_sent(now, self.seq));
    }

    /// Ends the request. Later calls, and the drop, change nothing.
    pub(super) fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (tokens, events) = (self.tokens, self.events);
        self.with_backend(|backend, now| backend.end(now, self.seq, outcome, tokens, events));
        let mut state = self.shared.state.lock();
        if state.era == self.era {
            state.waiting.remove(&self.seq);
        }
        drop(state);
        self.shared.changed.notify_one();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}
