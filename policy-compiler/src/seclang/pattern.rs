//! PCRE's syntax in that of `regex-syntax`, over bytes. It owns the differences between the two; it refuses what
//! neither engine of ours can do.
//!
//! Semantics are libmodsecurity 3's: `.` matches every byte; `^` and `$` also stand at line ends, except in a negated
//! `@rx`, where `$` stands at the end and before a last line feed; classes and case are ASCII's.

mod class;

use waf::program::Pattern;

use super::fault::Wrong;

/// How `^` and `$` are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// They stand at every line's ends.
    Each,
    /// They stand at the value's ends.
    Whole,
}

/// A pattern of `@rx`, checked to build.
pub(super) fn compile(written: &str, lines: Lines) -> Result<Pattern, Wrong> {
    let mut translation = Translation { text: written, out: String::new(), backtracks: false, lines };
    translation.run()?;
    let flags = if lines == Lines::Each { "(?sm:" } else { "(?s:" };
    let pattern =
        Pattern { expression: format!("{flags}{})", translation.out), backtracks: translation.backtracks };
    check(&pattern)?;
    Ok(pattern)
}

/// The pattern of a selector, `/…/`: without regard to case.
pub(super) fn selector(written: &str) -> Result<Pattern, Wrong> {
    let mut pattern = compile(&written.replace("\\/", "/"), Lines::Whole)?;
    if pattern.backtracks {
        return Err(Wrong::new("a selector's pattern looks around or back", "write it without"));
    }
    pattern.expression = format!("(?i:{})", pattern.expression);
    Ok(pattern)
}

fn check(pattern: &Pattern) -> Result<(), Wrong> {
    let shown: String = pattern.expression.chars().take(120).collect();
    let wrong = |why: String| {
        Wrong::new(format!("the pattern `{shown}` does not build: {why}"), "write it in PCRE's syntax")
    };
    if pattern.backtracks {
        // The engine that looks around has a syntax of its own; preparing the operator is the check.
        let operator = waf::program::Operator::Rx(pattern.clone());
        return waf::operator::Prepared::new(&operator).map(|_| ()).map_err(|error| wrong(error.to_string()));
    }
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(500)
        .build()
        .parse(&pattern.expression)
        .map(|_| ())
        .map_err(|error| wrong(error.to_string().lines().last().unwrap_or_default().to_owned()))
}

struct Translation<'t> {
    text: &'t str,
    out: String,
    backtracks: bool,
    lines: Lines,
}

/// What an escape stands for outside of a class.
pub(super) enum Escaped {
    /// As it is to be written.
    Text(String),
    /// One byte.
    Byte(u8),
    /// A group matched before.
    Back(String),
}

impl Translation<'_> {
    fn next(&mut self) -> Option<char> {
        let char = self.text.chars().next()?;
        self.text = self.text.get(char.len_utf8()..).unwrap_or_default();
        Some(char)
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.text.strip_prefix(prefix) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    fn run(&mut self) -> Result<(), Wrong> {
        while let Some(char) = self.next() {
            match char {
                '\\' => self.escape()?,
                '[' => {
                    let class = class::read(&mut self.text)?;
                    self.out.push_str(&class);
                }
                '(' => self.group()?,
                '{' => self.brace(),
                '}' | ']' => {
                    self.out.push('\\');
                    self.out.push(char);
                }
                '*' | '+' | '?' => {
                    self.out.push(char);
                    self.possessive();
                }
                '$' if self.lines == Lines::Whole => self.out.push_str(r"(?:\n?\z)"),
                _ => literal(char, &mut self.out),
            }
        }
        Ok(())
    }

    /// `a++` gives nothing back, which changes what matches.
    fn possessive(&mut self) {
        if self.text.starts_with('+') {
            self.backtracks = true;
            self.take("+");
            self.out.push('+');
        } else if self.take("?") {
            self.out.push('?');
        }
    }

    /// A brace that is no quantifier stands for itself.
    fn brace(&mut self) {
        let end = self.text.find('}');
        let inside = end.and_then(|end| self.text.get(..end)).unwrap_or_default();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let quantifier = match inside.split_once(',') {
            Some((from, to)) => digits(from) && (to.is_empty() || digits(to)),
            None => digits(inside),
        };
        if quantifier {
            self.out.push('{');
            self.out.push_str(inside);
            self.out.push('}');
            self.text = self.text.get(inside.len().saturating_add(1)..).unwrap_or_default();
            self.possessive();
        } else {
            self.out.push_str("\\{");
        }
    }

    fn group(&mut self) -> Result<(), Wrong> {
        if !self.take("?") {
            self.out.push('(');
            return Ok(());
        }
        if self.take("#") {
            while self.next().is_some_and(|char| char != ')') {}
            return Ok(());
        }
        for around in ["=", "!", "<=", "<!", ">"] {
            if self.take(around) {
                self.backtracks = true;
                self.out.push_str("(?");
                self.out.push_str(around);
                return Ok(());
            }
        }
        if self.take("P<") || self.take("<") {
            self.out.push_str("(?P<");
            return Ok(());
        }
        let end = self.text.find([':', ')']);
        let flags = end.and_then(|end| self.text.get(..end)).unwrap_or("(");
        if !flags.chars().all(|flag| matches!(flag, 'i' | 'm' | 's' | 'x' | '-')) {
            return Err(Wrong::new(
                format!(
                    "a group `(?{}` that no engine here knows",
                    self.text.chars().take(8).collect::<String>()
                ),
                "write it without; recursion and conditions are not supported",
            ));
        }
        self.out.push_str("(?");
        self.out.push_str(flags);
        self.text = self.text.get(flags.len()..).unwrap_or_default();
        let close = self.next();
        self.out.extend(close);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        if self.take("Q") {
            let end = self.text.find("\\E").unwrap_or(self.text.len());
            let quoted = self.text.get(..end).unwrap_or_default();
            quoted.chars().for_each(|char| byte(char as u32 as u8, &mut self.out));
            self.text = self.text.get(end..).unwrap_or_default();
            self.take("\\E");
            return Ok(());
        }
        match escaped(&mut self.text)? {
            Escaped::Text(text) => self.out.push_str(&text),
            Escaped::Byte(one) => byte(one, &mut self.out),
            Escaped::Back(text) => {
                self.backtracks = true;
                self.out.push_str(&text);
            }
        }
        Ok(())
    }
}

/// Reads what follows a backslash.
pub(super) fn escaped(text: &mut &str) -> Result<Escaped, Wrong> {
    let mut chars = text.chars();
    let Some(char) = chars.next() else {
        return Err(Wrong::new("the pattern ends in a backslash", "escape the backslash: `\\\\`"));
    };
    *text = chars.as_str();
    let class = |class: &str| Ok(Escaped::Text(class.to_owned()));
    match char {
        'd' => class("[0-9]"),
        'D' => class("[^0-9]"),
        'w' => class("[0-9A-Za-z_]"),
        'W' => class("[^0-9A-Za-z_]"),
        's' => class(r"[\t\n\x0b\x0c\r\x20]"),
        'S' => class(r"[^\t\n\x0b\x0c\r\x20]"),
        'h' => class(r"[\t\x20\xa0]"),
        'H' => class(r"[^\t\x20\xa0]"),
        'v' => class(r"[\n\x0b\x0c\r\x85]"),
        'V' => class(r"[^\n\x0b\x0c\r\x85]"),
        'R' => class(r"(?:\r\n|[\n\x0b\x0c\r\x85])"),
        'N' => class(r"[^\n]"),
        'b' => class(r"\b"),
        'B' => class(r"\B"),
        'A' => class(r"\A"),
        'z' => class(r"\z"),
        'Z' => class(r"(?:\n?\z)"),
        'n' => Ok(Escaped::Byte(b'\n')),
        'r' => Ok(Escaped::Byte(b'\r')),
        't' => Ok(Escaped::Byte(b'\t')),
        'f' => Ok(Escaped::Byte(0x0c)),
        'a' => Ok(Escaped::Byte(0x07)),
        'e' => Ok(Escaped::Byte(0x1b)),
        'x' => Ok(Escaped::Byte(hexadecimal(text)?)),
        'c' => {
            let letter = text.chars().next().unwrap_or('@');
            *text = text.get(letter.len_utf8()..).unwrap_or_default();
            Ok(Escaped::Byte((letter.to_ascii_uppercase() as u32 as u8) ^ 0x40))
        }
        '0' => Ok(Escaped::Byte(octal(text, 2, 0))),
        '1'..='9' => Ok(Escaped::Back(format!("\\{char}"))),
        plain if plain.is_ascii_alphabetic() => Err(Wrong::new(
            format!("the escape `\\{plain}` is not supported in patterns"),
            "write the characters it stands for",
        )),
        plain => Ok(Escaped::Byte(plain as u32 as u8)),
    }
}

/// `\xHH`, with no, one or two digits, or `\x{HH}`.
fn hexadecimal(text: &mut &str) -> Result<u8, Wrong> {
    if let Some((inside, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        *text = rest;
        return u8::from_str_radix(inside, 16).map_err(|_| {
            Wrong::new(format!("`\\x{{{inside}}}` is no byte"), "write each byte of the character as `\\xHH`")
        });
    }
    let digits = text.chars().take(2).take_while(char::is_ascii_hexdigit).count();
    let (digits, rest) = text.split_at_checked(digits).unwrap_or(("", text));
    *text = rest;
    Ok(u8::from_str_radix(digits, 16).unwrap_or(0))
}

fn octal(text: &mut &str, most: usize, first: u8) -> u8 {
    let count = text.chars().take(most).take_while(|digit| matches!(digit, '0'..='7')).count();
    let (digits, rest) = text.split_at_checked(count).unwrap_or(("", text));
    *text = rest;
    digits.bytes().fold(first, |value, digit| value.wrapping_mul(8).wrapping_add(digit.wrapping_sub(b'0')))
}

/// A byte that stands for itself, in a form that no syntax reads otherwise.
pub(super) fn byte(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

/// A character of the pattern that has no meaning of its own here, or the same in both syntaxes.
fn literal(char: char, out: &mut String) {
    if char.is_ascii() {
        out.push(char);
    } else {
        byte(char as u32 as u8, out);
    }
}
