//! The gate against each pattern asked alone.

use std::sync::LazyLock;

use proptest::prelude::*;
use regex_automata::meta;
use regex_automata::util::syntax;

use super::*;

const PATTERNS: [&str; 14] = [
    r"(?is)union\s+(?:all\s+)?select",
    r"(?s)<script[^>]*>",
    r"(?is)\b(?:and|or)\b\s+\d+\s*=\s*\d+",
    r"(?s)\.\./",
    r"(?s)^[a-z]{3}$",
    r"(?s)(?:a|b)c{2}d",
    r"(?s)\x00",
    r"(?s)[^a-z]",
    r"(?is)eval\(|system\(|exec",
    r"(?s)x.{0,40}y",
    r"(?s)\xff\xfe",
    r"(?s)",
    r"(?is)ab[12]c",
    r"(?sm)^z",
];

fn alone(expression: &str) -> meta::Regex {
    meta::Regex::builder()
        .configure(meta::Config::new().utf8_empty(false))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(expression)
        .unwrap()
}

/// Building it is what takes time.
static GATE: LazyLock<Gate> = LazyLock::new(gate);

fn gate() -> Gate {
    let patterns = PATTERNS.iter().map(|one| Member::Pattern((*one).to_owned()));
    let of_lowercase = PATTERNS.iter().map(|one| Member::OfLowercase((*one).to_owned()));
    let mut members: Vec<Member> = patterns.chain(of_lowercase).collect();
    members.push(Member::Phrases(vec![b"sqlmap".to_vec(), b"map".to_vec()]));
    let members: Vec<(u32, Member)> = (0u32..).zip(members).collect();
    Gate::new(members.len(), &members).unwrap()
}

fn scan(gate: &Gate, value: &[u8]) -> Bits {
    let size = PATTERNS.len() * 2 + 1;
    let (mut wanted, mut found) = (Bits::new(size), Bits::new(size));
    (0u32..).take(size).for_each(|number| wanted.set(number));
    gate.scan(value, &wanted, &mut gate.cache(), &mut found);
    found
}

#[test]
fn required_literals_are_those_a_match_cannot_do_without() {
    let literals = |expression| {
        required_text(expression).map(|all| all.join(" ")).unwrap_or_else(|| "nothing".to_owned())
    };
    assert_eq!(literals(r"(?is)union\s+select"), "union");
    assert_eq!(literals(r"(?i)ab[12]c"), "ab1c ab2c");
    assert_eq!(literals(r"(?:foo|ba[rz])\d"), "bar baz foo");
    assert_eq!(literals(r"(?:foo)?bar*"), "ba");
    assert_eq!(literals(r"x.{0,40}y"), "nothing");
    assert_eq!(literals(r"(?:foo|)"), "nothing");
    assert_eq!(literals(r"^abc$|^de"), "abc de");
}

fn required_text(expression: &str) -> Option<Vec<String>> {
    let literals = literals::required(expression)?;
    Some(literals.into_iter().map(|one| String::from_utf8(one).unwrap()).collect())
}

#[test]
fn phrases_are_found_inside_others_and_whatever_their_case() {
    let found = scan(&GATE, b"SQLMap/1.0");
    assert!(found.has(PATTERNS.len() as u32 * 2));
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"union ".to_vec()),
        Just(b"SELECT".to_vec()),
        Just(b"<script x>".to_vec()),
        Just(b"or 1 = 1".to_vec()),
        Just(b"../".to_vec()),
        Just(b"abc".to_vec()),
        Just(b"bccd".to_vec()),
        Just(b"exec".to_vec()),
        Just(b"\nz".to_vec()),
        Just(vec![0xff, 0xfe]),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(word, 0..8).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn the_gate_names_exactly_what_matches_alone_and_by_literals_no_less(value in text()) {
        let gate = &*GATE;
        let found = scan(gate, &value);
        let by_literals = gate.by_literals(&value);
        for (number, expression) in (0u32..).zip(PATTERNS) {
            let matches = alone(expression).is_match(&value);
            prop_assert_eq!(found.has(number), matches, "{}", expression);
            prop_assert!(!matches || by_literals.has(number), "{} by literals", expression);
            let lower = alone(expression).is_match(&value.to_ascii_lowercase());
            let of_lowercase = number + PATTERNS.len() as u32;
            prop_assert_eq!(found.has(of_lowercase), lower, "{} of lower case", expression);
            prop_assert!(!lower || by_literals.has(of_lowercase), "{} of lower case by literals", expression);
        }
    }
}
