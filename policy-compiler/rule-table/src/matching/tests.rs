use proptest::prelude::*;

use super::{Head, RouteTable};
use crate::facts::Facts;
use crate::sample::policy;
use crate::sections::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteId, RouteMatch, TimeWindow};
use crate::{Routed, plain};

/// Matches `path`, and nothing else matters.
fn at(path: PathMatch) -> RouteMatch {
    RouteMatch {
        host: HostMatch::Any,
        path,
        methods: Vec::new(),
        headers: Vec::new(),
        query: Vec::new(),
        consumers: Vec::new(),
        time: None,
        model: None,
    }
}

fn exact(path: &str) -> RouteMatch {
    at(PathMatch::Exact(path.to_owned()))
}

fn prefix(path: &str) -> RouteMatch {
    at(PathMatch::Prefix(path.to_owned()))
}

type Request<'a> = Facts<'a>;

const GET: Request<'static> = Facts { host: "h", ..Facts::EMPTY };

fn head<'t>(table: &'t RouteTable, request: &Request<'_>) -> Head<'t> {
    table.head(request)
}

fn winner(table: &RouteTable, request: &Request<'_>) -> Option<RouteId> {
    match head(table, request) {
        Head::Found(candidates) => table.by_model(&candidates, request.model),
        Head::MethodNotAllowed(_) | Head::NoRoute => None,
    }
}

#[test]
fn an_exact_path_wins_over_every_prefix_of_it() {
    let table =
        RouteTable::build(&policy(vec![prefix(""), prefix("/v1"), exact("/v1/chat"), prefix("/v1/chat")]));
    assert_eq!(winner(&table, &Request { path: "/v1/chat", ..GET }), Some(2));
    assert_eq!(winner(&table, &Request { path: "/v1/chat/x", ..GET }), Some(3));
    assert_eq!(winner(&table, &Request { path: "/v1/chats", ..GET }), Some(1));
    assert_eq!(winner(&table, &Request { path: "/v1/", ..GET }), Some(1));
    assert_eq!(winner(&table, &Request { path: "/v12", ..GET }), Some(0));
}

#[test]
fn a_host_is_compared_without_port_case_and_trailing_dot() {
    let named = RouteMatch { host: HostMatch::Exact("api.corp".to_owned()), ..exact("/") };
    let below = RouteMatch { host: HostMatch::Suffix(".corp".to_owned()), ..exact("/") };
    let loopback = RouteMatch { host: HostMatch::Exact("[::1]".to_owned()), ..exact("/") };
    let table = RouteTable::build(&policy(vec![below, named, loopback]));
    for (host, expected) in [
        ("API.Corp:8080", Some(1)),
        ("api.corp.", Some(1)),
        ("api.corp.:80", Some(1)),
        ("a.b.CORP", Some(0)),
        ("corp", None),
        ("notcorp", None),
        ("[::1]:8080", Some(2)),
        ("[::1]", Some(2)),
        ("", None),
    ] {
        assert_eq!(winner(&table, &Request { host, ..GET }), expected, "host {host:?}");
    }
}

#[test]
fn a_path_known_under_other_methods_names_them() {
    let post = RouteMatch { methods: vec!["POST".to_owned()], ..exact("/a") };
    let put = RouteMatch { methods: vec!["POST".to_owned(), "PUT".to_owned()], ..prefix("/a") };
    let table = RouteTable::build(&policy(vec![post, put]));
    let head = head(&table, &Request { path: "/a", ..GET });
    assert!(matches!(&head, Head::MethodNotAllowed(allowed) if *allowed == ["POST", "PUT"]), "{head:?}");
    assert!(matches!(table.head(&Request { path: "/b", ..GET }), Head::NoRoute));
}

#[test]
fn a_route_for_a_model_takes_only_that_model() {
    let only = RouteMatch { model: Some("gpt-4o".to_owned()), ..exact("/") };
    let table = RouteTable::build(&policy(vec![only.clone()]));
    assert_eq!(winner(&table, &Request { model: Some("gpt-4o"), ..GET }), Some(0));
    assert_eq!(winner(&table, &Request { model: Some("gpt-4"), ..GET }), None);
    assert_eq!(winner(&table, &GET), None);
    let table = RouteTable::build(&policy(vec![exact("/"), only]));
    assert_eq!(winner(&table, &Request { model: Some("gpt-4o"), ..GET }), Some(1));
    assert_eq!(winner(&table, &Request { model: Some("gpt-4"), ..GET }), Some(0));
}

#[test]
fn the_model_is_needed_only_where_a_candidate_names_one() {
    let only = RouteMatch { model: Some("m".to_owned()), ..exact("/b") };
    let table = RouteTable::build(&policy(vec![exact("/a"), exact("/b"), only]));
    for (path, needed) in [("/a", false), ("/b", true)] {
        let Head::Found(candidates) = head(&table, &Request { path, ..GET }) else { panic!("no route") };
        assert_eq!(candidates.need_model(), needed);
    }
}

/// A thousand routes that differ in one condition, which `vary` sets.
fn many(vary: impl Fn(&mut RouteMatch, usize)) -> RouteTable {
    let one = |n| {
        let mut matching = exact("/x");
        vary(&mut matching, n);
        matching
    };
    RouteTable::build(&policy((0..1_000).map(one).collect()))
}

#[test]
fn a_lookup_touches_one_slot_however_many_routes_there_are() {
    let header = |n: usize| HeaderMatch { name: "k".to_owned(), value: Some(format!("v{n}")) };
    let tables = [
        many(|m, n| m.path = PathMatch::Exact(format!("/x{n}"))),
        many(|m, n| m.path = PathMatch::Prefix(format!("/x{n}"))),
        many(|m, n| m.host = HostMatch::Exact(format!("h{n}"))),
        many(|m, n| m.host = HostMatch::Suffix(format!(".h{n}"))),
        many(|m, n| m.headers = vec![header(n)]),
        many(|m, n| m.model = Some(format!("m{n}"))),
    ];
    let requests = [
        Request { path: "/x7", ..GET },
        Request { path: "/x7/y", ..GET },
        Request { path: "/x", host: "h7", ..GET },
        Request { path: "/x", host: "a.h7", ..GET },
        Request { path: "/x", headers: &[("k", "v7")], ..GET },
        Request { path: "/x", model: Some("m7"), ..GET },
    ];
    for (table, request) in tables.iter().zip(&requests) {
        let Head::Found(candidates) = head(table, request) else { panic!("no route") };
        assert_eq!(candidates.slots.len(), 1);
        assert_eq!(table.by_model(&candidates, request.model), Some(7));
    }
}

fn matches() -> impl Strategy<Value = RouteMatch> {
    let host = prop_oneof![
        Just(HostMatch::Any),
        prop::sample::select(vec!["a.b", "c.a.b", "b"]).prop_map(|h| HostMatch::Exact(h.to_owned())),
        prop::sample::select(vec![".b", ".a.b"]).prop_map(|h| HostMatch::Suffix(h.to_owned())),
    ];
    let path = prop_oneof![
        prop::sample::select(vec!["/", "/x", "/x/y", "/x/"]).prop_map(|p| PathMatch::Exact(p.to_owned())),
        prop::sample::select(vec!["", "/x", "/x/y"]).prop_map(|p| PathMatch::Prefix(p.to_owned())),
        prop::sample::select(vec![
            vec![None],
            vec![Some("x"), None],
            vec![None, Some("y")],
            vec![None, None]
        ])
        .prop_map(|parts| {
            PathMatch::Template(parts.into_iter().map(|part| part.map(str::to_owned)).collect())
        }),
    ];
    let methods = prop::sample::select(vec![vec![], vec!["GET"], vec!["GET", "PUT"], vec!["POST"]]);
    let header = |name: &'static str| {
        prop::option::weighted(0.3, prop::sample::select(vec![None, Some("1"), Some("2")])).prop_map(
            move |value| value.map(|v| HeaderMatch { name: name.to_owned(), value: v.map(str::to_owned) }),
        )
    };
    let model = prop::option::of(prop::sample::select(vec!["m", "n"]));
    let query = prop::option::weighted(0.2, prop::sample::select(vec![None, Some("1")]));
    let consumers = prop::sample::select(vec![vec![], vec![], vec![0], vec![0, 1]]);
    let time = prop::option::weighted(0.2, prop::sample::select(vec![0b1_u8, 0b1000, 0b1111]));
    let more = (query, consumers, time);
    let strategy = (host, path, methods, header("k"), header("l"), model, more);
    strategy.prop_map(|(host, path, methods, k, l, model, (query, consumers, days))| RouteMatch {
        host,
        path,
        methods: methods.into_iter().map(str::to_owned).collect(),
        headers: k.into_iter().chain(l).collect(),
        query: query
            .into_iter()
            .map(|value| QueryMatch { name: "q".to_owned(), value: value.map(str::to_owned) })
            .collect(),
        consumers,
        time: days.map(|days| TimeWindow { days, from: 60, until: 30, zone: "UTC".to_owned() }),
        model: model.map(str::to_owned),
    })
}

/// Routes that differ, in every order: equal ones cannot both be reached and are refused earlier.
fn distinct_matches() -> impl Strategy<Value = Vec<RouteMatch>> {
    prop::collection::vec(matches(), 0..12).prop_map(|all| {
        let mut kept: Vec<RouteMatch> = Vec::new();
        for one in all {
            if !kept.contains(&one) {
                kept.push(one);
            }
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn the_index_agrees_with_the_plain_interpreter(
        routes in distinct_matches(),
        host in prop::sample::select(vec!["a.b", "c.a.b", "b", "z", "", "x.b"]),
        path in prop::sample::select(vec!["/", "", "/x", "/x/", "/x/y", "/x/y/z", "/xy", "//"]),
        method in prop::sample::select(vec!["GET", "PUT", "POST", "get"]),
        k in prop::option::of(prop::sample::select(vec!["1", "2", "3"])),
        l in prop::option::of(prop::sample::select(vec!["1", ""])),
        model in prop::option::of(prop::sample::select(vec!["m", "n", "o"])),
        query in prop::sample::select(vec!["", "q", "q=1", "q=2&q=1", "a&q=1"]),
        consumer in prop::option::of(0_u32..3),
        unix_seconds in 0_u64..(8 * 86_400),
    ) {
        let policy = policy(routes);
        let table = RouteTable::build(&policy);
        let headers: Vec<_> = k.map(|v| ("k", v)).into_iter().chain(l.map(|v| ("l", v))).collect();
        let headers = headers.as_slice();
        let request =
            Facts { host, path, method, headers: &headers, model, query, consumer, unix_seconds, ..Facts::EMPTY };
        let told = match table.head(&request) {
            Head::Found(candidates) => {
                let ids = candidates.ids();
                let first = table.by_model(&candidates, model);
                prop_assert!(first.is_none_or(|id| ids.contains(&id)));
                first.map_or(Routed::NoModel, Routed::Found)
            }
            Head::MethodNotAllowed(methods) => {
                Routed::MethodNotAllowed(methods.into_iter().map(str::to_owned).collect())
            }
            Head::NoRoute => Routed::NoRoute,
        };
        prop_assert_eq!(told, plain::route(&policy, &request));
    }

    #[test]
    fn no_request_makes_the_table_panic(host in "\\PC*", path in "\\PC*", method in "\\PC*", value in "\\PC*") {
        let table = RouteTable::build(&policy(vec![prefix("/é/b"), exact("/x"), prefix("")]));
        let _ = table.head(&Facts {
            host: &host, path: &path, method: &method, query: &value, ..Facts::EMPTY
        });
    }
}
