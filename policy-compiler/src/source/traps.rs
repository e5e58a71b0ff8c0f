//! Plain scalars that readers of YAML 1.1 and 1.2 disagree on. It owns their recognition and the fix;
//! it refuses to guess which reading was meant.

/// Why a plain scalar is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trap {
    /// How the other kind of reader takes it.
    pub(super) reading: &'static str,
    /// What to write instead.
    pub(super) fix: &'static str,
}

/// <https://yaml.org/type/bool.html>, without `true` and `false`, which every reader agrees on.
const BOOLEANS: [&str; 16] =
    ["y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"];

/// The trap a plain scalar is, if it is one.
pub(super) fn trap(text: &str) -> Option<Trap> {
    if BOOLEANS.contains(&text) {
        return Some(Trap {
            reading: "a boolean",
            fix: "write `true` or `false` for a boolean, or put it in quotes",
        });
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let numeric = |extra: &[u8]| digits.bytes().all(|b| b.is_ascii_digit() || extra.contains(&b));
    if numeric(b":") && digits.contains(':') && sexagesimal(digits) {
        return Some(Trap {
            reading: "a number to base 60",
            fix: "write a duration with its unit, such as `90s`, or put it in quotes",
        });
    }
    if numeric(b"") && digits.len() > 1 && digits.starts_with('0') {
        return Some(Trap {
            reading: "an octal number",
            fix: "leave out the leading zero, or put it in quotes",
        });
    }
    if numeric(b"_") && digits.contains('_') {
        return Some(Trap { reading: "a number", fix: "leave out the underscores, or put it in quotes" });
    }
    let based = ["0x", "0o", "0b", "0X", "0O", "0B"].iter().find_map(|prefix| digits.strip_prefix(prefix))?;
    let hexadecimal = !based.is_empty() && based.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    hexadecimal.then_some(Trap {
        reading: "a number to another base",
        fix: "write it in decimal, or put it in quotes",
    })
}

fn sexagesimal(digits: &str) -> bool {
    let mut parts = digits.split(':');
    let head = parts.next().is_some_and(|first| !first.is_empty() && !first.starts_with('0'));
    head && parts.all(|part| matches!(part.len(), 1 | 2) && part.parse::<u8>().is_ok_and(|n| n < 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_that_change_meaning_between_versions_are_traps() {
        for text in
            ["no", "on", "Off", "y", "1:30", "12:30:45", "0755", "-012", "1_000", "0x1F", "0o17", "0b1"]
        {
            assert!(trap(text).is_some(), "{text}");
        }
    }

    #[test]
    fn scalars_with_one_meaning_are_not() {
        for text in [
            "true",
            "null",
            "0",
            "10",
            "1.5",
            "2s",
            "1:75",
            "127.0.0.1:80",
            "no-one",
            "2024-10-21",
            "0xyz",
            "",
        ] {
            assert_eq!(trap(text), None, "{text}");
        }
    }
}
