//! The event loop: requests arrive, the pool picks, servers answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use feedback_loop::{Ask, Failure, MemberSet, Pool, Strategy, Ticket};
use vocabulary::admin::ShareChange;
use vocabulary::{Moment, Usage};

use super::fleet::{Backend, Kind, pool};
use super::noise::uniform;
use super::server::{Job, Server};
use super::trace::Request;

const TIMEOUT: f64 = 20.0;
const ATTEMPTS: u32 = 3;
const REJECTED_AFTER: f64 = 0.06;
const FAILED_AFTER: f64 = 0.35;

/// Something done to the pool while it runs.
pub(crate) type Change = Box<dyn FnMut(&mut Pool, Moment)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tick,
    Change(usize),
    Arrive(usize),
    Rejected(usize, u64),
    Failed(usize),
    FirstToken(usize),
    Finished(usize),
    TimedOut(usize),
    Prefilled(usize),
    Departed(usize, u64),
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) request: Request,
    pub(crate) ttft: Option<f64>,
    pub(crate) served_by: Option<usize>,
    pub(crate) cost: f64,
    pub(crate) rejections: u32,
    attempts: u32,
    tried: MemberSet,
}

struct Attempt {
    run: usize,
    member: usize,
    key: [u64; 4],
    ticket: Option<Ticket>,
    answered: bool,
    over: bool,
}

/// A run of one fleet under one strategy.
pub(crate) struct Sim {
    pub(crate) pool: Pool,
    pub(crate) runs: Vec<Run>,
    pub(crate) share_changes: Vec<ShareChange>,
    /// Every pick as (member, probe), in order.
    pub(crate) picks: Vec<(usize, bool)>,
    servers: Vec<Server>,
    attempts: Vec<Attempt>,
    changes: Vec<Change>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    seed: u64,
    now: f64,
}

impl Sim {
    pub(crate) fn new(fleet: Vec<Backend>, strategy: Strategy, seed: u64) -> Self {
        let pool = Pool::new(pool(&fleet, strategy, 0.0), seed, Moment::ZERO);
        let mut sim = Self {
            pool,
            runs: Vec::new(),
            share_changes: Vec::new(),
            picks: Vec::new(),
            servers: fleet.iter().cloned().map(Server::new).collect(),
            attempts: Vec::new(),
            changes: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            seed,
            now: 0.0,
        };
        for at in fleet.iter().flat_map(|backend| backend.prices.0.iter().skip(1).map(|(at, _)| *at)) {
            let spec = super::fleet::pool(&fleet, strategy, at);
            sim = sim.at(at, Box::new(move |pool, now| pool.reconfigure(spec.clone(), now)));
        }
        sim
    }

    /// Has `change` done at `seconds`.
    pub(crate) fn at(mut self, seconds: f64, change: Change) -> Self {
        self.changes.push(change);
        self.push(seconds, Event::Change(self.changes.len() - 1));
        self
    }

    /// Runs the trace to its end and a minute beyond.
    pub(crate) fn run(mut self, trace: &[Request]) -> Self {
        for (index, request) in trace.iter().enumerate() {
            self.runs.push(Run {
                request: *request,
                ttft: None,
                served_by: None,
                cost: 0.0,
                rejections: 0,
                attempts: 0,
                tried: MemberSet::EMPTY,
            });
            self.push(request.at, Event::Arrive(index));
        }
        let end = trace.last().map_or(0.0, |request| request.at) + 60.0;
        (0..end as u64).for_each(|second| self.push(second as f64, Event::Tick));
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = at as f64 / 1e9;
            self.handle(Moment(at), event);
        }
        self
    }

    fn push(&mut self, at: f64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse(((at * 1e9).round() as u64, self.sequence, event)));
    }

    fn handle(&mut self, now: Moment, event: Event) {
        match event {
            Event::Tick => self.share_changes.extend(self.pool.tick(now)),
            Event::Change(index) => self.changes[index](&mut self.pool, now),
            Event::Arrive(run) => self.dispatch(now, run),
            Event::Rejected(attempt, nanos) => {
                self.runs[self.attempts[attempt].run].rejections += 1;
                self.fail(
                    now,
                    attempt,
                    Failure::RateLimited { retry_after: Some(Duration::from_nanos(nanos)) },
                );
            }
            Event::Failed(attempt) => self.fail(now, attempt, Failure::ServerError { retry_after: None }),
            Event::FirstToken(attempt) if !self.attempts[attempt].over => {
                self.first_token(now, attempt);
                let Kind::Api { per_token, .. } = self.server(attempt).backend.kind else {
                    panic!("not an API")
                };
                let output = self.request(attempt).output as f64;
                self.push(self.now + output * per_token, Event::Finished(attempt));
            }
            Event::Finished(attempt) => self.finish(now, attempt),
            Event::TimedOut(attempt) => self.time_out(now, attempt),
            Event::Prefilled(attempt) => self.prefilled(now, attempt),
            Event::Departed(member, version) if version == self.servers[member].version => {
                for attempt in self.servers[member].departed(self.now) {
                    self.finish(now, attempt);
                }
                self.start(member);
            }
            Event::FirstToken(_) | Event::Departed(..) => {}
        }
    }

    fn dispatch(&mut self, now: Moment, run: usize) {
        let (request, tried) = (self.runs[run].request, self.runs[run].tried);
        let id = run.to_string();
        let ask = Ask {
            request_id: &id,
            attempt: self.runs[run].attempts + 1,
            arrived: Moment::from_secs_f64(request.at),
            prompt_tokens: request.prompt,
            max_output_tokens: None,
            streamed: true,
            eligible: (0..self.servers.len()).filter(|member| !tried.contains(*member)).collect(),
        };
        let Ok(pick) = self.pool.choose(now, &ask) else { return self.pool.unanswered(now) };
        self.picks.push((pick.member, pick.probe));
        let state = &mut self.runs[run];
        state.attempts += 1;
        state.tried = state.tried.with(pick.member);
        let key = [self.seed, run as u64, pick.member as u64, u64::from(state.attempts)];
        let attempt = self.attempts.len();
        let ticket = Some(pick.ticket);
        self.attempts.push(Attempt { run, member: pick.member, key, ticket, answered: false, over: false });
        self.send(attempt, &request);
    }

    fn send(&mut self, attempt: usize, request: &Request) {
        let (member, key) = (self.attempts[attempt].member, self.attempts[attempt].key);
        let server = &mut self.servers[member];
        if let Err(wait) = server.admit(self.now, request) {
            return self.push(self.now + REJECTED_AFTER, Event::Rejected(attempt, (wait * 1e9) as u64));
        }
        if uniform([key[0], key[1], key[2], key[3], 3]) < server.backend.failing.at(self.now) {
            return self.push(self.now + FAILED_AFTER, Event::Failed(attempt));
        }
        server.in_flight += 1;
        match server.backend.kind {
            Kind::Api { .. } => {
                let ttft = server.api_ttft(self.now, request, key);
                self.push(self.now + ttft, Event::FirstToken(attempt));
            }
            Kind::Gpu { .. } => {
                server.queue(Job { attempt, request: *request, key });
                self.start(member);
            }
        }
        self.push(self.now + TIMEOUT, Event::TimedOut(attempt));
    }

    fn start(&mut self, member: usize) {
        for prefilled in self.servers[member].start(self.now) {
            self.push(prefilled.at, Event::Prefilled(prefilled.attempt));
        }
        if let Some(at) = self.servers[member].next_departure(self.now) {
            self.push(at, Event::Departed(member, self.servers[member].version));
        }
    }

    fn prefilled(&mut self, now: Moment, attempt: usize) {
        let member = self.attempts[attempt].member;
        if self.attempts[attempt].over {
            self.servers[member].vacate(self.now);
            self.servers[member].in_flight -= 1;
        } else {
            self.first_token(now, attempt);
            let output = self.request(attempt).output;
            self.servers[member].decode(self.now, attempt, output);
        }
        self.start(member);
    }

    fn first_token(&mut self, now: Moment, attempt: usize) {
        let Attempt { run, member, .. } = self.attempts[attempt];
        self.attempts[attempt].answered = true;
        let cost = self.cost(attempt, true);
        let state = &mut self.runs[run];
        state.ttft = Some(self.now - state.request.at);
        state.served_by = Some(member);
        state.cost += cost;
        let ticket = self.attempts[attempt].ticket.as_ref().expect("open until it is over");
        self.pool.first_token(now, ticket);
    }

    fn finish(&mut self, now: Moment, attempt: usize) {
        let request = self.request(attempt);
        let usage = Usage { input: request.prompt, output: request.output, ..Usage::default() };
        let state = &mut self.attempts[attempt];
        state.over = true;
        self.servers[state.member].in_flight -= 1;
        self.pool.finished(now, state.ticket.take().expect("closed once"), Some(usage));
    }

    fn time_out(&mut self, now: Moment, attempt: usize) {
        let Attempt { run, member, answered, over, .. } = self.attempts[attempt];
        if answered || over {
            return;
        }
        self.runs[run].cost += self.cost(attempt, false);
        let queued = self.servers[member].leave_queue(attempt);
        if queued || matches!(self.servers[member].backend.kind, Kind::Api { .. }) {
            self.servers[member].in_flight -= 1;
        }
        self.fail(now, attempt, Failure::Timeout);
    }

    fn fail(&mut self, now: Moment, attempt: usize, failure: Failure) {
        let state = &mut self.attempts[attempt];
        state.over = true;
        let run = state.run;
        self.pool.failed(now, state.ticket.take().expect("closed once"), failure);
        if self.runs[run].attempts < ATTEMPTS { self.dispatch(now, run) } else { self.pool.unanswered(now) }
    }

    fn cost(&self, attempt: usize, answered: bool) -> f64 {
        let request = self.request(attempt);
        let (input, output) = self.server(attempt).backend.prices.at(self.now);
        let tokens_out = if answered { request.output } else { 0 };
        (request.prompt as f64 * input + tokens_out as f64 * output) / 1e6
    }

    fn request(&self, attempt: usize) -> Request {
        self.runs[self.attempts[attempt].run].request
    }

    fn server(&self, attempt: usize) -> &Server {
        &self.servers[self.attempts[attempt].member]
    }
}
