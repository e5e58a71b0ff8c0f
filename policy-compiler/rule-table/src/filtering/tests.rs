use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::AclTable;
use crate::facts::{Body, Facts};
use crate::sections::{
    AclAction, AclConditions, AclRule, BotClass, HeaderCondition, HostMatch, Mode, OnFailure, PathMatch,
};
use crate::{AclVerdict, plain, sample};

fn rule(when: AclConditions, action: AclAction) -> AclRule {
    AclRule {
        name: "r".to_owned(),
        priority: 1,
        when,
        unless: AclConditions::default().into(),
        action,
        mode: Mode::Enforce,
        on_failure: OnFailure::Closed,
    }
}

/// The verdict of both, which have to agree.
fn ask(rules: &[AclRule], facts: &Facts<'_>) -> AclVerdict {
    let policy = sample::with_acl(rules.to_vec());
    let verdict = AclTable::build(&policy).ask(facts);
    assert_eq!(verdict, plain::acl(&policy, facts), "{facts:?}");
    verdict
}

const BLOCK: AclAction = AclAction::Block(403);

#[test]
fn an_allowing_rule_ends_the_questions_before_a_refusing_one() {
    let office = AclConditions { networks: vec!["10.0.0.0/8".parse().unwrap()], ..AclConditions::default() };
    let rules = [rule(office, AclAction::Allow), rule(AclConditions::default(), BLOCK)];
    let from = |address: &str| Facts { address: address.parse().ok(), ..Facts::EMPTY };
    assert_eq!(ask(&rules, &from("10.1.2.3")).decided, Some((0, AclAction::Allow)));
    assert_eq!(ask(&rules, &from("::ffff:10.1.2.3")).decided, Some((0, AclAction::Allow)));
    assert_eq!(ask(&rules, &from("192.0.2.1")).decided, Some((1, BLOCK)));
    assert_eq!(ask(&rules, &Facts::EMPTY).decided, Some((1, BLOCK)));
}

#[test]
fn rules_that_note_are_told_up_to_the_decision_and_not_beyond() {
    let log = rule(AclConditions::default(), AclAction::Log);
    let shadow = AclRule { mode: Mode::Shadow, ..rule(AclConditions::default(), BLOCK) };
    let post = AclConditions { methods: vec!["POST".to_owned()], ..AclConditions::default() };
    let rules = [log.clone(), shadow, rule(post, BLOCK), log];
    let posted = ask(&rules, &Facts { method: "POST", ..Facts::EMPTY });
    assert_eq!((posted.noted, posted.shadowed, posted.decided), (vec![0], vec![1], Some((2, BLOCK))));
    let got = ask(&rules, &Facts::EMPTY);
    assert_eq!(got.decided, None);
    assert_eq!(got.shadowed, [1]);
    assert_eq!(got.noted, [0, 3]);
}

#[test]
fn an_unknown_country_is_for_the_stance_to_decide() {
    let abroad = AclConditions { countries: vec!["XX".to_owned()], ..AclConditions::default() };
    for (action, stance, applies) in [
        (BLOCK, OnFailure::Closed, true),
        (BLOCK, OnFailure::Open, false),
        (AclAction::Allow, OnFailure::Closed, false),
        (AclAction::Allow, OnFailure::Open, true),
    ] {
        let one = AclRule { on_failure: stance, ..rule(abroad.clone(), action) };
        assert_eq!(ask(&[one], &Facts::EMPTY).decided.is_some(), applies, "{action:?} {stance:?}");
    }
}

#[test]
fn a_body_is_waited_for_only_by_rules_that_nothing_decides_before() {
    let large = AclConditions { body_over: Some(10), ..AclConditions::default() };
    let post = AclConditions { methods: vec!["POST".to_owned()], ..AclConditions::default() };
    let rules = [rule(post, BLOCK), rule(large, AclAction::Block(413))];
    let unread = Facts { body: Body::Unread, ..Facts::EMPTY };
    assert_eq!(ask(&rules, &Facts { method: "POST", ..unread }).decided, Some((0, BLOCK)));
    assert_eq!(ask(&rules, &unread).undecided, Some(1));
    for (body, refused) in [(Body::Bytes(10), false), (Body::Bytes(11), true), (Body::Untold, true)] {
        let verdict = ask(&rules, &Facts { body, ..Facts::EMPTY });
        assert_eq!((verdict.decided.is_some(), verdict.undecided), (refused, None), "{body:?}");
    }
}

#[test]
fn each_exception_counts_by_itself() {
    let header = |name: &str| HeaderCondition { name: name.to_owned(), values: Vec::new() };
    let unless = AclConditions { headers: vec![header("a"), header("b")], ..AclConditions::default() };
    let rules = [AclRule { unless: unless.into(), ..rule(AclConditions::default(), BLOCK) }];
    let sent = |name: &'static str| [(name, "x")];
    assert_eq!(ask(&rules, &Facts { headers: &sent("a"), ..Facts::EMPTY }).decided, None);
    assert_eq!(ask(&rules, &Facts { headers: &sent("b"), ..Facts::EMPTY }).decided, None);
    assert!(ask(&rules, &Facts { headers: &sent("c"), ..Facts::EMPTY }).decided.is_some());
}

#[test]
fn rules_that_can_never_decide_are_left_out_and_counted() {
    let post = AclConditions { methods: vec!["POST".to_owned()], ..AclConditions::default() };
    let never = AclRule { unless: post.clone().into(), ..rule(post.clone(), BLOCK) };
    let repeated = rule(post.clone(), AclAction::Allow);
    let last = rule(AclConditions::default(), AclAction::Allow);
    let beyond = rule(AclConditions::default(), BLOCK);
    let rules = vec![rule(post, BLOCK), never, repeated, last, beyond];
    let stats = AclTable::build(&sample::with_acl(rules)).stats();
    assert_eq!((stats.rules, stats.dropped), (5, 3));
    assert_eq!((stats.predicates_written, stats.predicates_kept, stats.asked_always), (4, 1, 1));
}

#[test]
fn a_request_meets_few_of_many_rules() {
    let path = |n: u32| AclConditions {
        paths: vec![PathMatch::Exact(format!("/p{n}"))],
        methods: vec!["GET".to_owned()],
        ..AclConditions::default()
    };
    let policy = sample::with_acl((0..10_000).map(|n| rule(path(n), BLOCK)).collect());
    let table = AclTable::build(&policy);
    let facts = Facts { path: "/p777", ..Facts::EMPTY };
    let mut met = 0;
    table.deciders.visit(&super::Request::of(&facts), &mut |ids| met += ids.len());
    assert_eq!(met, 1);
    assert_eq!(table.ask(&facts).decided, Some((777, BLOCK)));
}

fn some<T: Clone + std::fmt::Debug + 'static>(values: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let most = values.len().min(2);
    prop_oneof![3 => Just(Vec::new()), 1 => subsequence(values, 1..=most)]
}

fn texts(values: &[&str]) -> impl Strategy<Value = Vec<String>> + use<> {
    some(values.iter().map(|text| (*text).to_owned()).collect())
}

fn conditions() -> impl Strategy<Value = AclConditions> {
    let hosts = some(vec![
        HostMatch::Exact("a.corp".to_owned()),
        HostMatch::Suffix(".corp".to_owned()),
        HostMatch::Suffix(".a.corp".to_owned()),
    ]);
    let exact = |path: &str| PathMatch::Exact(path.to_owned());
    let below = |path: &str| PathMatch::Prefix(path.to_owned());
    let template = |parts: &[&str]| {
        PathMatch::Template(parts.iter().map(|p| (!p.is_empty()).then(|| (*p).to_owned())).collect())
    };
    let paths = some(vec![
        exact("/"),
        exact("/a"),
        exact("/a/b"),
        below(""),
        below("/a"),
        below("/a/b"),
        template(&["a", ""]),
        template(&["", "b"]),
        template(&[""]),
    ]);
    let header = |name: &str, values: &[&str]| HeaderCondition {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let headers = some(vec![header("x", &[]), header("x", &["1", "2"]), header("y", &["1"])]);
    let bots = some(vec![BotClass::HttpLibrary, BotClass::Unnamed, BotClass::AiCrawler]);
    let networks = texts(&["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.1.2.3/32"]);
    let networks = networks.prop_map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect());
    let first = (some(vec![0_u32, 1]), networks, texts(&["DE", "US"]), texts(&["GET", "POST"]), hosts);
    let agents = texts(&["*curl*", "gptbot/1", "*"]);
    let second = (paths, headers, agents, bots, prop::option::weighted(0.2, select(vec![0_u64, 10])));
    (first, second).prop_map(
        |(
            (listeners, networks, countries, methods, hosts),
            (paths, headers, user_agents, bots, body_over),
        )| {
            AclConditions {
                listeners,
                networks,
                countries,
                methods,
                hosts,
                paths,
                headers,
                user_agents,
                bots,
                body_over,
            }
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<AclRule>> {
    let action = select(vec![AclAction::Allow, BLOCK, AclAction::Block(404), AclAction::Log]);
    let mode = prop_oneof![3 => Just(Mode::Enforce), 1 => Just(Mode::Shadow)];
    let stance = select(vec![OnFailure::Open, OnFailure::Closed]);
    let unless = prop_oneof![2 => Just(AclConditions::default()), 1 => conditions()];
    let one =
        (conditions(), unless, action, mode, stance).prop_map(|(when, unless, action, mode, on_failure)| {
            AclRule { unless: unless.into(), mode, on_failure, ..rule(when, action) }
        });
    prop::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_engine_agrees_with_the_plain_interpreter(
        rules in rules(),
        listener in 0_u32..3,
        address in select(vec![None, Some("10.1.2.3"), Some("10.9.9.9"), Some("192.0.2.1"), Some("2001:db8::1"), Some("::ffff:10.1.2.3")]),
        country in select(vec![None, Some(*b"DE"), Some(*b"FR")]),
        method in select(vec!["GET", "POST", "PUT"]),
        host in select(vec!["a.corp", "b.A.corp:80", "corp", "", "x.corp."]),
        paths in subsequence(vec!["", "/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/c/b", "//"], 1..4),
        x in select(vec![None, Some("1"), Some("3")]),
        agent in select(vec![None, Some("curl/8"), Some("GPTBot/1"), Some("")]),
        body in select(vec![Body::Bytes(0), Body::Bytes(11), Body::Unread, Body::Untold]),
    ) {
        let policy = sample::with_acl(rules);
        let table = AclTable::build(&policy);
        let headers: Vec<_> =
            x.map(|v| ("x", v)).into_iter().chain([("y", "1")]).chain(agent.map(|v| ("user-agent", v))).collect();
        let address = address.map(|text| text.parse::<IpAddr>().unwrap());
        for path in paths {
            let facts = Facts {
                listener, address, country, method, host, path, headers: &headers.as_slice(), body, ..Facts::EMPTY
            };
            prop_assert_eq!(table.ask(&facts), plain::acl(&policy, &facts), "{:?}", facts);
        }
    }
}
