//! What must hold for any bytes, once: the property tests feed it generated input, the fuzz targets
//! under `fuzz/` feed it theirs. It refuses to expect a particular outcome of a particular input.

use bytes::Bytes;
use vocabulary::Operation;
use wire::sse::{Event, Splitter, Tail};
use wire::stream::{Finish, Observed, Relayed};
use wire::{Edits, FieldEdit, FieldOperation, Layout, StreamEnd, StreamTap, extract_with_layout, json};

const MAX_EVENT: usize = 64;

/// However a stream is cut, it has the same events, and their bytes are the stream's.
pub(crate) fn splitter(stream: &[u8], cut: usize) {
    let (before, after) = stream.split_at_checked(cut).unwrap_or((stream, &[]));
    let whole = events(&[stream]);
    assert_eq!(events(&[before, after]), whole);
    assert_eq!(events(&stream.chunks(1).collect::<Vec<_>>()), whole);
    let (events, tail, complete) = whole;
    let mut raw: Vec<u8> = events.iter().flat_map(|event| event.raw().to_vec()).collect();
    for event in &events {
        let size = event.raw().len();
        assert!(size <= MAX_EVENT, "an event of {size} bytes");
        if let Some(place) = event.data_range() {
            assert_eq!(event.raw().get(place), event.data().as_deref());
        }
    }
    if let Tail::Event(event) | Tail::Truncated(event) = tail {
        raw.extend_from_slice(event.raw());
    }
    assert!(if complete { raw == stream } else { stream.starts_with(&raw) });
}

/// The events, what was left over, and whether all events kept to the bound.
fn events(chunks: &[&[u8]]) -> (Vec<Event>, Tail, bool) {
    let mut splitter = Splitter::new(MAX_EVENT);
    let (mut events, mut complete) = (Vec::new(), true);
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = splitter.next_event() {
            complete &= event.is_ok();
            events.extend(event);
        }
    }
    (events, splitter.finish(), complete)
}

/// A body whose facts are read is JSON to a second parser, which finds the same model in it; a fault
/// lies within the body.
pub(crate) fn facts(body: &[u8]) {
    for operation in Operation::ALL {
        match extract_with_layout(operation, body) {
            Ok((facts, layout)) => {
                if let Ok(own) = Layout::of(operation, body) {
                    assert_eq!(layout, own);
                }
                assert_eq!(model(body).as_ref(), Some(&facts.model));
                assert!((1..=256).contains(&facts.model.len()));
                assert!(facts.choices >= 1);
                assert!(facts.prompt_bytes <= body.len() as u64);
                assert!(facts.prefix_ids.len() <= 64);
            }
            Err(fault) => {
                assert!(fault.offset() <= body.len());
                assert_eq!(fault.reason().status(), 400);
                assert!(!fault.to_string().is_empty());
            }
        }
    }
}

/// The model, to a parser that looks at nothing else.
fn model(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        model: String,
    }
    serde_json::from_slice::<Named>(body).ok().map(|named| named.model)
}

/// An edited body reads as the original with the edited fields changed.
pub(crate) fn edits(body: &[u8], model: Option<&str>, include_usage: bool) {
    let edits = Edits { model, include_usage, ..Edits::default() };
    let body = Bytes::copy_from_slice(body);
    let edited = Layout::of(Operation::Chat, &body).and_then(|layout| layout.apply(&body, &edits));
    let Ok(edited) = edited else {
        let object = json::Reader::new(&body).and_then(|mut reader| reader.begin_object());
        let parsed = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body);
        assert!(object.is_err() || parsed.is_err(), "refused to edit an object");
        return;
    };
    // Out of another parser's range, or not looked at because there was nothing to edit.
    let Ok(mut expected) = serde_json::from_slice::<serde_json::Value>(&body) else { return };
    if let Some(fields) = expected.as_object_mut() {
        if let Some(model) = model {
            fields.insert("model".to_owned(), model.into());
        }
        if include_usage {
            let options = fields.entry("stream_options").or_insert_with(|| serde_json::json!({}));
            if let Some(options) = options.as_object_mut() {
                options.insert("include_usage".to_owned(), true.into());
            } else {
                *options = serde_json::json!({"include_usage": true});
            }
        }
    }
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&edited).ok(), Some(expected));
}

/// However a stream of any API is cut, the caller gets the same of it; and where usage is wanted, that
/// is what the backend sent, but for `[DONE]` in an API that has none.
pub(crate) fn tap(operation: Operation, stream: &[u8], cut: usize) {
    let (before, after) = stream.split_at_checked(cut).unwrap_or((stream, &[]));
    for usage_wanted in [false, true] {
        let whole = relayed(operation, usage_wanted, &[stream]);
        assert_eq!(relayed(operation, usage_wanted, &[before, after]), whole);
        let (events, observed, finish) = whole;
        let (usage, _) = observed.usage_or_estimate(1);
        assert!(usage.cached_input <= usage.input && usage.reasoning_output <= usage.output);
        assert_eq!(finish.end == StreamEnd::Complete, observed.done);
        assert_eq!(finish.end == StreamEnd::NoDone, !finish.terminator.is_empty());
        if usage_wanted && events.iter().all(|event| !event.bytes.is_empty()) {
            let sent: Vec<u8> = events.iter().flat_map(|event| event.bytes.to_vec()).collect();
            assert!(stream.starts_with(&sent));
        }
    }
}

fn relayed(operation: Operation, usage_wanted: bool, chunks: &[&[u8]]) -> (Vec<Relayed>, Observed, Finish) {
    let mut tap = StreamTap::new(operation, 1 << 16, usage_wanted);
    let mut events = Vec::new();
    for chunk in chunks {
        tap.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = tap.next_event() {
            events.extend(event);
        }
    }
    let finish = tap.finish();
    (events, *tap.observed(), finish)
}

/// What is read of answers and errors is read without a fault, and no part is larger than its whole.
pub(crate) fn answers(body: &[u8]) {
    for operation in Operation::ALL {
        if let Some(usage) = wire::usage_in_body(operation, body) {
            let written = u128::from(usage.cache_write_input) + u128::from(usage.cache_write_1h_input);
            assert!(u128::from(usage.cached_input) + written <= u128::from(usage.input));
            assert!(usage.reasoning_output <= usage.output);
        }
        if let Some(key) = wire::response_id(operation, body) {
            assert_eq!(operation, Operation::Responses);
            assert_eq!(wire::response_id(operation, body), Some(key));
        }
    }
    let _ = wire::error_code(body);
}

/// A body that is read still is JSON after edits of its fields and its system prompt, and a field that
/// was set reads as set.
pub(crate) fn fields(operation: Operation, body: &[u8], path: &[String], remove: bool) {
    let body = Bytes::copy_from_slice(body);
    let Ok((_, layout)) = extract_with_layout(operation, &body) else { return };
    if serde_json::from_slice::<serde_json::Value>(&body).is_err() {
        // Deeper than another parser goes, or a number out of its range.
        return;
    }
    let edit = if remove { FieldOperation::Remove } else { FieldOperation::Set("[1]") };
    let fields = [FieldEdit { path, operation: edit }];
    let edits = Edits { fields: &fields, ..Edits::default() };
    let edited = layout.apply(&body, &edits);
    let value =
        edited.as_ref().ok().and_then(|edited| serde_json::from_slice::<serde_json::Value>(edited).ok());
    assert!(value.is_some(), "a body that was read was not edited into JSON");
    let found = path.iter().fold(value.as_ref(), |value, key| value?.get(key));
    match (path.is_empty(), remove) {
        (true, _) => assert_eq!(edited, Ok(body.clone())),
        (_, true) => assert_eq!(found, None),
        (_, false) => assert_eq!(found, Some(&serde_json::json!([1]))),
    }
    let edits = Edits { system_prefix: Some("be \"brief\"\n"), ..Edits::default() };
    let prefixed = layout.apply(&body, &edits).unwrap_or_default();
    let (before, after) = (wire::extract(operation, &body), wire::extract(operation, &prefixed));
    let read = |facts: &vocabulary::RequestFacts| (facts.model.clone(), facts.max_output_tokens);
    assert_eq!(before.as_ref().map(read), after.as_ref().map(read));
    assert!(before.is_ok_and(|before| after.is_ok_and(|after| after.prompt_bytes >= before.prompt_bytes)));
}

/// Any values of the headers that are read.
pub(crate) fn limits(values: &[&str]) {
    const NAMES: &[&str] = &[
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];
    let header = |name: &str| {
        let place = NAMES.iter().position(|known| *known == name)?;
        values.get(place).copied().filter(|value| !value.is_empty())
    };
    let limits = wire::backend_limits(header, 1_790_000_000);
    if limits.retry_after.is_some() {
        assert_eq!(limits.cool_down(), limits.retry_after);
    }
}

/// A PROXY header is the same however its bytes arrive, and no byte is ever asked for that is not its own.
pub(crate) fn proxy_header(bytes: &[u8]) {
    use wire::proxy_header::{LONGEST, Progress, read};
    let mut have = 0;
    let (used, source) = loop {
        let Some(sent) = bytes.get(..have) else {
            assert!(!matches!(read(bytes), Ok(Progress::Complete(..))));
            return;
        };
        match read(sent) {
            Err(fault) => {
                // What cannot become a header does not become one with more.
                assert_eq!(read(bytes), Err(fault));
                return;
            }
            Ok(Progress::Complete(used, source)) => break (used, source),
            Ok(Progress::Needs(more)) => {
                assert!(more >= 1 && have + more <= LONGEST, "{have} and {more}");
                have += more;
            }
        }
    };
    assert_eq!(used, have, "not one byte beyond it");
    assert_eq!(read(bytes), Ok(Progress::Complete(used, source)), "what follows changes nothing");
}

/// Whatever a client says of itself, to the left of what trusted proxies say, changes nothing.
pub(crate) fn forwarded(said: &[u8]) {
    use std::net::IpAddr;
    use wire::forwarded::{by_forwarded, by_x_forwarded_for};
    let inside = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
    let (peer, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 7]));
    let line = [said, b", 192.0.2.7, 10.0.0.3"].concat();
    assert_eq!(by_x_forwarded_for(peer, [said, &line].into_iter(), inside), client);
    let line = [said, b", for=192.0.2.7;host=\"a,\\\"b\", for=\"10.0.0.3:1\""].concat();
    assert_eq!(by_forwarded(peer, [said, &line].into_iter(), inside), client);
    // And alone it never makes anything panic.
    let _ = (
        by_forwarded(peer, [said].into_iter(), inside),
        by_x_forwarded_for(peer, [said].into_iter(), inside),
    );
}
