//! The properties on generated input, so that they run with every test run, and round trips.

use proptest::prelude::*;
use serde_json::{Value, json};
use wire::translate::{self, Backend, Format, ThinkingStyle};

use crate::{inputs, options, properties};

/// Recorded inputs with a few bytes overwritten, or cut short.
fn damaged(kind: &'static str, dialects: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let inputs: Vec<_> =
        dialects.iter().flat_map(|dialect| inputs(kind, dialect)).map(|(_, body)| body).collect();
    let byte = prop_oneof![prop::sample::select(&b"{}[],:\"\\ 1ntf\n\xff"[..]), any::<u8>()];
    let damage = prop::collection::vec((any::<prop::sample::Index>(), byte), 0..3);
    (prop::sample::select(inputs), damage, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut body, damage, end, cut)| {
            for (place, byte) in damage {
                *place.get_mut(&mut body) = byte;
            }
            if cut {
                body.truncate(end.index(body.len()));
            }
            body
        },
    )
}

/// Events of recorded streams in any order.
fn shuffled() -> impl Strategy<Value = Vec<u8>> {
    let events: Vec<Vec<u8>> = ["chat", "messages"]
        .into_iter()
        .flat_map(|dialect| inputs("streams", dialect))
        .flat_map(|(_, body)| crate::events(&body))
        .map(|event| event.into_raw().to_vec())
        .collect();
    prop::collection::vec(prop::sample::select(events), 0..12).prop_map(|events| events.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_document_is_carried_or_refused(
        body in prop_oneof![
            damaged("requests", &["chat", "messages", "responses"]),
            damaged("answers", &["chat", "messages"]),
            prop::collection::vec(any::<u8>(), 0..64),
        ],
    ) {
        properties::documents(&body);
    }

    #[test]
    fn any_stream_is_carried_to_one_end_however_it_is_cut(
        stream in prop_oneof![damaged("streams", &["chat", "messages"]), shuffled()],
        cut in 0_usize..4096,
    ) {
        properties::streams(&stream, cut);
    }

    #[test]
    fn a_chat_request_comes_back_from_anthropics_dialect_with_its_meaning(chat in chats()) {
        let body = serde_json::to_vec(&chat).unwrap();
        let options = options(ThinkingStyle::Adaptive);
        let there = translate::request(Format::Chat, Backend::Messages, &body, &options).unwrap();
        let back = translate::request(Format::Messages, Backend::Chat, &there.body, &options).unwrap();
        prop_assert_eq!(there.lost, Vec::<&str>::new());
        prop_assert_eq!(back.lost, Vec::<&str>::new());
        let mut back: Value = serde_json::from_slice(&back.body).unwrap();
        open_arguments(&mut back);
        let mut expected = chat;
        open_arguments(&mut expected);
        expected["model"] = json!("upstream");
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn strings_survive_every_pair_of_dialects(text in any::<String>(), escaped in any::<bool>()) {
        let text = format!(".{text}");
        let literal = if escaped {
            let escapes: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{escapes}\"")
        } else {
            serde_json::to_string(&text).unwrap()
        };
        let chat = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{literal}}}]}}"#);
        let responses = format!(r#"{{"model":"m","input":{literal}}}"#);
        for (from, body) in [(Format::Chat, chat), (Format::Responses, responses)] {
            let options = options(ThinkingStyle::Adaptive);
            let request = translate::request(from, Backend::Messages, body.as_bytes(), &options).unwrap();
            let value: Value = serde_json::from_slice(&request.body).unwrap();
            prop_assert_eq!(&value["messages"][0]["content"][0]["text"], &json!(text));
        }
    }
}

/// Arguments as what they mean rather than as they are spelt.
fn open_arguments(chat: &mut Value) {
    for message in chat["messages"].as_array_mut().unwrap() {
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            let arguments = call["function"]["arguments"].as_str().unwrap();
            call["function"]["arguments"] = serde_json::from_str(arguments).unwrap();
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\n\té😀]{0,12}".prop_map(|text| format!("x{text}"))
}

/// Turns as both dialects have them: users and assistants in alternation, results after their calls.
fn turns() -> impl Strategy<Value = Vec<Value>> {
    let calls = prop::collection::vec(("[a-z]{1,8}", text()), 0..3);
    let exchange = (text(), text(), calls).prop_map(|(question, answer, calls)| {
        let mut turns = vec![json!({"role": "user", "content": question})];
        if calls.is_empty() {
            turns.push(json!({"role": "assistant", "content": answer}));
            return turns;
        }
        let call = |(index, (name, text)): (usize, &(String, String))| {
            let arguments = serde_json::to_string(&json!({ "text": text })).unwrap();
            json!({"id": format!("call_{index}"), "type": "function", "function": {"name": name, "arguments": arguments}})
        };
        let said: Vec<_> = calls.iter().enumerate().map(call).collect();
        turns.push(json!({"role": "assistant", "content": answer, "tool_calls": said}));
        for (index, (_, text)) in calls.iter().enumerate() {
            turns.push(json!({"role": "tool", "tool_call_id": format!("call_{index}"), "content": text}));
        }
        turns.push(json!({"role": "user", "content": "go on"}));
        turns.push(json!({"role": "assistant", "content": "done"}));
        turns
    });
    prop::collection::vec(exchange, 0..4).prop_map(|exchanges| exchanges.concat())
}

/// Requests that mean the same in both dialects.
fn chats() -> impl Strategy<Value = Value> {
    let last = prop_oneof![
        text().prop_map(|text| json!(text)),
        text().prop_map(|text| json!([
            {"type": "text", "text": text},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        ])),
    ];
    let options = (
        prop::option::of(text()),
        1_u64..9999,
        prop::option::of(0_u8..=10),
        prop::option::of(prop::collection::vec(text(), 1..3)),
        any::<bool>(),
        prop::option::of(prop::sample::select(vec![
            json!("auto"),
            json!("none"),
            json!("required"),
            json!({"type": "function", "function": {"name": "f"}}),
        ])),
    );
    (turns(), last, options).prop_map(|(turns, last, (system, bound, heat, stop, stream, choice))| {
        let mut messages: Vec<Value> =
            system.into_iter().map(|text| json!({"role": "system", "content": text})).collect();
        messages.extend(turns);
        messages.push(json!({"role": "user", "content": last}));
        let mut chat = json!({"model": "m", "messages": messages, "max_completion_tokens": bound});
        let tool = json!({"name": "f", "description": "d", "parameters": {"type": "object"}});
        if let Some(choice) = choice {
            chat["tools"] = json!([{"type": "function", "function": tool}]);
            chat["tool_choice"] = choice;
        }
        if let Some(heat) = heat {
            chat["temperature"] = json!(f64::from(heat) / 10.0);
        }
        if let Some(stop) = stop {
            chat["stop"] = json!(stop);
        }
        if stream {
            chat["stream"] = json!(true);
            chat["stream_options"] = json!({"include_usage": true});
        }
        chat
    })
}
