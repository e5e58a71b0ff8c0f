//! Any order of events, sensible or not.

use std::time::Duration;

use feedback_loop::{Ask, Failure, MemberSet, MemberSpec, Pool, Strategy, Ticket};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;
use vocabulary::{Moment, Usage};

use crate::workbench::{at, per_minute, priced, spec};

#[derive(Clone, Debug)]
enum Event {
    Choose { prompt: u64, eligible: u64, streamed: bool, attempt: u32 },
    FirstToken(usize),
    Finish(usize, Option<(u64, u64)>),
    Fail(usize, u8, u64),
    Drop(usize),
    Remaining(usize, u64),
    Probe(usize, bool),
    Reconfigure { members: usize, reversed: bool },
    Tick,
    Wait(u64),
}

fn event() -> impl Generator<Value = Event> {
    prop_oneof![
        6 => (0_u64..200_000, any::<u64>(), any::<bool>(), 0_u32..4)
            .prop_map(|(prompt, eligible, streamed, attempt)| Event::Choose { prompt, eligible, streamed, attempt }),
        4 => any::<usize>().prop_map(Event::FirstToken),
        3 => (any::<usize>(), prop::option::of((0_u64..100_000, 0_u64..10_000))).prop_map(|(t, u)| Event::Finish(t, u)),
        3 => (any::<usize>(), 0_u8..8, 0_u64..100_000).prop_map(|(t, f, w)| Event::Fail(t, f, w)),
        1 => any::<usize>().prop_map(Event::Drop),
        1 => (any::<usize>(), any::<u64>()).prop_map(|(t, left)| Event::Remaining(t, left)),
        1 => (0_usize..6, any::<bool>()).prop_map(|(member, healthy)| Event::Probe(member, healthy)),
        1 => (0_usize..5, any::<bool>()).prop_map(|(members, reversed)| Event::Reconfigure { members, reversed }),
        2 => Just(Event::Tick),
        4 => (0_u64..20_000).prop_map(Event::Wait),
    ]
}

fn failure(kind: u8, wait: u64) -> Failure {
    let wait = Duration::from_millis(wait);
    match kind {
        0 => Failure::RateLimited { retry_after: Some(wait) },
        1 => Failure::RateLimited { retry_after: None },
        2 => Failure::ServerError { retry_after: None },
        3 => Failure::ServerError { retry_after: Some(wait) },
        4 => Failure::Timeout,
        5 => Failure::Connect,
        6 => Failure::Cancelled,
        _ => [Failure::Refused, Failure::Auth][(wait.subsec_millis() % 2) as usize],
    }
}

fn members(count: usize, reversed: bool) -> Vec<MemberSpec> {
    let mut members = priced(&[(0.0, 0.0), (1.0, 4.0), (2.5, 10.0), (0.3, 0.9), (0.1, 0.1)]);
    members.truncate(count);
    members.iter_mut().step_by(2).for_each(|member| member.quota = Some(per_minute(100_000)));
    members.iter_mut().skip(1).step_by(2).for_each(|member| member.concurrency = Some(2));
    if reversed {
        members.reverse();
    }
    members
}

/// Open tickets, with the name of the member each went to.
struct Driver {
    pool: Pool,
    now: Moment,
    strategy: Strategy,
    open: Vec<(Ticket, String)>,
    dropped: usize,
}

impl Driver {
    fn new(strategy: Strategy) -> Self {
        let pool = Pool::new(spec(strategy, members(3, false)), 5, Moment::ZERO);
        Self { pool, now: at(0.0), strategy, open: Vec::new(), dropped: 0 }
    }

    fn take(&mut self, which: usize) -> Option<Ticket> {
        (!self.open.is_empty()).then(|| self.open.swap_remove(which % self.open.len()).0)
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Choose { prompt, eligible, streamed, attempt } => {
                self.choose(prompt, eligible, streamed, attempt)
            }
            Event::FirstToken(which) => {
                let Self { pool, open, now, .. } = self;
                if let Some((ticket, _)) = (!open.is_empty()).then(|| &open[which % open.len()]) {
                    pool.first_token(*now, ticket);
                }
            }
            Event::Finish(which, usage) => {
                let usage = usage.map(|(input, output)| Usage {
                    input,
                    output,
                    cached_input: output,
                    ..Usage::default()
                });
                if let Some(ticket) = self.take(which) {
                    self.pool.finished(self.now, ticket, usage);
                }
            }
            Event::Fail(which, kind, wait) => {
                if let Some(ticket) = self.take(which) {
                    self.pool.failed(self.now, ticket, failure(kind, wait));
                }
            }
            Event::Drop(which) => self.dropped += usize::from(self.take(which).is_some()),
            Event::Remaining(which, left) => {
                let Self { pool, open, now, .. } = self;
                if let Some((ticket, _)) = (!open.is_empty()).then(|| &open[which % open.len()]) {
                    pool.observe_remaining(*now, ticket, Some(left), Some(left));
                }
            }
            Event::Probe(member, healthy) => self.pool.probe(self.now, member, healthy),
            Event::Reconfigure { members: count, reversed } => {
                self.pool.reconfigure(spec(self.strategy, members(count, reversed)), self.now);
            }
            Event::Tick => drop(self.pool.tick(self.now)),
            Event::Wait(millis) => self.now = self.now + Duration::from_millis(millis),
        }
    }

    fn choose(&mut self, prompt: u64, eligible: u64, streamed: bool, attempt: u32) {
        let ask = Ask {
            request_id: "any",
            attempt,
            arrived: self.now - Duration::from_millis(u64::from(attempt) * 700),
            prompt_tokens: prompt,
            max_output_tokens: prompt.is_multiple_of(2).then_some(prompt),
            streamed,
            eligible: MemberSet::from_bits(eligible),
        };
        if let Ok(pick) = self.pool.choose(self.now, &ask) {
            assert!(ask.eligible.contains(pick.member), "only eligible members are picked");
            let name = self.pool.status(self.now).members[pick.member].member.clone();
            self.open.push((pick.ticket, name));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn in_flight_always_equals_the_open_tickets_and_every_figure_stays_finite(
        which in 0_usize..3, events in prop::collection::vec(event(), 1..150),
    ) {
        let mut driver = Driver::new([Strategy::Adaptive, Strategy::RoundRobin, Strategy::Weighted][which]);
        for event in &events {
            driver.apply(event);
            let status = driver.pool.status(driver.now);
            let closes = driver.pool.closes();
            if driver.dropped == 0 && closes.lost == 0 {
                prop_assert_eq!(driver.pool.open_tickets(), driver.open.len());
                for member in &status.members {
                    // A member that left and joined again starts from nothing, its old requests aside.
                    let open = driver.open.iter().filter(|(_, name)| *name == member.member).count();
                    prop_assert!(member.in_flight as usize <= open, "{} at {}", member.in_flight, member.member);
                }
            }
            prop_assert!(closes.stray <= closes.lost, "only tickets given up on can be closed late");
            for member in &status.members {
                prop_assert!(member.predicted_ttft_s.is_finite() && member.predicted_ttft_s > 0.0);
                prop_assert!((0.0..=1.0).contains(&member.share) && (0.0..=1.0).contains(&member.error_ratio));
                prop_assert!(member.quota_used.is_none_or(|used| (0.0..=1.0).contains(&used)));
            }
            prop_assert!(status.lambda_usd.is_none_or(|lambda| (0.0..=0.2).contains(&lambda)));
        }
        let finite = |record: &vocabulary::admin::DecisionRecord| record.candidates.iter().all(|c| c.total_usd.is_finite());
        prop_assert!(driver.pool.decisions(usize::MAX).iter().all(finite));
    }

    #[test]
    fn with_members_that_stay_in_flight_equals_the_open_tickets_exactly(events in prop::collection::vec(event(), 1..150)) {
        let mut driver = Driver::new(Strategy::Adaptive);
        for event in events.iter().filter(|event| !matches!(event, Event::Reconfigure { .. } | Event::Drop(_))) {
            driver.apply(event);
            let in_flight: u32 = driver.pool.status(driver.now).members.iter().map(|member| member.in_flight).sum();
            prop_assert_eq!(in_flight as usize, driver.pool.open_tickets());
            if driver.pool.closes().lost == 0 {
                prop_assert_eq!(in_flight as usize, driver.open.len());
            }
        }
    }
}
