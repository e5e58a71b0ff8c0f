//! What the rule language promises, each promise as a small program written by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::program::{
    Change, Collection, Ctl, Disruption, Effect, EngineMode, Link, Macro, Operator, Pattern, Phase, Piece,
    Place, Removal, Rule, Selection, Target, Test, Text, Transformation, Variable,
};
use crate::request::{Line, Pair};

fn rx(expression: &str) -> Operator {
    Operator::Rx(Pattern { expression: expression.to_owned(), backtracks: false })
}

fn all(variable: Variable) -> Target {
    Target { variable, selection: Selection::All, count: false }
}

fn test(variable: Variable, operator: Operator) -> Test {
    Test {
        targets: vec![all(variable)],
        except: Vec::new(),
        transformations: Vec::new(),
        multi_match: false,
        operator,
        negated: false,
        capture: false,
    }
}

fn link(test: Test, effects: Vec<Effect>) -> Link {
    Link { test: Some(test), effects }
}

fn rule(id: u32, links: Vec<Link>) -> Rule {
    Rule {
        id,
        phase: Phase::RequestBody,
        links,
        disruption: Disruption::Pass,
        message: Text::default(),
        log_data: Text::default(),
        severity: None,
        tags: Vec::new(),
        logged: true,
        place: Place::default(),
    }
}

fn tx(name: &str) -> Piece {
    of(Variable::Tx, Some(name))
}

fn of(variable: Variable, name: Option<&str>) -> Piece {
    Piece::Macro(Macro { variable, name: name.map(str::to_owned) })
}

fn words(bytes: &str) -> Piece {
    Piece::Literal(bytes.as_bytes().to_vec())
}

fn set(name: &str, change: Change) -> Effect {
    Effect::Set { collection: Collection::Tx, name: Text::literal(name), change }
}

/// Appends `[name~value]` of what matched to a variable.
fn note(name: &str) -> Effect {
    let text = vec![
        tx(name),
        words("["),
        of(Variable::MatchedVarName, None),
        words("~"),
        of(Variable::MatchedVar, None),
        words("]"),
    ];
    set(name, Change::Assign(Text(text)))
}

fn add(name: &str, by: &str) -> Effect {
    set(name, Change::Add(Text::literal(by)))
}

fn circumstances() -> Circumstances {
    let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
    Circumstances {
        client: address,
        server: address,
        unique_id: "id".to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    }
}

/// Both phases of a request for that target; with and without shortcuts the same is told.
fn inspect(rules: Vec<Rule>, mode: EngineMode, target: &str) -> Inspection {
    let program = Program { mode, rules, ..Program::default() };
    let run = |shortcuts: Shortcuts| {
        let engine = Arc::new(Engine::with(program.clone(), shortcuts).unwrap());
        let mut inspection = Inspection::new(engine, circumstances());
        let line = Line { method: b"GET", target: target.as_bytes(), protocol: b"HTTP/1.1" };
        let headers = vec![Pair { name: b"Host".to_vec(), value: b"h".to_vec() }];
        inspection.request_head(&line, headers);
        inspection.request_body(b"");
        inspection.finish();
        inspection
    };
    let plain = run(Shortcuts { identity: false, gates: false });
    let quick = run(Shortcuts::default());
    assert_eq!(plain.matches(), quick.matches());
    assert_eq!(plain.refusal(), quick.refusal());
    quick
}

fn ids(inspection: &Inspection) -> Vec<u32> {
    inspection.matches().iter().map(|one| one.id).collect()
}

fn told(inspection: &Inspection) -> String {
    inspection.matches().last().map(|one| String::from_utf8_lossy(&one.data).into_owned()).unwrap_or_default()
}

/// Tells what `TX` holds at the end.
fn teller(names: &[&str]) -> Rule {
    let mut pieces = Vec::new();
    for name in names {
        pieces.extend([tx(name), words("|")]);
    }
    Rule {
        log_data: Text(pieces),
        phase: Phase::Logging,
        ..rule(90, vec![Link { test: None, effects: Vec::new() }])
    }
}

#[test]
fn a_variable_is_set_for_every_value_that_matches_even_when_the_chain_fails_later() {
    let chain = rule(
        1,
        vec![
            link(test(Variable::Args, rx("x")), vec![add("a", "1")]),
            link(test(Variable::Args, rx("zzz")), vec![add("b", "1")]),
        ],
    );
    let inspection = inspect(vec![chain, teller(&["a", "b"])], EngineMode::On, "/?a=x&b=x&c=y");
    assert_eq!(ids(&inspection), [90]);
    assert_eq!(told(&inspection), "2||");
}

#[test]
fn what_matched_is_collected_along_a_chain_and_forgotten_after_it() {
    let mut first = test(Variable::Args, rx("x"));
    first.transformations = vec![Transformation::Lowercase];
    let chain =
        rule(1, vec![link(first, vec![]), link(test(Variable::MatchedVars, rx(".")), vec![note("a")])]);
    let after = rule(2, vec![link(test(Variable::MatchedVars, rx(".")), vec![note("a")])]);
    let inspection = inspect(vec![chain, after, teller(&["a"])], EngineMode::On, "/?A=X1&b=x2&c=y");
    assert_eq!(ids(&inspection), [1, 90]);
    assert_eq!(told(&inspection), "[MATCHED_VARS:ARGS:A~x1][MATCHED_VARS:ARGS:b~x2]|");
}

#[test]
fn groups_are_captured_and_those_that_a_later_match_lacks_stay() {
    let mut first = test(Variable::Args, rx("(x)(1)?"));
    first.capture = true;
    first.targets = vec![Target { selection: Selection::Name("a".to_owned()), ..all(Variable::Args) }];
    let mut second = test(Variable::Args, rx("y"));
    second.capture = true;
    let rules =
        vec![rule(1, vec![link(first, vec![])]), rule(2, vec![link(second, vec![])]), teller(&["0", "1"])];
    assert_eq!(told(&inspect(rules, EngineMode::On, "/?a=x1&c=y")), "y|x|");
}

#[test]
fn a_negated_test_holds_for_values_and_never_for_none() {
    let negated = |target| {
        let mut test = test(Variable::Args, rx("x"));
        test.negated = true;
        ids(&inspect(vec![rule(1, vec![link(test, vec![])])], EngineMode::On, target))
    };
    assert_eq!(negated("/?a=x1&c=y"), [1]);
    assert_eq!(negated("/?a=x1"), [] as [u32; 0]);
    assert_eq!(negated("/"), [] as [u32; 0]);
}

#[test]
fn every_form_of_a_value_is_asked_and_an_unchanged_one_once() {
    let mut forms = test(Variable::Args, rx("."));
    forms.multi_match = true;
    forms.transformations = vec![Transformation::Lowercase, Transformation::UrlDecodeUni];
    let rules = vec![rule(1, vec![link(forms, vec![note("a")])]), teller(&["a"])];
    let inspection = inspect(rules, EngineMode::On, "/?a=X%252f1&b=abc");
    assert_eq!(told(&inspection), "[ARGS:a~X%2f1][ARGS:a~x%2f1][ARGS:a~x/1][ARGS:b~abc]|");
}

#[test]
fn exclusions_take_names_out_and_counting_ignores_hidden_targets() {
    let mut some = test(Variable::Args, rx("."));
    some.except = vec![
        Target { selection: Selection::Name("a".to_owned()), ..all(Variable::Args) },
        Target {
            selection: Selection::Names(Pattern { expression: "(?i)^B".to_owned(), backtracks: false }),
            ..all(Variable::Args)
        },
    ];
    let hide = Effect::Ctl(Ctl::RemoveTarget {
        rules: Removal(vec![(2, 3)]),
        target: Target { selection: Selection::Name("c".to_owned()), ..all(Variable::Args) },
    });
    let mut count = test(Variable::Args, Operator::Eq(Text::literal("3")));
    count.targets = vec![Target { count: true, ..all(Variable::Args) }];
    let rules = vec![
        rule(1, vec![link(some, vec![note("a")])]),
        rule(2, vec![Link { test: None, effects: vec![hide] }]),
        rule(3, vec![link(test(Variable::Args, rx(".")), vec![note("b")])]),
        rule(4, vec![link(count, vec![])]),
        teller(&["a", "b"]),
    ];
    let inspection = inspect(rules, EngineMode::On, "/?A=1&bb=2&c=3");
    assert_eq!(ids(&inspection), [1, 2, 3, 4, 90]);
    assert_eq!(told(&inspection), "[ARGS:c~3]|[ARGS:A~1][ARGS:bb~2]|");
}

#[test]
fn a_chain_that_fails_neither_skips_nor_switches_anything_off() {
    let effects = vec![Effect::GoTo(2), Effect::Ctl(Ctl::RemoveRules(Removal(vec![(1, 1)])))];
    let failing = |second: &str| {
        let chain = vec![
            link(test(Variable::Args, rx(".")), effects.clone()),
            link(test(Variable::Args, rx(second)), vec![]),
        ];
        let rules =
            vec![rule(1, chain), rule(2, vec![link(test(Variable::Args, rx(".")), vec![])]), teller(&[])];
        ids(&inspect(rules, EngineMode::On, "/?a=1"))
    };
    assert_eq!(failing("nope"), [2, 90]);
    assert_eq!(failing("1"), [1, 90]);
}

#[test]
fn a_refusal_ends_the_request_and_detection_only_tells_of_it() {
    let deny = Rule {
        disruption: Disruption::Deny(403),
        ..rule(1, vec![link(test(Variable::Args, rx("x")), vec![])])
    };
    let rules = vec![deny, rule(2, vec![Link { test: None, effects: vec![] }]), teller(&[])];
    let refused = inspect(rules.clone(), EngineMode::On, "/?a=x");
    assert_eq!(refused.refusal(), Some(Refusal { status: 403, rule: 1 }));
    assert_eq!(ids(&refused), [1, 90]);
    let detected = inspect(rules.clone(), EngineMode::DetectionOnly, "/?a=x");
    assert_eq!((detected.refusal(), detected.would_refuse().map(|one| one.rule)), (None, Some(1)));
    assert_eq!(ids(&detected), [1, 2, 90]);
    assert_eq!(ids(&inspect(rules, EngineMode::Off, "/?a=x")), [] as [u32; 0]);
}

#[test]
fn arithmetic_counts_what_is_no_number_as_nothing() {
    let effects = vec![
        set("a", Change::Assign(Text::literal("5"))),
        set("a", Change::Add(Text(vec![tx("b")]))),
        set("a", Change::Subtract(Text::literal("7"))),
        set("b", Change::Assign(Text::literal("abc"))),
        add("b", "2"),
        set("c", Change::Assign(Text::literal("1"))),
        set("c", Change::Unset),
    ];
    let rules = vec![rule(1, vec![Link { test: None, effects }]), teller(&["a", "b", "c"])];
    assert_eq!(told(&inspect(rules, EngineMode::On, "/")), "-2|2||");
}

#[test]
fn parts_of_a_form_are_seen_by_rules_on_their_headers_and_files() {
    let mut headers = test(Variable::MultipartPartHeaders, rx("content-transfer-encoding:(.*)"));
    headers.transformations = vec![Transformation::Lowercase];
    let rules = vec![
        rule(1, vec![link(headers, vec![])]),
        rule(2, vec![link(test(Variable::Files, rx("php")), vec![])]),
    ];
    let engine = Arc::new(Engine::new(Program { rules, ..Program::default() }).unwrap());
    let mut inspection = Inspection::new(engine, circumstances());
    let line = Line { method: b"POST", target: b"/", protocol: b"HTTP/1.1" };
    let content_type = b"multipart/form-data; boundary=B".to_vec();
    inspection.request_head(&line, vec![Pair { name: b"Content-Type".to_vec(), value: content_type }]);
    let body = "--B\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x.php\"\r\n\
                Content-Transfer-Encoding: 8bit\r\n\r\nv\r\n--B--\r\n";
    inspection.request_body(body.as_bytes());
    assert_eq!(ids(&inspection), [1, 2]);
}

#[test]
fn a_body_that_nobody_could_take_apart_is_seen_as_a_whole() {
    let rules = vec![rule(1, vec![link(test(Variable::RequestBody, rx("java")), vec![])])];
    let engine = Arc::new(Engine::new(Program { rules, ..Program::default() }).unwrap());
    let seen = |content_type: &str, body: &str| {
        let mut inspection = Inspection::new(Arc::clone(&engine), circumstances());
        let line = Line { method: b"POST", target: b"/", protocol: b"HTTP/1.1" };
        let value = content_type.as_bytes().to_vec();
        inspection.request_head(&line, vec![Pair { name: b"Content-Type".to_vec(), value }]);
        inspection.request_body(body.as_bytes());
        ids(&inspection)
    };
    assert_eq!(seen("application/json", r#"{"a":"java"}"#), [] as [u32; 0], "its parts are what rules see");
    assert_eq!(seen("application/json", r#"{"a":"b":"java"}"#), [1]);
    assert_eq!(seen("text/plain", "java"), [1]);
}
