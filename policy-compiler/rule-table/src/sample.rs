//! Policies for tests that need only one section of them.

use vocabulary::Share;

use crate::sections::{AccessLogTarget, AclRule, Policy, Route, RouteMatch, Telemetry};

fn route(number: usize, matching: RouteMatch) -> Route {
    Route {
        name: format!("r{number}"),
        matching,
        pool: 0,
        consumers: Vec::new(),
        public: true,
        limits: Vec::new(),
        access: Vec::new(),
        hook: None,
        waf: None,
        priority: None,
        deadline: std::time::Duration::from_secs(1),
        heartbeat: None,
        pass_through: false,
        rewrite: crate::Rare::default(),
        path_template: String::new(),
    }
}

pub(crate) fn policy(matches: Vec<RouteMatch>) -> Policy {
    Policy {
        listeners: Vec::new(),
        admin: None,
        backends: Vec::new(),
        deployments: Vec::new(),
        pools: Vec::new(),
        routes: matches.into_iter().enumerate().map(|(n, m)| route(n, m)).collect(),
        consumers: Vec::new(),
        teams: Vec::new(),
        models: Vec::new(),
        issuers: Vec::new(),
        limits: Vec::new(),
        acl: Vec::new(),
        access: Vec::new(),
        countries: None,
        hooks: Vec::new(),
        waf: Vec::new(),
        store: crate::Store::default(),
        overload: crate::Overload::default(),
        telemetry: Telemetry {
            otlp: None,
            service_name: "test".to_owned(),
            trace_sampling: Share { ppm: 0 },
            trust_trace_context: false,
            access_log: AccessLogTarget::Off,
        },
    }
}

/// Nothing but an access control list.
pub(crate) fn with_acl(acl: Vec<AclRule>) -> Policy {
    Policy { acl, ..policy(Vec::new()) }
}
