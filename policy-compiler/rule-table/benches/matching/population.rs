//! A policy of any size and requests for it: what matching is measured with. It owns their make-up; it
//! refuses to measure.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rule_table::{
    AccessLogTarget, AclAction, AclConditions, AclRule, AclTable, Facts, Head, HeaderCondition, Headers,
    HostMatch, Mode, OnFailure, Overload, PathMatch, Policy, Rewrite, Route, RouteMatch, RouteTable, Routed,
    Store, Telemetry, plain,
};
use vocabulary::Share;

/// A route per tenant and service: hosts, services and versions as gateways have them, every tenth by template.
fn route(index: u32) -> Route {
    let (tenant, service) = (index / 20, index % 20);
    let path = match index % 10 {
        0 => PathMatch::Template(vec![Some(format!("s{service}")), None, Some("chat".to_owned())]),
        1..5 => PathMatch::Exact(format!("/s{service}/v1/chat")),
        _ => PathMatch::Prefix(format!("/s{service}/v1")),
    };
    Route {
        name: format!("r{index}"),
        matching: RouteMatch {
            host: HostMatch::Exact(format!("t{tenant}.llm.corp")),
            path,
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            headers: Vec::new(),
            query: Vec::new(),
            consumers: Vec::new(),
            time: None,
            model: None,
        },
        pool: 0,
        consumers: Vec::new(),
        public: true,
        limits: Vec::new(),
        access: Vec::new(),
        hook: None,
        waf: None,
        priority: None,
        deadline: Duration::from_secs(1),
        heartbeat: None,
        pass_through: false,
        rewrite: Rewrite::default().into(),
        path_template: String::new(),
    }
}

/// A rule: a network, a path, or a header's value with a method, as lists in use hold them.
fn rule(index: u32) -> AclRule {
    let mut when = AclConditions::default();
    match index % 4 {
        0 | 1 => {
            when.networks = format!("{}/24", Ipv4Addr::from_bits(0x0b00_0000 + (index << 8)))
                .parse()
                .into_iter()
                .collect()
        }
        2 => when.paths = vec![PathMatch::Prefix(format!("/private/{index}"))],
        _ => {
            let values = vec![format!("bad-{index}")];
            when.headers = vec![HeaderCondition { name: "x-tenant".to_owned(), values }];
            when.methods = vec!["POST".to_owned()];
        }
    }
    AclRule {
        name: format!("a{index}"),
        priority: index,
        when,
        unless: AclConditions::default().into(),
        action: AclAction::Block(403),
        mode: Mode::Enforce,
        on_failure: OnFailure::Closed,
    }
}

/// A policy of `count` routes and as many rules, and nothing else.
pub(crate) fn policy(count: u32) -> Policy {
    Policy {
        listeners: Vec::new(),
        admin: None,
        backends: Vec::new(),
        deployments: Vec::new(),
        pools: Vec::new(),
        routes: (0..count).map(route).collect(),
        consumers: Vec::new(),
        teams: Vec::new(),
        models: Vec::new(),
        issuers: Vec::new(),
        limits: Vec::new(),
        acl: (0..count).map(rule).collect(),
        access: Vec::new(),
        countries: None,
        hooks: Vec::new(),
        waf: Vec::new(),
        store: Store::default(),
        overload: Overload::default(),
        telemetry: Telemetry {
            otlp: None,
            service_name: "bench".to_owned(),
            trace_sampling: Share { ppm: 0 },
            trust_trace_context: false,
            access_log: AccessLogTarget::Off,
        },
    }
}

/// What is decided about.
pub(crate) struct Request {
    address: IpAddr,
    host: String,
    path: String,
    tenant: String,
}

impl Request {
    fn facts<'a>(&'a self, headers: &'a dyn Headers) -> Facts<'a> {
        Facts {
            address: Some(self.address),
            method: "POST",
            host: &self.host,
            path: &self.path,
            headers,
            ..Facts::EMPTY
        }
    }
}

/// 4,096 requests; the k-th most frequent route is asked for in proportion to 1/k.
pub(crate) fn requests(count: u32) -> Vec<Request> {
    let one = |index: u32| {
        let uniform = f64::from(index.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count")]
        let rank = (f64::from(count).powf(uniform) as u32).saturating_sub(1).min(count - 1);
        // The frequent ones are anywhere in the list.
        let at = rank.wrapping_mul(40_503) % count;
        Request {
            address: Ipv4Addr::from_bits(0x0a00_0000 + index).into(),
            host: format!("t{}.llm.corp", at / 20),
            path: format!("/s{}/v1/chat", at % 20),
            tenant: format!("t{}", at / 20),
        }
    };
    (0..4_096).map(one).collect()
}

/// Asks the list, then the routes. Whether the request is let through and has a route.
pub(crate) fn decide(acl: &AclTable, routes: &RouteTable, request: &Request) -> bool {
    let headers = [("x-tenant", request.tenant.as_str()), ("user-agent", "OpenAI/Python 1.35")];
    let facts = request.facts(&headers);
    let verdict = acl.ask(black_box(&facts));
    let found = match routes.head(&facts) {
        Head::Found(candidates) => candidates.by_model(None).is_some(),
        _ => false,
    };
    verdict.decided.is_none() && found
}

/// The same, asking one by one.
pub(crate) fn decide_plainly(policy: &Policy, request: &Request) -> bool {
    let headers = [("x-tenant", request.tenant.as_str()), ("user-agent", "OpenAI/Python 1.35")];
    let facts = request.facts(&headers);
    let found = matches!(plain::route(policy, black_box(&facts)), Routed::Found(_));
    plain::acl(policy, &facts).decided.is_none() && found
}
