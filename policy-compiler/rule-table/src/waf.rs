//! The web application firewall as plain data: a compiled rule set and the protections beside it. It owns their
//! shape; it refuses to know the language of rules and to look at requests.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vocabulary::Rate;

use crate::digest::Digest;
use crate::sections::{Mode, OnFailure};

/// A firewall. Names of classes and kinds are those of crate `waf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waf {
    /// Name in the manifest.
    pub name: String,
    /// The rule set, compiled.
    pub program: Option<RuleProgram>,
    /// How bodies of model APIs are read; every body alike when absent.
    pub fields: Option<FieldPolicy>,
    /// What is done about kinds of clients, by kind; those that are let through are left out.
    pub bots: Vec<(String, WafAction)>,
    /// The most a request may hold, by measure.
    pub shape: Vec<(String, u64)>,
    /// Whether more tokens than allowed are lowered rather than refused.
    pub clamp: bool,
    /// What is done about texts that want a model to break its instructions, and from which score.
    pub jailbreak: Option<(WafAction, u16)>,
    /// What is done about secrets and personal data in prompts, by kind; those let through are left out.
    pub prompts: Vec<(String, TextAction)>,
    /// The same in answers.
    pub answers: Vec<(String, TextAction)>,
    /// What is done about active content in answers.
    pub active_content: Option<ActiveContent>,
    /// Wrong keys per address, and for how long an address that shows more is refused.
    pub key_failures: Option<(Rate, Duration)>,
    /// Refuse and mask, or count.
    pub mode: Mode,
    /// Stance towards a request that cannot be inspected.
    pub on_failure: OnFailure,
}

/// A compiled rule set: the bytes of crate `waf`'s program, in postcard's form.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleProgram(pub Vec<u8>);

/// How bodies are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldPolicy {
    /// The API: a name of crate `waf`, `auto` for that of the request's own operation, `custom` for none.
    pub schema: String,
    /// Classes of further paths, by path.
    pub paths: Vec<(String, String)>,
    /// Classes that rules do not look at.
    pub exempt: Vec<String>,
}

/// Active content in answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveContent {
    /// What is done about it.
    pub action: TextAction,
    /// Whether fenced blocks of code are looked into.
    pub code_blocks: bool,
    /// Hosts that may be led to, sorted.
    pub trusted_hosts: Vec<String>,
}

/// What is done about something that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WafAction {
    /// It is noted.
    Log,
    /// The request is refused.
    Block,
}

/// What is done about something in a text; the later one is the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextAction {
    /// It is noted.
    Log,
    /// It is masked in its place.
    Mask,
    /// The request is refused, or the answer cut.
    Block,
}

impl Serialize for RuleProgram {
    /// For people and their diffs a program is its digest; only the file form holds it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(&format_args!("{} ({} bytes)", Digest::of(&self.0), self.0.len()));
        }
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RuleProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Err(serde::de::Error::custom("a rule set is in the file form of a bundle only"));
        }
        Vec::<u8>::deserialize(deserializer).map(Self)
    }
}

impl std::fmt::Debug for RuleProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RuleProgram({} bytes)", self.0.len())
    }
}
