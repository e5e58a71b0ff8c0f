//! The intermediate form of a rule set: what the compiler writes and the engine runs. It owns the shapes alone;
//! it refuses the language they were written in, and how they are run.
//!
//! Everything that a rule file leaves to names is resolved: `skipAfter` is a place, `ctl` names rules by their
//! place, a data file is its lines, a default action is written out at the rule it applies to.

mod action;
mod operator;
mod target;
mod text;

pub use action::{Change, Collection, Ctl, Disruption, Effect, EngineMode, Removal};
pub use operator::{ByteRange, Operator, Pattern};
pub use target::{BodyProcessor, Selection, Target, Transformation, Variable};
pub use text::{Macro, Piece, Text};

use serde::{Deserialize, Serialize};

/// Whether a key may stand in a query more than once is the caller's business; how a rule set wants requests
/// read is this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// `SecRequestBodyAccess`.
    pub request_body: bool,
    /// `SecResponseBodyAccess`.
    pub response_body: bool,
    /// `SecRequestBodyLimit`, in bytes.
    pub request_body_limit: u64,
    /// `SecRequestBodyNoFilesLimit`, in bytes.
    pub request_body_no_files_limit: u64,
    /// `SecResponseBodyLimit`, in bytes.
    pub response_body_limit: u64,
    /// `SecResponseBodyMimeType`, in lower case.
    pub response_body_types: Vec<String>,
    /// `SecRequestBodyJsonDepthLimit`.
    pub json_depth_limit: u32,
    /// `SecArgumentsLimit`.
    pub arguments_limit: u32,
    /// `SecArgumentSeparator`.
    pub argument_separator: u8,
    /// `SecCookieFormat` 1.
    pub cookies_v1: bool,
    /// `SecUnicodeMapFile`: the code points above 255 that stand for a byte, for `%uXXXX`.
    pub unicode_map: Vec<(u32, u8)>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            request_body: true,
            response_body: false,
            request_body_limit: 134_217_728,
            request_body_no_files_limit: 1_048_576,
            response_body_limit: 524_288,
            response_body_types: vec!["text/plain".into(), "text/html".into(), "text/xml".into()],
            json_depth_limit: 512,
            arguments_limit: 1000,
            argument_separator: b'&',
            cookies_v1: false,
            unicode_map: Vec::new(),
        }
    }
}

/// A rule set, ready to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Program {
    /// `SecRuleEngine`, or what the manifest says instead.
    pub mode: EngineMode,
    /// How requests and answers are read.
    pub reading: Reading,
    /// `TX` at the start of every request: what the setup assigned and no request can change before it is read.
    /// Names in lower case, in order.
    pub setup: Vec<(String, Vec<u8>)>,
    /// In the order of the files, all phases. [`Effect::GoTo`] and [`Ctl`] name rules by their place here.
    pub rules: Vec<Rule>,
    /// `SecComponentSignature`, `SecWebAppId` and the like: told, never run.
    pub signature: String,
}

/// A phase of the rule language, 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The request's head is known.
    RequestHeaders,
    /// The request's body too.
    RequestBody,
    /// The answer's head.
    ResponseHeaders,
    /// The answer's body.
    ResponseBody,
    /// Everything is over; nothing can be refused.
    Logging,
}

impl Phase {
    /// The phase of that number, from 1.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::RequestHeaders,
            2 => Self::RequestBody,
            3 => Self::ResponseHeaders,
            4 => Self::ResponseBody,
            5 => Self::Logging,
            _ => return None,
        })
    }
}

/// One rule with the links chained to it. It matches when every link does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its `id`; 0 for a `SecAction` or marker without.
    pub id: u32,
    /// When it runs.
    pub phase: Phase,
    /// The rule itself and the links chained to it, at least one.
    pub links: Vec<Link>,
    /// What it does to the request when it matches.
    pub disruption: Disruption,
    /// Told when it matches.
    pub message: Text,
    /// Told when it matches; may quote the request.
    pub log_data: Text,
    /// `severity`, 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// Its `tag`s.
    pub tags: Vec<String>,
    /// Whether a match is told: not `nolog`.
    pub logged: bool,
    /// `ver`, `rev`, `maturity`, `accuracy` are told by the report of the import, not kept here.
    /// The file, as the entry named it, and the line its directive begins on.
    pub place: Place,
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Place {
    /// The file's name without its folder.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// One test and what it does when it holds. The effects of a link happen at once, even when a later link of the
/// chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `None` always holds: `SecAction`.
    pub test: Option<Test>,
    /// In the order they are written.
    pub effects: Vec<Effect>,
}

/// A question about values of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// Which values.
    pub targets: Vec<Target>,
    /// What is taken out of them (`!ARGS:name`), whichever target it came from.
    pub except: Vec<Target>,
    /// Applied to each value, first to last.
    pub transformations: Vec<Transformation>,
    /// `multiMatch`: the operator is asked after each transformation that changed the value, too.
    pub multi_match: bool,
    /// What is asked.
    pub operator: Operator,
    /// `!@`: the test holds for a value the operator does not match.
    pub negated: bool,
    /// `capture`: `TX:0` to `TX:9` become what the groups matched.
    pub capture: bool,
}
