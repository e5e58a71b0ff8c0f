use super::*;

const PARTS: [&str; 34] = [
    "hello ",
    " ",
    ".",
    "\n",
    "é",
    "密",
    "-",
    "-----",
    "4111 1111 1111 1111",
    "41111111",
    "jane.doe@example.com",
    "a.b",
    "@",
    "+14155552671",
    "+1 ",
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "nhs ",
    "943 476 5919",
    "-----BEGIN PRIVATE KEY-----\n",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
    "-----END PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.",
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0",
    "sk-proj-",
    "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzAcC",
    "aws_secret_access_key=",
    "postgres://a:b@c",
    "://",
    "password: ",
    "bearer ",
    "ssn 219099998",
    "123-45-6789",
    "192.168.0.1",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => prop::sample::select(&PARTS[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

/// Passes `text` in pieces that end after the given numbers of characters, over and over.
fn in_pieces(detector: &Detector, text: &str, steps: &[usize]) -> (String, Vec<Leak>) {
    let mut stream = LeakStream::new(detector);
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
    (out, stream.leaks().to_vec())
}

fn whole(detector: &Detector, text: &str) -> (String, Vec<Leak>) {
    (detector.mask(text).unwrap_or_else(|| text.to_owned()), detector.find(text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_text_in_pieces_gives_what_the_whole_gives(text in text(), steps in prop::collection::vec(1_usize..40, 1..6)) {
        let detector = all();
        prop_assert_eq!(in_pieces(&detector, &text, &steps), whole(&detector, &text));
    }

    #[test]
    fn a_text_byte_by_byte_gives_what_the_whole_gives(text in text()) {
        let detector = defaults();
        prop_assert_eq!(in_pieces(&detector, &text, &[1]), whole(&detector, &text));
    }

    #[test]
    fn any_text_is_read_without_harm_and_leaks_lie_in_order_within_it(text in "\\PC{0,300}") {
        let mut at = 0;
        for leak in all().find(&text) {
            prop_assert!(leak.range.start >= at && leak.range.end > leak.range.start);
            prop_assert!(text.get(leak.range.clone()).is_some());
            at = leak.range.end;
        }
    }
}

#[test]
fn every_cut_of_one_long_text_gives_what_the_whole_gives() {
    let text = PARTS.join(" ") + &PARTS.concat();
    let detector = all();
    let wanted = whole(&detector, &text);
    for (cut, _) in text.char_indices() {
        let mut stream = LeakStream::new(&detector);
        let mut out = String::new();
        stream.push(&text[..cut], &mut out);
        stream.push(&text[cut..], &mut out);
        stream.finish(&mut out);
        assert_eq!((out, stream.leaks().to_vec()), wanted.clone(), "cut at {cut}");
    }
}

#[test]
fn plain_words_are_not_kept_back_beyond_the_one_being_written() {
    let detector = defaults();
    let mut stream = LeakStream::new(&detector);
    let mut out = String::new();
    stream.push("Plain words, and an unfinis", &mut out);
    assert_eq!(out, "Plain words, and an ");
    stream.push("hed one ", &mut out);
    assert_eq!(out, "Plain words, and an unfinished one ");
}
