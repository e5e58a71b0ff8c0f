//! Hard limits: what is held covers whatever becomes of the request.

use std::sync::Arc;

use decision::{AttemptFailure, Exchange, Gate, Next, Progress, Refusal, Sending};
use feedback_loop::Failure;
use http::HeaderMap;
use rule_table::{BackendKind, BodyEdit, BodyOperation, Mode, Rewrite};
use serde_json::{Value, json};
use vocabulary::Reason;

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, chat_of, usage};

/// Two members that generate at most 64 tokens, under a hard limit of 10,000 tokens a day.
fn hard() -> Draft {
    let draft = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).limit("few", Mode::Enforce, &["10k tokens/day"]);
    let draft = draft.with_policy(|policy| policy.limits[0].hard = true).limit_route("chat", "few");
    ["east/gpt-4o", "west/gpt-4o"]
        .into_iter()
        .fold(draft, |draft, name| draft.with_deployment(name, |one| one.max_output = Some(64)))
}

fn asking_for(tokens: u64) -> Caller {
    let mut body = chat_of("hello");
    body["max_tokens"] = tokens.into();
    Caller::chat().saying(&body)
}

fn sent(exchange: &mut Exchange, caller: &Caller) -> Value {
    exchange.choose_name(NOW);
    let headers = HeaderMap::new();
    let body = caller.body();
    let sending = Sending { body, caller: &headers, credential: None, traceparent: None };
    let request = exchange.rewrite(&sending).unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

/// Tokens left to a request that then goes away.
fn left(gate: &Arc<Gate>) -> u64 {
    let caller = asking_for(1);
    let held = caller.body().len() as u64 + 1;
    caller.admitted(gate, NOW).remaining.unwrap().tokens.unwrap().remaining + held
}

fn silence() -> AttemptFailure {
    AttemptFailure {
        reason: Reason::BackendTimeout,
        failure: Failure::Timeout,
        progress: Progress::Unknown,
        refusal: Refusal::new(Reason::BackendTimeout, "words"),
    }
}

#[test]
fn no_edit_of_the_manifest_asks_for_more_than_is_held() {
    let set = |field: &str, value: &str| BodyEdit {
        field: vec![field.to_owned()],
        operation: BodyOperation::Set(value.to_owned()),
    };
    let edits = vec![set("max_tokens", "9000"), set("max_completion_tokens", "8000"), set("n", "7")];
    let gate = hard()
        .with_route("chat", |route| route.rewrite = Rewrite { body: edits, ..Rewrite::default() }.into())
        .gate();
    let caller = asking_for(5);
    let body = sent(&mut caller.admitted(&gate, NOW), &caller);
    assert_eq!(
        [&body["max_tokens"], &body["max_completion_tokens"], &body["n"]],
        [&json!(5), &json!(5), &json!(1)]
    );
}

#[test]
fn a_caller_that_names_no_ceiling_is_given_the_backends_own() {
    let gate = hard().gate();
    let caller = Caller::chat();
    let body = sent(&mut caller.admitted(&gate, NOW), &caller);
    assert_eq!(body["max_completion_tokens"], 64);
}

#[test]
fn text_that_the_manifest_adds_is_held_as_well() {
    let plain = hard().gate();
    let prefixed = hard()
        .with_route("chat", |route| {
            route.rewrite = Rewrite { system_prefix: Some("x".repeat(500)), ..Rewrite::default() }.into()
        })
        .gate();
    let remaining = |gate| {
        let exchange = asking_for(5).admitted(gate, NOW);
        exchange.remaining.unwrap().tokens.unwrap().remaining
    };
    assert_eq!(remaining(&plain) - remaining(&prefixed), 500);
}

#[test]
fn an_attempt_that_may_have_been_worked_on_is_charged_all_that_was_held_and_not_repeated() {
    let gate = hard().with_pool("chat", |pool| pool.retry.ambiguous = true).gate();
    let caller = asking_for(50);
    let mut exchange = caller.admitted(&gate, NOW);
    exchange.choose_name(NOW);
    assert!(matches!(exchange.failed(after(1.0), silence()), Next::Stop(_)));
    exchange.reason = Some(Reason::BackendTimeout);
    exchange.end(after(1.0));
    assert_eq!(left(&gate), 10_000 - caller.body().len() as u64 - 50);
}

#[test]
fn a_repeated_request_that_is_done_once_is_charged_once() {
    let draft = ["east", "west"].into_iter().fold(hard(), |draft, name| {
        draft.with_backend(name, |backend| backend.idempotency_header = Some("idempotency-key".to_owned()))
    });
    let gate = draft.gate();
    let mut exchange = asking_for(50).admitted(&gate, NOW);
    let first = exchange.choose_name(NOW);
    assert_eq!(exchange.failed(after(1.0), silence()), Next::Retry);
    assert_eq!(exchange.choose_name(after(1.0)), first, "only that backend knows of it");
    exchange.usage = Some(usage(7, 8));
    exchange.attempt_served(after(2.0), Some(usage(7, 8)));
    exchange.end(after(2.0));
    assert_eq!(left(&gate), 10_000 - 15);
}

#[test]
fn an_attempt_that_was_billed_is_not_followed_by_another() {
    let gate = hard().gate();
    let mut exchange = asking_for(50).admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.attempt().unwrap().usage = Some(usage(20, 3));
    let failed = AttemptFailure { progress: Progress::NotWorkedOn, ..silence() };
    assert!(matches!(exchange.failed(after(1.0), failed), Next::Stop(_)));
    exchange.reason = Some(Reason::BackendTimeout);
    exchange.end(after(1.0));
    assert_eq!(left(&gate), 10_000 - 23);
}

#[test]
fn an_ordinary_limit_keeps_its_retries() {
    let gate = hard().with_policy(|policy| policy.limits[0].hard = false).gate();
    let mut exchange = asking_for(50).admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.attempt().unwrap().usage = Some(usage(20, 3));
    let failed = AttemptFailure { progress: Progress::NotWorkedOn, ..silence() };
    assert_eq!(exchange.failed(after(1.0), failed), Next::Retry);
}

/// A request of about a thousand bytes of English, and what it holds by bytes.
fn wordy() -> (Caller, u64) {
    let mut body = chat_of(&"The quick brown fox jumps over the lazy dog. ".repeat(22));
    body["max_tokens"] = 50.into();
    let caller = Caller::chat().saying(&body);
    let held = caller.body().len() as u64 + 50;
    (caller, held)
}

/// Under a hard limit of so many tokens a day.
fn of_tokens(ceiling: u64) -> Draft {
    hard().with_policy(|policy| {
        policy.limits[0].tokens = Some(format!("{ceiling} tokens/day").parse().unwrap())
    })
}

fn held(exchange: &Exchange, ceiling: u64) -> u64 {
    ceiling - exchange.remaining.unwrap().tokens.unwrap().remaining
}

#[test]
fn a_request_that_would_not_fit_by_its_bytes_is_counted_and_passes_by_its_tokens() {
    let (caller, by_bytes) = wordy();
    let gate = of_tokens(by_bytes - 1).gate();
    gate.build_tokenizers();
    let exchange = caller.admitted(&gate, NOW);
    let by_tokens = held(&exchange, by_bytes - 1);
    assert!(by_tokens > 50 + 22 * 10 && by_tokens < by_bytes / 2, "{by_tokens} of {by_bytes}");
}

#[test]
fn with_room_to_spare_nothing_is_counted() {
    let (caller, by_bytes) = wordy();
    let gate = of_tokens(10 * by_bytes).gate();
    gate.build_tokenizers();
    assert_eq!(held(&caller.admitted(&gate, NOW), 10 * by_bytes), by_bytes);
}

#[test]
fn requests_let_in_by_their_tokens_never_pass_the_ceiling() {
    let (caller, by_bytes) = wordy();
    let ceiling = 2 * by_bytes - 1;
    let gate = of_tokens(ceiling).gate();
    gate.build_tokenizers();
    let mut all = Vec::new();
    let refusal = loop {
        let (exchange, admitted) = caller.stages(&gate, NOW);
        assert!(held(&exchange, ceiling) <= ceiling);
        match admitted {
            Ok(()) => all.push(exchange),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.reason, Reason::TokenLimit);
    assert!(all.len() > 3, "{} where two would fit by bytes", all.len());
}

#[test]
fn a_model_whose_tokenizer_is_not_known_is_held_by_its_bytes() {
    let (caller, by_bytes) = wordy();
    let gate =
        of_tokens(by_bytes - 1).with_backend("west", |backend| backend.kind = BackendKind::Vllm).gate();
    gate.build_tokenizers();
    assert_eq!(caller.refused(&gate, NOW).reason, Reason::TokenLimit);
}
