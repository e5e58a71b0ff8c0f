//! The fuzz targets' properties on generated input, so that they run with every test run.

use proptest::prelude::*;
use vocabulary::Operation;

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
    br#""max_tokens":9"#,
    br#""system":"s""#,
    br#""system":[{"type":"text","text":"s"}]"#,
    br#""messages":[{"role":"system","content":[{"text":"s"}]},{"content":[{"type":"image","source":{"data":"x"}}]}]"#,
    br#""messages":[{"content":[{"type":"tool_result","content":[{"text":"x"}]}]}]"#,
    br#""input":[{"content":[{"text":"x"}]},{"output":{"a":1}},{"summary":[]}]"#,
    br#""instructions":"i""#,
    br#""previous_response_id":"resp_1""#,
    br#""usage":{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":9}}"#,
    br#""usage":{"input_tokens":3,"cache_read_input_tokens":4,"cache_creation":{"ephemeral_1h_input_tokens":5}}"#,
    br#""error":{"code":"x","type":"y","message":"prompt is too long"}"#,
    br#""type":"message_delta","delta":{"stop_reason":"end_turn","text":"x"}"#,
    br#""type":"response.completed","response":{"id":"r","usage":{"output_tokens":2}}"#,
    br#""type":"response.output_text.delta","delta":"x","sequence_number":4"#,
    br#""choices":[{"delta":{"content":"x","tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"stop"}]"#,
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

/// Events with such bodies as data, some of them damaged, and the marks that end streams.
fn event_streams() -> impl Strategy<Value = Vec<u8>> {
    let event = prop_oneof![
        6 => bodies().prop_map(|body| [b"data: ", body.as_slice(), b"\n\n"].concat()),
        1 => Just(b"data: [DONE]\n\n".to_vec()),
        1 => Just(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n".to_vec()),
        1 => Just(b": comment\r\n\r\n".to_vec()),
    ];
    (prop::collection::vec(event, 0..6), any::<prop::sample::Index>()).prop_map(|(events, end)| {
        let stream: Vec<u8> = events.concat();
        let end = end.index(stream.len() + 1);
        stream.into_iter().take(end).collect()
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

    #[test]
    fn streams_of_any_api_are_relayed_the_same_however_they_are_cut(
        operation in prop::sample::select(&Operation::ALL[..]),
        stream in event_streams(),
        cut in 0_usize..256,
    ) {
        properties::tap(operation, &stream, cut);
    }

    #[test]
    fn answers_and_errors_are_read_whatever_they_are(body in bodies()) {
        properties::answers(&body);
    }

    #[test]
    fn edited_bodies_can_be_read_again(
        operation in prop::sample::select(&Operation::ALL[..]),
        body in bodies(),
        path in prop::collection::vec(prop::sample::select(&["x", "y", "tools", "stream_options"][..]), 0..3),
        remove: bool,
    ) {
        let path: Vec<_> = path.into_iter().map(str::to_owned).collect();
        properties::fields(operation, &body, &path, remove);
    }

    #[test]
    fn headers_are_read_whatever_they_hold(values in prop::collection::vec("[-0-9.:TZdhms+ ]{0,12}|[0-9]{1,4}(ms|s|m0s)|20[0-9]{2}-0[1-9]-1[0-9]T0[0-9]:00:00Z", 14)) {
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        properties::limits(&values);
    }

    #[test]
    fn a_proxy_header_is_read_to_its_end_and_no_further(bytes in proxy_headers(), after in prop::collection::vec(any::<u8>(), 0..40)) {
        properties::proxy_header(&[bytes, after].concat());
    }

    #[test]
    fn what_a_client_says_of_itself_changes_nothing(
        said in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "([for=\"\\\\,; ]|192.0.2.9|10.0.0.3|unknown|_x){0,20}".prop_map(String::into_bytes),
        ],
    ) {
        properties::forwarded(&said);
    }
}

/// Beginnings of both versions, most of them sound.
fn proxy_headers() -> impl Strategy<Value = Vec<u8>> {
    let line =
        "PROXY (TCP4 192.0.2.7 10.0.0.1|TCP6 ::1 2001:db8::1|UNKNOWN|TCP4) ?[0-9]{1,5} [0-9]{1,5}\r?\n?"
            .prop_map(String::into_bytes);
    let block = (
        prop::sample::select(&[0x20_u8, 0x21, 0x11][..]),
        prop::sample::select(&[0x00_u8, 0x11, 0x21, 0x31, 0x12][..]),
        prop::sample::select(&[0_u16, 11, 12, 36, 40, 216, 300, 2032, 2033, 65535][..]),
        prop::collection::vec(any::<u8>(), 0..400),
    )
        .prop_map(|(command, family, length, payload)| {
            let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
            bytes.extend([command, family]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(payload);
            bytes
        });
    prop_oneof![3 => line, 3 => block, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}
