use std::time::UNIX_EPOCH;

use super::*;
use crate::context::Trust;

#[test]
fn the_policy_clock_runs_faster_than_the_wall_clock() {
    let clock = PolicyClock { origin: UNIX_EPOCH + Duration::from_secs(1_000), time_scale: 5.0 };
    assert_eq!(clock.at(Moment::from_secs_f64(10.0)), UNIX_EPOCH + Duration::from_secs(1_002));
    let plain = PolicyClock { origin: UNIX_EPOCH, time_scale: 1.0 };
    assert_eq!(plain.at(Moment(7)), UNIX_EPOCH + Duration::from_nanos(7));
}

#[test]
fn disabled_traces_keep_nothing() {
    let context = TraceContext::root(&mut || 7);
    let traces = Traces::disabled();
    let outcome = Outcome { reason: Some(Reason::Internal), duration: Duration::from_secs(100) };
    assert!(!traces.keep(&context, &outcome));
}

#[test]
fn without_export_a_continued_trace_is_passed_on_and_none_is_begun() {
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let accept = |trust| TraceContext::accept([caller.as_bytes()], [], trust, &mut || 7);
    let attempt = SpanId::new([1; 8]).unwrap();
    let traces = Traces::disabled();
    assert_eq!(traces.traceparent(&accept(Trust::Continue), attempt).as_deref(), Some(caller));
    assert_eq!(traces.traceparent(&accept(Trust::Restart), attempt), None);
}
