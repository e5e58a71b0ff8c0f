//! Ten thousand random lists of rules, every answer compared with going through all requests there are to
//! tell apart, by an evaluation that is as plain as can be.

use std::net::IpAddr;

use rule_table::{
    AclAction, AclConditions, AclRule, BotClass, HeaderCondition, HeaderMatch, HostMatch, Mode, OnFailure,
    PathMatch, RouteMatch,
};

use super::{Prover, Reach, Ready, blocks, decides};
use crate::space::{Clause, Nearby};

/// SplitMix64 (Steele, Lea and Flood 2014): the same lists on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn some<T: Clone + Ord>(&mut self, of: &[T]) -> Vec<T> {
        let mut some: Vec<T> = (0..=self.below(2)).map(|_| of[self.below(of.len())].clone()).collect();
        some.sort();
        some.dedup();
        some
    }
}

fn text(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn paths() -> Vec<PathMatch> {
    let a = || Some("a".to_owned());
    let mut all = vec![
        PathMatch::Exact("/a/b".to_owned()),
        PathMatch::Prefix("/a".to_owned()),
        PathMatch::Prefix(String::new()),
        PathMatch::Template(vec![a(), None]),
        PathMatch::Template(vec![None, Some("b".to_owned())]),
    ];
    all.sort();
    all
}

/// Everything that a condition can look at; a list makes use of three of them.
const DIMENSIONS: usize = 10;

fn side(random: &mut Random, dimensions: &[usize], rarely: usize) -> AclConditions {
    let mut side = AclConditions::default();
    for dimension in dimensions {
        if random.below(rarely) != 0 {
            continue;
        }
        match dimension {
            0 => side.listeners = random.some(&[0, 1]),
            1 => {
                let networks = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/1", "128.0.0.0/1", "::/0"];
                side.networks = random.some(&networks.map(|text| text.parse().unwrap()));
            }
            2 => side.countries = random.some(&text(&["DE", "SE"])),
            3 => side.methods = random.some(&text(&["GET", "POST"])),
            4 => {
                let mut hosts = vec![
                    HostMatch::Exact("x.b".to_owned()),
                    HostMatch::Suffix(".b".to_owned()),
                    HostMatch::Suffix(".a.b".to_owned()),
                ];
                hosts.sort();
                side.hosts = random.some(&hosts);
            }
            5 => side.paths = random.some(&paths()),
            6 => {
                let values = [text(&["1"]), text(&["1", "2"]), Vec::new()];
                let values = values[random.below(3)].clone();
                side.headers = vec![HeaderCondition { name: "x".to_owned(), values }];
            }
            7 => side.user_agents = random.some(&text(&["a*", "*b", "ab", "*"])),
            8 => side.bots = random.some(&[BotClass::AiCrawler, BotClass::Unnamed]),
            _ => side.body_over = Some([0, 10, 20][random.below(3)]),
        }
    }
    side
}

fn list(random: &mut Random) -> (Vec<AclRule>, Vec<usize>) {
    let dimensions: Vec<usize> = (0..3).map(|_| random.below(DIMENSIONS)).collect();
    let rule = |index: usize, random: &mut Random| AclRule {
        name: format!("r{index}"),
        priority: random.below(3) as u32,
        when: side(random, &dimensions, 2),
        unless: side(random, &dimensions, 4).into(),
        action: [AclAction::Allow, AclAction::Block(403), AclAction::Block(429), AclAction::Log]
            [random.below(4)],
        mode: if random.below(6) == 0 { Mode::Shadow } else { Mode::Enforce },
        on_failure: if random.below(2) == 0 { OnFailure::Open } else { OnFailure::Closed },
    };
    let mut rules: Vec<AclRule> = (0..=random.below(4)).map(|index| rule(index, random)).collect();
    rules.sort_by_key(|rule| rule.priority);
    (rules, dimensions)
}

/// A request; one value of every dimension, most of them of no matter.
#[derive(Clone, Debug, Default)]
struct Request {
    listener: u32,
    from: Option<IpAddr>,
    country: Option<&'static str>,
    method: &'static str,
    host: &'static str,
    path: &'static str,
    /// Every value that is sent.
    header: &'static [&'static str],
    agent: Option<&'static str>,
    bot: Option<BotClass>,
    body: Option<u64>,
}

/// Every request that the words above can tell apart, in the dimensions that a list makes use of.
fn requests(dimensions: &[usize]) -> Vec<Request> {
    let mut all = vec![Request::default()];
    let mut vary = |dimension: usize, set: &dyn Fn(&Request) -> Vec<Request>| {
        if dimensions.contains(&dimension) {
            all = all.iter().flat_map(set).collect();
        }
    };
    macro_rules! each {
        ($number:literal, $field:ident, $values:expr) => {
            vary($number, &|of| {
                $values.iter().map(|value| Request { $field: *value, ..of.clone() }).collect()
            });
        };
    }
    each!(0, listener, [0, 1]);
    let ip = |text: &str| Some(text.parse().unwrap());
    each!(1, from, [ip("10.0.0.1"), ip("10.1.0.1"), ip("11.0.0.1"), ip("200.0.0.1"), ip("::1")]);
    each!(2, country, [None, Some("DE"), Some("SE"), Some("FR")]);
    each!(3, method, ["GET", "POST", "PUT"]);
    each!(4, host, ["", "x.b", "y.b", "z.a.b"]);
    each!(5, path, ["*", "/", "/a", "/a/", "/a/b", "/a/c", "/c/b", "/a/b/c", "/c", "/c/", "/c/c"]);
    let one: [&[&str]; 4] = [&[], &["1"], &["2"], &["3"]];
    let several: [&[&str]; 5] = [&["1", "2"], &["2", "1"], &["1", "3"], &["3", "1"], &["2", "3"]];
    let several: Vec<&[&str]> = one.into_iter().chain(several).collect();
    each!(6, header, several);
    each!(7, agent, [None, Some(""), Some("a"), Some("b"), Some("ab"), Some("acb"), Some("c")]);
    each!(8, bot, [None, Some(BotClass::AiCrawler), Some(BotClass::Unnamed)]);
    each!(9, body, [None, Some(0), Some(1), Some(11), Some(21)]);
    all
}

fn agent_matches(pattern: &str, agent: &str) -> bool {
    match pattern {
        "a*" => agent.starts_with('a'),
        "*b" => agent.ends_with('b'),
        "*" => true,
        exact => exact == agent,
    }
}

/// What each condition of a side says; `None` where it cannot be told.
fn conditions(side: &AclConditions, request: &Request) -> Vec<Option<bool>> {
    let mut all = Vec::new();
    let mut says = |stated: bool, holds: Option<bool>| {
        if stated {
            all.push(holds);
        }
    };
    says(!side.listeners.is_empty(), Some(side.listeners.contains(&request.listener)));
    let from = |network: &ipnet::IpNet| request.from.is_some_and(|ip| network.contains(&ip));
    says(!side.networks.is_empty(), Some(side.networks.iter().any(from)));
    says(!side.countries.is_empty(), request.country.map(|c| side.countries.iter().any(|x| x == c)));
    says(!side.methods.is_empty(), Some(side.methods.iter().any(|x| x == request.method)));
    let host = |wanted: &HostMatch| match wanted {
        HostMatch::Exact(exact) => exact == request.host,
        HostMatch::Suffix(suffix) => request.host.ends_with(suffix.as_str()),
        HostMatch::Any => true,
    };
    says(!side.hosts.is_empty(), Some(side.hosts.iter().any(host)));
    says(!side.paths.is_empty(), Some(side.paths.iter().any(|path| path.takes(request.path))));
    for header in &side.headers {
        let fits = |value: &str| header.values.is_empty() || header.values.iter().any(|x| x == value);
        says(true, Some(request.header.iter().any(|value| fits(value))));
    }
    let agent = |pattern: &String| request.agent.is_some_and(|agent| agent_matches(pattern, agent));
    says(!side.user_agents.is_empty(), Some(side.user_agents.iter().any(agent)));
    says(!side.bots.is_empty(), Some(request.bot.is_some_and(|bot| side.bots.contains(&bot))));
    says(side.body_over.is_some(), request.body.zip(side.body_over).map(|(body, over)| body > over));
    all
}

fn applies(rule: &AclRule, request: &Request) -> bool {
    let (when, unless) = (conditions(&rule.when, request), conditions(&rule.unless, request));
    if when.contains(&Some(false)) || unless.contains(&Some(true)) {
        return false;
    }
    if !when.contains(&None) && !unless.contains(&None) {
        return true;
    }
    match rule.action {
        AclAction::Block(_) => rule.on_failure == OnFailure::Closed,
        AclAction::Allow => rule.on_failure == OnFailure::Open,
        AclAction::Log => true,
    }
}

fn nearby(ready: &[Ready<'_>]) -> Nearby {
    Nearby::of(&ready.iter().map(|rule| &rule.clause).collect::<Vec<_>>())
}

#[test]
fn ten_thousand_lists_are_judged_as_by_trying_every_request() {
    let mut random = Random(5);
    let (mut taken, mut empty, mut ties, mut unknown) = (0, 0, 0, 0);
    for number in 0..10_000 {
        let (rules, dimensions) = list(&mut random);
        let ready: Vec<Ready<'_>> = rules.iter().map(Ready::of).collect();
        let requests = requests(&dimensions);
        let nearby = nearby(&ready);
        let mut prover = Prover::new(vec!["one", "two"]);
        for (index, rule) in ready.iter().enumerate() {
            let earlier = &ready[..index];
            let own: Vec<&Request> = requests.iter().filter(|request| applies(rule.rule, request)).collect();
            let left = own.iter().any(|request| {
                !earlier.iter().any(|other| decides(other.rule) && applies(other.rule, request))
            });
            let near = nearby.to(&rule.clause).into_iter().map_while(|at| earlier.get(at));
            let before = prover.beside(rule, near).unwrap();
            let Ok(verdict) = prover.reach(rule, before) else {
                unknown += 1;
                continue;
            };
            let agrees = match &verdict {
                Reach::Reached => left,
                Reach::Empty => own.is_empty(),
                Reach::Taken(..) => !left && !own.is_empty(),
            };
            assert!(agrees, "list {number}, rule {index}: {verdict:?}\n{rules:#?}");
            taken += usize::from(matches!(verdict, Reach::Taken(..)));
            empty += usize::from(matches!(verdict, Reach::Empty));
            for other in earlier {
                // Nobody means a tie by a header that is sent twice.
                let mut own = own.iter().filter(|request| request.header.len() < 2);
                let both = own.any(|request| applies(other.rule, request));
                // Where dimensions depend on each other a request that is found need not be real.
                if let Ok(common) = prover.common(rule, other) {
                    assert_eq!(common.is_some(), both, "list {number}, rule {index}\n{rules:#?}");
                    ties += usize::from(both);
                }
            }
        }
    }
    // The lists are such that every verdict is given often.
    assert!(taken > 1_000 && empty > 100 && ties > 1_000, "{taken} {empty} {ties}");
    assert!(unknown < 500, "{unknown}");
}

/// A route with one host, path and value of what a rule may have several of.
fn route(random: &mut Random, dimensions: &[usize]) -> RouteMatch {
    let of = side(random, dimensions, 2);
    let header = |header: &HeaderCondition| HeaderMatch {
        name: header.name.clone(),
        value: header.values.first().cloned(),
    };
    RouteMatch {
        host: of.hosts.first().cloned().unwrap_or(HostMatch::Any),
        path: of.paths.first().cloned().unwrap_or(PathMatch::Prefix(String::new())),
        methods: of.methods.clone(),
        headers: of.headers.iter().map(header).collect(),
        query: Vec::new(),
        consumers: Vec::new(),
        time: None,
        model: None,
    }
}

/// The same as what a rule asks for.
fn asked(route: &RouteMatch) -> AclConditions {
    let header = |header: &HeaderMatch| HeaderCondition {
        name: header.name.clone(),
        values: header.value.iter().cloned().collect(),
    };
    AclConditions {
        hosts: vec![route.host.clone()],
        paths: vec![route.path.clone()],
        methods: route.methods.clone(),
        headers: route.headers.iter().map(header).collect(),
        ..AclConditions::default()
    }
}

#[test]
fn ten_thousand_routes_behind_lists_are_judged_as_by_trying_every_request() {
    let mut random = Random(9);
    let (mut shut, mut past_some, mut unknown) = (0, 0, 0);
    for number in 0..10_000 {
        let (mut rules, dimensions) = list(&mut random);
        // Rules that block much, so that some routes are left nothing.
        for rule in &mut rules {
            if random.below(2) == 0 {
                rule.action = AclAction::Block(403);
                rule.unless = AclConditions::default().into();
            }
        }
        let matching = route(&mut random, &dimensions);
        let ready: Vec<Ready<'_>> = rules.iter().map(Ready::of).collect();
        let requests = requests(&[&dimensions[..], &[5]].concat());
        let asked = asked(&matching);
        // A route looks at the first value of a header.
        let meets = |request: &&Request| {
            let first = Request { header: request.header.get(..1).unwrap_or_default(), ..(*request).clone() };
            conditions(&asked, &first).iter().all(|says| *says == Some(true))
        };
        let own: Vec<&Request> = requests.iter().filter(meets).collect();
        let through = own.iter().any(|request| {
            let first = rules.iter().find(|rule| decides(rule) && applies(rule, request));
            first.is_none_or(|rule| !blocks(rule))
        });
        let clause = Clause::of_route(&matching);
        let Ok(verdict) = Prover::new(vec!["one", "two"]).blocked(&clause, &ready, &nearby(&ready)) else {
            unknown += 1;
            continue;
        };
        assert_eq!(verdict.is_some(), !through, "{number}: {matching:?}\n{rules:#?}");
        shut += usize::from(verdict.is_some());
        past_some += usize::from(through && rules.iter().any(blocks));
    }
    assert!(shut > 500 && past_some > 1_000 && unknown < 500, "{shut} {past_some} {unknown}");
}
