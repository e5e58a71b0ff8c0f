//! Any request under any selection of rules and routes: the engines decide as the plain interpreter does.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use policy_compiler::{Source, compile};
use rule_table::{AclTable, Body, Facts, Head, Policy, RouteTable, Routed, plain};

/// Every kind of condition, several of them on the same requests.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let outcome = compile(&Source::new("matcher.yaml", include_str!("matcher.yaml")));
    outcome.bundle.unwrap_or_else(|| panic!("{:?}", outcome.findings)).policy().clone()
});

/// What says which rules and routes are kept, and the request.
type Input<'a> = (u32, u16, Option<[u8; 16]>, Option<[u8; 2]>, [&'a str; 6], Option<u64>, Option<u32>, u64);

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let (rules, routes, address, country, texts, body, consumer, unix_seconds) = input;
    let [method, host, path, query, agent, stage] = texts;
    let mut policy = POLICY.clone();
    let mut bits = (0..32).map(|at| rules >> at & 1 == 1).cycle();
    policy.acl.retain(|_| bits.next().unwrap_or_default());
    let mut bits = (0..16).map(|at| routes >> at & 1 == 1).cycle();
    policy.routes.retain(|_| bits.next().unwrap_or_default());
    let headers = [("user-agent", agent), ("x-stage", stage)];
    let facts = Facts {
        address: address.map(IpAddr::from),
        country,
        method,
        host,
        path,
        query,
        headers: &headers,
        body: body.map_or(Body::Untold, |bytes| if bytes == u64::MAX { Body::Unread } else { Body::Bytes(bytes) }),
        consumer,
        unix_seconds: unix_seconds % 4_000_000_000,
        ..Facts::EMPTY
    };
    assert_eq!(AclTable::build(&policy).ask(&facts), plain::acl(&policy, &facts));
    let table = RouteTable::build(&policy);
    let told = match table.head(&facts) {
        Head::Found(found) => found.by_model(None).map_or(Routed::NoModel, Routed::Found),
        Head::MethodNotAllowed(methods) => {
            Routed::MethodNotAllowed(methods.into_iter().map(str::to_owned).collect())
        }
        Head::NoRoute => Routed::NoRoute,
    };
    assert_eq!(told, plain::route(&policy, &facts));
});
