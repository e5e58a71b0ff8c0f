//! The head of a request, read once more and strictly. It owns refusing what another reader of the same
//! bytes could take for a different request (RFC 9112 §11.2); it refuses to mend anything, and leaves what
//! Pingora's parser refuses to that.

use decision::Refusal;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, Version};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use vocabulary::Reason;

/// Some servers read these as the names that frame a body.
const LOOKALIKES: [HeaderName; 2] =
    [HeaderName::from_static("content_length"), HeaderName::from_static("transfer_encoding")];

/// Refuses an HTTP/1 request whose framing is ambiguous, and the connection any further request. HTTP/2
/// frames by itself.
///
/// # Errors
/// What is ambiguous.
pub(super) fn check(session: &mut Session) -> Result<(), Refusal> {
    let Some(http1) = session.as_downstream().as_http1() else { return Ok(()) };
    let Some(words) = ambiguity(session.req_header(), &http1.get_headers_raw_bytes()) else { return Ok(()) };
    session.as_downstream_mut().set_keepalive(None);
    Err(Refusal::new(Reason::MalformedRequest, words))
}

/// What is wrong with a head that Pingora parsed from `raw`.
fn ambiguity(header: &RequestHeader, raw: &[u8]) -> Option<&'static str> {
    let headers = &header.headers;
    if memchr::memchr_iter(b'\n', raw).any(|at| at.checked_sub(1).and_then(|at| raw.get(at)) != Some(&b'\r'))
    {
        return Some("a line of the head ends in LF alone; end every line with CR LF");
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Some("`Transfer-Encoding` must be `chunked`, once and alone");
        }
        // Pingora has dropped the length by now; the bytes still have it.
        if raw.split(|byte| *byte == b'\n').any(is_content_length) {
            return Some("`Content-Length` and `Transfer-Encoding` exclude each other; send one of them");
        }
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (lengths.next().is_some() || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Some("`Content-Length` must be one number, once");
    }
    if LOOKALIKES.iter().any(|name| headers.contains_key(name)) {
        return Some("`Content_Length` and `Transfer_Encoding` are not headers; write them with a hyphen");
    }
    if header.version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return Some("HTTP/1.1 needs a `Host` header (RFC 9112 section 3.2)");
    }
    None
}

fn is_content_length(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.eq_ignore_ascii_case(CONTENT_LENGTH.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// A head as Pingora hands it on: parsed, and without a length when there is an encoding.
    fn parsed(lines: &[(&str, &str)]) -> (RequestHeader, Vec<u8>) {
        let mut header = RequestHeader::build("POST", b"/x", None).unwrap();
        let mut raw = b"POST /x HTTP/1.1\r\n".to_vec();
        for (name, value) in lines {
            raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
            header.append_header((*name).to_owned(), HeaderValue::from_str(value).unwrap()).unwrap();
        }
        if header.headers.contains_key(TRANSFER_ENCODING) {
            header.remove_header(&CONTENT_LENGTH);
        }
        raw.extend_from_slice(b"\r\n");
        (header, raw)
    }

    fn refused(lines: &[(&str, &str)]) -> Option<&'static str> {
        let (header, raw) = parsed(lines);
        ambiguity(&header, &raw)
    }

    #[test]
    fn one_length_or_one_encoding_passes() {
        assert_eq!(refused(&[("Host", "a"), ("Content-Length", "5")]), None);
        assert_eq!(refused(&[("Host", "a"), ("Transfer-Encoding", "Chunked")]), None);
        assert_eq!(
            refused(&[("Host", "a"), ("X-Content-Length", "5"), ("Transfer-Encoding", "chunked")]),
            None
        );
    }

    #[test]
    fn two_ways_to_frame_a_body_are_refused() {
        for lines in [
            &[("Host", "a"), ("content-LENGTH", "5"), ("Transfer-Encoding", "chunked")][..],
            &[("Host", "a"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
            &[("Host", "a"), ("Transfer-Encoding", "gzip, chunked")],
            &[("Host", "a"), ("Content-Length", "5"), ("Content-Length", "5")],
            &[("Host", "a"), ("Content-Length", "5, 5")],
            &[("Host", "a"), ("Content_Length", "5")],
            &[("Content-Length", "5")],
        ] {
            assert!(refused(lines).is_some(), "{lines:?}");
        }
    }

    #[test]
    fn a_line_that_ends_in_lf_alone_is_refused() {
        let (header, raw) = parsed(&[("Host", "a")]);
        let bare = String::from_utf8(raw).unwrap().replacen("\r\n", "\n", 1);
        assert!(ambiguity(&header, bare.as_bytes()).is_some());
    }
}
