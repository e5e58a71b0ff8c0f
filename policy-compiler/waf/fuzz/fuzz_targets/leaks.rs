//! Any text, cut anywhere: a stream masks and finds what the whole text's scan does, and holds back no more than it
//! says. It owns no kind; it refuses to know any.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use waf::leak::{Detector, HELD_AT_MOST, Kind, LeakStream};

static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::new(Kind::ALL));

fuzz_target!(|input: (Vec<u8>, String)| {
    let (steps, text) = input;
    let detector = &*DETECTOR;
    let mut stream = LeakStream::new(detector);
    let mut out = String::new();
    let mut rest = text.as_str();
    let mut steps = steps.iter().cycle();
    while !rest.is_empty() {
        let count = usize::from(steps.next().copied().unwrap_or(7)).max(1);
        let end = rest.char_indices().nth(count).map_or(rest.len(), |(place, _)| place);
        let (piece, after) = rest.split_at(end);
        stream.push(piece, &mut out);
        assert!(stream.held() <= HELD_AT_MOST);
        rest = after;
    }
    stream.finish(&mut out);
    assert_eq!(stream.leaks(), detector.find(&text));
    assert_eq!(out, detector.mask(&text).unwrap_or(text));
});
