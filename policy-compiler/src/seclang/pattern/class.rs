//! Classes of PCRE: `[^a-z\d[:space:]]`. Their syntax is looser than that of `regex-syntax`, so each is read and
//! written anew.

use super::super::fault::Wrong;
use super::{Escaped, byte, escaped};

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Something a class holds.
enum Item {
    Byte(u8),
    /// A class of its own, as it is written inside another.
    Class(String),
}

/// Reads a class behind its `[`.
pub(super) fn read(text: &mut &str) -> Result<String, Wrong> {
    let mut out = String::from("[");
    if let Some(rest) = text.strip_prefix('^') {
        *text = rest;
        out.push('^');
    }
    let mut first = true;
    loop {
        if text.is_empty() {
            return Err(Wrong::new("a class `[` does not end", "close it with `]`, or escape it: `\\[`"));
        }
        if !first && let Some(rest) = text.strip_prefix(']') {
            *text = rest;
            out.push(']');
            return Ok(out);
        }
        first = false;
        match item(text)? {
            Item::Class(class) => out.push_str(&class),
            Item::Byte(from) => {
                byte(from, &mut out);
                if let Some(to) = range_end(text)? {
                    if to < from {
                        return Err(Wrong::new("a range of a class ends before it begins", "swap its ends"));
                    }
                    out.push('-');
                    byte(to, &mut out);
                }
            }
        }
    }
}

/// The end of a range, when one follows; a `-` before `]` or before a class stands for itself.
fn range_end(text: &mut &str) -> Result<Option<u8>, Wrong> {
    let Some(rest) = text.strip_prefix('-') else { return Ok(None) };
    if rest.is_empty() || rest.starts_with(']') {
        return Ok(None);
    }
    let mut after = rest;
    match item(&mut after)? {
        Item::Byte(to) => {
            *text = after;
            Ok(Some(to))
        }
        Item::Class(_) => Ok(None),
    }
}

fn item(text: &mut &str) -> Result<Item, Wrong> {
    if let Some(inside) = text.strip_prefix("[:") {
        let name = inside.split(":]").next().unwrap_or_default();
        let plain = name.strip_prefix('^').unwrap_or(name);
        if POSIX.contains(&plain) && inside.get(name.len()..).is_some_and(|rest| rest.starts_with(":]")) {
            *text = inside.get(name.len().saturating_add(2)..).unwrap_or_default();
            return Ok(Item::Class(format!("[:{name}:]")));
        }
    }
    let Some(char) = text.chars().next() else {
        return Err(Wrong::new("a class `[` does not end", "close it with `]`"));
    };
    *text = text.get(char.len_utf8()..).unwrap_or_default();
    if char != '\\' {
        return Ok(Item::Byte(char as u32 as u8));
    }
    if let Some(rest) = text.strip_prefix('b') {
        *text = rest;
        return Ok(Item::Byte(0x08));
    }
    if text.starts_with(|digit: char| matches!(digit, '1'..='7')) {
        let count = text.chars().take(3).take_while(|digit| matches!(digit, '0'..='7')).count();
        let (digits, rest) = text.split_at_checked(count).unwrap_or(("", text));
        *text = rest;
        return Ok(Item::Byte(u32::from_str_radix(digits, 8).unwrap_or_default() as u8));
    }
    match escaped(text)? {
        Escaped::Byte(byte) => Ok(Item::Byte(byte)),
        Escaped::Text(class) if class.starts_with('[') => Ok(Item::Class(class)),
        Escaped::Text(_) | Escaped::Back(_) => {
            Err(Wrong::new("an escape that stands for no character in a class", "write the character itself"))
        }
    }
}
