//! Ten thousand random sets of routes, every answer compared with trying all requests that they tell apart.

use std::cmp::Reverse;

use rule_table::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteMatch, Specificity, TimeWindow};

use super::{MOST_PAIRS, Peer, hidden, overlap};
use crate::check::windows::Meeting;

/// SplitMix64 (Steele, Lea and Flood 2014): the same routes on every machine.
struct Random(u64);

impl Random {
    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from[((z ^ (z >> 31)) % from.len() as u64) as usize].clone()
    }
}

fn window(days: u8, from: u16, until: u16) -> Option<TimeWindow> {
    Some(TimeWindow { days, from, until, zone: "UTC".to_owned() })
}

fn route(random: &mut Random) -> RouteMatch {
    let text = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let value = |random: &mut Random| random.pick(&[None, Some(None), Some(Some("1")), Some(Some("2"))]);
    let header = value(random).map(|v| HeaderMatch { name: "x".to_owned(), value: v.map(str::to_owned) });
    let query = value(random).map(|v| QueryMatch { name: "q".to_owned(), value: v.map(str::to_owned) });
    RouteMatch {
        host: random.pick(&[HostMatch::Any, HostMatch::Any, HostMatch::Exact("a".to_owned())]),
        path: random.pick(&[PathMatch::Prefix(String::new()), PathMatch::Exact("/a".to_owned())]),
        methods: random.pick(&[vec![], vec![], text(&["GET"]), text(&["GET", "PUT"])]),
        headers: header.into_iter().filter(|_| random.pick(&[true, false])).collect(),
        query: query.into_iter().filter(|_| random.pick(&[true, false, false])).collect(),
        consumers: random.pick(&[vec![], vec![], vec![0], vec![0, 1]]),
        time: random.pick(&[
            None,
            None,
            window(127, 0, 720),
            window(127, 720, 0),
            window(31, 720, 0),
            window(96, 600, 0),
        ]),
        model: random.pick(&[None, None, Some("m".to_owned())]),
    }
}

#[derive(Clone, Copy, Debug)]
struct Request {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
    query: Option<&'static str>,
    consumer: Option<u32>,
    minute: u16,
    model: Option<&'static str>,
}

fn requests() -> Vec<Request> {
    let mut all = Vec::new();
    let values = [None, Some("1"), Some("2"), Some("3")];
    for (host, path) in [("a", "/a"), ("a", "/b"), ("b", "/a"), ("b", "/b")] {
        for method in ["GET", "PUT", "POST"] {
            for header in values {
                for query in values {
                    for consumer in [None, Some(0), Some(1)] {
                        // Wednesday and Saturday: a morning, shortly before noon, an afternoon.
                        for minute in [2880, 3590, 3700, 7200, 7910, 8020] {
                            for model in [None, Some("m")] {
                                all.push(Request {
                                    host,
                                    path,
                                    method,
                                    header,
                                    query,
                                    consumer,
                                    minute,
                                    model,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
    all
}

fn takes(route: &RouteMatch, request: &Request) -> bool {
    let fits = |wanted: &Option<String>, given: Option<&str>| {
        given.is_some_and(|given| wanted.as_ref().is_none_or(|wanted| wanted == given))
    };
    let open = |window: &TimeWindow| {
        let (day, at) = (request.minute / 1440, request.minute % 1440);
        let until = if window.until == 0 { 1440 } else { window.until };
        window.days & 1 << day != 0 && (window.from..until).contains(&at)
    };
    (route.host == HostMatch::Any || request.host == "a")
        && route.path.takes(request.path)
        && (route.methods.is_empty() || route.methods.iter().any(|m| m == request.method))
        && route.headers.iter().all(|header| fits(&header.value, request.header))
        && route.query.iter().all(|query| fits(&query.value, request.query))
        && (route.consumers.is_empty() || request.consumer.is_some_and(|c| route.consumers.contains(&c)))
        && route.time.as_ref().is_none_or(open)
        && (route.model.is_none() || route.model.as_deref() == request.model)
}

#[test]
fn ten_thousand_sets_of_routes_are_judged_as_by_trying_every_request() {
    let mut random = Random(7);
    let all = requests();
    let (mut hidden_ones, mut overlapping) = (0, 0);
    for number in 0..10_000 {
        let count = random.pick(&[2, 3, 4]);
        let mut first = route(&mut random);
        if random.pick(&[true, false]) {
            first.time = None;
        }
        // Alike but for one or two conditions, so that the answers are not all the same.
        let mut routes = vec![first.clone()];
        for _ in 1..count {
            let (mut next, other) = (first.clone(), route(&mut random));
            match random.pick(&[0, 1, 2, 3, 3]) {
                0 => (next.methods, next.time) = (other.methods, other.time),
                1 => (next.headers, next.query) = (other.headers, other.query),
                2 => (next.consumers, next.time) = (other.consumers, other.time),
                _ => next.time = other.time,
            }
            routes.push(next);
        }
        let peers: Vec<Peer<'_>> =
            routes.into_iter().map(|matching| Peer { name: "route", matching }).collect();
        let mut ties = false;
        for (index, b) in peers.iter().enumerate() {
            for a in peers.iter().take(index) {
                if Specificity::of(&a.matching) == Specificity::of(&b.matching) {
                    let both = all.iter().any(|r| takes(&a.matching, r) && takes(&b.matching, r));
                    let found = overlap(&a.matching, &b.matching);
                    assert_eq!(found != Meeting::Never, both, "{number}: {:?} {:?}", a.matching, b.matching);
                    ties |= both;
                }
            }
        }
        overlapping += usize::from(ties);
        if ties {
            // Which of the two is taken is not said, and the manifest is refused.
            continue;
        }
        let mut order: Vec<&Peer<'_>> = peers.iter().collect();
        order.sort_by_key(|peer| Reverse(Specificity::of(&peer.matching)));
        let found = hidden(&peers, &mut MOST_PAIRS.clone());
        for (index, peer) in order.iter().enumerate() {
            let before = &order[..index];
            let taken = all.iter().any(|request| {
                takes(&peer.matching, request) && !before.iter().any(|b| takes(&b.matching, request))
            });
            let said = found.iter().any(|(hidden, _)| std::ptr::eq(*hidden, *peer));
            assert_eq!(said, !taken, "{number}: {:?}", peer.matching);
            hidden_ones += usize::from(said);
        }
    }
    assert!(hidden_ones > 100 && overlapping > 1_000, "{hidden_ones} {overlapping}");
}
