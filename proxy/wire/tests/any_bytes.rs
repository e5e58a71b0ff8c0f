//! The fuzz targets' properties on generated input, so that they run with every test run.

use proptest::prelude::*;

mod properties;

/// Streams of fragments that mean something, in any order, with noise between them.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const FRAGMENTS: &[&[u8]] = &[
    b"data:",
    b" ",
    b"x",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"event: e",
    b"id",
    b":",
    b"\xEF\xBB\xBF",
    b"0123456789",
];

const MEMBERS: &[&[u8]] = &[
    br#""model":"m""#,
    br#" "mod\u0065l" : "n" "#,
    br#""messages":[{"content":"x"},{"content":[{"text":"\u00e9"}]}]"#,
    br#""prompt":[1,2]"#,
    br#""prompt":["a","b"]"#,
    br#""input":"\ud83d\ude00""#,
    br#""stream_options":{"include_usage":false}"#,
    br#""stream_options":{}"#,
    br#""stream_options":null"#,
    br#""stream":true"#,
    br#""n":2"#,
    br#""N":2"#,
    br#""x":[1e9,{"y":null}]"#,
];

/// Objects of those members, whole or with a few bytes overwritten.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let members = prop::collection::vec(prop::sample::select(MEMBERS), 0..6);
    let damage = prop::collection::vec(
        (any::<prop::sample::Index>(), prop::sample::select(&b"{}[],:\"\\ 1\xff"[..])),
        0..3,
    );
    (members, damage).prop_map(|(members, damage)| {
        let mut body = [b"{", members.join(&b","[..]).as_slice(), b"}"].concat();
        for (place, byte) in damage {
            *place.get_mut(&mut body) = byte;
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn streams_are_split_the_same_however_they_are_cut(stream in streams(), cut in 0_usize..96) {
        properties::splitter(&stream, cut);
    }

    #[test]
    fn bodies_are_read_as_a_second_parser_reads_them(body in bodies()) {
        properties::facts(&body);
    }

    #[test]
    fn edits_change_what_they_name_and_nothing_else(body in bodies(), model in prop::option::of("[a-z\"\\\\]{0,4}"), include_usage: bool) {
        properties::edits(&body, model.as_deref(), include_usage);
    }
}
