//! Changes of form: the same policy written otherwise.

use policy_compiler::{expand, format};

use super::*;

/// Ten ways of writing the same.
fn rewritten() -> Vec<(&'static str, String)> {
    let without_comments: Vec<&str> = GATEWAY.lines().filter(|line| !line.starts_with('#')).collect();
    let source = Source::new("gateway.yaml", GATEWAY.to_owned());
    let tree = compile(&source).document.unwrap().root.to_json();
    let json = serde_json::to_string(&tree).unwrap();
    let pretty = serde_json::to_string_pretty(&tree).unwrap();
    let mut reversed = tree.clone();
    for section in ["routes", "pools", "consumers", "backends"] {
        let entries = reversed[section].as_object_mut().unwrap();
        *entries = std::mem::take(entries).into_iter().rev().collect();
    }
    vec![
        ("comments gone", without_comments.join("\n") + "\n"),
        ("formatted", format(&source).unwrap()),
        ("JSON", json),
        ("JSON in lines", pretty),
        ("sections in another order", serde_json::to_string(&reversed).unwrap()),
        ("every default spelt out", expand(&source).yaml().unwrap()),
        (
            "quotes",
            edited(&[
                ("kind: openai", "kind: \"openai\""),
                ("path: /v1/embeddings", "path: '/v1/embeddings'"),
            ]),
        ),
        ("lists in another order", edited(&[("[scraper, ai-crawler]", "[ai-crawler, scraper]")])),
        (
            "one instead of a list of one",
            edited(&[("method: GET}", "method: [GET]}"), ("limit: busy", "limit: [busy]")]),
        ),
        (
            "other units and spellings",
            edited(&[
                ("2.50 USD/1M", "2.5 USD/1M"),
                ("0.60 USD/1M", "0.6 USD/1M"),
                ("127.0.0.1:8443}", "127.0.0.1:8443, maxBody: 8192 KiB}"),
            ]),
        ),
        ("strategy spelt out", edited(&[("members: [vllm]", "members: [vllm], strategy: adaptive")])),
    ]
}

#[test]
fn changes_of_form_are_no_difference() {
    let old = policy(GATEWAY);
    let mut ways = 0;
    for (way, text) in rewritten() {
        assert_ne!(text, GATEWAY, "{way}");
        let found = diff(&old, &policy(&text), NOW);
        assert!(found.same && found.neutral.is_empty(), "{way}: {found:#?}");
        assert_eq!(foresight::render_diff(&found, false), "no behavioural change\n");
        ways += 1;
    }
    assert!(ways >= 10);
}

#[test]
fn names_and_places_that_decide_nothing_are_told_as_such() {
    let edits = [
        ("  mini: {match", "  little: {match"),
        ("priority: 20", "priority: 30"),
        ("  health: {pri", "  alive: {pri"),
    ];
    let (_, _, found) = compared(&edits);
    assert!(found.same, "{found:#?}");
    let told: Vec<(&str, &str)> =
        found.neutral.iter().map(|change| (&*change.what, change.new.as_deref().unwrap())).collect();
    assert_eq!(told, [("acl rule", "alive"), ("acl scrapers: priority", "30"), ("route", "little")]);
}
