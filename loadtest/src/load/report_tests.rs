//! A report says what was measured, and when it is not to be believed.

use std::sync::atomic::Ordering;

use super::super::recorder::Yardstick;
use super::super::sample::sample;
use super::super::{PriceList, Sample};
use super::*;

fn report(samples: impl IntoIterator<Item = Sample>, not_sent: u64) -> Report {
    let prices = PriceList::from_json(r#"{"*": {"input": "1 USD/1M", "output": "10 USD/1M"}}"#).unwrap();
    let objective = Some(Duration::from_secs(1));
    let yardstick = Yardstick { prices, objective, phases: Vec::new() };
    let gauges = Gauges::new(4.0);
    let mut recorder = Recorder::default();
    for sample in samples {
        gauges.offered.fetch_add(1, Ordering::Relaxed);
        recorder.record(sample, &yardstick);
    }
    gauges.offered.fetch_add(not_sent, Ordering::Relaxed);
    gauges.not_sent.store(not_sent, Ordering::Relaxed);
    let heading = Heading { target: "http://gw".into(), model: "m".into(), seed: 1, objective, priced: true };
    let paced = Paced { window: Duration::from_secs(10), ..Paced::default() };
    Report::new(&heading, &gauges, &paced, recorder)
}

#[test]
fn rates_money_and_attainment_come_from_what_was_offered() {
    let report =
        report([sample(), sample(), Sample { outcome: Outcome::RateLimited, usage: None, ..sample() }], 1);
    assert_eq!((report.validity.offered, report.validity.sent, report.lost()), (4, 3, 2));
    assert_eq!(report.objective.unwrap(), Attainment { limit_s: 1.0, good: 2, fraction: 0.5 });
    assert!((report.output_tokens_per_s - 2.0).abs() < 1e-9 && (report.offered_per_s - 0.4).abs() < 1e-9);
    let cost = report.cost.unwrap();
    assert!((cost.usd - 0.0004).abs() < 1e-12);
    assert!((cost.usd_per_million_tokens.unwrap() - 0.0004 / 220.0 * 1e6).abs() < 1e-9);
    assert_eq!(report.ttft_with_failures.p95_s, None);
}

#[test]
fn requests_never_sent_spoil_a_run() {
    assert!(report([sample()], 0).validity.valid);
    let report = report([sample()], 1);
    assert!(!report.validity.valid && report.validity.problems[0].contains("never sent"));
}

#[test]
fn a_late_client_spoils_a_run_unless_answers_are_far_slower() {
    let late = |lag_ms, response_s| {
        let sample = Sample {
            lag: Duration::from_millis(lag_ms),
            response: Duration::from_secs(response_s),
            ..sample()
        };
        report([sample], 0).validity
    };
    assert!(late(9, 1).valid);
    assert!(!late(90, 1).valid);
    // 8 s of policy time are 2 s on the wall at a time scale of 4: a tenth of that is 200 ms.
    assert!(late(90, 8).valid);
}

#[test]
fn a_run_of_nothing_is_not_a_pass() {
    assert!(!report([], 0).validity.valid);
}

#[test]
fn the_json_form_names_its_version_and_leaves_out_what_did_not_occur() {
    let json = serde_json::to_value(report([sample()], 0)).unwrap();
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["outcomes"], serde_json::json!({"ok": 1}));
    assert_eq!(json["backends"]["a/m"]["requests"], 1);
    assert_eq!(json["slowest"][0]["request_id"], "r-1");
}
