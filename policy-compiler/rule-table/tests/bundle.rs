//! The bundle's file form: what is written comes back, and nothing else is ever loaded.

use std::time::Duration;

use proptest::prelude::*;
use rule_table::{
    AccessLogTarget, Backend, BackendKind, Bundle, BundleError, Consumer, Credential, Deployment, Digest,
    Ejection, HealthProbe, HostMatch, Key, Limit, Listener, Member, Mode, Objective, OnFailure, Overload,
    PathMatch, Policy, Pool, Retry, Rewrite, Route, RouteMatch, SecretRef, Store, Strategy as PoolStrategy,
    Telemetry, Timeouts, TlsOptions,
};
use vocabulary::{HourlyCost, Rate, RateUnit, Share, Usd};

fn backend() -> Backend {
    Backend {
        name: "local".to_owned(),
        kind: BackendKind::Vllm,
        tls: false,
        host: "127.0.0.1".to_owned(),
        port: 8000,
        base_path: String::new(),
        api_version: None,
        tls_options: TlsOptions::default(),
        egress: None,
        auth: Some(Credential::ApiKey(SecretRef::Env("KEY".to_owned()))),
        forward_trace_context: true,
        http2: false,
        health: Some(HealthProbe {
            path: "/health".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
            spend_tokens: false,
        }),
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(60),
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(60),
        },
        idempotency_header: None,
        rewrite: Rewrite::default(),
    }
}

fn deployment() -> Deployment {
    Deployment {
        name: "local/m".to_owned(),
        backend: 0,
        model: Some("m".to_owned()),
        upstream_name: "m".to_owned(),
        context_window: Some(8192),
        max_output: None,
        prices: None,
        price_changes: Vec::new(),
        prices_until: None,
        hourly: Some(HourlyCost { nanos_per_hour: 9_800_000_000 }),
        quota: None,
        concurrency: Some(4),
        expected_ttft: Duration::from_millis(500),
        processing: None,
    }
}

fn pool() -> Pool {
    Pool {
        name: "p".to_owned(),
        members: vec![Member { deployment: 0, weight: 1 }],
        strategy: PoolStrategy::Adaptive,
        objective: Objective {
            ttft: Duration::from_secs(2),
            attainment: Share { ppm: 950_000 },
            max_cost_per_miss: Usd { nanos: 20_000_000 },
        },
        ejection: Ejection {
            consecutive_failures: 5,
            base: Duration::from_secs(30),
            max_share: Share { ppm: 500_000 },
            breaker: None,
            ramp: Duration::from_secs(8),
        },
        retry: Retry { max_attempts: 3, ambiguous: false, budget: Share { ppm: 200_000 }, budget_floor: 10 },
        fallback: Vec::new(),
        piped: false,
    }
}

fn route() -> Route {
    Route {
        name: "chat".to_owned(),
        matching: RouteMatch {
            host: HostMatch::Any,
            path: PathMatch::Exact("/v1/chat/completions".to_owned()),
            methods: vec!["POST".to_owned()],
            headers: Vec::new(),
            query: Vec::new(),
            consumers: Vec::new(),
            time: None,
            model: None,
        },
        pool: 0,
        consumers: vec![0],
        public: false,
        limits: vec![0],
        access: Vec::new(),
        hook: None,
        priority: None,
        deadline: Duration::from_secs(120),
        heartbeat: None,
        pass_through: false,
        rewrite: Rewrite::default(),
        path_template: "/v1/chat/completions".to_owned(),
    }
}

fn policy() -> Policy {
    Policy {
        listeners: vec![Listener {
            name: "public".to_owned(),
            address: "127.0.0.1:8080".to_owned(),
            tls: None,
            http2: true,
            max_body: 8 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            private: false,
            proxy_protocol: Vec::new(),
            forwarded: None,
            max_connections: None,
            access: Vec::new(),
            authn: None,
        }],
        admin: None,
        backends: vec![backend()],
        deployments: vec![deployment()],
        pools: vec![pool()],
        routes: vec![route()],
        consumers: vec![Consumer {
            name: "claims".to_owned(),
            keys: vec![Key { name: "one".to_owned(), sha256: "0".repeat(64), prefix: None, expires: None }],
            credentials: Vec::new(),
            team: None,
            limits: vec![0],
            priority: None,
        }],
        teams: Vec::new(),
        models: Vec::new(),
        issuers: Vec::new(),
        limits: vec![Limit {
            name: "standard".to_owned(),
            requests: Some(Rate { amount: 600, unit: RateUnit::Requests, per: Duration::from_secs(60) }),
            tokens: None,
            streams: None,
            budget: None,
            costs: rule_table::Costs::Marginal,
            hard: false,
            shared: false,
            mode: Mode::Enforce,
            on_failure: OnFailure::Closed,
        }],
        acl: Vec::new(),
        access: Vec::new(),
        countries: None,
        hooks: Vec::new(),
        store: Store::default(),
        overload: Overload::default(),
        telemetry: Telemetry {
            otlp: None,
            service_name: "sluicegate".to_owned(),
            trace_sampling: Share { ppm: 100_000 },
            trust_trace_context: true,
            access_log: AccessLogTarget::Stdout,
        },
    }
}

/// The file form of any content, with a checksum that fits.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("sluicegate-bundle 1 {}\n", Digest::of(content)).into_bytes();
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn a_written_bundle_loads_as_it_was() {
    let bundle = Bundle::new(policy());
    let bytes = bundle.to_bytes();
    assert!(bytes.starts_with(format!("sluicegate-bundle 1 {}\n{{", bundle.digest()).as_bytes()));
    assert_eq!(Bundle::from_bytes(&bytes), Ok(bundle));
}

#[test]
fn another_policy_has_another_digest() {
    let mut other = policy();
    other.pools[0].retry.max_attempts += 1;
    assert_ne!(Bundle::new(other).digest(), Bundle::new(policy()).digest());
}

#[test]
fn what_is_not_a_bundle_is_named_so() {
    for bytes in
        [&b""[..], b"apiVersion: sluicegate/v1\n", b"sluicegate-bundle\n{}", b"sluicegate-bundle 01 x\n"]
    {
        assert_eq!(Bundle::from_bytes(bytes), Err(BundleError::NotABundle));
    }
}

#[test]
fn a_bundle_of_another_version_is_named_so() {
    let bytes = Bundle::new(policy()).to_bytes();
    let text = String::from_utf8(bytes).unwrap().replacen("sluicegate-bundle 1 ", "sluicegate-bundle 2 ", 1);
    assert_eq!(Bundle::from_bytes(text.as_bytes()), Err(BundleError::UnsupportedVersion(2)));
}

#[test]
fn a_truncated_bundle_is_damaged() {
    let bytes = Bundle::new(policy()).to_bytes();
    let error = Bundle::from_bytes(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(matches!(error, BundleError::ChecksumMismatch { .. }), "{error}");
}

#[test]
fn sealed_content_that_is_no_canonical_policy_is_malformed() {
    let canonical = serde_json::to_value(policy()).unwrap();
    let mut unknown = canonical.clone();
    unknown["surprise"] = 1.into();
    for content in
        [serde_json::to_vec(&unknown).unwrap(), serde_json::to_vec_pretty(&policy()).unwrap(), b"[]".to_vec()]
    {
        let error = Bundle::from_bytes(&sealed(&content)).unwrap_err();
        assert!(matches!(error, BundleError::Malformed(_)), "{error}");
    }
}

#[test]
fn an_id_that_points_at_nothing_is_named_with_its_holder() {
    type Break = fn(&mut Policy);
    let breaks: [(Break, &str); 6] = [
        (
            |p| p.deployments[0].backend = 7,
            "deployment `local/m` refers to backend number 7, but there are only 1",
        ),
        (
            |p| p.pools[0].members[0].deployment = 1,
            "pool `p` refers to deployment number 1, but there are only 1",
        ),
        (
            |p| p.consumers[0].limits = vec![2],
            "consumer `claims` refers to limit number 2, but there are only 1",
        ),
        (|p| p.routes[0].pool = 9, "route `chat` refers to pool number 9, but there are only 1"),
        (|p| p.routes[0].limits = vec![1], "route `chat` refers to limit number 1, but there are only 1"),
        (|p| p.routes[0].consumers.push(3), "route `chat` refers to consumer number 3, but there are only 1"),
    ];
    for (break_it, message) in breaks {
        let mut broken = policy();
        break_it(&mut broken);
        match Bundle::from_bytes(&Bundle::new(broken).to_bytes()) {
            Err(BundleError::DanglingId(dangling)) => assert_eq!(dangling.to_string(), message),
            other => panic!("loaded or refused for another reason: {other:?}"),
        }
    }
}

#[test]
fn no_flipped_bit_of_a_bundle_loads() {
    let bytes = Bundle::new(policy()).to_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(Bundle::from_bytes(&flipped).is_err(), "bit {bit} of byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes: Vec<u8>, content: Vec<u8>) {
        let _ = Bundle::from_bytes(&bytes);
        prop_assert!(Bundle::from_bytes(&sealed(&content)).is_err());
    }
}
