//! The formats and how to tell them by their first line. It owns their names; it refuses to guess from a
//! file's name.

use std::fmt;
use std::str::FromStr;

use crate::columns::fields;

/// A trace format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// CSV of the Azure LLM inference traces 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`.
    Azure,
    /// Our own CSV: `t_s,prompt_tokens,output_tokens[,block_ids_512]`.
    Plain,
    /// CSV of BurstGPT: `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,…`.
    BurstGpt,
    /// JSON lines of Mooncake: `timestamp` in ms, `input_length`, `output_length`, `hash_ids`.
    Mooncake,
    /// JSON lines of the gateway's access log.
    AccessLog,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Azure, Self::Plain, Self::BurstGpt, Self::Mooncake, Self::AccessLog];

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::Plain => "plain",
            Self::BurstGpt => "burstgpt",
            Self::Mooncake => "mooncake",
            Self::AccessLog => "access-log",
        }
    }

    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| format!("`{text}` is not a trace format; the formats are {}", Self::names()))
    }
}

/// The format of a trace by its first line.
#[must_use]
pub fn detect(first_line: &str) -> Option<Format> {
    let line = first_line.trim_start_matches('\u{feff}').trim();
    if line.starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).ok()?;
        let has = |name: &str| object.contains_key(name);
        return if has("v") && has("arrival_ms") {
            Some(Format::AccessLog)
        } else if has("timestamp") && has("input_length") {
            Some(Format::Mooncake)
        } else {
            None
        };
    }
    let header = fields(line);
    let has = |name: &str| header.iter().any(|field| field.eq_ignore_ascii_case(name));
    if has("TIMESTAMP") && has("ContextTokens") {
        Some(Format::Azure)
    } else if has("t_s") && has("prompt_tokens") {
        Some(Format::Plain)
    } else if has("Timestamp") && has("Request tokens") {
        Some(Format::BurstGpt)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_known_by_its_first_line() {
        for (line, format) in [
            ("TIMESTAMP,ContextTokens,GeneratedTokens", Some(Format::Azure)),
            ("\u{feff}t_s,prompt_tokens,output_tokens\r\n", Some(Format::Plain)),
            ("t_s,prompt_tokens,output_tokens,block_ids_512", Some(Format::Plain)),
            ("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type", Some(Format::BurstGpt)),
            (
                "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type",
                Some(Format::BurstGpt),
            ),
            (
                r#"{"timestamp": 0, "input_length": 1, "output_length": 2, "hash_ids": [1]}"#,
                Some(Format::Mooncake),
            ),
            (r#"{"v":1,"arrival_ms":5,"request_id":"x"}"#, Some(Format::AccessLog)),
            ("model,provider", None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(detect(line), format, "{line}");
        }
    }

    #[test]
    fn names_parse_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert!("csv".parse::<Format>().unwrap_err().contains("burstgpt"));
    }
}
