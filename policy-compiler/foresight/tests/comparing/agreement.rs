//! Random pairs of small policies against a grid of requests: whatever is decided differently on the grid is of
//! a class that is told, and every witness is decided as stated.

use std::collections::BTreeSet;
use std::time::Duration;

use foresight::{Class, DiffOutcome, Subject, replay};
use policy_compiler::diagnostics::Request;
use rule_table::{
    AclAction, AclConditions, AclRule, HostMatch, Mode, OnFailure, PathMatch, Rare, Route, RouteMatch,
    Specificity,
};

use vocabulary::Reason;

use super::*;

/// SplitMix64 (Steele, Lea and Flood 2014): the same policies on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

const PATHS: [&str; 4] = ["/a", "/a/b", "/a/c", "/d"];
const HOSTS: [&str; 3] = ["x.corp", "y.corp", "z.example"];
const METHODS: [&str; 3] = ["GET", "PUT", "DELETE"];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.128.0.1", "192.0.2.1"];

fn path(random: &mut Random) -> PathMatch {
    random.one(&[
        PathMatch::Exact("/a".to_owned()),
        PathMatch::Exact("/a/b".to_owned()),
        PathMatch::Prefix("/a".to_owned()),
        PathMatch::Prefix(String::new()),
        PathMatch::Template(vec![Some("a".to_owned()), None]),
    ])
}

fn host(random: &mut Random) -> HostMatch {
    let exact = HostMatch::Exact("x.corp".to_owned());
    random.one(&[HostMatch::Any, HostMatch::Any, exact, HostMatch::Suffix(".corp".to_owned())])
}

fn methods(random: &mut Random) -> Vec<String> {
    random.one(&[vec![], vec![], vec!["GET".to_owned()], vec!["GET".to_owned(), "PUT".to_owned()]])
}

fn route(random: &mut Random, base: &Route, pool: u32) -> Route {
    let matching = RouteMatch {
        host: host(random),
        path: path(random),
        methods: methods(random),
        headers: Vec::new(),
        query: Vec::new(),
        consumers: random.one(&[vec![], vec![], vec![0], vec![1]]),
        time: None,
        model: None,
    };
    let consumers = random.one(&[vec![], vec![], vec![1]]);
    let public = consumers.is_empty() && random.below(2) == 0;
    let name = format!("r{}", random.below(6));
    let deadline = Duration::from_secs(1 + random.below(2) as u64);
    Route {
        deadline,
        name,
        matching,
        pool,
        consumers,
        public,
        limits: vec![],
        access: vec![],
        ..base.clone()
    }
}

/// The compiler refuses routes that are equally specific and overlap; so does this.
fn add(policy: &mut Policy, route: Route) {
    let clashes = |other: &Route| {
        other.name == route.name
            || Specificity::of(&other.matching) == Specificity::of(&route.matching)
                && other.matching.path == route.matching.path
                && other.matching.host == route.matching.host
    };
    if !policy.routes.iter().any(clashes) {
        policy.routes.push(route);
        policy
            .routes
            .sort_by_key(|route| (std::cmp::Reverse(Specificity::of(&route.matching)), route.name.clone()));
    }
}

fn conditions(random: &mut Random) -> AclConditions {
    let mut of = AclConditions::default();
    match random.below(5) {
        0 => of.networks = vec![random.one(&["10.0.0.0/8", "10.128.0.0/9"]).parse().unwrap()],
        1 => of.paths = vec![path(random)],
        2 => of.hosts = vec![HostMatch::Exact("x.corp".to_owned())],
        3 => of.methods = vec!["GET".to_owned()],
        _ => {}
    }
    of
}

fn rule(random: &mut Random, place: usize) -> AclRule {
    AclRule {
        name: format!("a{place}"),
        priority: place as u32,
        when: conditions(random),
        unless: if random.below(3) == 0 { conditions(random).into() } else { Rare::default() },
        action: random.one(&[AclAction::Allow, AclAction::Block(403), AclAction::Block(404)]),
        mode: random.one(&[Mode::Enforce, Mode::Enforce, Mode::Shadow]),
        on_failure: OnFailure::Closed,
    }
}

/// A policy with one pool for files, whose routes and rules are random, and one that is nearly the same.
fn pair(random: &mut Random, base: &Policy) -> (Policy, Policy) {
    let files = base.routes.iter().find(|route| route.name == "files").unwrap();
    let mut old = Policy { routes: vec![], acl: vec![], access: vec![], ..base.clone() };
    old.listeners.truncate(1);
    old.listeners[0].access.clear();
    for _ in 0..=random.below(4) {
        let one = route(random, files, files.pool);
        add(&mut old, one);
    }
    for place in 0..random.below(4) {
        old.acl.push(rule(random, place));
    }
    let mut new = old.clone();
    for _ in 0..=random.below(1) {
        match random.below(4) {
            0 => {
                let at = random.below(new.routes.len());
                new.routes.remove(at);
            }
            1 if !new.acl.is_empty() => {
                let at = random.below(new.acl.len());
                new.acl[at] = rule(random, at);
            }
            2 => {
                let at = random.below(new.routes.len());
                new.routes[at].public = !new.routes[at].public;
                new.routes[at].consumers.clear();
            }
            _ => {
                let one = route(random, files, files.pool);
                add(&mut new, one);
            }
        }
    }
    (old, new)
}

fn grid() -> Vec<Request> {
    let mut all = Vec::new();
    for path in PATHS {
        for host in HOSTS {
            for method in METHODS {
                for from in ADDRESSES {
                    for consumer in [None, Some("portal"), Some("search")] {
                        all.push(Request {
                            method: Some(method.to_owned()),
                            host: Some(host.to_owned()),
                            path: path.to_owned(),
                            from: Some(from.to_owned()),
                            consumer: consumer.map(str::to_owned),
                            ..Request::default()
                        });
                    }
                }
            }
        }
    }
    all
}

/// Names aside: a route by what it does.
fn effect(policy: &Policy, outcome: &DiffOutcome) -> String {
    match outcome {
        DiffOutcome::SentOn { route, .. } => {
            let route = policy.routes.iter().find(|one| one.name == *route).unwrap();
            format!("sent on, within {:?}", route.deadline)
        }
        DiffOutcome::Refused { status, reason, .. } => format!("{status} {reason}"),
        DiffOutcome::NotListening => String::new(),
    }
}

/// As a class words it: routes aside, and nobody is nobody, whatever the caller is told.
fn kind(outcome: &DiffOutcome, nobody: bool) -> String {
    match outcome {
        DiffOutcome::SentOn { .. } => "sent on".to_owned(),
        DiffOutcome::Refused { reason: Reason::UnknownRoute | Reason::MethodNotAllowed, .. } if nobody => {
            "nobody".to_owned()
        }
        DiffOutcome::Refused { status, reason, .. } => format!("{status} {reason}"),
        DiffOutcome::NotListening => String::new(),
    }
}

fn is_of(class: &Class, outcomes: [&DiffOutcome; 2]) -> bool {
    let told = [&class.old, &class.new];
    let nobody = |nobody: bool| told.map(|one| kind(one, nobody)) == outcomes.map(|one| kind(one, nobody));
    // What a route takes otherwise is one class, whatever becomes of each of its requests.
    let on_route = |outcome: &DiffOutcome| match outcome {
        DiffOutcome::SentOn { route: name, .. } | DiffOutcome::Refused { by: Some(name), .. } => {
            class.reach.routes.contains(name)
        }
        _ => false,
    };
    // So is a rule: what becomes of requests that it leaves alone differs from one to the next.
    let by_rule = |a: &DiffOutcome, b: &DiffOutcome| {
        let blocked = matches!(a, DiffOutcome::Refused { reason: Reason::AclBlocked, .. });
        blocked && kind(a, false) == kind(b, false)
    };
    if by_rule(&class.old, outcomes[0]) || by_rule(&class.new, outcomes[1]) {
        return true;
    }
    let terms = class.subject != Subject::Acl && outcomes.into_iter().any(on_route);
    terms || nobody(false) || nobody(true) && kind(outcomes[0], true) != kind(outcomes[1], true)
}

#[test]
fn ten_thousand_random_policies_in_pairs_have_no_difference_that_is_not_told() {
    let base = policy(GATEWAY);
    let grid = grid();
    let mut random = Random(5);
    let (mut differing, mut kinds) = (0, BTreeSet::new());
    for round in 0..5_000 {
        let (old, new) = pair(&mut random, &base);
        let found = diff(&old, &new, NOW);
        for class in &found.classes {
            assert_eq!(replay(&old, &class.witness, NOW), class.old, "round {round}: {class:#?}");
            assert_eq!(replay(&new, &class.witness, NOW), class.new, "round {round}: {class:#?}");
            let shows = class.old != class.new || !class.changes.is_empty();
            assert!(shows, "round {round}: a class without a difference: {class:#?}");
        }
        let mut any = false;
        for request in &grid {
            let outcomes = [replay(&old, request, NOW), replay(&new, request, NOW)];
            let [before, after] = [effect(&old, &outcomes[0]), effect(&new, &outcomes[1])];
            if before == after {
                continue;
            }
            any = true;
            kinds.insert((before.clone(), after.clone()));
            let told = found.classes.iter().any(|class| is_of(class, [&outcomes[0], &outcomes[1]]));
            assert!(
                told || !found.unknown.is_empty(),
                "round {round}: {request} goes from {before} to {after}, and that is not told: {found:#?}\n{:#?}\n{:#?}",
                old.routes.iter().map(|r| (&r.name, &r.matching)).collect::<Vec<_>>(),
                new.routes.iter().map(|r| (&r.name, &r.matching)).collect::<Vec<_>>(),
            );
        }
        differing += usize::from(any);
        assert!(any || !found.touches_requests() || !found.classes.is_empty() || !found.unknown.is_empty());
    }
    assert!(differing > 1_500 && kinds.len() > 10, "{differing} {kinds:?}");
}
