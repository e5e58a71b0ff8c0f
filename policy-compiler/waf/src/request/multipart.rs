//! `multipart/form-data` (RFC 7578) with every irregularity that two parsers might read differently. It owns the
//! parts and the flags; lines of a value keep their ends, which libmodsecurity drops.

mod boundary;
mod part;

use super::{Body, Pair};
use crate::program::Variable;
use boundary::Boundary;
use part::Part;

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePart {
    /// The field's name.
    pub name: Vec<u8>,
    /// The file's name, as it was sent.
    pub filename: Vec<u8>,
    /// The file.
    pub content: Vec<u8>,
}

/// Parts and irregularities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multipart {
    /// Files, in order.
    pub files: Vec<FilePart>,
    /// Names of all parts, each by itself.
    pub names: Vec<Pair>,
    /// Lines of the parts' headers, by the part's name.
    pub part_headers: Vec<Pair>,
    /// The boundary is quoted in the content type.
    pub boundary_quoted: bool,
    /// There is white space before the boundary in the content type.
    pub boundary_whitespace: bool,
    /// Some lines end in CR LF and some in LF.
    pub crlf_lf_lines: bool,
    /// A line ends in LF alone.
    pub lf_line: bool,
    /// Something stands after the last boundary.
    pub data_after: bool,
    /// Something stands before the first.
    pub data_before: bool,
    /// A header goes on in the next line.
    pub header_folding: bool,
    /// Such a line begins with something else than a blank or tab.
    pub invalid_header_folding: bool,
    /// A part whose head cannot be read.
    pub invalid_part: bool,
    /// Quotes that should not be where they are.
    pub invalid_quoting: bool,
    /// A parameter without a semicolon before it.
    pub missing_semicolon: bool,
    /// A line that looks like a boundary and is none: 1 when it is more than the boundary, 2 when only the dashes.
    pub unmatched_boundary: u8,
}

impl Multipart {
    /// The flags as the variables that show them.
    #[must_use]
    pub fn flags(&self) -> [(Variable, &'static str); 13] {
        let flag = |on: bool| if on { "1" } else { "0" };
        let unmatched = ["0", "1", "2"].get(usize::from(self.unmatched_boundary)).copied().unwrap_or("2");
        [
            (Variable::MultipartBoundaryQuoted, flag(self.boundary_quoted)),
            (Variable::MultipartBoundaryWhitespace, flag(self.boundary_whitespace)),
            (Variable::MultipartCrlfLfLines, flag(self.crlf_lf_lines)),
            (Variable::MultipartDataAfter, flag(self.data_after)),
            (Variable::MultipartDataBefore, flag(self.data_before)),
            (Variable::MultipartHeaderFolding, flag(self.header_folding)),
            (Variable::MultipartInvalidHeaderFolding, flag(self.invalid_header_folding)),
            (Variable::MultipartInvalidPart, flag(self.invalid_part)),
            (Variable::MultipartInvalidQuoting, flag(self.invalid_quoting)),
            (Variable::MultipartLfLine, flag(self.lf_line)),
            (Variable::MultipartMissingSemicolon, flag(self.missing_semicolon)),
            (Variable::MultipartStrictError, flag(self.is_irregular())),
            (Variable::MultipartUnmatchedBoundary, unmatched),
        ]
    }

    /// Whether anything that two parsers might read differently was seen.
    fn is_irregular(&self) -> bool {
        self.boundary_quoted
            || self.boundary_whitespace
            || self.data_before
            || self.data_after
            || self.header_folding
            || self.invalid_header_folding
            || self.invalid_part
            || self.invalid_quoting
            || self.lf_line
            || self.missing_semicolon
            || self.unmatched_boundary == 1
    }
}

/// Reads the parts into `read`.
pub(super) fn read(body: &[u8], content_type: &[u8], read: &mut Body) {
    let mut multipart = Multipart::default();
    match Boundary::of(content_type, &mut multipart) {
        Ok(boundary) => parts(body, &boundary, &mut multipart, read),
        Err(error) => {
            multipart.invalid_part = true;
            read.error = Some(format!("multipart: {error}"));
        }
    }
    read.multipart = Some(multipart);
}

/// Where the reading stands.
enum At {
    /// Before the first boundary.
    Before,
    /// In a part.
    In(Part),
    /// After the last.
    After,
}

fn parts(body: &[u8], boundary: &Boundary, multipart: &mut Multipart, read: &mut Body) {
    let mut at = At::Before;
    let mut crlf = false;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = cut(line);
        match boundary.of_line(text) {
            boundary::Line::Other => {}
            boundary::Line::Unmatched(kind) => {
                multipart.unmatched_boundary = match multipart.unmatched_boundary {
                    0 => kind,
                    known => known.min(kind),
                };
            }
            delimiter => {
                if let At::In(part) = std::mem::replace(&mut at, At::After) {
                    part.finish(multipart, read);
                }
                if delimiter == boundary::Line::Delimiter {
                    at = At::In(Part::default());
                }
                note_end(end, &mut crlf, multipart);
                continue;
            }
        }
        match &mut at {
            At::Before => multipart.data_before = true,
            At::After => multipart.data_after |= !line.is_empty(),
            At::In(part) => {
                if part.is_in_head() {
                    note_end(end, &mut crlf, multipart);
                }
                part.line(text, end, multipart);
            }
        }
    }
    match at {
        At::Before => {
            multipart.invalid_part = true;
            read.error = Some("multipart: no boundary in the body".to_owned());
        }
        At::In(part) => {
            part.finish(multipart, read);
            read.error = Some("multipart: the last boundary is missing".to_owned());
        }
        At::After => {}
    }
    if multipart.invalid_part && read.error.is_none() {
        read.error = Some("multipart: a part that cannot be read".to_owned());
    }
}

fn note_end(end: &[u8], crlf: &mut bool, multipart: &mut Multipart) {
    match end {
        b"\r\n" => *crlf = true,
        b"\n" => multipart.lf_line = true,
        _ => {}
    }
    multipart.crlf_lf_lines = *crlf && multipart.lf_line;
}

/// The line and how it ends.
fn cut(line: &[u8]) -> (&[u8], &[u8]) {
    for end in [b"\r\n".as_slice(), b"\n"] {
        if let Some(text) = line.strip_suffix(end) {
            return (text, end);
        }
    }
    (line, b"")
}
