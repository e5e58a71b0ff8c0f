//! Rule files cut into directives and words. It owns comments, continued lines and quotes; it refuses to know any
//! directive. A character stands for the byte of the same number, so files in any encoding keep their bytes.

use super::fault::Wrong;

/// A directive with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    /// From 1.
    pub(super) line: u32,
    /// As it was written.
    pub(super) name: String,
    /// Without the quotes around them.
    pub(super) words: Vec<String>,
}

/// A directive, or what is wrong with it and on which line.
pub(super) type Lexed = Result<Directive, (u32, Wrong)>;

/// Bytes as characters of the same numbers.
pub(super) fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Characters as bytes of the same numbers.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
}

/// The directives of a file.
pub(super) fn directives(file: &[u8]) -> Vec<Lexed> {
    let mut found = Vec::new();
    let text = characters(file);
    let mut lines = (1u32..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let mut whole = line.trim_start().to_owned();
        if whole.starts_with('#') {
            continue;
        }
        while whole.ends_with('\\') {
            whole.pop();
            match lines.next() {
                Some((_, next)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        if whole.trim().is_empty() {
            continue;
        }
        found.push(directive(number, whole.trim()).map_err(|wrong| (number, wrong)));
    }
    found
}

fn directive(line: u32, text: &str) -> Result<Directive, Wrong> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (name, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(Directive { line, name: name.to_owned(), words });
        }
        let (word, left) = word(rest)?;
        words.push(word);
        rest = left;
    }
}

/// The first word and what follows it. In double quotes `\"` is a quote and `\\` one backslash, as Apache reads it and
/// CRS is written for; every other backslash stays.
fn word(text: &str) -> Result<(String, &str), Wrong> {
    let mut word = String::new();
    let mut chars = text.char_indices().peekable();
    let outer = chars.next_if(|(_, char)| matches!(char, '"' | '\'')).map(|(_, quote)| quote);
    let mut inner = None;
    while let Some((at, char)) = chars.next() {
        let escaped = chars.peek().map(|(_, next)| *next).filter(|next| matches!(next, '"' | '\\'));
        if let Some(next) = escaped.filter(|_| char == '\\' && outer == Some('"')) {
            word.push(next);
            chars.next();
            continue;
        }
        if char == '\\' {
            word.push(char);
            word.extend(chars.next().map(|(_, next)| next));
            continue;
        }
        if outer == Some(char) {
            let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
            return Ok((word, rest));
        }
        if outer.is_none() && inner.is_none() && char.is_whitespace() {
            return Ok((word, text.get(at..).unwrap_or_default()));
        }
        if outer.is_none() && char == '\'' {
            inner = if inner.is_some() { None } else { Some(char) };
        }
        word.push(char);
    }
    if outer.is_some() {
        return Err(Wrong::new("a quote does not end", "close it, or end each line but the last with `\\`"));
    }
    Ok((word, ""))
}

/// Cuts at a separator outside of single quotes and of `/…/` after a colon, which a backslash keeps open.
pub(super) fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == separator && !quoted {
            parts.push(String::new());
            continue;
        }
        let Some(part) = parts.last_mut() else { break };
        if char == '\\' {
            part.push(char);
            part.extend(chars.next());
            continue;
        }
        if char == '\'' {
            quoted = !quoted;
        }
        part.push(char);
    }
    parts
}
