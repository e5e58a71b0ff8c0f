//! What must hold for any bytes, once: the property tests feed it generated input, the fuzz targets
//! under `fuzz/` feed it theirs. It refuses to expect a particular outcome of a particular input.

use bytes::Bytes;
use vocabulary::Operation;
use wire::sse::{Event, Splitter, Tail};
use wire::{Edits, Layout, extract, json};

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
        match extract(operation, body) {
            Ok(facts) => {
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
