//! Stage 2: routes by head, and who may use them.

use decision::Destination;
use http::Method;
use rule_table::HostMatch;
use vocabulary::{Operation, Reason};

use crate::draft::{CHAT, Draft};
use crate::request::{ARRIVAL_MS, Caller, NOW};

fn team() -> Draft {
    Draft::chat(&["east/gpt-4o"]).consumer("team", "sk-team")
}

/// The models of a team, and beside them a service that anyone may call.
fn with_public_docs() -> Draft {
    team()
        .pool("docs", &["docs"])
        .with_pool("docs", |pool| pool.piped = true)
        .route("docs", "/docs/*", "docs")
        .with_route("docs", |route| route.public = true)
}

#[test]
fn a_policy_without_consumers_is_open() {
    let gate = Draft::chat(&["east/gpt-4o"]).gate();
    for caller in [Caller::chat(), Caller::chat().with_key("sk-whatever")] {
        let (exchange, identified) = caller.identify(&gate);
        assert_eq!(identified, Ok(Destination::Terminate(Operation::Chat)));
        assert_eq!(exchange.consumer, None);
    }
}

#[test]
fn a_known_key_names_its_consumer_in_either_header() {
    let gate = Draft::chat(&["east/gpt-4o"]).consumer("other", "sk-other").consumer("team", "sk-team").gate();
    for caller in [Caller::chat().with_key("sk-team"), Caller::chat().with("api-key", "sk-team")] {
        let (exchange, identified) = caller.identify(&gate);
        assert_eq!(identified, Ok(Destination::Terminate(Operation::Chat)));
        assert_eq!(exchange.consumer, Some(1));
    }
}

#[test]
fn an_unknown_key_is_told_apart_from_no_key() {
    let gate = team().gate();
    assert_eq!(Caller::chat().refused(&gate, NOW).reason, Reason::MissingKey);
    for key in ["sk-Team", "sk-tea", "sk-team2"] {
        let refusal = Caller::chat().with_key(key).refused(&gate, NOW);
        assert_eq!(refusal.reason, Reason::InvalidKey, "{key}");
        assert!(!refusal.message.contains(key), "the key is repeated: {refusal}");
    }
    let basic = Caller::chat().with("authorization", "Basic c2stdGVhbQ==");
    assert_eq!(basic.refused(&gate, NOW).reason, Reason::MissingKey, "another scheme holds no key");
}

#[test]
fn a_stranger_does_not_learn_which_routes_there_are() {
    let gate = team().gate();
    let nowhere = Caller::chat().asking(&Method::GET, "/nowhere");
    assert_eq!(nowhere.identify(&gate).1.unwrap_err().reason, Reason::MissingKey);
    assert_eq!(nowhere.with_key("sk-team").identify(&gate).1.unwrap_err().reason, Reason::UnknownRoute);
}

#[test]
fn a_route_for_one_consumer_refuses_another() {
    let gate = team().consumer("guests", "sk-guest").only_for("chat", &["team"]).gate();
    assert_eq!(Caller::chat().with_key("sk-guest").refused(&gate, NOW).reason, Reason::RouteForbidden);
    assert_eq!(Caller::chat().with_key("sk-team").admitted(&gate, NOW).consumer, Some(0));
}

#[test]
fn a_public_route_needs_no_key_and_opens_no_other() {
    let gate = with_public_docs().gate();
    let docs = Caller::chat().asking(&Method::GET, "/docs/index.html");
    for caller in [docs.clone(), docs.clone().with_key("sk-unknown"), docs.with_key("sk-team")] {
        assert_eq!(caller.identify(&gate).1, Ok(Destination::Pipe(1)));
    }
    assert_eq!(Caller::chat().refused(&gate, NOW).reason, Reason::MissingKey);
    assert_eq!(Caller::chat().with_key("sk-unknown").refused(&gate, NOW).reason, Reason::InvalidKey);
}

#[test]
fn a_public_route_to_models_needs_no_key() {
    let gate = team().with_route("chat", |route| route.public = true).gate();
    assert_eq!(Caller::chat().admitted(&gate, NOW).consumer, None);
    assert_eq!(
        Caller::chat().with_key("sk-team").admitted(&gate, NOW).consumer,
        Some(0),
        "a key still counts"
    );
}

#[test]
fn a_method_that_is_not_allowed_is_told_which_are() {
    let methods = ["POST".to_owned(), "PUT".to_owned()];
    let gate =
        Draft::chat(&["east/gpt-4o"]).with_route("chat", |route| route.matching.methods = methods.to_vec());
    let refusal = Caller::chat().asking(&Method::GET, CHAT).identify(&gate.gate()).1.unwrap_err();
    assert_eq!((refusal.reason, refusal.allow), (Reason::MethodNotAllowed, methods.to_vec()));
}

#[test]
fn a_host_or_path_of_no_route_is_unknown() {
    let gate = Draft::chat(&["east/gpt-4o"]);
    let elsewhere = Caller::chat().asking(&Method::POST, "/v1/images/generations");
    assert_eq!(elsewhere.identify(&gate.gate()).1.unwrap_err().reason, Reason::UnknownRoute);
    let of_host = |host: &str| {
        let host = HostMatch::Exact(host.to_owned());
        gate.clone().with_route("chat", |route| route.matching.host = host).gate()
    };
    assert_eq!(Caller::chat().refused(&of_host("other.example"), NOW).reason, Reason::UnknownRoute);
    assert!(
        Caller::chat().identify(&of_host("gateway.example")).1.is_ok(),
        "the port is no part of the host"
    );
}

#[test]
fn a_path_that_is_no_operation_cannot_be_sent_to_a_model() {
    let gate = Draft::new().pool("chat", &["east/gpt-4o"]).route("all", "/v1/*", "chat").gate();
    for (method, path) in
        [(Method::POST, "/v1/audio/speech"), (Method::POST, "/v1/models"), (Method::GET, "/v1")]
    {
        let refusal = Caller::chat().asking(&method, path).identify(&gate).1.unwrap_err();
        assert_eq!(refusal.reason, Reason::UnknownRoute, "{method} {path}");
    }
    let open = Draft::new()
        .pool("chat", &["east/gpt-4o"])
        .route("all", "/v1/*", "chat")
        .with_route("all", |route| route.pass_through = true)
        .gate();
    let speech = Caller::chat().asking(&Method::POST, "/v1/audio/speech").identify(&open).1;
    assert_eq!(speech, Ok(Destination::Pipe(0)), "the route lets it through");
    for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::ListModels) {
        let identified = Caller::chat().asking(&Method::POST, operation.path()).identify(&gate).1;
        assert_eq!(identified, Ok(Destination::Terminate(operation)));
    }
}

#[test]
fn the_list_of_models_is_answered_from_the_table() {
    let gate = team().gate();
    let models = Caller::chat().asking(&Method::GET, "/v1/models");
    assert_eq!(models.identify(&gate).1.unwrap_err().reason, Reason::MissingKey);
    assert_eq!(models.with_key("sk-team").identify(&gate).1, Ok(Destination::ListModels));
}

#[test]
fn an_expired_key_is_told_apart_from_an_unknown_one() {
    let expire = |policy: &mut rule_table::Policy, end| policy.consumers[0].keys[0].expires = Some(end);
    let seconds = ARRIVAL_MS / 1000;
    let over = team().with_policy(|policy| expire(policy, seconds)).gate();
    assert_eq!(Caller::chat().with_key("sk-team").refused(&over, NOW).reason, Reason::ExpiredKey);
    let nearly = team().with_policy(|policy| expire(policy, seconds + 1)).gate();
    assert_eq!(Caller::chat().with_key("sk-team").admitted(&nearly, NOW).consumer, Some(0));
}

#[test]
fn an_issued_key_is_its_consumer_on_its_routes_and_nobody_once_the_consumer_is_gone() {
    let draft = Draft::chat(&["east/gpt-4o"]).consumer("other", "sk-other").consumer("team", "sk-team");
    let gate = draft.gate();
    let key = |key: &str, consumer: &str, routes: &[&str]| decision::keys::IssuedKey {
        sha256: decision::keys::hash(key.as_bytes()),
        consumer: consumer.into(),
        expires: None,
        routes: routes.iter().map(|route| (*route).into()).collect(),
        id: key.into(),
        limits: vocabulary::admin::keys::KeyLimits::default(),
    };
    gate.issued_keys().replace([
        key("sk-all", "team", &[]),
        key("sk-chat", "team", &["chat"]),
        key("sk-none", "team", &["elsewhere"]),
        key("sk-gone", "gone", &[]),
    ]);
    for good in ["sk-all", "sk-chat", "sk-team"] {
        assert_eq!(Caller::chat().with_key(good).admitted(&gate, NOW).consumer, Some(1), "{good}");
    }
    assert_eq!(Caller::chat().with_key("sk-none").refused(&gate, NOW).reason, Reason::RouteForbidden);
    assert_eq!(Caller::chat().with_key("sk-gone").refused(&gate, NOW).reason, Reason::InvalidKey);
    let without = Draft::chat(&["east/gpt-4o"]).consumer("other", "sk-other").replacing(&gate, NOW);
    assert_eq!(Caller::chat().with_key("sk-all").refused(&without, NOW).reason, Reason::InvalidKey);
}

#[test]
fn a_client_certificate_is_its_consumer_where_no_key_says_otherwise() {
    let name = "spiffe://corp.example/claims";
    let credential = rule_table::Credentials::Certificate(name.to_owned());
    let gate = team()
        .consumer("other", "sk-other")
        .with_policy(|policy| policy.consumers[0].credentials.push(credential))
        .gate();
    let certificate = |name: &str| {
        let names = vec!["app.corp.example".to_owned(), name.to_owned()];
        Some(std::sync::Arc::new(decision::ClientCertificate { names, sha256: [0; 32] }))
    };
    let identified = |caller: Caller, shown| {
        let mut exchange = caller.arrives(&gate, NOW);
        exchange.peer.certificate = shown;
        let reason = exchange.identify(&caller.head()).err().map(|refusal| refusal.reason);
        (exchange.consumer, reason)
    };
    assert_eq!(identified(Caller::chat(), certificate(name)), (Some(0), None));
    let stranger = identified(Caller::chat(), certificate("spiffe://corp.example/other"));
    assert_eq!(stranger, (None, Some(Reason::InvalidCertificate)));
    assert_eq!(identified(Caller::chat().with_key("sk-other"), certificate(name)), (Some(1), None));
    assert_eq!(identified(Caller::chat(), None), (None, Some(Reason::MissingKey)));
}

#[test]
fn a_key_with_limits_of_its_own_is_counted_apart_from_its_consumer() {
    let gate = Draft::chat(&["east/gpt-4o"]).consumer("team", "sk-team").gate();
    let key = |text: &str, requests: Option<&str>| decision::keys::IssuedKey {
        sha256: decision::keys::hash(text.as_bytes()),
        consumer: "team".into(),
        expires: None,
        routes: Vec::new(),
        id: text.into(),
        limits: vocabulary::admin::keys::KeyLimits {
            requests: requests.map(|rate| rate.parse().unwrap()),
            ..vocabulary::admin::keys::KeyLimits::default()
        },
    };
    gate.issued_keys().replace([key("sk-narrow", Some("1 request/day")), key("sk-wide", None)]);
    let passes = |key: &str| Caller::chat().with_key(key).stages(&gate, NOW);
    let (held, first) = passes("sk-narrow");
    assert!(first.is_ok());
    assert_eq!(passes("sk-narrow").1.unwrap_err().reason, Reason::RequestLimit);
    assert!(passes("sk-wide").1.is_ok() && passes("sk-team").1.is_ok());
    let standings = gate.limit_standings(NOW, 10);
    let [own] = standings.counters.as_slice() else { panic!("{standings:?}") };
    assert_eq!((own.scope.as_str(), own.subject.as_str(), own.reserved), ("key", "sk-narrow", 1));
    drop(held);
}
