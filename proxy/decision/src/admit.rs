//! Stage 3: what a head says of its body. It owns content type, encoding and declared size; it refuses to
//! read bytes.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use vocabulary::{ByteSize, Reason};

use crate::{Exchange, Refusal};

impl Exchange {
    /// Checks the head of a request whose body is JSON.
    ///
    /// # Errors
    /// [`Reason::UnsupportedMediaType`], [`Reason::UnsupportedEncoding`], [`Reason::BodyTooLarge`].
    pub fn admit_json(&self, headers: &http::HeaderMap, max_body: u64) -> Result<(), Refusal> {
        let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_json(media) {
            return Err(Refusal::new(
                Reason::UnsupportedMediaType,
                "the body must be JSON; send the header `Content-Type: application/json`",
            ));
        }
        if headers
            .get(CONTENT_ENCODING)
            .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(Refusal::new(Reason::UnsupportedEncoding, "send the body without Content-Encoding"));
        }
        self.admit_length(headers, max_body)
    }

    /// Checks the declared size of any body.
    ///
    /// # Errors
    /// [`Reason::BodyTooLarge`].
    pub fn admit_length(&self, headers: &http::HeaderMap, max_body: u64) -> Result<(), Refusal> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|bytes| bytes > max_body) { Err(too_large(max_body)) } else { Ok(()) }
    }
}

/// The refusal of a body over `max_body` bytes, declared or counted.
#[must_use]
pub fn too_large(max_body: u64) -> Refusal {
    Refusal::new(
        Reason::BodyTooLarge,
        format!("the body is larger than the {} this listener takes", ByteSize(max_body)),
    )
}

/// `application/json`, with only a UTF-8 charset allowed (RFC 8259 §8.1).
fn is_json(media: &str) -> bool {
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    essence
        && parts.all(|parameter| {
            parameter.is_empty() || parameter.replace('"', "").eq_ignore_ascii_case("charset=utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_type_and_charset() {
        for media in
            ["application/json", "Application/JSON; charset=utf-8", "application/json; charset=\"UTF-8\""]
        {
            assert!(is_json(media), "{media}");
        }
        for media in
            ["", "text/plain", "application/json; charset=utf-7", "application/jsonp", "application/x-ndjson"]
        {
            assert!(!is_json(media), "{media}");
        }
    }
}
