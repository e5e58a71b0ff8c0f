//! Translations, one recorded input and a snapshot per feature and pair of dialects, and what must hold
//! for any input.
// The helpers below are test code as much as the tests are.
#![cfg(test)]

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use wire::translate::{self, Backend, Envelope, Format, RequestOptions, Stream, ThinkingStyle};
use wire::{Splitter, sse};

#[path = "translate/generated.rs"]
mod generated;
#[path = "translate/properties.rs"]
mod properties;
#[path = "translate/refusals.rs"]
mod refusals;

const CALLERS: [(Format, &str); 3] =
    [(Format::Chat, "chat"), (Format::Messages, "messages"), (Format::Responses, "responses")];
const BACKENDS: [(Backend, &str); 2] = [(Backend::Chat, "chat"), (Backend::Messages, "messages")];

fn options(thinking: ThinkingStyle) -> RequestOptions<'static> {
    RequestOptions { model: "upstream", default_max_tokens: 4096, include_usage: true, thinking }
}

fn envelope() -> Envelope {
    Envelope { id: "7".to_owned(), created_unix: 1_790_000_000, model: "any".to_owned() }
}

/// The recorded inputs of one kind in one dialect, in the order of their names.
fn inputs(kind: &str, dialect: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/translate").join(kind).join(dialect);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    inputs
}

/// Two levels of a document on lines of their own; what lies deeper as it was written, order included.
fn lines(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    for c in text.chars() {
        out.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ => {}
        }
        if !quoted && c == ',' && depth <= 2 {
            let _ = write!(out, "\n{}", "  ".repeat(depth));
        }
    }
    out
}

#[test]
fn requests_say_the_same_in_the_backends_dialect() {
    for (from, caller) in CALLERS {
        for (name, body) in inputs("requests", caller) {
            for (to, backend) in BACKENDS.into_iter().filter(|(to, _)| Format::from(*to) != from) {
                let mut told = String::new();
                for style in [ThinkingStyle::Adaptive, ThinkingStyle::Budget] {
                    let one = match translate::request(from, to, &body, &options(style)) {
                        Ok(request) => format!("{}\nlost: {:?}\n", lines(&request.body), request.lost),
                        Err(fault) => format!("{fault}\n"),
                    };
                    if told.is_empty() {
                        told = one;
                    } else if told != one {
                        let _ = write!(told, "\nwith a budget:\n{one}");
                    }
                }
                insta::assert_snapshot!(format!("request-{caller}-to-{backend}-{name}"), told);
            }
        }
    }
}

#[test]
fn answers_say_the_same_in_the_callers_dialect() {
    for (from, backend) in BACKENDS {
        for (name, body) in inputs("answers", backend) {
            for (to, caller) in CALLERS.into_iter().filter(|(to, _)| Format::from(from) != *to) {
                let answer = translate::answer(from, to, &body, &envelope()).unwrap();
                let told = format!("{}\n{:?}", lines(&answer.body), answer.usage);
                insta::assert_snapshot!(format!("answer-{backend}-to-{caller}-{name}"), told);
            }
        }
    }
}

#[test]
fn streams_say_the_same_event_by_event() {
    for (from, backend) in BACKENDS {
        for (name, body) in inputs("streams", backend) {
            for (to, caller) in CALLERS.into_iter().filter(|(to, _)| Format::from(from) != *to) {
                let mut stream = Stream::new(from, to, envelope(), true, 42);
                let mut told = String::new();
                for event in events(&body) {
                    let translated = stream.event(&event);
                    let data = event.data().unwrap_or_default();
                    let _ = write!(told, "< {}\n# {:?}\n", String::from_utf8_lossy(&data), translated.class);
                    told.push_str(&quoted(&translated.bytes));
                }
                let _ = write!(told, "< end\n{}# {:?}\n", quoted(&stream.finish()), stream.observed());
                insta::assert_snapshot!(format!("stream-{backend}-to-{caller}-{name}"), told);
            }
        }
    }
}

fn quoted(bytes: &Bytes) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("> {line}\n")).collect()
}

/// The events of a stream that arrives at once.
fn events(stream: &[u8]) -> Vec<sse::Event> {
    let mut splitter = Splitter::new(1 << 20);
    splitter.push(Bytes::copy_from_slice(stream));
    std::iter::from_fn(|| splitter.next_event()).map(Result::unwrap).collect()
}

#[test]
fn errors_keep_their_words_in_the_callers_dialect() {
    let chat = br#"{"error":{"message":"too \"long\"","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#;
    let vllm = br#"{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}"#;
    let messages = br#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"},"request_id":"req_1"}"#;
    let mut told = String::new();
    for (from, status, body) in [
        (Backend::Chat, 400, &chat[..]),
        (Backend::Chat, 400, vllm),
        (Backend::Chat, 404, br#"{"error":"no such model"}"#),
        (Backend::Chat, 502, b"<html>Bad gateway</html>"),
        (Backend::Messages, 400, messages),
        (
            Backend::Messages,
            529,
            br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        ),
        (Backend::Messages, 413, b""),
    ] {
        for (to, caller) in CALLERS {
            let body = translate::error(from, to, status, body);
            let _ = writeln!(told, "{from:?} {status} to {caller}: {}", std::str::from_utf8(&body).unwrap());
        }
    }
    insta::assert_snapshot!("errors", told);
}

#[test]
fn a_stream_that_the_gateway_gives_up_says_so_and_not_that_it_is_done() {
    for (from, backend) in BACKENDS {
        let (_, body) = inputs("streams", backend).into_iter().find(|(name, _)| name == "cut_short").unwrap();
        for (to, caller) in CALLERS {
            let mut stream = Stream::new(from, to, envelope(), true, 42);
            events(&body).iter().for_each(|event| drop(stream.event(event)));
            assert_eq!(stream.finish(), Bytes::new(), "a stream that was cut owes nothing");
            let failed = stream.fail(vocabulary::Reason::StreamBroken, "the backend went away");
            insta::assert_snapshot!(format!("failed-{backend}-to-{caller}"), quoted(&failed));
            assert_eq!(stream.fail(vocabulary::Reason::StreamBroken, "again"), Bytes::new());
            assert!(events(&body).iter().all(|event| stream.event(event).bytes.is_empty()));
        }
    }
}

#[test]
fn a_messages_stream_that_is_cut_has_counted_its_prompt_and_not_its_output() {
    let (_, body) = inputs("streams", "messages").into_iter().find(|(name, _)| name == "cut_short").unwrap();
    let mut stream = Stream::new(Backend::Messages, Format::Chat, envelope(), true, 42);
    events(&body).iter().for_each(|event| drop(stream.event(event)));
    let (usage, source) = stream.observed().usage_or_estimate(42);
    assert_eq!((usage.input, usage.cached_input, usage.cache_write_input, usage.output), (100, 60, 30, 1));
    assert_eq!(source, vocabulary::UsageSource::Gateway);
}

#[test]
fn a_chat_caller_hears_of_usage_only_when_it_asked() {
    let (_, body) = inputs("streams", "messages").into_iter().find(|(name, _)| name == "text").unwrap();
    for (wanted, count) in [(true, true), (false, false)] {
        let mut stream = Stream::new(Backend::Messages, Format::Chat, envelope(), wanted, 42);
        let said: Vec<u8> = events(&body).iter().flat_map(|event| stream.event(event).bytes).collect();
        assert_eq!(String::from_utf8(said).unwrap().contains("usage"), count);
        assert_eq!(stream.observed().usage.unwrap().input, 100, "cache reads and writes are input");
    }
}

#[test]
fn an_answer_that_is_repeated_at_the_end_is_held_within_a_bound() {
    let text = "x".repeat(1 << 20);
    let chunk = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let mut splitter = Splitter::new(1 << 21);
    splitter.push(chunk.into());
    let event = splitter.next_event().unwrap().unwrap();
    let mut stream = Stream::new(Backend::Chat, Format::Responses, envelope(), true, 1);
    let classes: Vec<_> = (0..9).map(|_| stream.event(&event).class).collect();
    assert_eq!(classes[..7], [wire::stream::EventClass::Output; 7]);
    assert_eq!(classes[8], wire::stream::EventClass::Malformed);
    assert!(!stream.fail(vocabulary::Reason::StreamBroken, "too long").is_empty());
    let mut stream = Stream::new(Backend::Chat, Format::Messages, envelope(), true, 1);
    assert!((0..20).all(|_| stream.event(&event).class == wire::stream::EventClass::Output));
}

#[test]
fn debug_output_holds_no_content() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"secret"}]}"#;
    let request =
        translate::request(Format::Chat, Backend::Messages, body, &options(ThinkingStyle::Adaptive)).unwrap();
    let (_, stream) = inputs("streams", "chat").into_iter().find(|(name, _)| name == "text").unwrap();
    let mut carried = Stream::new(Backend::Chat, Format::Responses, envelope(), true, 1);
    let said: Vec<_> = events(&stream).iter().map(|event| carried.event(event)).collect();
    let shown = format!("{request:?}{carried:?}{said:?}");
    assert!(!shown.contains("secret") && !shown.contains("Hel"), "{shown}");
}
