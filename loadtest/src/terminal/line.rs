//! A line of text in tones. It owns cutting to a width and painting; it refuses to know where the line
//! is shown.

use std::fmt::Write;

use crossterm::style::{Attribute, Color, SetAttribute, SetForegroundColor};

/// What a piece of text means; a terminal shows it as a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Text.
    #[default]
    Plain,
    /// Less important.
    Quiet,
    /// What to look at.
    Strong,
    /// As it should be.
    Good,
    /// To be watched.
    Warn,
    /// Wrong.
    Bad,
    /// The product's own colour: bars, names.
    Accent,
}

/// A line of text in tones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pieces: Vec<(Tone, String)>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The line with more text.
    #[must_use]
    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.pieces.push((tone, text.into()));
        self
    }

    /// The line with more plain text.
    #[must_use]
    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// Characters, each taken to be one column wide.
    pub(crate) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// The text, at most `width` characters of it; with escape codes when `colour`.
    pub(crate) fn render(&self, width: usize, colour: bool) -> String {
        let mut rendered = String::new();
        let mut left = width;
        let cut = self.width() > width;
        for (tone, text) in &self.pieces {
            let room = if cut { left.saturating_sub(1) } else { left };
            let shown: String = text.chars().take(room).collect();
            left -= shown.chars().count();
            rendered.push_str(&if colour { tone.paint(&shown) } else { shown });
        }
        if cut && width > 0 {
            rendered.push('…');
        }
        rendered
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl Tone {
    fn paint(self, text: &str) -> String {
        let colour = match self {
            Self::Plain => return text.to_owned(),
            Self::Quiet => Color::DarkGrey,
            Self::Strong => Color::Reset,
            Self::Good => Color::Green,
            Self::Warn => Color::Yellow,
            Self::Bad => Color::Red,
            Self::Accent => Color::Cyan,
        };
        let mut painted = String::with_capacity(text.len() + 16);
        let bold =
            if self == Self::Strong { SetAttribute(Attribute::Bold).to_string() } else { String::new() };
        // Writing to a string cannot fail.
        let _ =
            write!(painted, "{bold}{}{text}{}", SetForegroundColor(colour), SetAttribute(Attribute::Reset));
        painted
    }
}

/// A bar of `width` columns, filled by `fraction` in eighths of a column.
pub(crate) fn bar(fraction: f64, width: usize) -> (String, String) {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (fraction.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut filled = "█".repeat(eighths / 8);
    if let Some(part) = EIGHTHS.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8)) {
        filled.push(*part);
    }
    let rest = " ".repeat(width - filled.chars().count());
    (filled, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_to_the_terminal_and_says_so() {
        let line = Line::new().with(Tone::Bad, "abc").text("defgh");
        assert_eq!(line.render(8, false), "abcdefgh");
        assert_eq!(line.render(5, false), "abcd…");
        assert_eq!(line.render(0, false), "");
    }

    #[test]
    fn colour_appears_only_when_asked_for() {
        let line = Line::new().with(Tone::Good, "ok");
        assert_eq!(line.render(80, false), "ok");
        assert!(line.render(80, true).contains("\u{1b}["));
    }

    #[test]
    fn a_bar_always_has_its_width() {
        for eighth in 0..=80 {
            let (filled, rest) = bar(f64::from(eighth) / 80.0, 10);
            assert_eq!(filled.chars().count() + rest.chars().count(), 10);
        }
        assert_eq!(bar(0.5, 4), ("██".to_owned(), "  ".to_owned()));
        assert_eq!(bar(7.0, 2).0, "██");
    }
}
