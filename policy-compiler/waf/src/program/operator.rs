//! What a rule asks of a value. It owns the operators and their arguments; it refuses to answer.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Text;

/// A regular expression over bytes, in the syntax of `regex-syntax` with Unicode off, `s` and the rest of the
/// flags written into it. One that looks around or back is for `fancy-regex`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pattern {
    /// The expression.
    pub expression: String,
    /// Whether it needs an engine that looks around or back.
    pub backtracks: bool,
}

/// A range of allowed bytes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// The lowest.
    pub from: u8,
    /// The highest.
    pub to: u8,
}

/// A question about one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// `@rx`: the pattern matches somewhere.
    Rx(Pattern),
    /// `@rx` with macros in it: built when they are known; one that does not build matches nothing.
    RxOf(Text),
    /// `@rxGlobal`: as `Rx`, and captures every match.
    RxGlobal(Pattern),
    /// `@pm`, `@pmFromFile`: one of these stands somewhere, without regard to ASCII case. In lower case.
    Pm(Vec<Vec<u8>>),
    /// `@contains`, `@strmatch`: stands somewhere.
    Contains(Text),
    /// `@containsWord`: stands somewhere with no word character beside it.
    ContainsWord(Text),
    /// `@streq`: is the value.
    StrEq(Text),
    /// `@beginsWith`.
    BeginsWith(Text),
    /// `@endsWith`.
    EndsWith(Text),
    /// `@within`: the value stands somewhere in this.
    Within(Text),
    /// `@eq`: both as whole numbers; what is none counts as 0.
    Eq(Text),
    /// `@ge`.
    Ge(Text),
    /// `@gt`.
    Gt(Text),
    /// `@le`.
    Le(Text),
    /// `@lt`.
    Lt(Text),
    /// `@ipMatch`, `@ipMatchFromFile`: the value is an address of one of these networks.
    IpMatch(Vec<IpNet>),
    /// `@validateByteRange`: matches a value with a byte outside of all of these.
    ValidateByteRange(Vec<ByteRange>),
    /// `@validateUrlEncoding`: matches a value with a `%` that no two hex digits follow.
    ValidateUrlEncoding,
    /// `@validateUtf8Encoding`: matches a value that is not UTF-8.
    ValidateUtf8Encoding,
    /// `@detectSQLi`; captures the fingerprint.
    DetectSqli,
    /// `@detectXSS`.
    DetectXss,
    /// `@verifyCC`: the pattern matches a number whose check digit is right.
    VerifyCc(Pattern),
    /// `@verifySSN`.
    VerifySsn(Pattern),
    /// `@verifyCPF`.
    VerifyCpf(Pattern),
    /// `@verifySVNR`.
    VerifySvnr(Pattern),
    /// `@geoLookup`: the address is in the country data; fills `GEO`.
    GeoLookup,
    /// `@rbl`: asks a DNS zone. We never do; it matches nothing, and the report of the import says so.
    Rbl(String),
    /// `@unconditionalMatch`.
    UnconditionalMatch,
    /// `@noMatch`.
    NoMatch,
}

impl Operator {
    /// Its argument, where that may hold macros.
    #[must_use]
    pub fn text(&self) -> Option<&Text> {
        match self {
            Self::RxOf(text)
            | Self::Contains(text)
            | Self::ContainsWord(text)
            | Self::StrEq(text)
            | Self::BeginsWith(text)
            | Self::EndsWith(text)
            | Self::Within(text)
            | Self::Eq(text)
            | Self::Ge(text)
            | Self::Gt(text)
            | Self::Le(text)
            | Self::Lt(text) => Some(text),
            _ => None,
        }
    }
}
