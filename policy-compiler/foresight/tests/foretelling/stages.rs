//! What is told of rules that decide and rules that nearly do.

use foresight::{Circumstances, Explanation, Outcome, Request, StageVerdict, Unknown, explain, render};
use policy_compiler::{Source, compile};
use rule_table::Bundle;
use vocabulary::Reason;

const POLICY: &str = r#"
apiVersion: sluicegate/v1
listeners: {main: {address: "127.0.0.1:0"}}
countries: {file: geo.mmdb}
backends:
  a: {kind: openai, url: "http://127.0.0.1:1", models: {m: {contextWindow: 1000}, o: {}}}
  files: {kind: http, url: "http://127.0.0.1:2/base"}
pools:
  chat: {members: [a/m, a/o], strategy: round-robin}
  files: {members: [files]}
routes:
  chat: {match: {path: /v1/chat/completions, method: POST}, pool: chat, public: true, rewrite: {request: {headers: {set: {x-team: a}}}}}
  debug: {match: {path: /v1/chat/completions, method: POST, header: {x-debug: "1"}, query: {v: "2"}}, pool: chat, public: true}
  files: {match: {path: "/files/*"}, pool: files, public: true, limit: few}
acl:
  probes: {priority: 5, when: {header: {x-probe: "yes"}}, action: allow}
  posts: {priority: 6, when: {method: [POST]}, action: log}
  trial: {priority: 7, when: {path: "/v1/*"}, action: block, mode: shadow}
  scrapers: {priority: 10, when: {bot: [http-library], method: [POST]}, unless: {header: {x-pass: "1"}}, action: block, status: 404}
  abroad: {priority: 20, when: {country: [KP]}, action: block, onFailure: open}
limits:
  few: {requests: 10 requests/min}
"#;

fn bundle() -> Bundle {
    let source = Source::new("policy.yaml", POLICY);
    let outcome = compile(&source);
    let findings: Vec<_> = outcome.findings.iter().map(policy_compiler::Finding::one_line).collect();
    outcome.bundle.unwrap_or_else(|| panic!("{findings:#?}"))
}

fn told_of(request: &str) -> Explanation {
    let request = Request::parse(request.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    explain(bundle(), &request, &Circumstances::default()).expect("nothing is named")
}

fn chat(headers: &str) -> String {
    format!(
        "POST /v1/chat/completions?v=1\nContent-Type: application/json\n{headers}\n{{\"model\": \"m\", \"messages\": [{{\"role\": \"user\", \"content\": \"hello\"}}]}}"
    )
}

#[test]
fn the_rule_that_decides_is_named_with_those_that_nearly_did() {
    let told = told_of(&chat("User-Agent: python-requests/2.32\n"));
    assert_eq!(told.outcome, Outcome::Refused);
    let answer = told.answer.as_ref().unwrap();
    assert_eq!((answer.status, answer.reason), (404, Some(Reason::AclBlocked)));
    assert_eq!(told.acl.decided.as_ref().unwrap().rule, "scrapers");
    assert_eq!(
        (told.acl.noted.as_slice(), told.acl.shadowed.as_slice()),
        (&["posts".to_owned()][..], &["trial".to_owned()][..])
    );
    let near: Vec<_> =
        told.acl.near.iter().map(|near| (near.rule.rule.as_str(), near.because.as_str())).collect();
    assert_eq!(near, [("probes", "`header x-probe` does not hold")]);
}

#[test]
fn an_exception_that_holds_is_why_a_rule_did_not_apply() {
    let told = told_of(&chat("User-Agent: python-requests/2.32\nX-Pass: 1\n"));
    assert_eq!(told.outcome, Outcome::SentOn);
    let scrapers = told.acl.near.iter().find(|near| near.rule.rule == "scrapers").unwrap();
    assert_eq!(scrapers.because, "its exception `header x-pass` holds");
    assert!(told.notes.iter().any(|note| note.contains("--country")), "{:?}", told.notes);
    assert_eq!(told.would_refuse, [Reason::AclBlocked]);
}

#[test]
fn a_route_says_every_condition_that_others_miss() {
    let told = told_of(&chat("X-Pass: 1\n"));
    assert_eq!(told.route.as_deref(), Some("chat"));
    let near: Vec<_> =
        told.near_routes.iter().map(|near| (near.route.as_str(), near.missed.clone())).collect();
    assert_eq!(near, [("debug", vec!["header x-debug".to_owned(), "query v".to_owned()])]);
    assert_eq!(told.sending.as_ref().unwrap().headers_set, ["x-team"]);
}

#[test]
fn a_member_of_another_model_says_which() {
    let told = told_of(&chat("X-Pass: 1\n"));
    let members: Vec<_> =
        told.pools[0].members.iter().map(|member| (member.member.as_str(), member.out.as_deref())).collect();
    assert_eq!(members, [("a/m", None), ("a/o", Some("serves `o`"))]);
}

#[test]
fn a_request_that_is_passed_on_is_never_read() {
    let told = told_of("GET /files/x?key=sk-secret\nHost: a.example\n");
    assert_eq!(told.outcome, Outcome::SentOn);
    let inspect = told.stages.iter().find(|stage| stage.stage == "inspect").unwrap();
    assert_eq!(inspect.verdict, StageVerdict::NotReached);
    assert_eq!(told.sending.as_ref().unwrap().url, "http://127.0.0.1:2/base/files/x");
    assert_eq!(told.limits.len(), 1);
    for text in [serde_json::to_string(&told).unwrap(), render(&told, true)] {
        assert!(!text.contains("sk-secret"), "{text}");
    }
}

#[test]
fn another_method_is_refused_with_the_routes_that_lack_it() {
    let told = told_of("PUT /v1/chat/completions\n");
    assert_eq!(told.answer.as_ref().unwrap().status, 405);
    assert_eq!(told.near_routes[0].missed, ["method"]);
}

#[test]
fn a_name_that_is_not_there_is_refused_with_those_that_are() {
    let request = Request::parse(b"GET /").unwrap();
    let how = Circumstances { listener: Some("public".to_owned()), ..Circumstances::default() };
    let unknown = Unknown { kind: "listener", name: "public".to_owned(), known: vec!["main".to_owned()] };
    assert_eq!(explain(bundle(), &request, &how), Err(unknown.clone()));
    assert_eq!(unknown.to_string(), "there is no listener `public`; there is `main`");
}
