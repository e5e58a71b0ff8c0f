//! Bodies of `multipart/form-data` (RFC 7578), read whole. It owns boundaries and part headers; it refuses
//! nested parts and transfer encodings, which nobody sends.

use super::errors::Complaint;

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content: &'a [u8],
}

/// Most parts in a form.
const MOST_PARTS: usize = 256;

/// Reads the parts of a body, given its content type.
pub(super) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, Complaint> {
    let bad = |message: &str| Complaint::bad_request(message);
    let is_form = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
    let boundary = parameter(content_type, "boundary").filter(|boundary| is_form && !boundary.is_empty());
    let boundary = boundary.ok_or_else(|| bad("The body must be multipart/form-data with a boundary."))?;
    let delimiter = format!("--{boundary}");
    let mut rest = strip(body, delimiter.as_bytes()).ok_or_else(|| bad("The form has no first boundary."))?;
    let between = format!("\r\n{delimiter}");
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let part = strip(rest, b"\r\n").ok_or_else(|| bad("A boundary does not end its line."))?;
        let end = find(part, between.as_bytes()).ok_or_else(|| bad("The form has no last boundary."))?;
        let (part, after) = part.split_at(end);
        let head_end = find(part, b"\r\n\r\n").ok_or_else(|| bad("A part of the form has no headers."))?;
        let (head, content) = part.split_at(head_end);
        let head = String::from_utf8_lossy(head);
        let is_disposition = |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition:");
        let disposition = head.split("\r\n").find(is_disposition).unwrap_or_default();
        let name = parameter(disposition, "name").ok_or_else(|| bad("A part of the form has no name."))?;
        let filename = parameter(disposition, "filename");
        parts.push(Part { name, filename, content: content.get(4..).unwrap_or_default() });
        if parts.len() > MOST_PARTS {
            return Err(bad("The form has too many parts."));
        }
        rest = after.get(between.len()..).unwrap_or_default();
    }
    Ok(parts)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn strip<'a>(bytes: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    bytes.strip_prefix(prefix)
}

/// The value of a parameter of a header, without its quotes.
fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xyz\"";

    #[test]
    fn a_form_is_read_into_its_parts() {
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n\r\n--xyz--\r\n";
        let read = parts(TYPE, body).unwrap();
        let expected = [
            Part { name: "purpose".to_owned(), filename: None, content: b"batch" },
            Part { name: "file".to_owned(), filename: Some("a.jsonl".to_owned()), content: b"{}\r\n" },
        ];
        assert_eq!(read, expected);
        assert!(parts("application/json", body).is_err());
        assert!(parts(TYPE, &body[..60]).is_err());
    }

    proptest! {
        #[test]
        fn no_form_makes_the_reader_panic(text in "(--|xyz|\r\n|name=|;|a|\"){0,40}") {
            let _ = parts(TYPE, text.as_bytes());
            let _ = parts(&text, b"");
        }
    }
}
