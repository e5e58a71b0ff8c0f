use super::*;

const PARTS: [&str; 38] = [
    "hello ",
    " ",
    "\n",
    "é",
    "<",
    "<img ",
    "<script",
    ">",
    "\"",
    "'",
    "=",
    " onerror",
    "onclick=",
    "src=",
    "/",
    "javascript:",
    "java\tscript:",
    "&#106;",
    "(",
    ")",
    "[",
    "](",
    "![",
    "]: ",
    "https://evil.example/",
    "?q=",
    "dddddddddddddddddddd",
    "http://example.org/?x",
    "data:text/html",
    ",",
    "```",
    "```\n",
    "\n~~~",
    "\u{1b}",
    "[31m",
    "\u{9b}1;2m",
    "<a href=",
    "`",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        5 => prop::sample::select(&PARTS[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,8}",
        1 => "\\PC{0,4}",
        1 => "x{0,200}",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn in_pieces(inspector: &Inspector, text: &str, steps: &[usize]) -> (String, Vec<Finding>) {
    let mut stream = OutputStream::new(inspector);
    let mut out = String::new();
    let mut rest = text;
    let mut steps = steps.iter().cycle();
    while !rest.is_empty() {
        let count = (*steps.next().unwrap()).max(1);
        let end = rest.char_indices().nth(count).map_or(rest.len(), |(place, _)| place);
        let (piece, after) = rest.split_at(end);
        stream.push(piece, &mut out);
        assert!(stream.held() <= HELD_AT_MOST, "{} held", stream.held());
        rest = after;
    }
    stream.finish(&mut out);
    (out, stream.findings().to_vec())
}

fn whole(inspector: &Inspector, text: &str) -> (String, Vec<Finding>) {
    (inspector.neutralise(text).unwrap_or_else(|| text.to_owned()), inspector.find(text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_answer_in_pieces_gives_what_the_whole_gives(
        text in text(),
        steps in prop::collection::vec(1_usize..40, 1..6),
        code_blocks: bool,
    ) {
        let inspector = Inspector::new(Options { code_blocks, ..Options::default() });
        prop_assert_eq!(in_pieces(&inspector, &text, &steps), whole(&inspector, &text));
    }

    #[test]
    fn an_answer_byte_by_byte_gives_what_the_whole_gives(text in text()) {
        prop_assert_eq!(in_pieces(&inspector(), &text, &[1]), whole(&inspector(), &text));
    }

    #[test]
    fn findings_lie_in_order_within_the_answer_and_what_is_harmless_stays_short(text in text()) {
        let (harmless, findings) = whole(&inspector(), &text);
        let mut at = 0;
        for finding in &findings {
            prop_assert!(finding.range.start >= at && finding.range.end > finding.range.start);
            prop_assert!(text.get(finding.range.clone()).is_some());
            at = finding.range.end;
        }
        prop_assert!(harmless.len() <= text.len() + findings.len() * 18);
    }
}

#[test]
fn every_cut_of_one_long_answer_gives_what_the_whole_gives() {
    let text = PARTS.join(" ") + &PARTS.concat();
    let wanted = whole(&inspector(), &text);
    assert!(wanted.1.len() > 4);
    for (cut, _) in text.char_indices() {
        let inspector = inspector();
        let mut stream = OutputStream::new(&inspector);
        let mut out = String::new();
        stream.push(&text[..cut], &mut out);
        stream.push(&text[cut..], &mut out);
        stream.finish(&mut out);
        assert_eq!((out, stream.findings().to_vec()), wanted.clone(), "cut at {cut}");
    }
}
