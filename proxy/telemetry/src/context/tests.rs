use std::time::Duration;

use proptest::prelude::*;
use vocabulary::{Reason, Share};

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn counting() -> impl FnMut() -> u64 {
    let mut last = 0_u64;
    move || {
        last += 1;
        last.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn accept(parents: &[&str], states: &[&str], trust: Trust) -> TraceContext {
    TraceContext::accept(
        parents.iter().map(|value| value.as_bytes()),
        states.iter().map(|value| value.as_bytes()),
        trust,
        &mut counting(),
    )
}

fn kept(ratio: u32) -> Sampling {
    Sampling { ratio: Share { ppm: ratio }, slow: Some(Duration::from_secs(10)) }
}

fn fine() -> Outcome {
    Outcome { reason: None, duration: Duration::from_millis(20) }
}

#[test]
fn a_trusted_caller_is_continued_with_its_state() {
    let context = accept(&[PARENT], &["vendor=a:1", "tenant@sys=b"], Trust::Continue);
    assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.parent.unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!(context.parent_sampled, Some(true));
    assert_eq!(context.link, None);
    assert_eq!(context.state.as_str(), "vendor=a:1,tenant@sys=b");
    assert_ne!(context.span_id, context.parent.unwrap());
}

#[test]
fn an_untrusted_caller_gets_a_new_trace_with_a_link() {
    let context = accept(&[PARENT], &["vendor=a"], Trust::Restart);
    assert_ne!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.parent, None);
    assert_eq!(context.parent_sampled, None);
    assert_eq!(context.link.unwrap().trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.link.unwrap().span_id.to_string(), "00f067aa0ba902b7");
    assert!(context.state.is_empty());
}

#[test]
fn two_traceparents_are_none() {
    let context = accept(&[PARENT, PARENT], &["vendor=a"], Trust::Continue);
    assert_eq!((context.parent, context.link), (None, None));
    assert!(context.state.is_empty());
}

#[test]
fn a_bad_tracestate_is_dropped_and_the_trace_goes_on() {
    let context = accept(&[PARENT], &["vendor=a,UPPER=b"], Trust::Continue);
    assert!(context.parent.is_some());
    assert!(context.state.is_empty());
}

#[test]
fn an_attempt_is_announced_by_its_own_span_id() {
    let context = accept(&[PARENT], &[], Trust::Continue);
    let attempt = SpanId::new(*b"attempt1").unwrap();
    let sent = context.traceparent(attempt, true);
    assert_eq!(sent, "00-4bf92f3577b34da6a3ce929d0e0e4736-617474656d707431-01");
    assert_eq!(TraceParent::parse(sent.as_bytes()).unwrap().parent_id, attempt);
}

#[test]
fn malformed_traceparents_are_refused() {
    for (value, error) in [
        ("", ContextError::Malformed),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", ContextError::Malformed),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", ContextError::Malformed),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", ContextError::Malformed),
        ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", ContextError::Malformed),
        (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ContextError::Malformed),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", ContextError::Malformed),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ContextError::ForbiddenVersion),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", ContextError::ZeroId),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", ContextError::ZeroId),
    ] {
        assert_eq!(TraceParent::parse(value.as_bytes()), Err(error), "{value}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-what-comes-next";
    let parent = TraceParent::parse(later.as_bytes()).unwrap();
    assert!(parent.sampled);
    assert_eq!(parent.to_string(), PARENT);
}

#[test]
fn tracestate_follows_its_grammar() {
    let parse = |text: &str| TraceState::parse([text.as_bytes()]);
    assert_eq!(parse(" a=1 ,\t, b=2,").unwrap().as_str(), "a=1,b=2");
    assert_eq!(parse("a=1,a=2"), Err(ContextError::Duplicate(2)));
    for bad in ["a", "=1", "a=", "A=1", "1a=1", "a=\u{7f}", "a=b=c", "a b=1", "a@=1", "@b=1", "a=é"] {
        assert_eq!(parse(bad), Err(ContextError::Member(1)), "{bad}");
    }
    let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(parse(&many), Err(ContextError::TooLong));
    assert_eq!(parse(&many.replace(",k32=v", "")).unwrap().members().count(), 32);
}

#[test]
fn the_values_of_a_tracestate_are_not_debugged() {
    let state = TraceState::parse([&b"vendor=canary"[..]]).unwrap();
    assert_eq!(format!("{state:?}"), "[\"vendor\"]");
}

#[test]
fn failures_and_slow_requests_are_kept_at_ratio_zero() {
    let context = accept(&[], &[], Trust::Restart);
    let none = kept(0);
    assert!(!none.keep(&context, &fine()));
    assert!(none.keep(&context, &Outcome { reason: Some(Reason::StreamBroken), ..fine() }));
    assert!(none.keep(&context, &Outcome { duration: Duration::from_secs(10), ..fine() }));
    assert!(!none.keep(&context, &Outcome { reason: Some(Reason::MissingKey), ..fine() }));
}

#[test]
fn only_a_trusted_flag_counts_and_it_counts_both_ways() {
    let unsampled = PARENT.replace("-01", "-00");
    assert!(kept(0).head(&accept(&[PARENT], &[], Trust::Continue)));
    assert!(!kept(1_000_000).head(&accept(&[&unsampled], &[], Trust::Continue)));
    assert!(!kept(0).head(&accept(&[PARENT], &[], Trust::Restart)));
    assert!(kept(1_000_000).head(&accept(&[&unsampled], &[], Trust::Restart)));
}

#[test]
fn the_ratio_is_met() {
    let mut random = counting();
    let sampling = kept(100_000);
    let hits = (0..20_000).filter(|_| sampling.head(&TraceContext::root(&mut random))).count();
    assert!((1_850..=2_150).contains(&hits), "{hits} of 20000 kept at 10 %");
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(trace: u128, span: u64, sampled: bool) {
        prop_assume!(trace != 0 && span != 0);
        let parent = TraceParent {
            trace_id: TraceId::new(trace.to_be_bytes()).unwrap(),
            parent_id: SpanId::new(span.to_be_bytes()).unwrap(),
            sampled,
        };
        prop_assert_eq!(TraceParent::parse(parent.to_string().as_bytes()), Ok(parent));
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(parent: Vec<u8>, states: Vec<Vec<u8>>) {
        let _ = TraceParent::parse(&parent);
        let _ = TraceState::parse(states.iter().map(Vec::as_slice));
    }

    #[test]
    fn a_damaged_traceparent_is_refused_or_still_well_formed(at in 0_usize..55, byte: u8) {
        let mut value = PARENT.as_bytes().to_vec();
        value[at] = byte;
        if let Ok(parent) = TraceParent::parse(&value) {
            let printed = parent.to_string();
            prop_assert_eq!(&printed.as_bytes()[3..52], &value[3..52]);
        }
    }

    #[test]
    fn an_accepted_tracestate_is_a_legal_header_and_stable(text in "[a-z0-9@=, \t*/_-]{0,200}") {
        if let Ok(state) = TraceState::parse([text.as_bytes()]) {
            prop_assert!(state.as_str().bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(TraceState::parse([state.as_str().as_bytes()]), Ok(state));
        }
    }
}
