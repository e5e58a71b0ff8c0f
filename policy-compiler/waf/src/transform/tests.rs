//! Every transformation against what libmodsecurity 3.0.15 made of the same bytes, and what the engine relies on.

use proptest::prelude::*;

use super::*;

/// Transformation, value and result, the bytes in hexadecimal. Left out, because we differ on purpose: steps of a path
/// that end in more than two dots (libmodsecurity loses them, and text before them), words after an entity without a
/// semicolon (it drops them), comments that do not end, base64 behind padding.
const VECTORS: &str = include_str!("tests/vectors.tsv");

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn made(transformation: T, value: &[u8]) -> Vec<u8> {
    apply(transformation, value, &[]).unwrap_or_else(|| value.to_vec())
}

#[test]
fn every_transformation_makes_what_libmodsecurity_makes() {
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in VECTORS.lines() {
        let mut cells = line.split('\t');
        let (name, value, expected) =
            (cells.next().unwrap(), bytes(cells.next().unwrap()), bytes(cells.next().unwrap()));
        let transformation = T::named(name).unwrap();
        seen.insert(transformation);
        let made = made(transformation, &value);
        if made != expected {
            wrong.push(format!(
                "{name} {:?}: {:?}, expected {:?}",
                value.escape_ascii().to_string(),
                made.escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            ));
        }
    }
    assert_eq!(seen.len(), T::ALL.len(), "each transformation has vectors");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_unicode_map_says_which_byte_a_code_point_stands_for() {
    let map = [(0x2215, b'/')];
    assert_eq!(apply(T::UrlDecodeUni, b"%u2215%u2216", &map).unwrap(), b"/\x16");
}

#[test]
fn empty_values_stay_empty_but_for_digests_and_lengths() {
    for transformation in T::ALL {
        let changed = apply(*transformation, b"", &[]).is_some();
        let may = matches!(transformation, T::Length | T::Md5 | T::Sha1);
        assert_eq!(changed, may, "{}", transformation.name());
    }
}

fn transformations() -> impl Strategy<Value = T> {
    proptest::sample::select(T::ALL.to_vec())
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        proptest::sample::select(vec!["\\u00", "%u00", "&#x", "/*", "..", "\\x4", "%4", "0x4", "<!--", "\\"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_is_told_exactly_when_nothing_changed_and_growth_is_bounded(
        transformation in transformations(), value in values()
    ) {
        if let Some(made) = apply(transformation, &value, &[]) {
            prop_assert_ne!(&made, &value);
            prop_assert!(made.len() <= value.len() * 6 + 40);
        }
    }

    #[test]
    fn a_value_without_a_byte_that_touches_stays_as_it_is(
        transformation in transformations(), value in values()
    ) {
        let touches = touches(transformation);
        let untouched: Vec<u8> = value.into_iter().filter(|byte| !touches.has(*byte)).collect();
        if !touches.always {
            prop_assert_eq!(apply(transformation, &untouched, &[]), None);
        }
    }
}
