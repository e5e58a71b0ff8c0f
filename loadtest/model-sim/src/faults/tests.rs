use super::*;
use proptest::prelude::*;

fn script(json: &str) -> FaultScript {
    FaultScript::parse(json).unwrap()
}

#[test]
fn a_script_acts_in_its_time_and_factors_multiply() {
    let script = script(
        r#"[{"at": 10, "for": 10, "kind": "brown_out", "factor": 6, "capacity": 0.5},
            {"at": 15, "kind": "slow", "factor": 2}]"#,
    );
    assert_eq!(script.condition(9.9), Condition::default());
    assert_eq!(script.condition(10.0), Condition { first_token: 6.0, decode: 1.0, capacity: 0.5 });
    assert_eq!(script.condition(16.0), Condition { first_token: 12.0, decode: 2.0, capacity: 0.5 });
    assert_eq!(script.condition(20.0), Condition { first_token: 2.0, decode: 2.0, capacity: 1.0 });
    let edges = [0.0, 10.0, 15.0, 20.0].map(|t| script.next_change(t));
    assert_eq!(edges, [Some(10.0), Some(15.0), Some(20.0), None]);
}

#[test]
fn a_fraction_strikes_that_share_of_requests() {
    let script = script(r#"[{"at": 0, "kind": "server_error", "status": 500, "fraction": 0.3}]"#);
    let struck = (0..10_000).filter(|key| script.strike(1.0, 5, *key).is_some()).count();
    assert!((2_850..3_150).contains(&struck), "{struck}");
}

#[test]
fn a_wrong_script_says_what_is_wrong() {
    for (json, part) in [
        (r#"[{"at": 0, "kind": "slow", "factr": 2}]"#, "factr"),
        (r#"[{"at": 0, "kind": "slow"}]"#, "factor"),
        (r#"[{"kind": "missing_done"}]"#, "at"),
        (r#"[{"at": 0, "kind": "slow", "factor": 2, "fraction": 0.5}]"#, "whole server"),
        (r#"[{"at": 0, "kind": "server_error", "status": 200}]"#, "400 and 599"),
        (r#"[{"at": 0, "kind": "storm"}]"#, "storm"),
        (r#"{"at": 0}"#, "fault script"),
    ] {
        let error = FaultScript::parse(json).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_script_survives_its_own_json() {
    let script = script(
        r#"[{"at": 1.5, "for": 2, "kind": "hang_mid_stream", "after_events": 3, "fraction": 0.25},
            {"at": 0, "kind": "missing_usage"}]"#,
    );
    assert_eq!(FaultScript::parse(&serde_json::to_string(&script).unwrap()).unwrap(), script);
}

#[test]
fn a_header_names_a_fault_and_its_number() {
    assert_eq!("server_error:529".parse(), Ok(FaultKind::ServerError { status: 529 }));
    assert_eq!("rate_limited".parse(), Ok(FaultKind::RateLimited { retry_after: None }));
    assert_eq!("rate_limited:1.5".parse(), Ok(FaultKind::RateLimited { retry_after: Some(1.5) }));
    assert_eq!("drop_mid_stream".parse(), Ok(FaultKind::DropMidStream { after_events: 1 }));
    for wrong in ["server_error:200", "drop_mid_stream:x", "slow:2", "storm", ""] {
        assert!(wrong.parse::<FaultKind>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC*") {
        let _ = FaultScript::parse(&text);
        let _ = text.parse::<FaultKind>();
    }
}
