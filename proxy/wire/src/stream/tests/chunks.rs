use bytes::Bytes;
use serde_json::{Value, json};
use vocabulary::{Operation, Usage, UsageSource};

use super::*;
use crate::sse::EventTooLarge;

pub(super) const OPENAI: &str = include_str!("../../../tests/transcripts/openai_usage.sse");
pub(super) const AZURE: &str = include_str!("../../../tests/transcripts/azure_crlf.sse");
pub(super) const VLLM: &str = include_str!("../../../tests/transcripts/vllm_continuous_usage.sse");
pub(super) const TEXT: &str = include_str!("../../../tests/transcripts/text_completion.sse");

fn run(usage_wanted: bool, chunks: &[&str]) -> Run {
    let chunks: Vec<_> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
    super::run(Operation::Chat, usage_wanted, &chunks)
}

fn classes(transcript: &str) -> Vec<EventClass> {
    super::classes(Operation::Chat, transcript)
}

/// The class of an event with this data.
fn class(data: &str) -> EventClass {
    classes(&format!("data: {data}\n\n"))[0]
}

fn delta(delta: Value) -> EventClass {
    class(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}).to_string())
}

#[test]
fn each_event_of_a_transcript_has_its_class() {
    use EventClass::*;
    assert_eq!(classes(OPENAI), [Preamble, Output, Output, Output, UsageOnly, Done]);
    assert_eq!(classes(AZURE), [Preamble, KeepAlive, Preamble, Output, Output, UsageOnly, Done]);
    assert_eq!(classes(VLLM), [Preamble, Output, Output, Output, Output, Done]);
    assert_eq!(classes(TEXT), [Output, Output, Output, Done]);
}

#[test]
fn output_is_whatever_a_model_generates() {
    use EventClass::{Output, Preamble};
    assert_eq!(delta(json!({"content": "x"})), Output);
    assert_eq!(delta(json!({"reasoning_content": "x"})), Output);
    assert_eq!(delta(json!({"reasoning": "x"})), Output);
    assert_eq!(delta(json!({"refusal": "x"})), Output);
    assert_eq!(delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": ""}}]})), Output);
    assert_eq!(delta(json!({"function_call": {"name": "f"}})), Output);
    assert_eq!(delta(json!({"role": "assistant", "content": "", "tool_calls": null})), Preamble);
    assert_eq!(delta(json!({"tool_calls": []})), Preamble);
    assert_eq!(delta(Value::Null), Preamble);
}

#[test]
fn errors_and_damage_are_told_from_output() {
    assert_eq!(class(r#"{"error":{"message":"x"}}"#), EventClass::Error);
    assert_eq!(class(r#"{"error":null,"choices":[]}"#), EventClass::Preamble);
    for data in ["", "{", "[]", "{\"choices\":[]", "{} {}", "DONE", "{\"a\":\"\\ud800\"}"] {
        assert_eq!(class(data), EventClass::Malformed, "{data}");
    }
    assert_eq!(class(" [DONE] "), EventClass::Done);
}

#[test]
fn a_caller_who_asked_for_usage_gets_the_stream_to_the_byte() {
    for transcript in [OPENAI, AZURE, VLLM, TEXT] {
        assert_eq!(run(true, &[transcript]).sent, transcript);
    }
}

#[test]
fn a_caller_who_did_not_ask_sees_no_trace_of_usage() {
    for transcript in [OPENAI, AZURE, VLLM] {
        let Run { sent, observed, .. } = run(false, &[transcript]);
        assert!(!sent.contains("usage"), "{sent}");
        assert!(observed.usage.is_some());
        // Otherwise it is the same stream.
        let end = if transcript == AZURE { "\r\n\r\n" } else { "\n\n" };
        let plain = |text: &str| -> Vec<Value> {
            text.split(end)
                .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
                .filter_map(|mut data: Value| {
                    let usage = data.as_object_mut()?.remove("usage");
                    (data["choices"] != json!([]) || usage.is_none_or(|usage| usage.is_null()))
                        .then_some(data)
                })
                .collect()
        };
        assert_eq!(plain(&sent), plain(transcript));
        assert!(sent.ends_with(&format!("data: [DONE]{end}")));
    }
}

#[test]
fn usage_is_cut_out_wherever_it_stands() {
    let sent = |data: &str| run(false, &[&format!("data: {data}\n\n")]).sent;
    assert_eq!(sent(r#"{"usage":null,"choices":[]}"#), "data: {\"choices\":[]}\n\n");
    assert_eq!(sent(r#"{ "usage" : null , "choices":[]}"#), "data: { \"choices\":[]}\n\n");
    assert_eq!(sent(r#"{"id":1 , "usage":null,"choices":[]}"#), "data: {\"id\":1,\"choices\":[]}\n\n");
    assert_eq!(sent(r#"{"choices":[] , "usage":null }"#), "data: {\"choices\":[] }\n\n");
    assert_eq!(sent(r#"{"usage":null}"#), "data: {}\n\n");
    assert_eq!(sent(r#"{"a":{"usage":null}}"#), "data: {\"a\":{\"usage\":null}}\n\n");
    let lines = "event: e\ndata: {\"usage\":null,\ndata: \"choices\":[]}\nid: 1\n\n";
    assert_eq!(run(false, &[lines]).sent, "event: e\nid: 1\ndata: {\ndata: \"choices\":[]}\n\n");
}

#[test]
fn the_last_usage_that_is_not_null_wins() {
    let expected = Usage { input: 19, cached_input: 8, output: 4, reasoning_output: 1, ..Usage::default() };
    assert_eq!(run(false, &[OPENAI]).observed.usage, Some(expected));
    // Cumulative on every chunk: never a sum.
    assert_eq!(run(false, &[VLLM]).observed.usage, Some(Usage { input: 30, output: 10, ..Usage::default() }));
}

#[test]
fn output_is_counted_for_streams_without_usage() {
    let observed = run(false, &[TEXT]).observed;
    assert_eq!((observed.output_events, observed.output_bytes), (3, 16));
    let (usage, source) = observed.usage_or_estimate(12);
    assert_eq!((usage.input, usage.output, source), (12, 4, UsageSource::Gateway));
    let (usage, source) = run(false, &[OPENAI]).observed.usage_or_estimate(12);
    assert_eq!((usage.input, source), (19, UsageSource::Provider));
    // Unescaped bytes, and the names and arguments of tool calls.
    assert_eq!(run(false, &[OPENAI]).observed.output_bytes, "Grüße, \"world\"".len() as u64);
    assert_eq!(run(false, &[VLLM]).observed.output_bytes, "hmmget{\"a\":1}".len() as u64);
}

#[test]
fn a_stream_that_stops_anywhere_is_known_to_be_cut_short() {
    for transcript in [OPENAI, AZURE, TEXT] {
        assert_eq!(run(false, &[transcript]).end, StreamEnd::Complete);
        let finish = transcript.rfind("data: [DONE]").unwrap();
        assert_eq!(run(false, &[&transcript[..finish]]).end, StreamEnd::NoDone);
        let reason = transcript.find(r#""finish_reason":"#).unwrap();
        for cut in (0..reason).filter(|cut| transcript.is_char_boundary(*cut)) {
            assert_eq!(run(false, &[&transcript[..cut]]).end, StreamEnd::Truncated);
        }
    }
}

#[test]
fn a_done_without_its_blank_line_is_completed() {
    let cut = OPENAI.strip_suffix("\n\n").unwrap();
    let ended = run(true, &[cut]);
    assert_eq!((ended.sent.as_str(), ended.end), (OPENAI, StreamEnd::Complete));
}

#[test]
fn an_error_inside_a_stream_is_seen() {
    let broken = format!(
        "{}data: {{\"error\":{{\"message\":\"overloaded\"}}}}\n\n",
        &TEXT[..TEXT.find("\n\n").unwrap() + 2]
    );
    let seen = run(false, &[&broken]);
    assert!(seen.observed.error);
    assert_eq!(seen.end, StreamEnd::Truncated);
}

#[test]
fn an_event_beyond_the_bound_ends_the_tap() {
    let mut tap = StreamTap::new(Operation::Chat, 16, false);
    tap.push(Bytes::from_static(b"data: 0123456789abcdef\n\ndata: x\n\n"));
    assert_eq!(tap.next_event(), Some(Err(EventTooLarge { max: 16 })));
    assert_eq!(tap.next_event(), None);
}
