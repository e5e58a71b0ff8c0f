//! What a terminal shows: colour where it is wanted, and nothing that a request could do to it.

/// Ink of a terminal (ECMA-48 SGR), or none.
#[derive(Clone, Copy)]
pub(crate) struct Ink {
    pub(crate) colour: bool,
}

impl Ink {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn wary(self, text: &str) -> String {
        self.paint("33", text)
    }
}

/// Requests hold what they like: control characters never reach the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_never_reach_a_terminal() {
        assert_eq!(printable("\u{1b}[31mred\r\u{9b}2J"), "\u{fffd}[31mred\u{fffd}\u{fffd}2J");
    }
}
