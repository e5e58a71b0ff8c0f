use serde_json::{Value, json};
use vocabulary::{Operation, Usage, UsageSource};

use super::*;

pub(super) const TOOL: &str = include_str!("../../../tests/transcripts/anthropic_tool.sse");
pub(super) const SERVER_TOOL: &str =
    include_str!("../../../tests/transcripts/anthropic_server_tool_crlf.sse");

fn tap(transcript: &str) -> Run {
    run(Operation::Messages, false, &[transcript.as_bytes()])
}

fn class(data: &Value) -> EventClass {
    classes(Operation::Messages, &format!("data: {data}\n\n"))[0]
}

/// The transcript up to the event that has `name`.
fn before<'a>(transcript: &'a str, name: &str) -> &'a str {
    &transcript[..transcript.find(&format!("event: {name}")).unwrap()]
}

#[test]
fn each_event_has_its_class() {
    use EventClass::*;
    assert_eq!(
        classes(Operation::Messages, TOOL),
        [
            Preamble, Preamble, Preamble, Output, Output, Preamble, Preamble, Output, Preamble, Output,
            Preamble, Output, Preamble, Output, Done
        ]
    );
    assert_eq!(
        classes(Operation::Messages, SERVER_TOOL),
        [
            Preamble, Preamble, Output, Output, Preamble, Output, Preamble, Preamble, Output, Preamble,
            Output, Done
        ]
    );
}

#[test]
fn what_opens_an_answer_can_be_held_until_there_is_output() {
    use EventClass::{Output, Preamble};
    let start =
        |block: Value| class(&json!({"type": "content_block_start", "index": 0, "content_block": block}));
    assert_eq!(start(json!({"type": "text", "text": ""})), Preamble);
    assert_eq!(start(json!({"type": "thinking", "thinking": "", "signature": ""})), Preamble);
    assert_eq!(start(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})), Output);
    assert_eq!(start(json!({"type": "redacted_thinking", "data": "x"})), Output);
    let delta = |delta: Value| class(&json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    assert_eq!(delta(json!({"type": "text_delta", "text": ""})), Preamble);
    assert_eq!(delta(json!({"type": "citations_delta", "citation": {}})), Output);
    assert_eq!(class(&json!({"type": "invented_later", "delta": {"text": "x"}})), Preamble);
}

#[test]
fn an_error_is_seen_even_as_the_first_event() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let seen = tap(&format!("event: error\ndata: {error}\n\n"));
    assert_eq!((seen.classes.as_slice(), seen.observed.error), (&[EventClass::Error][..], true));
    assert_eq!(seen.end, StreamEnd::Truncated);
    // In the form of another API, from a server that speaks several.
    assert_eq!(class(&json!({"error": {"message": "x"}})), EventClass::Error);
}

#[test]
fn the_caller_gets_the_stream_to_the_byte() {
    for transcript in [TOOL, SERVER_TOOL] {
        assert_eq!(tap(transcript).sent, transcript);
        assert_eq!(tap(transcript).end, StreamEnd::Complete);
    }
}

#[test]
fn a_done_mark_of_another_api_is_kept_from_the_caller() {
    let seen = tap(&format!("{TOOL}data: [DONE]\n\n"));
    assert_eq!((seen.sent.as_str(), seen.end), (TOOL, StreamEnd::Complete));
    let cut = tap(&format!("{}data: [DONE]\n\n", before(TOOL, "message_delta")));
    assert_eq!(cut.end, StreamEnd::Truncated);
}

#[test]
fn usage_is_the_last_word_on_each_count_and_never_a_sum() {
    let expected = Usage {
        input: 152,
        cached_input: 100,
        cache_write_input: 30,
        cache_write_1h_input: 10,
        output: 31,
        reasoning_output: 0,
    };
    assert_eq!(tap(TOOL).observed.usage, Some(expected));
}

#[test]
fn final_totals_beat_the_breakdown_of_the_beginning() {
    let expected = Usage {
        input: 990,
        cached_input: 40,
        cache_write_input: 900,
        cache_write_1h_input: 0,
        output: 77,
        reasoning_output: 0,
    };
    assert_eq!(tap(SERVER_TOOL).observed.usage, Some(expected));
}

#[test]
fn null_counts_at_the_end_leave_those_of_the_beginning() {
    let start =
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}});
    let end = json!({
        "type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": null, "cache_read_input_tokens": null, "output_tokens": 5},
    });
    let seen = tap(&format!("data: {start}\n\ndata: {end}\n\n"));
    assert_eq!(seen.observed.usage, Some(Usage { input: 9, output: 5, ..Usage::default() }));
}

#[test]
fn the_output_of_a_stream_that_is_cut_is_estimated_beside_its_known_input() {
    let cut = tap(before(TOOL, "message_delta"));
    assert_eq!((cut.end, cut.observed.usage_lacks_output), (StreamEnd::Truncated, true));
    let (usage, source) = cut.observed.usage_or_estimate(7);
    let written = "ÜberlegenI will \"look\".weather{\"city\":\"Bonn\"}".len() as u64;
    assert_eq!((usage.input, usage.output, source), (152, written.div_ceil(4), UsageSource::Gateway));
    let (usage, source) = tap(TOOL).observed.usage_or_estimate(7);
    assert_eq!((usage.output, source), (31, UsageSource::Provider));
}

#[test]
fn a_stream_without_its_message_stop_gets_one() {
    let seen = tap(before(TOOL, "message_stop"));
    assert_eq!(seen.end, StreamEnd::NoDone);
    assert_eq!(format!("{}{}", seen.sent, String::from_utf8_lossy(&seen.terminator)), TOOL);
    assert!(tap(TOOL).terminator.is_empty());
}

#[test]
fn a_message_stop_without_its_blank_line_is_completed() {
    let cut = TOOL.strip_suffix("\n\n").unwrap();
    let seen = tap(cut);
    assert_eq!((seen.sent.as_str(), seen.end), (TOOL, StreamEnd::Complete));
}
