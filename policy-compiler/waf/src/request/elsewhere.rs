//! Headers and cookies that applications read as input, shown to rules as arguments: CRS looks at few of them
//! otherwise. It owns which headers are HTTP's own.

use super::Pair;
use super::urlencoded::percent_decoded;

/// Headers of HTTP itself and credentials: rules have words of their own for those that matter.
const OWN: [&str; 50] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "api-key",
    "authorization",
    "baggage",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "ocp-apim-subscription-key",
    "origin",
    "pragma",
    "priority",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "sec-gpc",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// Values of headers that are no words of HTTP's own, and of cookies, as `header.name` and `cookie.name`.
#[must_use]
pub fn arguments_elsewhere(headers: &[(&str, &[u8])]) -> Vec<Pair> {
    let mut found = Vec::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if lower == "cookie" {
            found.extend(value.split(|byte| *byte == b';').map(cookie));
        } else if OWN.binary_search(&lower.as_str()).is_err() && !lower.starts_with("sec-") {
            found.push(Pair { name: format!("header.{lower}").into_bytes(), value: value.to_vec() });
        }
    }
    found
}

fn cookie(text: &[u8]) -> Pair {
    let mut parts = text.trim_ascii().splitn(2, |byte| *byte == b'=');
    let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // Applications decode them, most of them so.
    Pair { name: [b"cookie.", name].concat(), value: percent_decoded(value) }
}
