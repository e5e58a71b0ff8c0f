//! The bundle's file form: what is written comes back, and nothing else is ever loaded.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the workbench is test code outside a test function"
)]

use std::time::Duration;

use proptest::prelude::*;
use rule_table::{
    AccessLogTarget, Backend, BackendKind, Bundle, BundleError, Consumer, Credential, Deployment, Digest,
    Ejection, HealthProbe, HostMatch, Key, Limit, Listener, Member, Mode, Objective, OnFailure, Overload,
    PathMatch, Policy, Pool, Retry, Rewrite, Route, RouteMatch, SecretRef, SigningKey, Store,
    Strategy as PoolStrategy, Telemetry, Timeouts, TlsOptions, Trust,
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
        waf: None,
        priority: None,
        deadline: Duration::from_secs(120),
        heartbeat: None,
        pass_through: false,
        rewrite: Rewrite::default().into(),
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
            waf: None,
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
        waf: Vec::new(),
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

/// Bytes before the body: name, version, digest, length, number of signatures.
const HEADER: usize = 61;

/// The file form of any body, with a checksum that fits.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"sluicegate-bundle\0\x02\0".to_vec();
    bytes.extend_from_slice(Digest::of(body).raw());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.push(0);
    bytes.extend_from_slice(body);
    bytes
}

/// A body of any sections: number, version, whether it is required, content.
fn body(sections: &[(u16, u8, u8, &[u8])]) -> Vec<u8> {
    let mut body = u32::try_from(sections.len()).unwrap().to_le_bytes().to_vec();
    for (id, version, required, content) in sections {
        body.extend_from_slice(&id.to_le_bytes());
        body.extend_from_slice(&[*version, *required]);
        body.extend_from_slice(&(content.len() as u64).to_le_bytes());
    }
    sections.iter().for_each(|(.., content)| body.extend_from_slice(content));
    body
}

/// The sections of a policy as they are written, to be changed.
fn sections(file: &[u8]) -> Vec<(u16, u8, u8, &[u8])> {
    let body = &file[HEADER..];
    let count = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
    let (table, mut contents) = body[4..].split_at(count * 12);
    let entry = |entry: &[u8]| {
        let length = usize::try_from(u64::from_le_bytes(entry[4..].try_into().unwrap())).unwrap();
        let (content, rest) = contents.split_at(length);
        contents = rest;
        (u16::from_le_bytes([entry[0], entry[1]]), entry[2], entry[3], content)
    };
    table.chunks(12).map(entry).collect()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn refused(bytes: &[u8], trust: &Trust) -> BundleError {
    Bundle::load(bytes, trust).expect_err("not to be loaded")
}

#[test]
fn a_written_bundle_loads_as_it_was() {
    let bundle = Bundle::new(policy());
    let bytes = bundle.to_bytes();
    assert_eq!(bytes, sealed(&bytes[HEADER..]), "the header is what the documentation says");
    assert_eq!(bytes, Bundle::new(policy()).to_bytes(), "one policy has one form");
    assert_eq!(body(&sections(&bytes)), bytes[HEADER..]);
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
    for bytes in [&b""[..], b"apiVersion: sluicegate/v1\n", b"sluicegate-bundle\n{}", b"sluicegate-bundle x"]
    {
        assert_eq!(Bundle::from_bytes(bytes), Err(BundleError::NotABundle), "{bytes:?}");
    }
}

#[test]
fn a_bundle_of_another_version_is_named_so() {
    let old = b"sluicegate-bundle 1 sha256:00\n{}";
    let error = Bundle::from_bytes(old).unwrap_err();
    assert_eq!(error, BundleError::UnsupportedVersion(1));
    assert!(error.to_string().ends_with("compile the manifest again"), "{error}");
    let mut next = Bundle::new(policy()).to_bytes();
    next[18] = 3;
    assert_eq!(Bundle::from_bytes(&next), Err(BundleError::UnsupportedVersion(3)));
}

#[test]
fn only_bundles_signed_with_a_trusted_key_are_taken_where_that_is_asked() {
    let (ours, next, other) = (key(1), key(2), key(3));
    let trust = Trust::in_keys(vec![ours.public(), next.public()]);
    let bundle = Bundle::new(policy());
    for keys in [vec![key(1)], vec![key(3), key(2)]] {
        assert_eq!(Bundle::load(&bundle.to_signed_bytes(&keys), &trust), Ok(bundle.clone()));
    }
    assert_eq!(refused(&bundle.to_bytes(), &trust), BundleError::Unsigned);
    let others = bundle.to_signed_bytes(&[key(3)]);
    assert_eq!(refused(&others, &trust), BundleError::UntrustedSigner(other.public()));
    assert_eq!(Bundle::load(&others, &Trust::Anybody), Ok(bundle), "an unknown signer is nobody's business");
}

#[test]
fn a_signature_of_another_bundle_does_not_fit() {
    let mut other = policy();
    other.pools[0].retry.max_attempts += 1;
    let signed = Bundle::new(other).to_signed_bytes(&[key(1)]);
    let mut bytes = Bundle::new(policy()).to_bytes();
    bytes[HEADER - 1] = 1;
    bytes.extend_from_slice(&signed[signed.len() - 97..]);
    for trust in [Trust::Anybody, Trust::in_keys(vec![key(1).public()])] {
        assert_eq!(refused(&bytes, &trust), BundleError::BadSignature(key(1).public()));
    }
}

#[test]
fn a_bundle_cut_anywhere_is_cut_short() {
    let bytes = Bundle::new(policy()).to_signed_bytes(&[key(1)]);
    for end in 17..bytes.len() {
        let error = refused(&bytes[..end], &Trust::Anybody);
        assert!(matches!(error, BundleError::Truncated(_)), "{end}: {error}");
    }
    let longer = [&bytes[..], b"\n"].concat();
    assert_eq!(refused(&longer, &Trust::Anybody), BundleError::TrailingBytes(1));
}

#[test]
fn no_flipped_bit_of_a_bundle_loads_and_each_is_named_by_what_it_hit() {
    let bytes = Bundle::new(policy()).to_signed_bytes(&[key(1)]);
    let end = bytes.len() - 97;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let name = refused(&flipped, &Trust::Anybody).name();
            let expected: &[&str] = match at {
                0..18 => &["not-a-bundle"],
                18..20 => &["unsupported-version"],
                20..52 => &["damaged"],
                52..60 => &["truncated", "damaged"],
                60 => &["truncated", "trailing-bytes"],
                _ if at < end => &["damaged"],
                _ if at == end => &["unknown-signature"],
                _ => &["wrongly-signed"],
            };
            assert!(expected.contains(&name), "bit {bit} of byte {at}: {name}");
        }
    }
}

#[test]
fn unknown_sections_are_skipped_where_they_may_be() {
    let bundle = Bundle::new(policy());
    let bytes = bundle.to_bytes();
    let mut more = sections(&bytes);
    more.push((900, 1, 0, b"hints"));
    let loaded = Bundle::from_bytes(&sealed(&body(&more))).unwrap();
    assert_eq!(loaded.policy(), bundle.policy());
    assert_ne!(loaded.digest(), bundle.digest());
    more.last_mut().unwrap().2 = 1;
    let needed = Bundle::from_bytes(&sealed(&body(&more)));
    assert_eq!(needed, Err(BundleError::UnknownSection { id: 900, version: 1 }));
    let mut newer = sections(&bytes);
    newer[2].1 = 9;
    let newer = Bundle::from_bytes(&sealed(&body(&newer)));
    assert_eq!(newer, Err(BundleError::UnknownSection { id: 3, version: 9 }));
}

#[test]
fn a_table_of_sections_that_lies_is_refused() {
    let bytes = Bundle::new(policy()).to_bytes();
    let whole = body(&sections(&bytes));
    let mut longer = whole.clone();
    longer[8] = longer[8].wrapping_add(1);
    let mut endless = whole.clone();
    endless[8..16].fill(0xff);
    let mut many = whole.clone();
    many[..4].fill(0xff);
    let mut twice = sections(&bytes);
    twice.insert(0, twice[0]);
    let mut missing = sections(&bytes);
    missing.pop();
    let gap = [&whole[..], b"x"].concat();
    for lying in [longer, endless, many, body(&twice), body(&missing), gap, Vec::new()] {
        let error = refused(&sealed(&lying), &Trust::Anybody);
        assert!(matches!(error, BundleError::SectionTable(_) | BundleError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_section_of_another_content_is_malformed_and_named() {
    let bytes = Bundle::new(policy()).to_bytes();
    // More routes than there are bytes; no text; one byte too many.
    for content in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[1, 2, 0xff, 0xfe], &[0, 0]] {
        let mut changed = sections(&bytes);
        changed[2].3 = content;
        match refused(&sealed(&body(&changed)), &Trust::Anybody) {
            BundleError::Malformed { section: "routes", .. } => {}
            other => panic!("refused for another reason: {other}"),
        }
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

proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes: Vec<u8>, content: Vec<u8>) {
        let _ = Bundle::from_bytes(&bytes);
        prop_assert!(Bundle::from_bytes(&sealed(&content)).is_err());
    }

    #[test]
    fn no_content_of_a_section_makes_loading_panic(at in 0..7usize, content: Vec<u8>) {
        let bytes = Bundle::new(policy()).to_bytes();
        let mut changed = sections(&bytes);
        changed[at].3 = &content;
        let _ = Bundle::from_bytes(&sealed(&body(&changed)));
    }

    #[test]
    fn a_byte_changed_and_sealed_again_loads_as_some_policy_or_not_at_all(at: proptest::sample::Index, to: u8) {
        let bytes = Bundle::new(policy()).to_bytes();
        let mut changed = bytes[HEADER..].to_vec();
        let at = at.index(changed.len());
        changed[at] = to;
        if let Ok(loaded) = Bundle::from_bytes(&sealed(&changed)) {
            prop_assert_eq!(loaded.policy().check_references(), Ok(()));
        }
    }
}
