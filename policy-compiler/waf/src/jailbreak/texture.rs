//! What a text is made of besides words: chat template tokens, made-up turns, encoded runs, hidden characters. It
//! owns those counts; it refuses to keep any of the text.

use super::Signal;
use super::signal::Points;

/// What begins a turn in chat templates and is never typed by hand.
const TOKENS: [&str; 12] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "<|system|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<<SYS>>",
    "[INST]",
    "[/INST]",
    "<start_of_turn>",
    "<\u{ff5c}Assistant\u{ff5c}>",
];

/// Counts taken in one pass.
#[derive(Debug, Default)]
pub(super) struct Texture {
    tokens: u32,
    system_lines: u32,
    user_lines: u32,
    assistant_lines: u32,
    tags: u32,
    zero_width: u32,
    overrides: u32,
    longest_run: usize,
}

impl Texture {
    /// Reads a part of the text.
    pub(super) fn read(&mut self, text: &str) {
        for line in text.lines() {
            self.line(line);
        }
        let bytes = text.as_bytes();
        for at in memchr::memchr2_iter(b'<', b'[', bytes) {
            let rest = bytes.get(at..).unwrap_or_default();
            self.tokens += u32::from(TOKENS.iter().any(|token| rest.starts_with(token.as_bytes())));
        }
        let mut run = 0;
        for &byte in bytes {
            let encoded = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
            run = if encoded { run + 1 } else { 0 };
            self.longest_run = self.longest_run.max(run);
        }
        if !text.is_ascii() {
            self.hidden(text);
        }
    }

    fn line(&mut self, line: &str) {
        let line =
            line.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter.is_ascii());
        let (name, rest) = line
            .split_at_checked(line.bytes().take_while(u8::is_ascii_alphabetic).count())
            .unwrap_or_default();
        if !rest.starts_with([':', ']', '>', ')']) && !rest.starts_with("**:") {
            return;
        }
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        self.system_lines += u32::from(is(&["system", "sys", "developer"]));
        self.user_lines += u32::from(is(&["human", "user"]));
        self.assistant_lines += u32::from(is(&["assistant", "chatgpt", "gpt", "ai", "bot", "claude"]));
    }

    fn hidden(&mut self, text: &str) {
        let mut before = ' ';
        for letter in text.chars() {
            match letter {
                '\u{e0020}'..='\u{e007e}' => self.tags += 1,
                // Between letters; a joiner between pictures or in scripts that need it is no sign.
                '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}'
                    if before.is_ascii_alphanumeric() =>
                {
                    self.zero_width += 1;
                }
                '\u{202d}' | '\u{202e}' => self.overrides += 1,
                _ => {}
            }
            before = letter;
        }
    }

    /// Adds what was counted.
    pub(super) fn points(&self, points: &mut Points) {
        let mut add = |holds: bool, signal, weight| {
            if holds {
                points.add(signal, weight);
            }
        };
        add(self.tokens > 0, Signal::Turns, 40);
        add(self.tokens > 2, Signal::Turns, 20);
        add(self.system_lines > 0, Signal::Turns, 15);
        add(self.assistant_lines > 0, Signal::Turns, 10);
        add(self.user_lines > 1 && self.assistant_lines > 1, Signal::Turns, 15);
        add(self.user_lines >= 12 && self.assistant_lines >= 12, Signal::ManyShot, 50);
        // The picture of a flag takes five of them.
        add(self.tags > 24, Signal::Hidden, 60);
        add(self.zero_width > 3, Signal::Hidden, 30);
        add(self.overrides > 0, Signal::Hidden, 30);
        add(self.longest_run >= 64, Signal::Encoded, 15);
    }
}
