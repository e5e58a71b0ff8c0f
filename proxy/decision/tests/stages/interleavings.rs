//! What must hold over any order of events: whatever becomes of requests, however policies change under
//! them, what they held comes back, and limits count what was settled and nothing else.

use std::sync::Arc;
use std::time::Duration;

use decision::{Exchange, Gate};
use proptest::prelude::*;
use rule_table::{Mode, Strategy as Picker};
use vocabulary::{Moment, Reason, Usage};

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, chat_of, in_flight, usage};

const KEY: &str = "sk-team";
/// Tokens a day, and requests: more than any run can spend.
const TOKENS: u64 = 1_000_000;
const REQUESTS: u64 = 1_000;
/// What one request reserves: its prompt, and the output it allows itself.
const RESERVED: u64 = 10 + 90;

/// Members of the pool in successive policies: reordered, renamed, dropped, and back again.
const POOLS: [&[&str]; 5] = [
    &["a/m", "b/m", "c/m"],
    &["c/m", "a/m", "b/m"],
    &["a/m", "x/m"],
    &["b/m"],
    &["x/m", "c/m", "b/m", "a/m"],
];

/// One thing that happens. An index picks among the requests under way.
#[derive(Clone, Debug)]
enum Event {
    Arrive,
    Choose(prop::sample::Index),
    FirstOutput(prop::sample::Index),
    Serve(prop::sample::Index, Option<(u16, u16)>),
    Fail(prop::sample::Index),
    RateLimited(prop::sample::Index),
    Settle(prop::sample::Index, Option<Reason>),
    Drop(prop::sample::Index),
    Reload(prop::sample::Index),
    Tick,
}

fn event() -> impl Strategy<Value = Event> {
    let which = any::<prop::sample::Index>;
    let reason = prop::sample::select(vec![
        None,
        Some(Reason::NoBackend),
        Some(Reason::BackendError),
        Some(Reason::BackendRefused),
        Some(Reason::ClientClosed),
        Some(Reason::Internal),
    ]);
    prop_oneof![
        3 => Just(Event::Arrive),
        4 => which().prop_map(Event::Choose),
        2 => which().prop_map(Event::FirstOutput),
        2 => (which(), prop::option::of((0_u16..500, 0_u16..500))).prop_map(|(which, usage)| Event::Serve(which, usage)),
        1 => which().prop_map(Event::Fail),
        1 => which().prop_map(Event::RateLimited),
        2 => (which(), reason).prop_map(|(which, reason)| Event::Settle(which, reason)),
        2 => which().prop_map(Event::Drop),
        1 => which().prop_map(Event::Reload),
        1 => Just(Event::Tick),
    ]
}

fn draft(members: &[&str], picker: Picker) -> Draft {
    Draft::chat(members)
        .with_pool("chat", |pool| pool.strategy = picker)
        .consumer("team", KEY)
        .limit("day", Mode::Enforce, &["1k requests/day", "1M tokens/day"])
        .limit_consumer("team", "day")
}

fn caller() -> Caller {
    let mut body = chat_of(&"x".repeat(24));
    body["max_tokens"] = 90.into();
    body["stream"] = true.into();
    Caller::chat().with_key(KEY).saying(&body)
}

/// A run, and what its limits should have counted: requests and tokens.
struct Run {
    picker: Picker,
    gate: Arc<Gate>,
    now: Moment,
    under_way: Vec<Exchange>,
    counted: (u64, u64),
}

impl Run {
    fn new(picker: Picker) -> Self {
        let gate = draft(POOLS[0], picker).gate();
        Self { picker, gate, now: NOW, under_way: Vec::new(), counted: (0, 0) }
    }

    fn with(&mut self, which: &prop::sample::Index, act: impl FnOnce(&mut Exchange, Moment)) {
        if !self.under_way.is_empty() {
            let index = which.index(self.under_way.len());
            act(&mut self.under_way[index], self.now);
        }
    }

    fn happens(&mut self, event: Event) {
        self.now = self.now + Duration::from_millis(50);
        match event {
            Event::Arrive => self.under_way.push(caller().admitted(&self.gate, self.now)),
            Event::Choose(which) => self.with(&which, |exchange, now| {
                // A pool may have no member for it.
                let _ = exchange.choose(now, 1);
            }),
            Event::FirstOutput(which) => self.with(&which, Exchange::first_output),
            Event::Serve(which, tokens) => self.with(&which, |exchange, now| {
                let usage = tokens.map(|(input, output)| usage(u64::from(input), u64::from(output)));
                exchange.attempt_served(now, usage);
            }),
            Event::Fail(which) => self.with(&which, |exchange, now| exchange.fail(now)),
            Event::RateLimited(which) => {
                self.with(&which, |exchange, now| exchange.rate_limited(now, Duration::from_millis(100)));
            }
            Event::Settle(which, reason) => self.settle(&which, reason),
            Event::Drop(which) if !self.under_way.is_empty() => {
                self.under_way.swap_remove(which.index(self.under_way.len()));
            }
            Event::Reload(which) => {
                let members = which.get(&POOLS);
                self.gate = draft(members, self.picker).replacing(&self.gate, self.now);
            }
            Event::Tick => {
                self.gate.tick(self.now);
            }
            Event::Drop(_) => {}
        }
    }

    fn settle(&mut self, which: &prop::sample::Index, reason: Option<Reason>) {
        if self.under_way.is_empty() {
            return;
        }
        let mut exchange = self.under_way.swap_remove(which.index(self.under_way.len()));
        exchange.reason = reason;
        let known = exchange.attempts.iter().filter_map(|attempt| attempt.usage);
        let spent = known.map(|usage: Usage| usage.total()).reduce(|a, b| a + b);
        let (requests, tokens) = match (spent, reason) {
            (Some(spent), _) => (1, spent),
            (None, None) => (1, RESERVED),
            (None, Some(Reason::BackendRefused | Reason::ClientClosed)) => (1, 0),
            (None, Some(_)) => (0, 0),
        };
        self.counted = (self.counted.0 + requests, self.counted.1 + tokens);
        exchange.end(self.now);
    }

    /// What the limits have left besides `held` requests that are under way.
    fn left(&self, held: u64) -> (u64, u64) {
        let remaining = caller().admitted(&self.gate, self.now).remaining.expect("the consumer is limited");
        let requests = remaining.requests.expect("requests are limited").remaining;
        let tokens = remaining.tokens.expect("tokens are limited").remaining;
        (requests + 1 + held, tokens + RESERVED * (1 + held))
    }

    fn expected_left(&self) -> (u64, u64) {
        (REQUESTS - self.counted.0, TOKENS - self.counted.1)
    }

    fn busy(&self) -> u32 {
        in_flight(&self.gate, self.now).into_iter().map(|(_, busy)| busy).sum()
    }

    /// Attempts that are under way.
    fn open(&self) -> usize {
        let open =
            |exchange: &&Exchange| exchange.attempts.last().is_some_and(|attempt| attempt.ended.is_none());
        self.under_way.iter().filter(open).count()
    }
}

fn picker() -> impl Strategy<Value = Picker> {
    prop::sample::select(vec![Picker::RoundRobin, Picker::Weighted, Picker::Adaptive])
}

proptest! {
    #[test]
    fn whatever_happens_everything_is_given_back(picker in picker(), events in prop::collection::vec(event(), 1..80)) {
        let mut run = Run::new(picker);
        for event in events {
            run.happens(event);
            // Members that left the pool take their requests out of sight with them.
            prop_assert!(run.busy() as usize <= run.open(), "{} busy, {} open", run.busy(), run.open());
            prop_assert_eq!(run.left(run.under_way.len() as u64), run.expected_left());
        }
        run.under_way.clear();
        prop_assert_eq!(run.busy(), 0);
        let waiting = |members: Vec<vocabulary::admin::MemberStatus>| members.iter().map(|m| m.unanswered_prompt_tokens).sum::<u64>();
        prop_assert_eq!(waiting(crate::request::members(&run.gate, "chat", run.now)), 0);
        prop_assert_eq!(run.left(0), run.expected_left());
    }

    #[test]
    fn without_a_reload_every_attempt_is_seen_at_its_member(picker in picker(), events in prop::collection::vec(event(), 1..80)) {
        let mut run = Run::new(picker);
        for event in events.into_iter().filter(|event| !matches!(event, Event::Reload(_))) {
            run.happens(event);
            prop_assert_eq!(run.busy() as usize, run.open());
        }
    }
}
