//! Stage 4: facts of the body, and the route they settle.

use rule_table::{HeaderMatch, RouteMatch};
use serde_json::json;
use vocabulary::{Operation, Reason};

use crate::draft::{CHAT, Draft, MODEL};
use crate::request::{Caller, Course, NOW, chat_of};

const MINI: &str = "gpt-4o-mini";

fn names_model(model: &str) -> impl FnOnce(&mut RouteMatch) {
    move |matching| matching.model = Some(model.to_owned())
}

/// A pool of one model for everything, and a pool for one model by name.
fn two_pools() -> Draft {
    Draft::chat(&["east/gpt-4o"])
        .pool("mini", &["west/mini"])
        .route("mini", CHAT, "mini")
        .with_route("mini", |route| names_model(MINI)(&mut route.matching))
}

fn route_of(draft: &Draft, caller: &Caller) -> String {
    let exchange = caller.admitted(&draft.gate(), NOW);
    exchange.route().unwrap().name.clone()
}

#[test]
fn the_model_names_the_route() {
    let draft = two_pools();
    assert_eq!(route_of(&draft, &Caller::chat()), "chat");
    assert_eq!(route_of(&draft, &Caller::chat().for_model(MINI)), "mini");
}

#[test]
fn the_most_specific_route_for_a_model_wins() {
    let condition = HeaderMatch { name: "x-tier".to_owned(), value: Some("gold".to_owned()) };
    let draft = two_pools()
        .pool("gold", &["gold/mini"])
        .route("gold", CHAT, "gold")
        .with_route("gold", |route| {
            names_model(MINI)(&mut route.matching);
            route.matching.headers = vec![condition];
        })
        .route("all", "/v1/*", "chat");
    let mini = Caller::chat().for_model(MINI);
    assert_eq!(route_of(&draft, &mini.clone().with("x-tier", "gold")), "gold");
    assert_eq!(route_of(&draft, &mini.with("x-tier", "tin")), "mini");
    assert_eq!(route_of(&draft, &Caller::chat().with("x-tier", "gold")), "chat", "another model");
}

#[test]
fn an_unlisted_model_is_unknown_and_its_name_never_becomes_a_metric_value() {
    for model in ["gpt-0", "GPT-4o", "gpt-4o "] {
        let gate = Draft::chat(&["east/gpt-4o"]).gate();
        let (mut exchange, refused) = Caller::chat().for_model(model).stages(&gate, NOW);
        let refusal = refused.unwrap_err();
        assert_eq!((refusal.reason, refusal.param), (Reason::UnknownModel, Some("model")), "{model:?}");
        assert!(!refusal.message.contains(model), "{refusal}");
        assert_eq!(exchange.known_model(), None);
        let record = exchange.end(NOW).record;
        assert_eq!((record.route, record.pool, record.reason), (None, None, Some(Reason::UnknownModel)));
    }
}

#[test]
fn a_route_that_names_a_model_stands_for_it_whatever_its_members_call_theirs() {
    let draft =
        Draft::chat(&["east/gpt-4o"]).with_route("chat", |route| names_model("house")(&mut route.matching));
    let exchange = Caller::chat().for_model("house").admitted(&draft.gate(), NOW);
    assert_eq!(exchange.known_model(), Some("house"));
    assert_eq!(Caller::chat().refused(&draft.gate(), NOW).reason, Reason::UnknownModel);
}

#[test]
fn the_facts_stay_and_the_content_does_not() {
    let mut body = chat_of("a prompt of twenty-six bytes");
    body["stream"] = true.into();
    body["max_tokens"] = 64.into();
    body["n"] = 2.into();
    let exchange = Caller::chat().saying(&body).admitted(&Draft::chat(&["east/gpt-4o"]).gate(), NOW);
    let facts = exchange.facts.as_ref().unwrap();
    assert_eq!((facts.operation, facts.model.as_str()), (Operation::Chat, MODEL));
    assert_eq!((facts.stream, facts.include_usage, facts.choices), (true, false, 2));
    assert_eq!((facts.max_output_tokens, facts.prompt_bytes), (Some(64), 28));
    assert!(!format!("{exchange:?}").contains("twenty-six"));
}

#[test]
fn a_fault_of_the_body_carries_its_field() {
    let gate = Draft::chat(&["east/gpt-4o"]).gate();
    let messages = json!([{"role": "user", "content": "x"}]);
    for (body, reason, param) in [
        (json!({"messages": messages}), Reason::InvalidField, Some("model")),
        (json!({"model": 4, "messages": messages}), Reason::InvalidField, Some("model")),
        (json!({"model": MODEL}), Reason::InvalidField, Some("messages")),
        (json!({"model": MODEL, "messages": []}), Reason::InvalidField, Some("messages")),
        (json!({"model": MODEL, "messages": messages, "n": 0}), Reason::InvalidField, Some("n")),
        (
            json!({"model": MODEL, "messages": messages, "stream": "yes"}),
            Reason::InvalidField,
            Some("stream"),
        ),
        (
            json!({"model": MODEL, "messages": messages, "max_tokens": -1}),
            Reason::InvalidField,
            Some("max_tokens"),
        ),
        (json!([MODEL]), Reason::InvalidJson, None),
    ] {
        let (exchange, refused) = Caller::chat().saying(&body).stages(&gate, NOW);
        let refusal = refused.unwrap_err();
        assert_eq!((refusal.reason, refusal.param), (reason, param), "{body}");
        assert_eq!((exchange.route, exchange.known_model()), (None, None), "{body}");
    }
    for body in ["", "{", "{}{}", "\u{feff}{}", "{\"model\":\"a\",\"model\":\"b\"}"] {
        let refusal = Caller::chat().saying_bytes(body).refused(&gate, NOW);
        assert_eq!(refusal.reason.status(), 400, "{body:?}");
    }
}

#[test]
fn a_route_that_only_the_body_settles_still_asks_who_is_there() {
    let draft =
        two_pools().consumer("team", "sk-team").consumer("guests", "sk-guest").only_for("mini", &["team"]);
    let mini = Caller::chat().for_model(MINI);
    assert_eq!(mini.clone().with_key("sk-guest").refused(&draft.gate(), NOW).reason, Reason::RouteForbidden);
    assert_eq!(route_of(&draft, &mini.with_key("sk-team")), "mini");
    assert_eq!(route_of(&draft, &Caller::chat().with_key("sk-guest")), "chat");
}
