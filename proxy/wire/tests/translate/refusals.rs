//! What is refused, and in which words.

use std::fmt::Write as _;

use wire::translate::{self, Backend, Format, ThinkingStyle};

use crate::options;

/// A chat request with one message and the given member.
fn chat(member: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"secret"}}],{member}}}"#)
}

fn chat_message(message: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},{message}]}}"#)
}

fn messages(member: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"secret"}}],{member}}}"#)
}

fn messages_block(block: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":[{block}]}}]}}"#)
}

fn responses(member: &str) -> String {
    format!(r#"{{"model":"m","input":"secret",{member}}}"#)
}

fn responses_item(item: &str) -> String {
    format!(r#"{{"model":"m","input":[{item}]}}"#)
}

fn told(cases: &[(Format, Backend, String)]) -> String {
    let mut told = String::new();
    for (from, to, body) in cases {
        let fault = translate::request(*from, *to, body.as_bytes(), &options(ThinkingStyle::Adaptive))
            .expect_err(&format!("carried: {body}"));
        assert!(!fault.to_string().contains("secret"), "quotes what was sent: {fault}");
        let _ = writeln!(told, "{body}\n    {fault}");
    }
    told
}

#[test]
fn chat_requests_that_anthropic_cannot_serve_are_refused_by_field() {
    let cases = [
        chat(r#""n":2"#),
        chat(r#""logprobs":true"#),
        chat(r#""top_logprobs":5"#),
        chat(r#""logit_bias":{"50256":-100}"#),
        chat(r#""frequency_penalty":0.5"#),
        chat(r#""modalities":["text","audio"]"#),
        chat(r#""audio":{"voice":"ash"}"#),
        chat(r#""web_search_options":{}"#),
        chat(r#""functions":[{"name":"f"}]"#),
        chat(r#""temperature":1.2"#),
        chat(r#""response_format":{"type":"json_object"}"#),
        chat(r#""response_format":{"type":"grammar"}"#),
        chat(r#""reasoning_effort":"colossal""#),
        chat(r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#),
        chat(r#""tool_choice":{"type":"allowed_tools","allowed_tools":{}}"#),
        chat_message(
            r#"{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","format":"wav"}}]}"#,
        ),
        chat_message(
            r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"video_url","video_url":{}}]}"#,
        ),
        chat_message(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://a"}}]}"#),
        chat_message(r#"{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}"#),
        chat_message(
            r#"{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/csv;base64,YQ=="}}]}"#,
        ),
        chat_message(r#"{"role":"narrator","content":"a"}"#),
        chat_message(r#"{"role":"function","name":"f","content":"a"}"#),
        chat_message(r#"{"role":"tool","content":"a"}"#),
        chat_message(r#"{"role":"user"}"#),
        chat_message(r#"{"role":"user","role":"system","content":"a"}"#),
        r#"{"model":"m","messages":[{"role":"system","content":"a"}]}"#.to_owned(),
        r#"{"model":"m"}"#.to_owned(),
        r#"["secret"]"#.to_owned(),
        r#"{"model":"m","secret":"#.to_owned(),
    ];
    insta::assert_snapshot!(told(&cases.map(|body| (Format::Chat, Backend::Messages, body))));
}

#[test]
fn messages_requests_that_chat_cannot_serve_are_refused_by_field() {
    let cases = [
        messages(r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#),
        messages(r#""mcp_servers":[{"type":"url","url":"https://a","name":"a"}]"#),
        messages(r#""container":"c""#),
        messages(r#""thinking":{"type":"enabled"}"#),
        messages(r#""tool_choice":{"type":"tool"}"#),
        messages(r#""output_config":{"format":{"type":"json_schema"}}"#),
        messages(r#""output_config":{"effort":"none"}"#),
        messages_block(r#"{"type":"search_result","source":"a","title":"b","content":[]}"#),
        messages_block(r#"{"type":"image","source":{"type":"file","file_id":"file_1"}}"#),
        messages_block(r#"{"type":"document","source":{"type":"url","url":"https://a/b.pdf"}}"#),
        messages_block(
            r#"{"type":"document","source":{"type":"text","data":"a"},"citations":{"enabled":true}}"#,
        ),
        messages_block(r#"{"type":"tool_use","id":"a","name":"b","input":{}}"#),
        messages_block(r#"{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_reference"}]}"#),
        messages_block(r#"{"text":"a"}"#),
    ];
    insta::assert_snapshot!(told(&cases.map(|body| (Format::Messages, Backend::Chat, body))));
}

#[test]
fn responses_requests_that_need_a_memory_or_server_tools_are_refused_by_field() {
    let cases = [
        responses(r#""previous_response_id":"resp_1""#),
        responses(r#""conversation":"conv_1""#),
        responses(r#""prompt":{"id":"pmpt_1"}"#),
        responses(r#""background":true"#),
        responses(r#""truncation":"auto""#),
        responses(r#""include":["message.output_text.logprobs"]"#),
        responses(r#""tools":[{"type":"web_search"}]"#),
        responses(r#""tool_choice":{"type":"file_search"}"#),
        responses(r#""text":{"format":{"type":"json_schema","name":"a"}}"#),
        responses_item(r#"{"type":"item_reference","id":"msg_1"}"#),
        responses_item(r#"{"type":"computer_call","call_id":"a"}"#),
        responses_item(r#"{"type":"function_call_output","output":"a"}"#),
        responses_item(r#"{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}"#),
        responses_item(r#"{"role":"user","content":[{"type":"input_file","file_url":"https://a/b.pdf"}]}"#),
        responses_item(r#"{"role":"system","content":[{"type":"input_image","image_url":"https://a"}]}"#),
    ];
    insta::assert_snapshot!(told(&cases.map(|body| (Format::Responses, Backend::Chat, body))));
}

#[test]
fn answers_that_are_not_in_the_backends_dialect_are_malformed() {
    let envelope = crate::envelope();
    let mut told = String::new();
    for (from, body) in [
        (Backend::Chat, r#"{"choices":[]}"#),
        (Backend::Chat, r#"{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}"#),
        (Backend::Chat, r#"{"choices":[{"message":{"content":["secret"]}}]}"#),
        (Backend::Chat, r#"{"choices":[{"message":{"tool_calls":[{"id":"a"}]}}]}"#),
        (Backend::Messages, r#"{"type":"message"}"#),
        (
            Backend::Messages,
            r#"{"content":[{"type":"server_tool_use","id":"a","name":"secret","input":{}}]}"#,
        ),
        (Backend::Messages, "<html>secret</html>"),
    ] {
        let fault = translate::answer(from, Format::Responses, body.as_bytes(), &envelope).unwrap_err();
        assert!(!fault.to_string().contains("secret"), "quotes the answer: {fault}");
        let _ = writeln!(told, "{body}\n    {fault}");
    }
    insta::assert_snapshot!(told);
}
