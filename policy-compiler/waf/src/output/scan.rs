//! One pass over an answer, whole or in pieces: where it stands in Markdown and in a tag, and what begins there. It
//! owns that state; it refuses to look back.

use super::address::{carrier, data_document, is_part, script_scheme};
use super::markup::{self, Opening, Tag};
use super::{Finding, Kind, Options};
use crate::leak::cursor::Cursor;

/// Looks for active content. Using it allocates only for what it finds.
#[derive(Debug, Default)]
pub struct Inspector {
    options: Options,
}

/// What a scan carries from byte to byte.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Bytes of the text before what is shown next.
    pub(super) offset: usize,
    before: Option<u8>,
    /// The last two bytes that were no white space.
    solid: [u8; 2],
    /// Spaces since the line began, while there was nothing else.
    indent: Option<u8>,
    fence: Option<(u8, usize)>,
    tag: Option<Tag>,
    /// Whether the brackets open now are those of an image.
    image: bool,
    /// Whether an address that was replaced goes on, and where it began.
    open: Option<(Kind, usize)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            offset: 0,
            before: None,
            solid: [0; 2],
            indent: Some(0),
            fence: None,
            tag: None,
            image: false,
            open: None,
        }
    }
}

/// Who is told what a scan sees.
pub(super) trait Sink {
    /// Text that stays.
    fn pass(&mut self, text: &str);
    /// Something was seen to its end.
    fn found(&mut self, finding: Finding);
}

/// Something active: what covers it, and what stands in its place (`instead`, then its bytes from `kept` on).
struct Hit {
    kind: Kind,
    start: usize,
    end: usize,
    instead: &'static str,
    kept: usize,
    open: bool,
}

impl Hit {
    fn gone(kind: Kind, start: usize, end: usize, instead: &'static str) -> Self {
        Self { kind, start, end, instead, kept: end, open: false }
    }
}

impl Inspector {
    /// An inspector with these options.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Everything found in `text`, in order; no two overlap.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut found = Found { findings: Vec::new(), text: None };
        self.run(&mut State::default(), text, true, &mut found);
        found.findings
    }

    /// `text` made harmless: tags become text, handlers and schemes lose their meaning, addresses that carry data
    /// become `about:blank`, escapes go. None where nothing was found.
    pub fn neutralise(&self, text: &str) -> Option<String> {
        let mut found = Found { findings: Vec::new(), text: Some(String::with_capacity(text.len())) };
        self.run(&mut State::default(), text, true, &mut found);
        found.text.filter(|_| !found.findings.is_empty())
    }

    /// Reads `text` as far as it can be decided, and says how far that is; all of it if it is the `last`.
    pub(super) fn run(&self, state: &mut State, text: &str, last: bool, sink: &mut impl Sink) -> usize {
        let bytes = text.as_bytes();
        let mut at = state.go_on(bytes, 0, last, sink);
        let mut clean = at;
        while let (None, Some(&byte)) = (&state.open, bytes.get(at)) {
            let inside = state.in_word(bytes, at);
            if inside > 0 {
                at += inside;
                continue;
            }
            if !state.cares(byte) {
                state.take(byte);
                at += 1;
                continue;
            }
            let cursor = Cursor::new(bytes.get(at..).unwrap_or_default(), state.before, last);
            let mut next = state.clone();
            let hit = self.decide(&mut next, &cursor, byte);
            if cursor.starved() {
                break;
            }
            *state = next;
            let Some(hit) = hit else {
                state.take(byte);
                at += 1;
                continue;
            };
            sink.pass(text.get(clean..at + hit.start).unwrap_or_default());
            sink.pass(hit.instead);
            sink.pass(text.get(at + hit.kept..at + hit.end).unwrap_or_default());
            let start = state.offset + at + hit.start;
            for byte in bytes.get(at..at + hit.end).unwrap_or_default() {
                state.take(*byte);
            }
            at += hit.end;
            if hit.open {
                state.open = Some((hit.kind, start));
                at = state.go_on(bytes, at, last, sink);
            } else {
                sink.found(Finding { kind: hit.kind, range: start..state.offset + at });
            }
            clean = at;
        }
        sink.pass(text.get(clean..at).unwrap_or_default());
        state.offset += at;
        at
    }

    fn decide(&self, state: &mut State, cursor: &Cursor<'_>, byte: u8) -> Option<Hit> {
        if matches!(byte, 0x1b | 0xc2) {
            return Some(Hit::gone(Kind::TerminalEscape, 0, markup::escape(cursor)?, ""));
        }
        if matches!(byte, b'`' | b'~') {
            state.fence(cursor, byte);
            return None;
        }
        if state.fence.is_some() && !self.options.code_blocks {
            return None;
        }
        match byte {
            b'<' => self.element(state, cursor),
            b'!' => {
                state.image |= cursor.at(1) == Some(b'[');
                None
            }
            b']' => self.link(state, cursor),
            b'd' | b'D' => data_document(cursor)
                .map(|end| Hit::gone(Kind::DataDocument, 0, end, "blocked:text/plain"))
                .or_else(|| self.scheme(state, cursor)),
            b'o' | b'O' => self.handler(state, cursor),
            _ => self.source(state, cursor).or_else(|| self.scheme(state, cursor)),
        }
    }

    fn element(&self, state: &mut State, cursor: &Cursor<'_>) -> Option<Hit> {
        match markup::opening(cursor) {
            Opening::Active(kind, end) => {
                state.tag = None;
                Some(Hit { kind, start: 0, end, instead: "&lt;", kept: 1, open: false })
            }
            Opening::Tag(tag) => {
                state.tag = Some(tag);
                None
            }
            Opening::Nothing => None,
        }
    }

    fn handler(&self, state: &State, cursor: &Cursor<'_>) -> Option<Hit> {
        state.tag.filter(|tag| tag.may_name(state.before))?;
        let end = markup::handler(cursor)?;
        Some(Hit { kind: Kind::EventHandler, start: 0, end, instead: "x-", kept: 0, open: false })
    }

    fn source(&self, state: &State, cursor: &Cursor<'_>) -> Option<Hit> {
        state.tag.filter(|tag| tag.media && tag.may_name(state.before))?;
        self.address(cursor, markup::source(cursor)?, Kind::ImageExfiltration)
    }

    /// A scheme that runs scripts, where an address can begin: in brackets, quotes or an attribute.
    fn scheme(&self, state: &State, cursor: &Cursor<'_>) -> Option<Hit> {
        let begins = matches!(state.solid, [_, b'(' | b'"' | b'\'' | b'=' | b'<'] | [b']', b':']);
        if !begins && state.tag.is_none() {
            return None;
        }
        Some(Hit::gone(Kind::ScriptUrl, 0, script_scheme(cursor)?, "blocked:"))
    }

    /// The address behind the `]` here, of an image or a link, or of the reference that is defined.
    fn link(&self, state: &mut State, cursor: &Cursor<'_>) -> Option<Hit> {
        let kind = if state.image { Kind::ImageExfiltration } else { Kind::LinkExfiltration };
        state.image = false;
        let (b'(' | b':') = cursor.at(1)? else { return None };
        let space = cursor.run(2, 16, |byte| byte.is_ascii_whitespace());
        let start = 2 + space + usize::from(cursor.at(2 + space) == Some(b'<'));
        self.address(cursor, start, kind)
    }

    fn address(&self, cursor: &Cursor<'_>, start: usize, kind: Kind) -> Option<Hit> {
        let found = carrier(cursor, start, kind == Kind::ImageExfiltration, &self.options.trusted_hosts)?;
        Some(Hit { open: found.open, ..Hit::gone(kind, start, found.end, "about:blank") })
    }
}

impl State {
    /// Whether `byte` may begin something here.
    #[inline]
    fn cares(&self, byte: u8) -> bool {
        match byte {
            0x1b | 0xc2 | b'<' | b'!' | b']' => true,
            b'`' | b'~' => self.indent.is_some_and(|spaces| spaces < 4),
            b'o' | b'O' | b's' | b'S' | b'p' | b'P' | b'x' | b'X' | b'h' | b'H' | b'b' | b'B' => {
                self.tag.is_some()
            }
            b'd' | b'D' | b'j' | b'J' | b'v' | b'V' | b'l' | b'L' | b'&' => {
                !self.before.is_some_and(|byte| byte.is_ascii_alphanumeric())
            }
            _ => false,
        }
    }

    /// Passes over the rest of a word, where nothing can begin and no state changes; says how long that is.
    fn in_word(&mut self, bytes: &[u8], at: usize) -> usize {
        if !self.before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            return 0;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if let Some(&end) = rest.get(..count).and_then(<[u8]>::last) {
            let [_, second] = self.solid;
            let before = rest.get(..count - 1).and_then(<[u8]>::last).copied().unwrap_or(second);
            self.solid = [before, end];
            self.before = Some(end);
        }
        count
    }

    #[inline]
    fn take(&mut self, byte: u8) {
        self.before = Some(byte);
        self.indent = match (byte, self.indent) {
            (b'\n' | b'\r', _) => Some(0),
            (b' ' | b'\t', Some(spaces)) => Some(spaces.saturating_add(1)),
            _ => None,
        };
        if !byte.is_ascii_whitespace() {
            let [_, second] = self.solid;
            self.solid = [second, byte];
        }
        if !self.tag.as_mut().is_none_or(|tag| tag.read(byte)) {
            self.tag = None;
        }
    }

    /// Opens or closes a block of code (CommonMark, section 4.5).
    fn fence(&mut self, cursor: &Cursor<'_>, byte: u8) {
        let count = cursor.run(0, 200, |other| other == byte);
        match self.fence {
            None if count >= 3 => self.fence = Some((byte, count)),
            Some((open, least)) if open == byte && count >= least => {
                let after = count + cursor.run(count, 40, |byte| byte == b' ');
                if matches!(cursor.at(after), None | Some(b'\n' | b'\r')) {
                    self.fence = None;
                }
            }
            _ => {}
        }
    }

    /// Lets the rest of a replaced address go, from `at` on; says where it stopped.
    fn go_on(&mut self, bytes: &[u8], at: usize, last: bool, sink: &mut impl Sink) -> usize {
        let Some((kind, start)) = self.open else { return at };
        let rest = bytes.get(at..).unwrap_or_default();
        let taken = rest.iter().take_while(|byte| is_part(**byte)).count();
        for byte in rest.iter().take(taken) {
            self.take(*byte);
        }
        if taken < rest.len() || last {
            sink.found(Finding { kind, range: start..self.offset + at + taken });
            self.open = None;
        }
        at + taken
    }
}

struct Found {
    findings: Vec<Finding>,
    text: Option<String>,
}

impl Sink for Found {
    fn pass(&mut self, text: &str) {
        if let Some(all) = &mut self.text {
            all.push_str(text);
        }
    }

    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}
