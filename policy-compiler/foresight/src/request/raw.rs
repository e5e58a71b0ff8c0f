//! Raw HTTP/1.1 as REST clients keep it in files. It owns what such files take more lightly than the protocol
//! (line ends, comments, a version left out, a length nobody counted); the head itself is `httparse`'s.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Fault, Request, Rest, Target};

/// More headers than any client sends.
const MAX_HEADERS: usize = 256;

/// Leaves out empty lines and lines of comment before a request.
pub(super) fn skip_comments(text: &[u8]) -> Rest<'_> {
    let mut left = Rest { rest: text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text), line: 1 };
    loop {
        let (line, rest) = split_line(left.rest);
        let trimmed = line.trim_ascii();
        let skipped = trimmed.is_empty() || trimmed.starts_with(b"#") || trimmed.starts_with(b"//");
        if !skipped || rest.is_empty() {
            return Rest { rest: left.rest.trim_ascii_start(), ..left };
        }
        left = Rest { rest, line: left.line.saturating_add(1) };
    }
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'\n');
    end.and_then(|end| text.split_at_checked(end.saturating_add(1))).unwrap_or((text, b""))
}

pub(super) fn parse(start: Rest<'_>) -> Result<Request, Fault> {
    let (head, body) = split_head(start.rest);
    let line = start.line;
    let (first, fields) = split_line(head);
    let first = std::str::from_utf8(first).map_err(|_| not_a_request(line))?.trim();
    if first.is_empty() {
        return Err(Fault::new(
            line,
            "there is no request",
            "write one, such as `GET /v1/models HTTP/1.1`, or a curl command line",
        ));
    }
    let mut words = first.split_ascii_whitespace();
    let (Some(method), Some(target), version, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(not_a_request(line));
    };
    if !version.is_none_or(|version| version.starts_with("HTTP/")) {
        return Err(not_a_request(line));
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| not_a_request(line))?;
    let target = Target::read(target, false, line)?;
    let headers = read_headers(fields, line.saturating_add(1))?;
    let head_lines = head.iter().filter(|byte| **byte == b'\n').count();
    let body = read_body(&headers, body, line.saturating_add(head_lines).saturating_add(1))?;
    Ok(Request::assemble(method, &target, headers, body))
}

fn not_a_request(line: usize) -> Fault {
    Fault::new(
        line,
        "this is no request line",
        "begin with method and target, such as `POST /v1/chat/completions HTTP/1.1`, or with `curl`",
    )
}

/// Up to and after the first empty line.
fn split_head(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0_usize;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (line, _) = split_line(rest);
        let next = at.saturating_add(line.len());
        if line.trim_ascii_end().is_empty() {
            return (text.get(..at).unwrap_or_default(), text.get(next..).unwrap_or_default());
        }
        at = next;
    }
    (text, b"")
}

fn read_headers(fields: &[u8], line: usize) -> Result<HeaderMap, Fault> {
    let mut block = fields.to_vec();
    // The last line may lack its end, and the empty line that ends a head is not part of the fields.
    block.extend_from_slice(b"\n\r\n");
    let block = if fields.is_empty() || fields.ends_with(b"\n") { [fields, b"\r\n"].concat() } else { block };
    let mut parsed = [httparse::EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(&block, &mut parsed) {
        Ok(httparse::Status::Complete((_, found))) => {
            let mut headers = HeaderMap::new();
            for field in found {
                let name = HeaderName::from_bytes(field.name.as_bytes());
                let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
                    return Err(bad_header(fields, line));
                };
                headers.append(name, value);
            }
            Ok(headers)
        }
        Err(httparse::Error::TooManyHeaders) => Err(Fault::new(
            line,
            format!("there are more than {MAX_HEADERS} headers"),
            "leave out those that no rule reads",
        )),
        _ => Err(bad_header(fields, line)),
    }
}

/// Finds the first line that by itself is no header, for its number.
fn bad_header(fields: &[u8], line: usize) -> Fault {
    let mut left = fields;
    let mut at = line;
    while !left.is_empty() {
        let (field, rest) = split_line(left);
        let alone = [field.trim_ascii_end(), b"\r\n\r\n"].concat();
        let mut parsed = [httparse::EMPTY_HEADER; 1];
        if !matches!(httparse::parse_headers(&alone, &mut parsed), Ok(httparse::Status::Complete(_))) {
            break;
        }
        left = rest;
        at = at.saturating_add(1);
    }
    Fault::new(at, "this is no header", "write `Name: value`, one a line, and an empty line before the body")
}

/// The body, by the length that is stated or as far as it goes. A line end at the end of a file is no part of it.
fn read_body(headers: &HeaderMap, body: &[u8], line: usize) -> Result<Bytes, Fault> {
    let mut at = line;
    for one in body.split(|byte| *byte == b'\n') {
        if one.starts_with(b"###") {
            return Err(Fault::new(
                at,
                "a second request begins here",
                "explain one at a time: keep each in a file of its own",
            ));
        }
        at = at.saturating_add(1);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // Written as it is meant, not chunk by chunk.
        return Ok(Bytes::copy_from_slice(without_end(body)));
    }
    let Some(stated) = headers.get(CONTENT_LENGTH) else {
        return Ok(Bytes::copy_from_slice(without_end(body)));
    };
    let stated: Option<usize> = stated.to_str().ok().and_then(|text| text.parse().ok());
    let found = stated.and_then(|length| body.split_at_checked(length));
    match found {
        Some((body, rest)) if rest.trim_ascii().is_empty() => Ok(Bytes::copy_from_slice(body)),
        _ => Err(Fault::new(
            line,
            format!(
                "`Content-Length` is not the length of the body, which has {} bytes",
                without_end(body).len()
            ),
            "leave the header out: the length is counted for you",
        )),
    }
}

fn without_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}
