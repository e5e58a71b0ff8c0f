//! What follows a failed attempt: members, then fallback pools, within attempts and retry budgets.

use std::time::Duration;

use decision::{AttemptFailure, Exchange, Next, Progress, Refusal};
use feedback_loop::Failure;
use rule_table::{BackendKind, Fallback, FallbackWhen};
use vocabulary::{Moment, Operation, Reason, Share};

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, chat_of, smallest};

/// A pool `chat` whose requests go on to the pool `spare`, for these reasons.
fn chain(when: &[FallbackWhen]) -> Draft {
    let fallback = Fallback {
        pool: 1,
        when: when.to_vec(),
        unless_consumers: Vec::new(),
        unless_data_classes: Vec::new(),
    };
    Draft::chat(&["east/gpt-4o", "west/gpt-4o"])
        .pool("spare", &["claude/sonnet"])
        .with_deployment("claude/sonnet", |deployment| deployment.model = Some("sonnet".to_owned()))
        .with_backend("claude", |backend| backend.kind = BackendKind::Anthropic)
        .with_pool("chat", |pool| pool.fallback = vec![fallback])
}

fn failure(reason: Reason, progress: Progress) -> AttemptFailure {
    let failure = match reason {
        Reason::BackendRateLimited => Failure::RateLimited { retry_after: None },
        Reason::BackendTimeout => Failure::Timeout,
        _ => Failure::ServerError { retry_after: None },
    };
    AttemptFailure { reason, failure, progress, refusal: Refusal::new(reason, "words") }
}

fn follow(exchange: &mut Exchange, now: Moment, reason: Reason) -> Next {
    exchange.failed(now, failure(reason, Progress::NotWorkedOn))
}

#[test]
fn every_member_is_asked_before_the_fallback_pool() {
    let gate = chain(&[FallbackWhen::Exhausted]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(exchange.choose_name(NOW));
        let next = follow(&mut exchange, NOW, Reason::BackendError);
        assert_eq!(matches!(next, Next::Retry), asked.len() < 3, "three attempts are allowed: {asked:?}");
    }
    asked[..2].sort();
    assert_eq!(asked, ["east/gpt-4o", "west/gpt-4o", "claude/sonnet"]);
}

#[test]
fn a_fallback_is_only_for_what_it_is_for() {
    for (when, fails_by, goes_on) in [
        (FallbackWhen::RateLimited, Reason::BackendRateLimited, true),
        (FallbackWhen::RateLimited, Reason::BackendError, false),
        (FallbackWhen::Timeout, Reason::BackendTimeout, true),
        (FallbackWhen::Error, Reason::BackendReset, true),
        (FallbackWhen::Error, Reason::BackendRateLimited, false),
    ] {
        let gate = chain(&[when]).with_pool("chat", |pool| pool.retry.max_attempts = 9).gate();
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        for _ in 0..2 {
            exchange.choose_name(NOW);
            assert_eq!(follow(&mut exchange, NOW, fails_by), Next::Retry);
        }
        let chosen = exchange.choose(NOW, 1).map(|_| ()).map_err(|refusal| refusal.reason);
        assert_eq!(chosen, if goes_on { Ok(()) } else { Err(fails_by) }, "{when:?} after {fails_by}");
    }
}

#[test]
fn a_consumer_that_must_not_use_a_fallback_never_does() {
    let gate = chain(&[FallbackWhen::Exhausted])
        .consumer("claims", "sk-claims")
        .consumer("sales", "sk-sales")
        .with_pool("chat", |pool| pool.fallback[0].unless_consumers = vec![0])
        .gate();
    for (key, allowed) in [("sk-claims", false), ("sk-sales", true)] {
        let mut exchange = Caller::chat().with_key(key).admitted(&gate, NOW);
        for _ in 0..2 {
            exchange.choose_name(NOW);
            follow(&mut exchange, NOW, Reason::BackendError);
        }
        assert_eq!(exchange.choose(NOW, 1).is_ok(), allowed, "{key}");
    }
}

#[test]
fn a_prompt_too_long_for_every_member_goes_to_the_larger_window_at_once() {
    let gate = chain(&[FallbackWhen::ContextWindow])
        .with_deployment("east/gpt-4o", |deployment| deployment.context_window = Some(100))
        .with_deployment("west/gpt-4o", |deployment| deployment.context_window = Some(100))
        .gate();
    let long = Caller::chat().saying(&chat_of(&"x".repeat(4_000)));
    assert_eq!(long.admitted(&gate, NOW).choose_name(NOW), "claude/sonnet");
    assert_ne!(Caller::chat().admitted(&gate, NOW).choose_name(NOW), "claude/sonnet");
}

#[test]
fn a_backend_that_may_be_working_on_a_request_is_not_doubled_unless_policy_says_so() {
    for (ambiguous, expected) in [(false, false), (true, true)] {
        let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"])
            .with_pool("chat", |pool| pool.retry.ambiguous = ambiguous)
            .gate();
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        exchange.choose_name(NOW);
        let next = exchange.failed(NOW, failure(Reason::BackendTimeout, Progress::Unknown));
        assert_eq!(next == Next::Retry, expected);
    }
}

#[test]
fn an_idempotency_key_allows_a_second_try_at_the_same_backend_only() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"])
        .with_backend("east", |backend| backend.idempotency_header = Some("idempotency-key".to_owned()))
        .with_backend("west", |backend| backend.idempotency_header = Some("idempotency-key".to_owned()))
        .gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    let first = exchange.choose_name(NOW);
    assert_eq!(exchange.failed(NOW, failure(Reason::BackendReset, Progress::Unknown)), Next::Retry);
    assert_eq!(exchange.choose_name(NOW), first);
}

#[test]
fn an_outage_does_not_multiply_traffic_beyond_the_retry_budget() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"])
        .with_pool("chat", |pool| {
            pool.retry.budget = Share { ppm: 200_000 };
            pool.retry.budget_floor = 0;
            pool.ejection.consecutive_failures = 1_000;
        })
        .gate();
    let mut retried = 0;
    for request in 0..100 {
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        exchange.choose_name(NOW);
        match follow(&mut exchange, NOW, Reason::BackendError) {
            Next::Retry => retried += 1,
            Next::Stop(refusal) => assert_eq!(refusal.reason, Reason::RetryBudget, "request {request}"),
        }
    }
    assert_eq!(retried, 20);
}

#[test]
fn a_rate_limit_stays_a_rate_limit_when_the_budget_is_spent() {
    let gate = Draft::chat(&["east/gpt-4o"]).with_pool("chat", |pool| pool.retry.budget_floor = 0).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    let Next::Stop(refusal) = follow(&mut exchange, NOW, Reason::BackendRateLimited) else {
        panic!("there is no budget")
    };
    assert_eq!(refusal.reason, Reason::BackendRateLimited);
}

#[test]
fn an_operation_nobody_offers_is_refused_by_name() {
    let gate = Draft::new()
        .pool("chat", &["claude/gpt-4o"])
        .with_backend("claude", |backend| backend.kind = BackendKind::Anthropic)
        .route("all", "/v1/*", "chat")
        .gate();
    let embed = Caller::chat()
        .asking(&http::Method::POST, Operation::Embeddings.path())
        .saying(&smallest(Operation::Embeddings));
    let refusal = embed.admitted(&gate, NOW).choose(NOW, 1).unwrap_err();
    assert_eq!(refusal.reason, Reason::OperationUnsupported);
    assert!(refusal.message.contains("/v1/embeddings"), "{refusal:?}");
    assert_eq!(Caller::chat().admitted(&gate, NOW).choose_name(NOW), "claude/gpt-4o", "chat is translated");
}

#[test]
fn waiting_for_a_member_starts_again_at_the_routes_own_pool() {
    let gate = chain(&[FallbackWhen::Exhausted]).with_pool("chat", |pool| pool.retry.max_attempts = 9).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    for _ in 0..3 {
        exchange.choose_name(NOW);
        let limited = AttemptFailure {
            failure: Failure::RateLimited { retry_after: Some(Duration::from_secs(2)) },
            ..failure(Reason::BackendRateLimited, Progress::NotWorkedOn)
        };
        assert_eq!(exchange.failed(NOW, limited), Next::Retry);
    }
    let refusal = exchange.choose(NOW, 1).unwrap_err();
    assert_eq!(refusal.reason, Reason::BackendRateLimited);
    let wait = refusal.retry_after.expect("every member said when it is free again");
    exchange.held();
    let later = after(wait.as_secs_f64() + 0.1);
    assert_ne!(exchange.choose_name(later), "claude/sonnet");
}

/// A pool of two backends of OpenAI's, behind all its operations and what is not read of them.
fn responses() -> Draft {
    Draft::new()
        .pool("chat", &["east/gpt-4o", "west/gpt-4o"])
        .route("all", "/v1/*", "chat")
        .with_route("all", |route| route.pass_through = true)
}

#[test]
fn a_response_is_continued_and_fetched_where_it_was_made() {
    let gate = responses().gate();
    let ask = |body: &serde_json::Value| {
        Caller::chat().asking(&http::Method::POST, Operation::Responses.path()).saying(body)
    };
    let mut first = ask(&smallest(Operation::Responses)).admitted(&gate, NOW);
    let home = first.choose_name(NOW);
    let answer = bytes::Bytes::from_static(br#"{"id":"resp_1","object":"response","output":[]}"#);
    first.answered(NOW, &answer, 0).unwrap();
    let mut continued = smallest(Operation::Responses);
    continued["previous_response_id"] = "resp_1".into();
    for _ in 0..4 {
        assert_eq!(ask(&continued).admitted(&gate, NOW).choose_name(NOW), home);
        let (mut fetched, piped) =
            Caller::chat().asking(&http::Method::GET, "/v1/responses/resp_1").identify(&gate);
        assert_eq!(piped, Ok(decision::Destination::Pipe(0)));
        assert_eq!(fetched.choose_name(NOW), home);
    }
}
