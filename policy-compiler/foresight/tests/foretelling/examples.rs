//! Requests under the examples' policies, told as people read it.

use foresight::{Circumstances, Explanation, Request, explain, render};
use policy_compiler::{Source, compile};

/// 2026-11-23, a Monday, 09:00 in UTC.
const AT: u64 = 1_795_424_400;

/// What is told of `request` under the example of that name.
fn told(example: &str, request: &str, change: impl FnOnce(&mut Circumstances)) -> Explanation {
    let file = format!("{}/../../examples/{example}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let bundle = compile(&Source::new(file, text)).bundle.expect("the examples are sound");
    let mut how = Circumstances {
        from: Some([127, 0, 0, 1].into()),
        unix_nanos: AT * 1_000_000_000,
        ..Circumstances::default()
    };
    change(&mut how);
    let request = Request::parse(request.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    explain(bundle, &request, &how).expect("listener and consumer are the example's")
}

fn page(example: &str, request: &str, change: impl FnOnce(&mut Circumstances)) -> String {
    render(&told(example, request, change), false)
}

fn chat(model: &str) -> String {
    format!(
        "POST /v1/chat/completions\nContent-Type: application/json\n\n{{\"model\": \"{model}\", \"max_tokens\": 100, \"messages\": [{{\"role\": \"user\", \"content\": \"hello\"}}]}}\n"
    )
}

fn quickstart(extra: &str) -> String {
    let key = format!("\nAuthorization: Bearer sk-quickstart-demo{extra}\nContent-Type");
    chat("sim-chat").replacen("\nContent-Type", &key, 1)
}

fn as_consumer(name: &'static str) -> impl FnOnce(&mut Circumstances) {
    move |how| how.consumer = Some(name.to_owned())
}

#[test]
fn a_chat_with_a_key_goes_to_the_member_with_the_lowest_total() {
    insta::assert_snapshot!(page("quickstart", &quickstart(""), |_| {}));
}

#[test]
fn a_header_makes_another_route_more_specific() {
    insta::assert_snapshot!(page("quickstart", &quickstart("\nx-strategy: round-robin"), |_| {}));
}

#[test]
fn without_a_key_nobody_is_told_more() {
    insta::assert_snapshot!(page("quickstart", &chat("sim-chat"), |_| {}));
}

#[test]
fn a_model_that_nobody_serves_is_refused() {
    insta::assert_snapshot!(page("quickstart", &quickstart("").replace("sim-chat", "gpt-9"), |_| {}));
}

#[test]
fn every_counter_says_what_it_is_asked() {
    insta::assert_snapshot!(page("limits", &chat("gpt-4o"), as_consumer("claims-bot")));
}

#[test]
fn members_outside_a_team_s_residency_say_so() {
    insta::assert_snapshot!(page("residency", &chat("gpt-4o"), as_consumer("handling")));
}

#[test]
fn another_team_may_go_anywhere() {
    insta::assert_snapshot!(page("residency", &chat("gpt-4o"), as_consumer("search")));
}

#[test]
fn a_door_names_the_rule_that_objects() {
    insta::assert_snapshot!(page("doors", &chat("llama-70b"), |how| {
        how.listener = Some("internal".to_owned());
        how.from = Some([10, 66, 1, 2].into());
    }));
}

#[test]
fn a_rule_in_shadow_mode_is_told_and_the_request_goes_on() {
    insta::assert_snapshot!(page("doors", &chat("llama-70b"), |how| {
        how.listener = Some("partners".to_owned());
        how.from = Some([192, 0, 2, 1].into());
        how.country = Some(*b"SE");
    }));
}

#[test]
fn models_are_listed_by_the_gateway_itself() {
    let request = quickstart("").replace("POST /v1/chat/completions", "GET /v1/models");
    insta::assert_snapshot!(page("quickstart", &request, |_| {}));
}

#[test]
fn a_request_in_another_dialect_is_translated() {
    let request = chat("gpt-4o").replace("/v1/chat/completions", "/v1/messages");
    insta::assert_snapshot!(page("every-dialect", &request, |_| {}));
}

#[test]
fn the_json_form_stays_as_it_is() {
    let mut told = told("residency", &chat("gpt-4o"), as_consumer("handling"));
    assert_eq!(told.policy.len(), "sha256:".len() + 64);
    told.policy = "its digest".to_owned();
    insta::assert_snapshot!(serde_json::to_string_pretty(&told).unwrap());
}
