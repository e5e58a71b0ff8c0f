//! Seeded changes: each is found under its subject, and its witness is decided as stated, by the interpreter and
//! by the stages that the gateway runs.

use std::collections::BTreeMap;

use foresight::{Class, DiffOutcome, Explanation, Request, Subject, explain, replay};
use rule_table::Bundle;

use super::*;

/// A change, and what has to be told of it: about what, and one value before and after.
struct Seeded {
    edits: &'static [(&'static str, &'static str)],
    subject: Subject,
    change: Option<(&'static str, Option<&'static str>, Option<&'static str>)>,
}

const SEEDED: &[Seeded] = &[
    Seeded {
        edits: &[("{path: /v1/embeddings}, pool: own", "{path: /v1/embeddings}, pool: small")],
        subject: Subject::Pool,
        change: Some(("pool", Some("own"), Some("small"))),
    },
    Seeded {
        edits: &[("model: gpt-4o-mini}, pool: small", "model: gpt-4o}, pool: large")],
        subject: Subject::Route,
        change: Some(("limit", Some("busy"), None)),
    },
    Seeded {
        edits: &[("bot: [scraper, ai-crawler]", "bot: [scraper]")],
        subject: Subject::Acl,
        change: None,
    },
    Seeded {
        edits: &[("allow: [10.0.0.0/8]", "allow: [10.0.0.0/9]")],
        subject: Subject::Access,
        change: Some(("access office", Some("allow 10.0.0.0/8"), Some("allow 10.0.0.0/9"))),
    },
    Seeded {
        edits: &[("600 requests/min", "60 requests/min")],
        subject: Subject::Limit,
        change: Some(("limit busy: requests", Some("600 requests/min"), Some("60 requests/min"))),
    },
    Seeded {
        edits: &[("output: 10 USD/1M", "output: 8 USD/1M")],
        subject: Subject::Price,
        change: Some(("deployment openai/gpt-4o: prices.output", Some("10 USD/1M"), Some("8 USD/1M"))),
    },
    Seeded {
        edits: &[("x-tenant: corp", "x-tenant: other")],
        subject: Subject::Rewrite,
        change: Some(("rewrite.request_headers.set", Some("x-tenant: corp"), Some("x-tenant: other"))),
    },
    Seeded {
        edits: &[("consumers: [search]", "consumers: [search, portal]")],
        subject: Subject::Access,
        change: Some(("consumers", Some("search"), Some("portal, search"))),
    },
    Seeded {
        edits: &[("path: /files/*, method: GET", "path: /files/*")],
        subject: Subject::Route,
        change: None,
    },
    Seeded {
        edits: &[("fallback: {to: small}", "fallback: {to: own}")],
        subject: Subject::Pool,
        change: Some(("pool large: fallback.1", Some("small when exhausted"), Some("own when exhausted"))),
    },
    Seeded {
        edits: &[("portal: {keys", "portal: {team: research, keys")],
        subject: Subject::Caller,
        change: Some(("consumer portal: team", None, Some("research"))),
    },
    Seeded {
        edits: &[("10.0.0.7:8000", "10.0.0.9:8000")],
        subject: Subject::Backend,
        change: Some(("backend vllm: host", Some("10.0.0.7"), Some("10.0.0.9"))),
    },
    Seeded {
        edits: &[("127.0.0.1:8443", "127.0.0.1:8443, maxBody: 1 KiB")],
        subject: Subject::Listener,
        change: Some(("listener public: max_body", Some("8388608"), Some("1024"))),
    },
    Seeded {
        edits: &[(
            "priority: 10, when: {path: /files/health}, action: allow",
            "priority: 10, when: {path: /files/health}, action: block",
        )],
        subject: Subject::Acl,
        change: None,
    },
    Seeded {
        edits: &[(
            "consumers:\n",
            "consumers:\n  late: {keys: {main: {sha256: 0e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8}}}\n",
        )],
        subject: Subject::Caller,
        change: Some(("consumer late: keys.main.sha256", None, Some("0e884898"))),
    },
];

/// The witness as a request that can be sent.
fn raw(witness: &policy_compiler::diagnostics::Request) -> String {
    let query: Vec<String> = witness.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let host = witness.host.as_deref().unwrap_or("gateway.example");
    let mut text =
        format!("{} {}{query} HTTP/1.1\nHost: {host}\n", witness.method.as_deref().unwrap(), witness.path);
    for (name, value) in &witness.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    match &witness.model {
        None => text + "\n",
        Some(model) => {
            let messages = r#"[{"role": "user", "content": "hello"}]"#;
            format!(
                "{text}Content-Type: application/json\n\n{{\"model\": \"{model}\", \"input\": \"hello\", \"max_tokens\": 9, \"messages\": {messages}}}"
            )
        }
    }
}

/// What the gateway's own stages make of it; a consumer that a policy does not have shows an unknown key.
fn explained(policy: &Policy, witness: &policy_compiler::diagnostics::Request) -> Explanation {
    let known = |name: &&String| policy.consumers.iter().any(|consumer| consumer.name == **name);
    let mut text = raw(witness);
    if witness.consumer.is_some() && witness.consumer.as_ref().filter(known).is_none() {
        text = text.replacen("\nHost", "\nAuthorization: Bearer sk-nobody\nHost", 1);
    }
    let how = foresight::Circumstances {
        listener: witness.listener.clone(),
        from: witness.from.as_ref().map(|from| from.parse().unwrap()),
        country: None,
        consumer: witness.consumer.as_ref().filter(known).cloned(),
        unix_nanos: NOW * 1_000_000_000,
    };
    explain(Bundle::new(policy.clone()), &Request::parse(text.as_bytes()).unwrap(), &how).unwrap()
}

/// The interpreter's outcome and the stages' are one.
#[track_caller]
fn agree(outcome: &DiffOutcome, told: &Explanation) {
    let answer = told.answer.as_ref();
    match outcome {
        DiffOutcome::NotListening => panic!("both listen"),
        DiffOutcome::Refused { status, reason, .. } => {
            let refused = (told.outcome, answer.map(|a| a.status), answer.and_then(|a| a.reason));
            assert_eq!(refused, (foresight::Outcome::Refused, Some(*status), Some(*reason)), "{told:#?}");
        }
        DiffOutcome::SentOn { route, pool } => {
            assert_eq!(told.outcome, foresight::Outcome::SentOn, "{answer:?}");
            let pools: Vec<&str> = told.pools.iter().map(|pool| pool.pool.as_str()).collect();
            assert_eq!((told.route.as_ref(), pools.first()), (Some(route), Some(&pool.as_str())));
        }
    }
}

fn replayed(old: &Policy, new: &Policy, class: &Class) {
    for (policy, outcome) in [(old, &class.old), (new, &class.new)] {
        assert_eq!(replay(policy, &class.witness, NOW), *outcome);
        agree(outcome, &explained(policy, &class.witness));
    }
    assert!(class.old != class.new || !class.changes.is_empty(), "it shows nothing: {class:?}");
}

#[test]
fn every_seeded_change_is_found_with_a_witness_that_both_policies_decide_as_stated() {
    let mut subjects: BTreeMap<Subject, usize> = BTreeMap::new();
    for seeded in SEEDED {
        let (old, new, found) = compared(seeded.edits);
        assert!(found.unknown.is_empty() && found.elsewhere.is_empty(), "{found:#?}");
        for class in &found.classes {
            replayed(&old, &new, class);
        }
        let is_it = |class: &&Class| {
            class.subject == seeded.subject
                && seeded.change.is_none_or(|(what, old, new)| {
                    class.changes.iter().any(|change| {
                        (&*change.what, change.old.as_deref(), change.new.as_deref()) == (what, old, new)
                    })
                })
        };
        assert!(found.classes.iter().any(|class| is_it(&class)), "{:?}: {found:#?}", seeded.edits);
        *subjects.entry(seeded.subject).or_default() += 1;
    }
    assert!(subjects.len() >= 10, "{subjects:?}");
}

#[test]
fn several_changes_are_told_apart_and_ordered_by_how_far_they_reach() {
    let (_, _, found) = compared(&[
        ("{path: /v1/embeddings}, pool: own", "{path: /v1/embeddings}, pool: small"),
        ("allow: [10.0.0.0/8]", "allow: [10.0.0.0/9]"),
        ("output: 10 USD/1M", "output: 8 USD/1M"),
        ("identities:", "telemetry: {traceSampling: 50%}\nidentities:"),
    ]);
    let subjects: Vec<Subject> = found.classes.iter().map(|class| class.subject).collect();
    assert_eq!(subjects, [Subject::Access, Subject::Price, Subject::Pool]);
    let shares: Vec<u64> = found.classes.iter().map(|class| class.reach.share_ppm()).collect();
    assert_eq!(shares, [1_000_000, 250_000, 125_000]);
    insta::assert_snapshot!(foresight::render_diff(&found, false));
}

#[test]
fn what_no_request_shows_is_told_apart() {
    let (_, _, found) = compared(&[("identities:", "telemetry: {traceSampling: 50%}\nidentities:")]);
    assert!(!found.same && found.classes.is_empty() && !found.touches_requests());
    assert_eq!(found.elsewhere.len(), 1);
    assert_eq!(found.elsewhere[0].what, "telemetry.trace_sampling");
}

#[test]
fn the_json_form_stays_as_it_is() {
    let (_, _, found) = compared(&[("bot: [scraper, ai-crawler]", "bot: [scraper]")]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap());
}
