//! Any answer, cut anywhere: a stream makes harmless and finds what the whole answer's scan does, and holds back no
//! more than it says. It owns no kind; it refuses to know any.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use waf::output::{HELD_AT_MOST, Inspector, Options, OutputStream};

static TEXT: LazyLock<Inspector> = LazyLock::new(|| Inspector::new(Options::default()));
static CODE: LazyLock<Inspector> =
    LazyLock::new(|| Inspector::new(Options { code_blocks: true, ..Options::default() }));

fuzz_target!(|input: (bool, Vec<u8>, String)| {
    let (code_blocks, steps, text) = input;
    let inspector = if code_blocks { &*CODE } else { &*TEXT };
    let mut stream = OutputStream::new(inspector);
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
    assert_eq!(stream.findings(), inspector.find(&text));
    assert_eq!(out, inspector.neutralise(&text).unwrap_or(text));
});
