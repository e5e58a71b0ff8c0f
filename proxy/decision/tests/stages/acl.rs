//! The access control list: asked first, again where a body's size decides; and routes by caller and hour.

use std::net::IpAddr;

use http::Method;
use rule_table::{
    AclAction, AclConditions, AclRule, HeaderCondition, Mode, OnFailure, PathMatch, QueryMatch, TimeWindow,
};
use vocabulary::Reason;

use crate::draft::{CHAT, Draft};
use crate::request::{Caller, Course, NOW};

fn rule(name: &str, when: AclConditions, action: AclAction) -> AclRule {
    AclRule {
        name: name.to_owned(),
        priority: 1,
        when,
        unless: AclConditions::default().into(),
        action,
        mode: Mode::Enforce,
        on_failure: OnFailure::Closed,
    }
}

fn draft(rules: Vec<AclRule>) -> Draft {
    Draft::chat(&["a/gpt"])
        .with_route("chat", |route| route.public = true)
        .with_policy(|policy| policy.acl = rules)
}

/// What the list says of a request's head: the status of its refusal, if it refuses.
fn asked(caller: &Caller, rules: Vec<AclRule>, country: Option<[u8; 2]>) -> Option<u16> {
    let mut exchange = caller.arrives(&draft(rules).gate(), NOW);
    exchange.peer.address = Some(IpAddr::from([192, 0, 2, 1]));
    let admitted = exchange.admit_acl(&caller.head(), false, |_| country);
    admitted.err().map(|refusal| {
        assert_eq!(refusal.reason, Reason::AclBlocked);
        refusal.status()
    })
}

fn debugging() -> AclConditions {
    let header = HeaderCondition { name: "x-debug".to_owned(), values: Vec::new() };
    AclConditions { headers: vec![header], ..AclConditions::default() }
}

#[test]
fn a_refusal_has_the_status_of_its_rule() {
    let rules = vec![rule("debug", debugging(), AclAction::Block(451))];
    assert_eq!(asked(&Caller::chat().with("x-debug", "1"), rules.clone(), None), Some(451));
    assert_eq!(asked(&Caller::chat(), rules, None), None);
}

#[test]
fn an_unknown_country_is_refused_only_where_the_stance_is_closed() {
    let abroad = AclConditions { countries: vec!["XX".to_owned()], ..AclConditions::default() };
    let closed = rule("abroad", abroad, AclAction::Block(403));
    let open = AclRule { on_failure: OnFailure::Open, ..closed.clone() };
    assert_eq!(asked(&Caller::chat(), vec![closed.clone()], None), Some(403));
    assert_eq!(asked(&Caller::chat(), vec![open], None), None);
    assert_eq!(asked(&Caller::chat(), vec![closed.clone()], Some(*b"XX")), Some(403));
    assert_eq!(asked(&Caller::chat(), vec![closed], Some(*b"DE")), None);
}

#[test]
fn rules_in_shadow_mode_and_rules_that_note_leave_their_names() {
    let shadow = AclRule { mode: Mode::Shadow, ..rule("shadow", debugging(), AclAction::Block(403)) };
    let log = rule("note", AclConditions::default(), AclAction::Log);
    let gate = draft(vec![shadow, log]).gate();
    let caller = Caller::chat().with("x-debug", "1");
    let mut exchange = caller.arrives(&gate, NOW);
    exchange.admit_acl(&caller.head(), false, |_| None).unwrap();
    let record = exchange.end(NOW).record;
    assert_eq!(record.would_refuse, [Reason::AclBlocked]);
    assert_eq!(record.acl, ["note", "shadow"]);
}

#[test]
fn a_size_is_taken_from_the_head_or_waited_for() {
    let large = AclConditions { body_over: Some(100), ..AclConditions::default() };
    let gate = draft(vec![rule("large", large, AclAction::Block(413))]).gate();
    let head = |caller: &Caller, ends: bool| {
        caller
            .arrives(&gate, NOW)
            .admit_acl(&caller.head(), ends, |_| None)
            .map_err(|refusal| refusal.status())
    };
    assert_eq!(head(&Caller::chat().with("content-length", "100"), false), Ok(()));
    assert_eq!(head(&Caller::chat().with("content-length", "101"), false), Err(413));
    assert_eq!(head(&Caller::chat(), true), Ok(()));
    // In chunks: nothing is known at the head.
    let chunked = Caller::chat().with("transfer-encoding", "chunked");
    for (bytes, refused) in [(100, false), (101, true)] {
        let mut exchange = chunked.arrives(&gate, NOW);
        exchange.admit_acl(&chunked.head(), false, |_| None).unwrap();
        assert_eq!(exchange.admit_body(&chunked.head(), bytes).is_err(), refused, "{bytes}");
    }
    let mut piped = chunked.arrives(&gate, NOW);
    piped.admit_acl(&chunked.head(), false, |_| None).unwrap();
    assert_eq!(piped.admit_unread(&chunked.head()).unwrap_err().status(), 413);
}

#[test]
fn a_decision_before_a_rule_on_the_body_waits_for_nothing() {
    let large = AclConditions { body_over: Some(1), ..AclConditions::default() };
    let allow = rule("all", AclConditions::default(), AclAction::Allow);
    let gate = draft(vec![allow, rule("large", large, AclAction::Block(413))]).gate();
    let caller = Caller::chat();
    let mut exchange = caller.arrives(&gate, NOW);
    exchange.admit_acl(&caller.head(), false, |_| None).unwrap();
    assert!(exchange.admit_body(&caller.head(), 1_000).is_ok());
}

/// The name of the route a chat settles on.
fn routed(caller: &Caller, draft: &Draft) -> String {
    caller.admitted(&draft.gate(), NOW).route().unwrap().name.clone()
}

#[test]
fn a_route_for_one_caller_leaves_others_to_the_next() {
    let draft = Draft::chat(&["a/gpt"])
        .route("vip", CHAT, "chat")
        .consumer("first", "key-1")
        .consumer("second", "key-2")
        .with_route("vip", |route| route.matching.consumers = vec![0]);
    assert_eq!(routed(&Caller::chat().with_key("key-1"), &draft), "vip");
    assert_eq!(routed(&Caller::chat().with_key("key-2"), &draft), "chat");
}

#[test]
fn a_route_with_hours_takes_requests_only_then() {
    // Requests arrive in November 2026; every day is open, or none but for a minute.
    let window = |from, until| TimeWindow { days: 0x7f, from, until, zone: "UTC".to_owned() };
    let minute = u16::try_from(crate::request::ARRIVAL_MS / 60_000 % 1_440).unwrap();
    for (window, expected) in [(window(0, 0), "night"), (window(minute + 1, minute + 2), "chat")] {
        let draft = Draft::chat(&["a/gpt"])
            .route("night", CHAT, "chat")
            .with_route("night", |route| route.matching.time = Some(window));
        assert_eq!(routed(&Caller::chat(), &draft), expected);
    }
}

#[test]
fn a_route_by_template_takes_one_segment() {
    let template = PathMatch::Template(vec![Some("tools".to_owned()), None]);
    let draft = Draft::chat(&["a/gpt"])
        .with_pool("chat", |pool| pool.piped = true)
        .with_route("chat", |route| route.matching.path = template);
    let found = |path: &str| Caller::chat().asking(&Method::GET, path).identify(&draft.gate()).1.is_ok();
    assert!(found("/tools/a"));
    assert!(!found("/tools/"));
    assert!(!found("/tools/a/b"));
    let asked = QueryMatch { name: "q".to_owned(), value: None };
    let draft = draft.with_route("chat", |route| route.matching.query = vec![asked]);
    assert!(Caller::chat().asking(&Method::GET, "/tools/a").identify(&draft.gate()).1.is_err());
}
