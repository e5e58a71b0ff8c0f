//! Transformations that drop or replace characters: white space, comments, what a shell ignores.

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

/// White space, the no-break space of Latin-1 included.
fn is_blank(byte: u8) -> bool {
    is_space(byte) || byte == 0xa0
}

pub(super) fn trim(value: &[u8], left: bool, right: bool) -> &[u8] {
    let mut rest = value;
    while left && let Some((first, after)) = rest.split_first().filter(|(first, _)| is_space(**first)) {
        debug_assert!(is_space(*first));
        rest = after;
    }
    while right && let Some((last, before)) = rest.split_last().filter(|(last, _)| is_space(**last)) {
        debug_assert!(is_space(*last));
        rest = before;
    }
    rest
}

pub(super) fn remove_whitespace(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|byte| !is_blank(*byte)).collect()
}

/// Runs of white space become one blank.
pub(super) fn compress_whitespace(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut inside = false;
    for byte in value {
        if is_space(*byte) {
            if !std::mem::replace(&mut inside, true) {
                made.push(b' ');
            }
        } else {
            inside = false;
            made.push(*byte);
        }
    }
    made
}

/// The eighth bit becomes the parity of all eight.
pub(super) fn parity(value: &[u8], eighth: impl Fn(u32) -> u32) -> Vec<u8> {
    let with = |byte: &u8| {
        if eighth(byte.count_ones()) == 1 { byte | 0x80 } else { byte & 0x7f }
    };
    value.iter().map(with).collect()
}

/// Each `/* … */` becomes a blank; one that does not end takes the rest. A `*/` alone stays.
pub(super) fn replace_comments(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"/*") {
        made.extend_from_slice(rest.get(..at).unwrap_or_default());
        made.push(b' ');
        let inside = rest.get(at.saturating_add(2)..).unwrap_or_default();
        match memchr::memmem::find(inside, b"*/") {
            Some(end) => rest = inside.get(end.saturating_add(2)..).unwrap_or_default(),
            None => return made,
        }
    }
    made.extend_from_slice(rest);
    made
}

/// `/* … */` and `<!-- … -->` go; `--` and `#` take the rest.
pub(super) fn remove_comments(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let (open, close): (&[u8], &[u8]) = if rest.starts_with(b"/*") {
            (b"/*", b"*/")
        } else if rest.starts_with(b"<!--") {
            (b"<!--", b"-->")
        } else if rest.starts_with(b"--") || *first == b'#' {
            break;
        } else {
            made.push(*first);
            rest = after;
            continue;
        };
        let inside = rest.get(open.len()..).unwrap_or_default();
        match memchr::memmem::find(inside, close) {
            Some(end) => rest = inside.get(end.saturating_add(close.len())..).unwrap_or_default(),
            None => {
                made.push(b' ');
                break;
            }
        }
    }
    made
}

/// The marks of comments go, what stands between them stays.
pub(super) fn remove_comment_marks(value: &[u8]) -> Vec<u8> {
    const MARKS: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    let mut made = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        match MARKS.iter().find(|mark| rest.starts_with(mark)) {
            Some(mark) => rest = rest.get(mark.len()..).unwrap_or_default(),
            None => {
                made.push(*first);
                rest = after;
            }
        }
    }
    made
}

/// What a shell ignores goes: quotes, backslashes, carets; commas and semicolons count as blanks, runs of blanks as
/// one, none before `/` and `(`; all in lower case.
pub(super) fn cmd_line(value: &[u8]) -> Vec<u8> {
    let mut made: Vec<u8> = Vec::with_capacity(value.len());
    let mut blank = false;
    for byte in value {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !std::mem::replace(&mut blank, true) {
                    made.push(b' ');
                }
            }
            b'/' | b'(' => {
                if blank {
                    made.pop();
                }
                blank = false;
                made.push(*byte);
            }
            other => {
                blank = false;
                made.push(other.to_ascii_lowercase());
            }
        }
    }
    made
}
