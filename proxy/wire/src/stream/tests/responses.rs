use serde_json::json;
use vocabulary::{Operation, Reason, Usage, UsageSource};

use super::*;

pub(super) const TOOL: &str = include_str!("../../../tests/transcripts/responses_tool.sse");
pub(super) const INCOMPLETE: &str = include_str!("../../../tests/transcripts/responses_incomplete.sse");
pub(super) const FAILED: &str = include_str!("../../../tests/transcripts/responses_failed.sse");

fn tap(transcript: &str) -> Run {
    run(Operation::Responses, false, &[transcript.as_bytes()])
}

#[test]
fn each_event_has_its_class() {
    use EventClass::*;
    assert_eq!(
        classes(Operation::Responses, TOOL),
        [
            Preamble, Preamble, Preamble, Output, Preamble, Preamble, Preamble, Output, Preamble, Preamble,
            Preamble, Output, Output, Preamble, Preamble, Done
        ]
    );
    assert_eq!(classes(Operation::Responses, INCOMPLETE), [Preamble, Preamble, Output, Done]);
    assert_eq!(classes(Operation::Responses, FAILED), [Preamble, Preamble, Error]);
    let error = r#"{"type":"error","code":"server_error","message":"…","param":null,"sequence_number":0}"#;
    assert_eq!(classes(Operation::Responses, &format!("event: error\ndata: {error}\n\n")), [Error]);
}

#[test]
fn pieces_of_media_are_output_that_is_not_counted_as_text() {
    let image = json!({"type": "response.image_generation_call.partial_image", "partial_image_b64": "AAAA"});
    let audio = json!({"type": "response.audio.delta", "delta": "AAAA"});
    let seen = tap(&format!("data: {image}\n\ndata: {audio}\n\n"));
    assert_eq!(seen.classes, [EventClass::Output, EventClass::Output]);
    assert_eq!((seen.observed.output_events, seen.observed.output_bytes), (2, 0));
}

#[test]
fn the_caller_gets_the_stream_to_the_byte() {
    for transcript in [TOOL, INCOMPLETE, FAILED] {
        assert_eq!(tap(transcript).sent, transcript);
        assert!(tap(transcript).terminator.is_empty());
    }
}

#[test]
fn usage_rides_on_the_event_that_completes_the_stream() {
    let expected = Usage { input: 75, cached_input: 64, output: 30, reasoning_output: 9, ..Usage::default() };
    let seen = tap(TOOL);
    assert_eq!((seen.observed.usage, seen.end), (Some(expected), StreamEnd::Complete));
    assert_eq!(tap(INCOMPLETE).observed.usage.map(|usage| usage.output), Some(1));
    assert_eq!(tap(INCOMPLETE).end, StreamEnd::Complete);
}

#[test]
fn output_is_counted_for_streams_that_are_cut() {
    let cut = tap(&TOOL[..TOOL.find("event: response.completed").unwrap()]);
    assert_eq!(cut.end, StreamEnd::Truncated);
    let written = "Think. Grüße, \"du\"weather{\"city\":\"Bonn\"}".len() as u64;
    assert_eq!(cut.observed.output_bytes, written);
    let (usage, source) = cut.observed.usage_or_estimate(11);
    assert_eq!((usage.input, usage.output, source), (11, written.div_ceil(4), UsageSource::Gateway));
}

#[test]
fn the_response_is_known_from_its_first_event_on() {
    let first = &TOOL[..TOOL.find("\n\n").unwrap() + 2];
    assert_eq!(tap(first).observed.response, Some(crate::response_key("resp_1")));
}

#[test]
fn an_error_takes_the_next_sequence_number() {
    let mut tap = StreamTap::new(Operation::Responses, 1 << 16, false);
    let cut = TOOL.find("event: response.output_text.delta").unwrap();
    tap.push(Bytes::from_static(&TOOL.as_bytes()[..cut]));
    while tap.next_event().is_some() {}
    let event = tap.error_event(Reason::StreamIdle, "silent", "req-1");
    let text = std::str::from_utf8(&event).unwrap();
    assert!(text.contains(r#""sequence_number":7}"#), "{text}");
}

#[test]
fn a_completion_without_its_blank_line_is_completed() {
    let seen = tap(TOOL.strip_suffix("\n\n").unwrap());
    assert_eq!((seen.sent.as_str(), seen.end), (TOOL, StreamEnd::Complete));
    let one_line_end = tap(TOOL.strip_suffix('\n').unwrap());
    assert_eq!((one_line_end.sent.as_str(), one_line_end.end), (TOOL, StreamEnd::Complete));
}
