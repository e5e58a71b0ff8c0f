//! The head of a request: its target and its cookies.

use super::urlencoded::{self, percent_decoded};
use super::{Head, Line, Pair};
use crate::program::Reading;

/// Takes the head of a request apart.
#[must_use]
pub fn read_head(line: &Line<'_>, headers: &[Pair], reading: &Reading) -> Head {
    let target = line.target;
    let unfragmented = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    let (path, query) = match memchr::memchr(b'?', unfragmented) {
        Some(at) => (
            unfragmented.get(..at).unwrap_or_default(),
            unfragmented.get(at.saturating_add(1)..).unwrap_or_default(),
        ),
        None => (unfragmented, &[][..]),
    };
    let filename = percent_decoded(path);
    let last = filename.iter().rposition(|byte| matches!(byte, b'/' | b'\\'));
    let basename = last.and_then(|at| filename.get(at.saturating_add(1)..)).unwrap_or_default().to_vec();
    let (args, urlencoded_error) = urlencoded::read(query, reading.argument_separator);
    let cookies = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(b"cookie"))
        .flat_map(|header| cookies(&header.value))
        .collect();
    Head {
        uri: percent_decoded(without_authority(unfragmented)),
        uri_raw: target.to_vec(),
        path_info: filename.clone(),
        filename,
        basename,
        query_string: query.to_vec(),
        line: [line.method, b" ", target, b" ", line.protocol].concat(),
        args,
        cookies,
        urlencoded_error,
    }
}

/// What follows scheme and host, where there is something.
fn without_authority(target: &[u8]) -> &[u8] {
    let scheme = memchr::memmem::find(target, b"://");
    let in_path = |at: usize| target.get(..at).is_some_and(|head| head.iter().all(u8::is_ascii_alphabetic));
    let rest = scheme.filter(|at| *at > 0 && in_path(*at)).and_then(|at| target.get(at.saturating_add(3)..));
    let path = rest.and_then(|rest| memchr::memchr(b'/', rest).and_then(|at| rest.get(at..)));
    path.unwrap_or(target)
}

/// `a=1; b="x"`: nothing is decoded, quotes enclose nothing, a name may end in blanks; without a name there is none.
fn cookies(header: &[u8]) -> Vec<Pair> {
    let pair = |part: &[u8]| {
        let part = part.trim_ascii_start();
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (part.get(..at)?, part.get(at.saturating_add(1)..)?),
            None => (part, &[][..]),
        };
        (!name.is_empty()).then(|| Pair { name: name.to_vec(), value: value.to_vec() })
    };
    header.split(|byte| *byte == b';').filter_map(pair).collect()
}
