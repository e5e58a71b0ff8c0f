//! Tags, attributes and escapes: what an element is, and how far into a tag the text has come (WHATWG HTML, section
//! 13.2.5, in the part that decides what is an attribute). It owns that reading; it refuses to build a tree.

use super::Kind;
use crate::leak::cursor::Cursor;

/// Elements that are active in themselves.
const ELEMENTS: [(&str, Kind); 14] = [
    ("script", Kind::Script),
    ("iframe", Kind::Frame),
    ("frame", Kind::Frame),
    ("frameset", Kind::Frame),
    ("fencedframe", Kind::Frame),
    ("object", Kind::Frame),
    ("embed", Kind::Frame),
    ("applet", Kind::Frame),
    ("portal", Kind::Frame),
    ("base", Kind::Document),
    ("meta", Kind::Document),
    ("link", Kind::Document),
    ("style", Kind::Document),
    ("form", Kind::Form),
];

/// Elements that fetch an address as soon as they are shown.
const MEDIA: [&str; 8] = ["img", "image", "video", "audio", "source", "track", "input", "use"];

/// How far into a tag the text has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tag {
    quote: Option<u8>,
    value_begins: bool,
    /// Whether its element fetches an address by itself.
    pub(super) media: bool,
}

impl Tag {
    /// Takes one more byte; false where it ends the tag.
    pub(super) fn read(&mut self, byte: u8) -> bool {
        match (self.quote, byte) {
            (Some(quote), _) if quote == byte => self.quote = None,
            (Some(_), _) => {}
            (None, b'>') => return false,
            (None, b'"' | b'\'') if self.value_begins => {
                self.quote = Some(byte);
                self.value_begins = false;
            }
            // A second sign is the first letter of an unquoted value.
            (None, b'=') => self.value_begins = !self.value_begins,
            (None, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') => {}
            (None, _) => self.value_begins = false,
        }
        true
    }

    /// Whether an attribute's name may begin after `before`.
    pub(super) fn may_name(&self, before: Option<u8>) -> bool {
        self.quote.is_none()
            && matches!(before, Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'"' | b'\''))
    }
}

/// What a `<` begins.
pub(super) enum Opening {
    /// An element that is active in itself: its kind and where its name ends.
    Active(Kind, usize),
    /// Any other tag.
    Tag(Tag),
    /// None.
    Nothing,
}

/// Reads what the `<` here begins.
pub(super) fn opening(cursor: &Cursor<'_>) -> Opening {
    if !cursor.at(1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return Opening::Nothing;
    }
    let prefix = ["svg:", "xhtml:", "html:"]
        .iter()
        .find(|name| cursor.has_folded(1, name))
        .map_or(0, |name| name.len());
    let named = |name: &str| {
        let end = 1 + prefix + name.len();
        (cursor.has_folded(1 + prefix, name) && cursor.at(end).is_none_or(ends_name)).then_some(end)
    };
    if let Some((kind, end)) = ELEMENTS.iter().find_map(|(name, kind)| Some((*kind, named(name)?))) {
        return Opening::Active(kind, end);
    }
    Opening::Tag(Tag { media: MEDIA.iter().any(|name| named(name).is_some()), ..Tag::default() })
}

fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>')
}

/// The end of the name of the event handler here: `on`, three letters or more, and a sign of assignment behind.
pub(super) fn handler(cursor: &Cursor<'_>) -> Option<usize> {
    if !cursor.has_folded(0, "on") {
        return None;
    }
    let end = 2 + cursor.run(2, 41, |byte| byte.is_ascii_alphabetic());
    let space = cursor.run(end, 64, |byte| byte.is_ascii_whitespace());
    ((5..=42).contains(&end) && cursor.at(end + space)? == b'=').then_some(end)
}

/// Where the value of an address attribute of an image or its kin begins.
pub(super) fn source(cursor: &Cursor<'_>) -> Option<usize> {
    let name = ["srcset", "src", "poster", "xlink:href", "href", "background"]
        .iter()
        .find(|name| cursor.has_folded(0, name))?;
    let space = |from: usize| from + cursor.run(from, 16, |byte| byte.is_ascii_whitespace());
    let sign = space(name.len());
    if cursor.at(sign)? != b'=' {
        return None;
    }
    let value = space(sign + 1);
    let quoted = matches!(cursor.at(value)?, b'"' | b'\'');
    Some(value + usize::from(quoted))
}

/// The length of the terminal control sequence here: the escape and a control sequence's parameters, or the escape
/// and the byte after it. `\u{9b}` and its like are the same in one character.
pub(super) fn escape(cursor: &Cursor<'_>) -> Option<usize> {
    let head = match cursor.at(0)? {
        0x1b => match cursor.at(1) {
            Some(b'[') => 2,
            Some(b' '..=b'~') => return Some(2),
            _ => return Some(1),
        },
        0xc2 if matches!(cursor.at(1)?, 0x90 | 0x98 | 0x9d..=0x9f) => return Some(2),
        0xc2 if cursor.at(1)? == 0x9b => 2,
        _ => return None,
    };
    let parameters = cursor.run(head, 48, |byte| (0x20..=0x3f).contains(&byte));
    let last = cursor.at(head + parameters).is_some_and(|byte| (0x40..=0x7e).contains(&byte));
    Some(head + parameters + usize::from(last))
}
