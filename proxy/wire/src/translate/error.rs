//! Errors, carried from the backend's dialect to the caller's. It owns the two shapes and the names of
//! kinds; it refuses to choose a status, and to pass on a body that is not an error in the dialect.

use bytes::Bytes;

use super::document::{self, Input, Read, Str};
use super::writer::Writer;
use super::{Backend, Format};
use crate::json::Kind;

/// What an error says.
#[derive(Default)]
struct Problem<'a> {
    message: Option<Str<'a>>,
    kind: Option<Str<'a>>,
    code: Option<Str<'a>>,
    param: Option<Str<'a>>,
}

/// The body of a backend's error in the caller's dialect. The backend's words are kept; where it has
/// none that can be read, the status speaks.
#[must_use]
pub fn error(from: Backend, to: Format, status: u16, body: &[u8]) -> Bytes {
    let problem = read(body).unwrap_or_default();
    let message =
        problem.message.unwrap_or_else(|| Str::of(&format!("the backend answered with status {status}")));
    let mut writer = Writer::default();
    writer.object(|w| match to {
        Format::Messages => {
            w.key("type").text("error");
            w.key("error");
            let kind = problem.kind.filter(|_| from == Backend::Messages);
            let kind = kind.unwrap_or_else(|| Str::of(anthropic_kind(status)));
            write_anthropic(Some(&kind), Some(&message), w);
        }
        Format::Chat | Format::Responses => w.key("error").object(|w| {
            w.key("message").string(&message);
            match problem.kind.filter(|_| from == Backend::Chat) {
                Some(kind) => w.key("type").string(&kind),
                None => w.key("type").text(openai_kind(status)),
            }
            for (key, value) in [("param", problem.param), ("code", problem.code)] {
                match value {
                    Some(value) => w.key(key).string(&value),
                    None => w.key(key).null(),
                }
            }
        }),
    });
    writer.into_bytes().into()
}

/// Anthropic's kinds of errors, by status.
fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 | 503 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

/// OpenAI's kinds of errors, by status.
fn openai_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    }
}

/// `{"error":{..}}` of both dialects; vLLM has also put the members at the top.
fn read(body: &[u8]) -> Read<Problem<'_>> {
    let mut problem = Problem::default();
    document::read(body, |input| {
        input.object(|input, key| {
            if key == "error" && input.kind()? == Kind::Object {
                return input.object(|input, key| problem.field(input, key));
            }
            if key == "error" && input.kind()? == Kind::String {
                problem.message = Some(input.string()?);
                return Ok(());
            }
            if key == "message" && problem.message.is_none() {
                return problem.field(input, key);
            }
            input.skip()
        })
    })?;
    Ok(problem)
}

impl<'a> Problem<'a> {
    fn field(&mut self, input: &mut Input<'a>, key: &str) -> Read<()> {
        let slot = match key {
            "message" => &mut self.message,
            "type" => &mut self.kind,
            "code" => &mut self.code,
            "param" => &mut self.param,
            _ => return input.skip(),
        };
        // Codes have been numbers, too.
        if input.kind()? == Kind::String {
            *slot = Some(input.string()?);
            return Ok(());
        }
        input.skip()
    }
}

/// Anthropic's kinds of errors; its clients know no others.
const ANTHROPIC_KINDS: &[&str] = &[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// The code of a response that failed, in the words of the responses dialect.
pub(super) fn response_code(kind: &str) -> &'static str {
    match kind {
        "rate_limit_error" | "rate_limit_exceeded" | "requests" | "tokens" => "rate_limit_exceeded",
        "invalid_request_error" | "request_too_large" => "invalid_prompt",
        _ => "server_error",
    }
}

/// The message of an error that has none.
pub(super) const UNSAID: &str = "the backend failed";

/// The members of an error inside a stream, for a chat caller.
pub(super) fn write_openai(kind: Option<&Str<'_>>, message: Option<&Str<'_>>, w: &mut Writer) {
    w.key("error").object(|w| {
        match message {
            Some(message) => w.key("message").string(message),
            None => w.key("message").text(UNSAID),
        }
        match kind {
            Some(kind) => w.key("type").string(kind),
            None => w.key("type").text("server_error"),
        }
        w.key("param").null();
        w.key("code").null();
    });
}

/// Anthropic's error object.
pub(super) fn write_anthropic(kind: Option<&Str<'_>>, message: Option<&Str<'_>>, w: &mut Writer) {
    let kind = kind.map(Str::decode);
    w.object(|w| {
        w.key("type").text(match kind.as_deref() {
            Some(kind) if ANTHROPIC_KINDS.contains(&kind) => kind,
            Some("rate_limit_exceeded" | "requests" | "tokens") => "rate_limit_error",
            _ => "api_error",
        });
        match message {
            Some(message) => w.key("message").string(message),
            None => w.key("message").text(UNSAID),
        }
    });
}
