use proptest::prelude::*;

use super::*;

fn run(max: usize, chunks: &[&[u8]]) -> (Vec<Result<Event, EventTooLarge>>, Tail) {
    let mut splitter = Splitter::new(max);
    let mut events = Vec::new();
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        events.extend(std::iter::from_fn(|| splitter.next_event()));
    }
    (events, splitter.finish())
}

fn events(chunks: &[&[u8]]) -> Vec<Event> {
    run(1 << 20, chunks).0.into_iter().map(Result::unwrap).collect()
}

fn data(chunks: &[&[u8]]) -> Vec<Option<String>> {
    let text = |data: std::borrow::Cow<'_, [u8]>| String::from_utf8(data.into_owned()).unwrap();
    events(chunks).iter().map(|event| event.data().map(text)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[test]
fn every_kind_of_line_end_closes_a_line() {
    for end in ["\n", "\r\n", "\r"] {
        let stream = "data: a@data: b@@data:c@@".replace('@', end);
        assert_eq!(data(&[stream.as_bytes()]), some(&["a\nb", "c"]), "{end:?}");
    }
}

#[test]
fn a_crlf_split_over_chunks_is_one_line_end() {
    assert_eq!(data(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]), some(&["a", "b"]));
    let raw: Vec<_> =
        events(&[b"data: a\r\n\r", b"\ndata: b\r\n\r\n"]).into_iter().map(Event::into_raw).collect();
    assert_eq!(raw, [&b"data: a\r\n\r\n"[..], b"data: b\r\n\r\n"]);
}

#[test]
fn an_event_with_cr_line_ends_does_not_wait_for_the_next_one() {
    assert_eq!(data(&[b"data: a\r\r"]), some(&["a"]));
}

#[test]
fn a_field_loses_one_leading_space_and_no_more() {
    let event = &events(&[b"data:  two\nevent:add\nid: 7\nretry\nnonsense: x\n\n"])[0];
    assert_eq!(event.data().unwrap().as_ref(), b" two");
    assert_eq!(event.name(), Some(&b"add"[..]));
    assert_eq!(event.id(), Some(&b"7"[..]));
    assert!(event.fields().any(|field| field == (b"retry", b"")));
}

#[test]
fn an_id_with_a_nul_is_ignored() {
    assert_eq!(events(&[b"id: 1\nid: \0\ndata: x\n\n"])[0].id(), Some(&b"1"[..]));
}

#[test]
fn comments_are_relayed_and_carry_no_data() {
    let found = events(&[b": PROCESSING\n\ndata: x\n: inside\n\n"]);
    assert_eq!(found[0].raw().as_ref(), b": PROCESSING\n\n");
    assert_eq!(found[0].data(), None);
    assert_eq!(found[1].data().unwrap().as_ref(), b"x");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_field() {
    assert_eq!(data(&[b"\xEF\xBB", b"\xBFdata: x\n\n"]), some(&["x"]));
    assert_eq!(data(&[b"data: x\n\n\xEF\xBB\xBFdata: y\n\n"]), [Some("x".to_owned()), None]);
}

#[test]
fn an_event_within_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: first\n\ndata: second\n\n");
    let mut splitter = Splitter::new(1024);
    splitter.push(chunk.clone());
    let first = splitter.next_event().unwrap().unwrap();
    let second = splitter.next_event().unwrap().unwrap();
    assert_eq!(first.raw().as_ptr(), chunk.as_ptr());
    assert_eq!(second.raw().as_ptr(), chunk[13..].as_ptr());
}

#[test]
fn the_place_of_the_data_is_known_when_it_is_one_line() {
    let found = events(&[b"event: e\r\ndata: xyz\r\n\r\n", b"data:\n\n", b"data: 1\ndata: 2\n\n"]);
    let place = found[0].data_range().unwrap();
    assert_eq!(&found[0].raw()[place], b"xyz");
    assert_eq!(found[1].data_range(), Some(5..5));
    assert_eq!(found[2].data_range(), None);
}

#[test]
fn an_event_may_be_as_large_as_the_bound_and_no_larger() {
    let exact = b"data: 0123456789\n\n";
    assert!(run(exact.len(), &[exact]).0[0].is_ok());
    let error = Err(EventTooLarge { max: exact.len() - 1 });
    assert_eq!(run(exact.len() - 1, &[exact, b"data: x\n\n"]).0, std::slice::from_ref(&error));
    // Without an end in sight, too.
    assert_eq!(run(exact.len() - 1, &[b"data: 01234", b"567890123"]).0, [error]);
}

#[test]
fn what_is_left_at_the_end_is_told_apart() {
    assert_eq!(run(99, &[b"data: x\n\n"]).1, Tail::Clean);
    let Tail::Truncated(event) = run(99, &[b"data: x\n\ndata: y\n"]).1 else { panic!("not truncated") };
    assert_eq!(event.data().unwrap().as_ref(), b"y");
    let Tail::Event(event) = run(99, &[b"data: x\r\n\r"]).1 else { panic!("not an event") };
    assert_eq!(event.data().unwrap().as_ref(), b"x");
}

#[test]
fn debug_output_holds_no_content() {
    let event = &events(&[b"data: secret\n\n"])[0];
    assert!(!format!("{event:?}{:?}", event.fields()).contains("secret"));
}

/// The standard's algorithm, line by line over the whole stream; gives what it would dispatch.
fn by_the_standard(stream: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let stream = stream.strip_prefix(BOM).unwrap_or(stream);
    let text = stream
        .iter()
        .map(|byte| char::from(*byte))
        .collect::<String>()
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let Some((lines, _)) = text.rsplit_once('\n') else { return Vec::new() };
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let (mut dispatched, mut data, mut kind) = (Vec::new(), String::new(), String::new());
    for line in lines.split('\n') {
        if line.is_empty() {
            if !data.is_empty() {
                data.pop();
                dispatched.push((bytes(&kind), bytes(&data)));
            }
            data.clear();
            kind.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.extend([value, "\n"]),
            "event" => value.clone_into(&mut kind),
            _ => {}
        }
    }
    dispatched
}

fn transcripts() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => "data: ?[ -~]{0,12}".prop_map(String::into_bytes),
        1 => "event: ?[a-z]{0,4}".prop_map(String::into_bytes),
        1 => ":[ -~]{0,6}".prop_map(String::into_bytes),
        1 => "(data|id|retry)?:?".prop_map(String::into_bytes),
        1 => Just("data: é😀".as_bytes().to_vec()),
        3 => Just(Vec::new()),
    ];
    let end = prop::sample::select(vec![&b"\n"[..], b"\r\n", b"\r"]);
    let lines = prop::collection::vec((line, end), 0..24);
    (any::<bool>(), lines).prop_map(|(bom, lines)| {
        let mut stream = if bom { BOM.to_vec() } else { Vec::new() };
        lines.iter().for_each(|(line, end)| stream.extend([line.as_slice(), end].concat()));
        stream
    })
}

proptest! {
    #[test]
    fn any_chunking_yields_the_same_events(stream in transcripts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), max in 8_usize..200) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        prop_assert_eq!(run(max, &chunks), run(max, &[&stream]));
        let bytes: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(run(max, &bytes), run(max, &[&stream]));
    }

    #[test]
    fn the_raw_events_are_the_stream(stream in transcripts()) {
        let (events, tail) = run(usize::MAX, &[&stream]);
        let mut raw: Vec<u8> = events.into_iter().flat_map(|event| event.unwrap().into_raw()).collect();
        if let Tail::Event(event) | Tail::Truncated(event) = tail {
            raw.extend_from_slice(event.raw());
        }
        prop_assert_eq!(raw, stream);
    }

    #[test]
    fn events_are_what_the_standard_dispatches(stream in transcripts()) {
        let (events, tail) = run(usize::MAX, &[&stream]);
        let last = match tail { Tail::Event(event) => Some(Ok(event)), _ => None };
        let found: Vec<_> = events.into_iter().chain(last).map(Result::unwrap)
            .filter_map(|event| Some((event.name().unwrap_or_default().to_vec(), event.data()?.into_owned())))
            .collect();
        prop_assert_eq!(found, by_the_standard(&stream));
    }
}
