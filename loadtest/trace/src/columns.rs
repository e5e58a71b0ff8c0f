//! Lines of comma-separated values by the names in their header. It owns finding a column and reading a
//! number from it; it refuses quoting across lines, which none of the formats uses.

use crate::error::Problem;

/// The fields of a line, without surrounding blanks and quotes.
pub(crate) fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(|field| field.trim().trim_matches('"')).collect()
}

/// A column of a format and where the file at hand has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    name: &'static str,
    index: usize,
}

impl Column {
    /// Finds a column in the header.
    pub(crate) fn find(header: &[&str], name: &'static str) -> Result<Self, Problem> {
        Self::find_optional(header, name).ok_or_else(|| {
            Problem::new(
                name,
                "the header does not name it",
                "the first line must name the columns of the format",
            )
        })
    }

    /// Finds a column that need not be there.
    pub(crate) fn find_optional(header: &[&str], name: &'static str) -> Option<Self> {
        let index = header
            .iter()
            .position(|field| field.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))?;
        Some(Self { name, index })
    }

    pub(crate) fn text<'a>(self, fields: &[&'a str]) -> Result<&'a str, Problem> {
        fields.get(self.index).copied().ok_or_else(|| {
            let what = format!("the line has only {} of at least {} fields", fields.len(), self.index + 1);
            Problem::new(self.name, what, "a line needs as many fields as the header")
        })
    }

    /// A whole number of tokens.
    pub(crate) fn tokens(self, fields: &[&str]) -> Result<u64, Problem> {
        let text = self.text(fields)?;
        // Exports through a data frame write `374.0` once a column has had a gap.
        let digits = text.strip_suffix(".0").unwrap_or(text);
        digits.parse().map_err(|_| Problem::value(self.name, text, "a whole number of tokens such as `374`"))
    }

    /// Seconds, as nanoseconds.
    pub(crate) fn seconds(self, fields: &[&str]) -> Result<u64, Problem> {
        let text = self.text(fields)?;
        nanos_of_seconds(text)
            .ok_or_else(|| Problem::value(self.name, text, "a number of seconds such as `12.5`"))
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }
}

/// Non-negative decimal seconds as nanoseconds; digits beyond the ninth are cut.
pub(crate) fn nanos_of_seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos.parse().ok()?)
}
