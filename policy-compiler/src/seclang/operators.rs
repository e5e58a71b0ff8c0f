//! Operators with their arguments: `!@rx …`, `@pmFromFile names.data`. It owns how they are written and the data files
//! they name; it refuses those that ask the network, other programs or files at run time.

use ipnet::IpNet;
use waf::program::{ByteRange, Operator};

use super::fault::Wrong;
use super::lexer::{bytes, characters};
use super::pattern::{self, Lines};
use super::text::text;

/// An operator and whether it is negated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) operator: Operator,
    pub(super) negated: bool,
}

const NAMES: [&str; 36] = [
    "beginsWith",
    "contains",
    "containsWord",
    "detectSQLi",
    "detectXSS",
    "endsWith",
    "eq",
    "fuzzyHash",
    "ge",
    "geoLookup",
    "gsbLookup",
    "gt",
    "inspectFile",
    "ipMatch",
    "ipMatchF",
    "ipMatchFromFile",
    "le",
    "lt",
    "noMatch",
    "pm",
    "pmf",
    "pmFromFile",
    "rbl",
    "rsub",
    "rx",
    "rxGlobal",
    "streq",
    "strmatch",
    "unconditionalMatch",
    "validateByteRange",
    "validateUrlEncoding",
    "validateUtf8Encoding",
    "verifyCC",
    "verifyCPF",
    "verifySSN",
    "within",
];

/// Reads an operator; `read` gives the bytes of a data file beside the rule file.
pub(super) fn operator(written: &str, read: &dyn Fn(&str) -> Result<Vec<u8>, Wrong>) -> Result<Asked, Wrong> {
    let (negated, rest) = match written.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, written),
    };
    let (name, argument) = match rest.strip_prefix('@') {
        Some(rest) => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (name, argument) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (name, argument.get(1..).unwrap_or_default())
        }
        None => ("rx", rest),
    };
    let lines = if negated { Lines::Whole } else { Lines::Each };
    let operator = named(&name.to_ascii_lowercase(), argument, lines, read)?
        .ok_or_else(|| Wrong::unknown("operator", name, NAMES.into_iter()))?;
    Ok(Asked { operator, negated })
}

fn named(
    name: &str,
    argument: &str,
    lines: Lines,
    read: &dyn Fn(&str) -> Result<Vec<u8>, Wrong>,
) -> Result<Option<Operator>, Wrong> {
    let trimmed = argument.trim();
    let rx = || pattern::compile(argument, lines);
    Ok(Some(match name {
        "rx" if argument.contains("%{") => Operator::RxOf(text(argument)?),
        "rx" => Operator::Rx(rx()?),
        "rxglobal" => Operator::RxGlobal(rx()?),
        "pm" => Operator::Pm(phrases(argument)?),
        "pmfromfile" | "pmf" => Operator::Pm(from_files(trimmed, read, &data_lines)?),
        "contains" | "strmatch" => Operator::Contains(text(argument)?),
        "containsword" => Operator::ContainsWord(text(argument)?),
        "streq" => Operator::StrEq(text(argument)?),
        "beginswith" => Operator::BeginsWith(text(argument)?),
        "endswith" => Operator::EndsWith(text(argument)?),
        "within" => Operator::Within(text(argument)?),
        "eq" => Operator::Eq(text(trimmed)?),
        "ge" => Operator::Ge(text(trimmed)?),
        "gt" => Operator::Gt(text(trimmed)?),
        "le" => Operator::Le(text(trimmed)?),
        "lt" => Operator::Lt(text(trimmed)?),
        "ipmatch" => Operator::IpMatch(networks(trimmed.split([',', ' ']))?),
        "ipmatchfromfile" | "ipmatchf" => {
            let lines = from_files(trimmed, read, &data_lines)?;
            let lines: Vec<String> = lines.iter().map(|line| characters(line)).collect();
            Operator::IpMatch(networks(lines.iter().map(String::as_str))?)
        }
        "validatebyterange" => Operator::ValidateByteRange(byte_ranges(trimmed)?),
        "validateurlencoding" => Operator::ValidateUrlEncoding,
        "validateutf8encoding" => Operator::ValidateUtf8Encoding,
        "detectsqli" => Operator::DetectSqli,
        "detectxss" => Operator::DetectXss,
        "verifycc" => Operator::VerifyCc(rx()?),
        "verifyssn" => Operator::VerifySsn(rx()?),
        "verifycpf" => Operator::VerifyCpf(rx()?),
        "verifysvnr" => Operator::VerifySvnr(rx()?),
        "geolookup" => Operator::GeoLookup,
        "rbl" => Operator::Rbl(trimmed.to_owned()),
        "unconditionalmatch" => Operator::UnconditionalMatch,
        "nomatch" => Operator::NoMatch,
        "inspectfile" | "fuzzyhash" | "gsblookup" | "validatedtd" | "validateschema" | "validatehash"
        | "rsub" => {
            return Err(Wrong::new(
                format!("`@{name}` is not supported: it would read files, ask others or change the request"),
                "remove the rule, or leave it out with SecRuleRemoveById before it is read",
            ));
        }
        _ => return Ok(None),
    }))
}

/// Phrases with blanks between them; `|…|` is bytes in hexadecimal.
fn phrases(argument: &str) -> Result<Vec<Vec<u8>>, Wrong> {
    let phrase = |word: &str| -> Result<Vec<u8>, Wrong> {
        let mut phrase = Vec::new();
        for (place, part) in word.split('|').enumerate() {
            if place % 2 == 0 {
                phrase.extend(bytes(&part.to_ascii_lowercase()));
                continue;
            }
            for digits in part.split_whitespace() {
                let byte = u8::from_str_radix(digits, 16).map_err(|_| {
                    Wrong::new(format!("`{digits}` between `|` is no byte"), "write bytes as two hex digits")
                })?;
                phrase.push(byte.to_ascii_lowercase());
            }
        }
        Ok(phrase)
    };
    argument.split_whitespace().map(phrase).collect()
}

/// The lines of a data file without comments and blanks around them, in lower case.
fn data_lines(file: &[u8]) -> Vec<Vec<u8>> {
    file.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(<[u8]>::to_ascii_lowercase)
        .collect()
}

fn from_files(
    names: &str,
    read: &dyn Fn(&str) -> Result<Vec<u8>, Wrong>,
    lines: &dyn Fn(&[u8]) -> Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut all = Vec::new();
    for name in names.split_whitespace() {
        all.extend(lines(&read(name)?));
    }
    if all.is_empty() {
        return Err(Wrong::new(
            format!("the data file `{names}` holds no line"),
            "fill it, or remove the rule",
        ));
    }
    Ok(all)
}

fn networks<'n>(names: impl Iterator<Item = &'n str>) -> Result<Vec<IpNet>, Wrong> {
    names.map(str::trim).filter(|name| !name.is_empty()).map(network).collect()
}

fn network(name: &str) -> Result<IpNet, Wrong> {
    let address = || name.parse::<std::net::IpAddr>().map(IpNet::from);
    name.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        Wrong::new(
            format!("`{name}` is no address or network"),
            "write it like `10.0.0.0/8` or `2001:db8::1`",
        )
    })
}

fn byte_ranges(argument: &str) -> Result<Vec<ByteRange>, Wrong> {
    let byte = |digits: &str| {
        digits.trim().parse::<u8>().map_err(|_| {
            Wrong::new(format!("`{digits}` is no byte"), "write ranges of bytes like `9,10,32-126`")
        })
    };
    argument
        .split(',')
        .map(|range| match range.split_once('-') {
            Some((from, to)) => Ok(ByteRange { from: byte(from)?, to: byte(to)? }),
            None => byte(range).map(|byte| ByteRange { from: byte, to: byte }),
        })
        .collect()
}
