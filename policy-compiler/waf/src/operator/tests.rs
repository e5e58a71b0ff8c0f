//! Each operator on values it matches and on values it does not.

use proptest::strategy::Strategy;

use super::*;
use crate::program::{Pattern, Piece};

struct Alone;

impl Surroundings for Alone {
    fn expand<'t>(&'t self, text: &'t Text) -> Cow<'t, [u8]> {
        let literal = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes.clone(),
            Piece::Macro(_) => Vec::new(),
        };
        Cow::Owned(text.0.iter().flat_map(literal).collect())
    }

    fn country(&self, address: IpAddr) -> Option<String> {
        address.is_loopback().then(|| "AT".to_owned())
    }
}

fn find(operator: Operator, value: &[u8]) -> Option<Found> {
    Prepared::new(&operator).unwrap().find(value, &Alone)
}

fn matches(operator: Operator, value: impl AsRef<[u8]>) -> bool {
    find(operator, value.as_ref()).is_some()
}

fn text(text: &str) -> Text {
    Text::literal(text)
}

fn pattern(expression: &str, backtracks: bool) -> Pattern {
    Pattern { expression: expression.to_owned(), backtracks }
}

#[test]
fn a_pattern_sees_bytes_and_its_groups_are_told() {
    let found = find(Operator::Rx(pattern(r"(?s)(\xff)(b)?.", false)), b"a\xff\n").unwrap();
    assert_eq!(found.span, 1..3);
    assert_eq!(found.groups.as_slice(), [Some(1..3), Some(1..2), None]);
}

#[test]
fn a_pattern_that_looks_around_counts_bytes_too() {
    let found = find(Operator::Rx(pattern("(?<=\u{ff})b(?!c)", true)), b"\xff\xffbd").unwrap();
    assert_eq!(found.span, 2..3);
    assert!(!matches(Operator::Rx(pattern(r"(?<=x)b(?!c)", true)), "xbc"));
}

#[test]
fn a_pattern_that_takes_too_many_steps_does_not_match_and_ends() {
    let slow = Operator::Rx(pattern(r"(?=x)(x+x+)+(?!x)y", true));
    assert!(!matches(slow, "x".repeat(4000)));
}

#[test]
fn phrases_are_found_whatever_their_case_and_told_as_written() {
    let found = find(Operator::Pm(vec![b"bb".to_vec(), b"zz".to_vec()]), b"kkBBx").unwrap();
    assert_eq!((found.span, found.captured), (2..4, Some(b"bb".to_vec())));
    assert!(!matches(Operator::Pm(vec![b"bb".to_vec()]), "b b"));
}

#[test]
fn texts_are_compared_as_their_names_say() {
    assert!(matches(Operator::Contains(text("b")), "abc"));
    assert!(!matches(Operator::Contains(text("B")), "abc"));
    assert!(matches(Operator::ContainsWord(text("b")), "a b-c"));
    assert!(!matches(Operator::ContainsWord(text("b")), "ab b_"));
    assert!(matches(Operator::StrEq(text("abc")), "abc") && !matches(Operator::StrEq(text("ab")), "abc"));
    assert!(matches(Operator::BeginsWith(text("ab")), "abc"));
    assert!(
        matches(Operator::EndsWith(text("bc")), "abc") && !matches(Operator::EndsWith(text("abcd")), "bcd")
    );
    assert!(matches(Operator::Within(text("GET HEAD POST")), "HEAD"));
    assert!(matches(Operator::Within(text("GET HEAD POST")), "T H"));
    assert!(!matches(Operator::Within(text("GET HEAD POST")), "PUT"));
}

#[test]
fn numbers_are_their_first_digits() {
    assert!(matches(Operator::Eq(text("0")), "x1") && matches(Operator::Eq(text("12")), "12x"));
    assert!(matches(Operator::Lt(text("-3")), "-5") && matches(Operator::Gt(text("5")), "999999999999"));
    assert!(matches(Operator::Ge(text("5")), "5") && matches(Operator::Le(text("5")), "5"));
}

#[test]
fn addresses_are_of_networks_and_countries() {
    let networks = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    assert!(matches(Operator::IpMatch(networks.clone()), "10.2.3.4"));
    assert!(matches(Operator::IpMatch(networks.clone()), "::1"));
    assert!(!matches(Operator::IpMatch(networks), "11.0.0.1"));
    assert_eq!(find(Operator::GeoLookup, b"127.0.0.1").unwrap().captured, Some(b"AT".to_vec()));
    assert!(!matches(Operator::GeoLookup, "10.0.0.1"));
}

#[test]
fn encodings_are_checked() {
    let printable = || Operator::ValidateByteRange(vec![ByteRange { from: 32, to: 126 }]);
    assert_eq!(find(printable(), b"ab\x00").unwrap().span, 2..3);
    assert!(!matches(printable(), "abc"));
    assert!(matches(Operator::ValidateUrlEncoding, "a%2"));
    assert!(
        matches(Operator::ValidateUrlEncoding, "%zz") && !matches(Operator::ValidateUrlEncoding, "%20%41")
    );
    assert!(matches(Operator::ValidateUtf8Encoding, b"\xc0\xaf"));
    assert!(!matches(Operator::ValidateUtf8Encoding, "ä€"));
}

#[test]
fn injections_are_detected_and_their_fingerprint_told() {
    assert_eq!(find(Operator::DetectSqli, b"1' or '1'='1").unwrap().captured, Some(b"s&sos".to_vec()));
    assert!(!matches(Operator::DetectSqli, "hello world"));
    assert!(
        matches(Operator::DetectXss, "<script>alert(1)</script>") && !matches(Operator::DetectXss, "a < b")
    );
}

#[test]
fn digits_are_checked_by_their_check_digits() {
    let any = || pattern(r"\d[\d -]+\d", false);
    assert!(matches(Operator::VerifyCc(any()), "pay 4111 1111 1111 1111 now"));
    assert!(!matches(Operator::VerifyCc(any()), "4111 1111 1111 1112"));
    assert!(
        matches(Operator::VerifySsn(any()), "078-05-1120")
            && !matches(Operator::VerifySsn(any()), "000-05-1120")
    );
    let dotted = || pattern(r"\d[\d.-]+\d", false);
    assert!(matches(Operator::VerifyCpf(dotted()), "529.982.247-25"));
    assert!(!matches(Operator::VerifyCpf(dotted()), "111.111.111-11"));
    assert!(matches(Operator::VerifySvnr(any()), "1237 010180"));
    assert!(!matches(Operator::VerifySvnr(any()), "1238 010180"));
}

proptest::proptest! {
    #[test]
    fn text_without_a_tag_and_an_attribute_is_no_script_for_libinjection(
        words in proptest::collection::vec(proptest::prelude::prop_oneof![
            proptest::prelude::any::<u8>().prop_map(|byte| vec![byte]),
            proptest::sample::select(vec![
                "onerror", "on", "javascript:", "style", "'", "\"", "`", "/>", "!--", "![CDATA[", "xmlns", " ", "href", "data:",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ], 0..12)
    ) {
        use proptest::prelude::*;
        let text: Vec<u8> =
            words.concat().into_iter().filter(|byte| !matches!(byte, b'<' | b'=')).collect();
        prop_assert!(!libinjectionrs::detect_xss(&text).is_injection());
    }
}
