use super::*;
use proptest::prelude::*;

#[test]
fn no_limits_are_passed_where_none_are_set() {
    let huge = Measures { bytes: u64::MAX, depth: u64::MAX, max_tokens: u64::MAX, ..Measures::default() };
    assert!(Limits::default().breaches(&huge).is_empty());
}

#[test]
fn a_limit_is_passed_only_by_more_than_it_allows() {
    let limits = Limits { messages: Some(10), ..Limits::default() };
    let with = |messages| limits.breaches(&Measures { messages, ..Measures::default() });
    assert!(with(10).is_empty());
    let breach = Breach { measure: Measure::Messages, measured: 11, allowed: 10, remedy: Remedy::Refuse };
    assert_eq!(with(11).as_slice(), [breach]);
    assert_eq!(breach.to_string(), "messages: 11 where 10 are allowed");
}

#[test]
fn too_many_tokens_are_cut_down_where_that_is_asked_for_and_refused_otherwise() {
    let measures = Measures { max_tokens: 9000, ..Measures::default() };
    let limits = Limits { max_tokens: Some(4096), clamp_max_tokens: true, ..Limits::default() };
    assert_eq!(
        limits.breaches(&measures).first().map(|breach| breach.remedy),
        Some(Remedy::Clamp { to: 4096 })
    );
    assert!(!limits.refuses(&measures));
    let strict = Limits { clamp_max_tokens: false, ..limits };
    assert!(strict.refuses(&measures));
    let images = Limits { images: Some(0), ..limits };
    assert!(images.refuses(&Measures { images: 1, ..measures }), "another breach refuses all the same");
}

#[test]
fn each_measure_has_a_limit_and_a_name_of_its_own() {
    let mut names: Vec<_> = Measure::ALL.iter().map(|measure| measure.name()).collect();
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Measure::ALL.len());
    let json = serde_json::json!({ "longestText": 5, "maxTokens": 7, "clampMaxTokens": true });
    let limits: Limits = serde_json::from_value(json).unwrap();
    assert_eq!((limits.longest_text, limits.max_tokens), (Some(5), Some(7)));
    assert!(
        serde_json::from_value::<Limits>(serde_json::json!({ "tokens": 5 })).is_err(),
        "unknown names are refused"
    );
}

proptest! {
    #[test]
    fn breaches_are_exactly_the_measures_above_their_limits(
        messages: u64, tools: u64, depth: u64, limit in prop::option::of(any::<u64>()),
    ) {
        let measures = Measures { messages, tools, depth, ..Measures::default() };
        let limits = Limits { messages: limit, tools: limit, depth: limit, ..Limits::default() };
        let wanted = [messages, tools, depth].iter().filter(|count| limit.is_some_and(|limit| **count > limit)).count();
        let breaches = limits.breaches(&measures);
        prop_assert_eq!(breaches.len(), wanted);
        prop_assert!(breaches.iter().all(|breach| breach.measured > breach.allowed));
    }
}
