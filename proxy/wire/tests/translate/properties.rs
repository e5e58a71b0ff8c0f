//! What must hold of translations for any bytes, once: the property tests feed it generated input, the
//! fuzz targets under `fuzz/` feed it theirs. It refuses to expect a particular outcome.

use bytes::Bytes;
use wire::Splitter;
use wire::stream::EventClass;
use wire::translate::{self, Backend, Envelope, Format, RequestOptions, Stream, ThinkingStyle};

pub(crate) const CALLERS: [Format; 3] = [Format::Chat, Format::Messages, Format::Responses];
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Chat, Backend::Messages];

/// A request that is carried over is JSON, names the backend's model, and can be carried on: the
/// backend's dialect understands what was written in it. An answer that is carried over is JSON.
pub(crate) fn documents(body: &[u8]) {
    for to in BACKENDS {
        for from in CALLERS {
            for thinking in [ThinkingStyle::Adaptive, ThinkingStyle::Budget] {
                let options = RequestOptions {
                    model: "up\"stream",
                    default_max_tokens: 99,
                    include_usage: true,
                    thinking,
                };
                if let Ok(request) = translate::request(from, to, body, &options) {
                    let Some(written) = parsed(&request.body) else { continue };
                    assert_eq!(written.get("model").and_then(|model| model.as_str()), Some(options.model));
                    let again = translate::request(Format::from(to), to, &request.body, &options);
                    assert!(again.is_ok(), "{again:?}");
                }
            }
            if let Ok(answer) = translate::answer(to, from, body, &envelope()) {
                parsed(&answer.body);
            }
            let error = translate::error(to, from, 400, body);
            serde_json::from_slice::<serde_json::Value>(&error).unwrap();
        }
    }
}

/// What was written, unless a second parser finds it too deep: what stood 128 levels deep in one dialect
/// may stand a few deeper in another.
fn parsed(body: &[u8]) -> Option<serde_json::Value> {
    match serde_json::from_slice(body) {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.to_string().contains("recursion limit"), "wrote what is not JSON: {error}");
            None
        }
    }
}

/// However a stream is cut, the caller is told the same, in whole events of JSON; and after its end is
/// told nothing more.
pub(crate) fn streams(stream: &[u8], cut: usize) {
    let (before, after) = stream.split_at_checked(cut).unwrap_or((stream, &[]));
    for from in BACKENDS {
        for to in CALLERS {
            let whole = carried(from, to, &[stream]);
            assert_eq!(carried(from, to, &[before, after]), whole);
            assert_eq!(carried(from, to, &stream.chunks(1).collect::<Vec<_>>()), whole);
            check(to, &whole.0);
        }
    }
}

fn envelope() -> Envelope {
    Envelope { id: "7".to_owned(), created_unix: 1, model: "a\"b".to_owned() }
}

fn carried(from: Backend, to: Format, chunks: &[&[u8]]) -> (Vec<u8>, Vec<EventClass>) {
    let mut splitter = Splitter::new(4096);
    let mut stream = Stream::new(from, to, envelope(), true, 42);
    let (mut said, mut classes) = (Vec::new(), Vec::new());
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        while let Some(Ok(event)) = splitter.next_event() {
            let translated = stream.event(&event);
            said.extend_from_slice(&translated.bytes);
            classes.push(translated.class);
        }
    }
    said.extend_from_slice(&stream.finish());
    assert_eq!(stream.observed().done, classes.contains(&EventClass::Done));
    said.extend_from_slice(&stream.fail(vocabulary::Reason::StreamBroken, "gone"));
    assert!(stream.finish().is_empty());
    (said, classes)
}

/// Whole events, whose data is JSON or the sign of the end, which comes last and once.
fn check(to: Format, said: &[u8]) {
    let mut splitter = Splitter::new(usize::MAX);
    splitter.push(Bytes::copy_from_slice(said));
    let mut ends = 0;
    let mut number = 0;
    while let Some(event) = splitter.next_event() {
        let event = event.unwrap();
        let Some(data) = event.data() else { continue };
        assert_eq!(ends, 0, "something follows the end");
        if data.as_ref() == b"[DONE]" {
            assert_eq!(to, Format::Chat);
            ends += 1;
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
        let kind = value.get("type").and_then(|kind| kind.as_str());
        if to != Format::Chat {
            assert_eq!(kind.map(str::as_bytes), event.name());
        }
        if to == Format::Responses {
            assert_eq!(value.get("sequence_number").and_then(serde_json::Value::as_u64), Some(number));
            number += 1;
        }
        let is_end = matches!(
            kind,
            Some("message_stop" | "error" | "response.completed" | "response.incomplete" | "response.failed")
        );
        ends += usize::from(is_end || value.get("error").is_some());
    }
    assert!(matches!(splitter.finish(), wire::sse::Tail::Clean));
    assert_eq!(ends, 1, "the stream has no end");
}
