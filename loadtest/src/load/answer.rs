//! What an answer in OpenAI's dialect says, as far as a load test cares. It owns one pass over each
//! event; it refuses to keep any text of it.

use std::fmt;

use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use vocabulary::Usage;

/// Longest error code that is taken over into a report.
const LONGEST_CODE: usize = 64;

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) usage: Option<Usage>,
}

/// What an event brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Text, reasoning, a refusal or a tool call.
    Output,
    /// Nothing a caller waits for: a role, a finish reason, usage.
    Quiet,
    /// An error object, with its code.
    Error(Option<String>),
    /// `[DONE]`.
    Done,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<UsageBlock>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Option<Text>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Text>,
    #[serde(default)]
    reasoning_content: Option<Text>,
    #[serde(default)]
    reasoning: Option<Text>,
    #[serde(default)]
    refusal: Option<Text>,
    #[serde(default)]
    tool_calls: Option<Vec<IgnoredAny>>,
}

/// Whether a string holds anything; the string itself is let go.
struct Text(bool);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl Visitor<'_> for Length {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(!text.is_empty()))
            }
        }
        deserializer.deserialize_str(Length)
    }
}

#[derive(Deserialize)]
struct UsageBlock {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

impl UsageBlock {
    fn usage(&self) -> Usage {
        Usage {
            input: self.prompt_tokens,
            cached_input: self.prompt_tokens_details.as_ref().and_then(|d| d.cached_tokens).unwrap_or(0),
            output: self.completion_tokens,
            reasoning_output: self
                .completion_tokens_details
                .as_ref()
                .and_then(|d| d.reasoning_tokens)
                .unwrap_or(0),
            ..Usage::default()
        }
    }
}

#[derive(Deserialize)]
struct ErrorObject {
    #[serde(default)]
    code: Option<serde_json::Value>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl ErrorObject {
    /// The code, or the type where there is none; only if it looks like a name, never free text.
    fn name(self) -> Option<String> {
        let code = match self.code {
            Some(serde_json::Value::String(code)) => Some(code),
            Some(serde_json::Value::Number(code)) => Some(code.to_string()),
            _ => None,
        };
        let plain = |s: &String| {
            (1..=LONGEST_CODE).contains(&s.len())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        code.filter(plain).or_else(|| self.kind.filter(plain))
    }
}

/// Reads the data of one event; `None` when it is not what a stream of this dialect holds.
pub(crate) fn event(data: &[u8]) -> Option<Event> {
    if data == b"[DONE]" {
        return Some(Event { kind: EventKind::Done, usage: None });
    }
    let chunk: Chunk = serde_json::from_slice(data).ok()?;
    let usage = chunk.usage.as_ref().map(UsageBlock::usage);
    if let Some(error) = chunk.error {
        return Some(Event { kind: EventKind::Error(error.name()), usage });
    }
    let output = chunk.choices.iter().flatten().any(Choice::bears_output);
    Some(Event { kind: if output { EventKind::Output } else { EventKind::Quiet }, usage })
}

impl Choice {
    fn bears_output(&self) -> bool {
        let says = |text: &Option<Text>| text.as_ref().is_some_and(|text| text.0);
        let delta = self.delta.as_ref().is_some_and(|delta| {
            [&delta.content, &delta.reasoning_content, &delta.reasoning, &delta.refusal].into_iter().any(says)
                || delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
        });
        delta || says(&self.text)
    }
}

#[derive(Deserialize)]
struct Plain {
    #[serde(default)]
    usage: Option<UsageBlock>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Reads a whole answer of status 200: its usage, if it has any. `None` when it is not an answer.
pub(crate) fn plain(body: &[u8]) -> Option<Option<Usage>> {
    let body: Plain = serde_json::from_slice(body).ok()?;
    if body.error.is_some() {
        return None;
    }
    Some(body.usage.as_ref().map(UsageBlock::usage))
}

#[derive(Deserialize)]
struct Refusal {
    error: ErrorObject,
}

/// The code of an error body in this dialect.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Refusal>(body).ok()?.error.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data: &str) -> EventKind {
        event(data.as_bytes()).unwrap().kind
    }

    #[test]
    fn only_output_starts_the_clock_of_the_first_token() {
        for output in [
            r#"{"choices":[{"delta":{"content":"a"}}]}"#,
            r#"{"choices":[{"delta":{"content":null,"reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#,
            r#"{"choices":[{"text":"a\n"}],"usage":null}"#,
        ] {
            assert_eq!(kind(output), EventKind::Output, "{output}");
        }
        for quiet in [
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":null}}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        ] {
            assert_eq!(kind(quiet), EventKind::Quiet, "{quiet}");
        }
    }

    #[test]
    fn usage_is_read_with_its_details() {
        let data = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,
            "prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":null}}}"#;
        let usage = Usage { input: 9, cached_input: 3, output: 4, ..Usage::default() };
        assert_eq!(event(data.as_bytes()).unwrap().usage, Some(usage));
        assert_eq!(plain(data.as_bytes()), Some(Some(usage)));
        assert_eq!(plain(br#"{"object":"list"}"#), Some(None));
        assert_eq!(plain(b"<html>"), None);
    }

    #[test]
    fn errors_are_named_by_code_and_never_quoted() {
        assert_eq!(
            error_code(br#"{"error":{"message":"secret","code":"unknown_model"}}"#).unwrap(),
            "unknown_model"
        );
        assert_eq!(error_code(br#"{"error":{"code":null,"type":"server_error"}}"#).unwrap(), "server_error");
        assert_eq!(error_code(br#"{"error":{"code":"the key sk-1 is wrong"}}"#), None);
        assert_eq!(error_code(b"<html>"), None);
        assert_eq!(kind(r#"{"error":{"code":503}}"#), EventKind::Error(Some("503".into())));
    }

    #[test]
    fn done_and_nonsense_are_told_apart() {
        assert_eq!(kind("[DONE]"), EventKind::Done);
        assert!(event(b"{\"choices\":").is_none());
        assert!(event(b"hello").is_none());
    }
}
