//! Requests taken apart into what rules look at. It owns how a target, cookies and bodies are read, in the forgiving
//! way backends read them; it refuses judging them, beyond saying what was malformed.

mod elsewhere;
mod head;
mod json;
mod multipart;
mod urlencoded;
mod xml;

#[cfg(test)]
mod tests;

pub use elsewhere::arguments_elsewhere;
pub use head::read_head;
pub use multipart::{FilePart, Multipart};

use crate::program::{BodyProcessor, Reading};

/// A name with a value: an argument, a header, a cookie.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pair {
    /// As it was sent, decoded where its kind is.
    pub name: Vec<u8>,
    /// Likewise.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    /// Without the value, which is the caller's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name.escape_ascii(), self.value.len())
    }
}

/// The line a request begins with.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// `GET`.
    pub method: &'a [u8],
    /// As it was sent: `/path?query`, `*`, `http://host/path`.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a [u8],
}

/// What the head of a request holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Without scheme, host and fragment, `%XX` decoded.
    pub uri: Vec<u8>,
    /// As it was sent.
    pub uri_raw: Vec<u8>,
    /// The path, `%XX` decoded.
    pub filename: Vec<u8>,
    /// What follows the last slash of the path.
    pub basename: Vec<u8>,
    /// The path again, as libmodsecurity 3 has it.
    pub path_info: Vec<u8>,
    /// What follows `?`, as it was sent.
    pub query_string: Vec<u8>,
    /// Method, target and protocol.
    pub line: Vec<u8>,
    /// Arguments of the query.
    pub args: Vec<Pair>,
    /// Cookies, not decoded.
    pub cookies: Vec<Pair>,
    /// A `%` of the query without two digits.
    pub urlencoded_error: bool,
}

/// What the body of a request holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Who took it apart.
    pub processor: Option<BodyProcessor>,
    /// Arguments, named `json.a.array_0` for JSON.
    pub args: Vec<Pair>,
    /// Why it could not be read, or not to its end.
    pub error: Option<String>,
    /// A `%` without two digits.
    pub urlencoded_error: bool,
    /// Text and attributes of XML.
    pub xml: Option<Xml>,
    /// Parts and irregularities of `multipart/form-data`.
    pub multipart: Option<Multipart>,
}

/// What an XML document says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xml {
    /// All text, one after the other: `XML:/*`.
    pub text: Vec<u8>,
    /// Values of all attributes: `XML://@*`.
    pub attributes: Vec<Vec<u8>>,
}

/// Takes a body apart. `processor` is what rules chose; without, forms, JSON and XML are known by their content type,
/// also where no rule says so.
#[must_use]
pub fn read_body(
    body: &[u8],
    content_type: Option<&[u8]>,
    processor: Option<BodyProcessor>,
    reading: &Reading,
) -> Body {
    let essence = content_type.map(essence).unwrap_or_default();
    let chosen = match essence.as_slice() {
        b"multipart/form-data" => Some(BodyProcessor::Multipart),
        b"application/x-www-form-urlencoded" => processor.or(Some(BodyProcessor::Urlencoded)),
        other => processor.or_else(|| by_suffix(other)),
    };
    let mut read = Body { processor: chosen, ..Body::default() };
    if body.is_empty() {
        return read;
    }
    match chosen {
        Some(BodyProcessor::Urlencoded) => {
            (read.args, read.urlencoded_error) = urlencoded::read(body, reading.argument_separator);
        }
        Some(BodyProcessor::Multipart) => multipart::read(body, content_type.unwrap_or_default(), &mut read),
        Some(BodyProcessor::Json) => (read.args, read.error) = json::read(body, reading),
        Some(BodyProcessor::Xml) => {
            let (xml, error) = xml::read(body);
            (read.xml, read.error) = (Some(xml), error);
        }
        None => {}
    }
    let most = usize::try_from(reading.arguments_limit).unwrap_or(usize::MAX);
    if read.args.len() > most {
        read.args.truncate(most);
        read.error.get_or_insert_with(|| "too many arguments".to_owned());
    }
    read
}

/// JSON and XML by their type or its structured suffix (RFC 6839).
fn by_suffix(essence: &[u8]) -> Option<BodyProcessor> {
    if essence == b"application/json" || essence == b"text/json" || essence.ends_with(b"+json") {
        Some(BodyProcessor::Json)
    } else if essence == b"application/xml" || essence == b"text/xml" || essence.ends_with(b"+xml") {
        Some(BodyProcessor::Xml)
    } else {
        None
    }
}

/// The type without its parameters, in lower case.
fn essence(content_type: &[u8]) -> Vec<u8> {
    let end =
        content_type.iter().position(|byte| matches!(byte, b';' | b',' | b' ')).unwrap_or(content_type.len());
    content_type.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase()
}
