//! What a token service's answer means. It owns telling a token from everything else that may come back;
//! it refuses to quote an answer beyond its error codes, for a service may repeat what it was sent.

use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::upstream::Presented;

/// No token lives longer; what says so is a mistake.
const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A token, ready to be presented.
#[derive(Debug)]
pub(super) struct Token {
    /// `Authorization: Bearer …`; never prints.
    pub(super) header: Presented,
    pub(super) lifetime: Duration,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// In words, without anything secret.
    pub(super) why: String,
    /// The service's own word on when to ask again.
    pub(super) retry_after: Option<Duration>,
}

impl Refused {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None }
    }
}

/// Reads an answer; `unix_now` is in seconds, for lifetimes given as a date.
///
/// # Errors
/// Whatever is not a token with a lifetime.
pub(super) fn token(status: u16, headers: &HeaderMap, body: &[u8], unix_now: u64) -> Result<Token, Refused> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = wire::openai::retry_after(header, unix_now);
        let code = document.as_ref().and_then(codes).unwrap_or_default();
        return Err(Refused { why: format!("it answered with status {status}{code}"), retry_after });
    }
    let Some(document) = document else { return Err(Refused::because("its answer is not JSON")) };
    let text = document.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() {
        return Err(Refused::because("its answer holds no `access_token`"));
    }
    if let Some(kind) = document.get("token_type").and_then(Value::as_str)
        && !kind.eq_ignore_ascii_case("bearer")
    {
        return Err(Refused::because("its token is not a bearer token"));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
        .map_err(|_| Refused::because("its token holds characters no header may hold"))?;
    value.set_sensitive(true);
    Ok(Token { header: (AUTHORIZATION, value), lifetime: lifetime(&document, unix_now)? })
}

/// `expires_in` is seconds from now and needs no agreement on the time of day, so it is preferred;
/// `expires_on` is a date in Unix seconds. The metadata service writes both as text.
fn lifetime(document: &Value, unix_now: u64) -> Result<Duration, Refused> {
    let seconds = |name: &str| match document.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse::<f64>().ok(),
        _ => None,
    };
    let left = seconds("expires_in")
        .or_else(|| Some(seconds("expires_on")? - unix_now as f64))
        .ok_or_else(|| Refused::because("its answer does not say until when the token is good"))?;
    if left < 1.0 || !left.is_finite() {
        return Err(Refused::because("its token has expired already; compare the clocks of both machines"));
    }
    Ok(Duration::from_secs_f64(left.min(LONGEST_LIFE.as_secs_f64())))
}

/// The codes of an OAuth error (RFC 6749 §5.2) and of Entra ID, such as ` (invalid_client, AADSTS7000215)`.
fn codes(document: &Value) -> Option<String> {
    let plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= 40
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let error = document.get("error").and_then(Value::as_str).filter(plain)?;
    let number = document.get("error_codes").and_then(|codes| codes.get(0)).and_then(Value::as_u64);
    Some(match number {
        Some(number) => format!(" ({error}, AADSTS{number})"),
        None => format!(" ({error})"),
    })
}
