use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn names_are_unique_and_well_formed() {
    let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    let keys: BTreeSet<_> = attributes::ALL.iter().map(|attribute| attribute.key).collect();
    assert_eq!(keys.len(), attributes::ALL.len());
    for name in names.iter().chain(&keys) {
        assert!(name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'.' | b'_')), "{name}");
        let ours = name.starts_with("sluicegate.");
        let standard =
            ["http.", "gen_ai.", "server.", "url.", "error."].iter().any(|space| name.starts_with(space));
        assert!(ours || standard, "{name} is in nobody's namespace");
    }
}

#[test]
fn only_histograms_have_buckets_and_they_ascend() {
    for metric in METRICS {
        assert_eq!(metric.kind == Kind::Histogram, !metric.buckets.is_empty(), "{}", metric.name);
        assert!(metric.buckets.windows(2).all(|pair| pair[0] < pair[1]), "{}", metric.name);
    }
}

#[test]
fn objectives_have_boundaries_that_every_back_end_prints_alike() {
    for line in [0.25, 0.5, 2.5] {
        assert!(GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK.buckets.contains(&line));
        assert!(GEN_AI_SERVER_TIME_TO_FIRST_TOKEN.buckets.contains(&line));
        assert!(HTTP_SERVER_REQUEST_DURATION.buckets.contains(&line));
    }
    assert!(OVERHEAD_DURATION.buckets.contains(&0.005));
}

#[test]
fn an_attribute_set_cannot_outgrow_its_bound_unseen() {
    for metric in METRICS {
        assert!(metric.cardinality > 0, "{}", metric.name);
        assert!(metric.cardinality > 1 || metric.attributes.len() <= 1, "{}", metric.name);
        let keys: BTreeSet<_> = metric.attributes.iter().map(|attribute| attribute.key).collect();
        assert_eq!(keys.len(), metric.attributes.len(), "{} repeats an attribute", metric.name);
    }
    for by_reason in [&REFUSALS, &SHADOW_REFUSALS] {
        assert!(by_reason.cardinality > vocabulary::Reason::ALL.len(), "{}", by_reason.name);
    }
}

#[test]
fn prometheus_names_follow_the_otlp_translation() {
    for (metric, name) in [
        (&GEN_AI_CLIENT_OPERATION_DURATION, "gen_ai_client_operation_duration_seconds"),
        (&HTTP_SERVER_ACTIVE_REQUESTS, "http_server_active_requests"),
        (&COST, "sluicegate_cost_total"),
        (&POOL_SHARE, "sluicegate_pool_share_ratio"),
        (&BACKEND_READY, "sluicegate_backend_ready"),
        (&BUILD_INFO, "sluicegate_build_info"),
    ] {
        assert_eq!(metric.prometheus_name(), name);
    }
}

#[test]
fn json_lists_every_metric() {
    let json = to_json();
    let metrics = json["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), METRICS.len());
    let cost = metrics.iter().find(|metric| metric["name"] == "sluicegate.cost").unwrap();
    assert_eq!(cost["kind"], "counter");
    assert_eq!(cost["unit"], "{USD}");
    assert!(cost["attributes"].as_array().unwrap().iter().any(|key| key == "sluicegate.cost.component"));
}

/// `UPDATE_DOCS=1` writes the file instead of comparing it.
#[test]
fn the_reference_page_is_what_the_catalogue_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, to_markdown()).unwrap();
    }
    let kept = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(kept, to_markdown(), "docs/metrics.md is out of date; run the tests with UPDATE_DOCS=1");
}
