//! Section `waf`: what requests and answers are inspected for. Rules are files of the user's; everything else here
//! is Sluicegate's own.

mod rules;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limit::{Mode, OnFailure};
use super::named::{Name, Named};
use super::quantity::{Bytes, Duration, RequestRate};

pub use rules::{RuleAction, Ruleset, Thresholds, WafExclusion};

/// A web application firewall, which routes and listeners refer to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Waf {
    /// A rule set in ModSecurity's language, such as OWASP CRS. None comes with Sluicegate; without one the
    /// protections of this section's other fields are all there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruleset: Option<Ruleset>,
    /// Rules up to this paranoia level score; 1 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4))]
    pub paranoia: Option<u8>,
    /// The scores at which rules refuse; the rule set's own unless stated, which is 5 and 4 in CRS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// The API whose requests these are, so that what people say to a model is told from everything else.
    /// Without it, all of a body is inspected alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<BodySchema>,
    /// Classes of further paths of the body, such as `metadata.note: prose`. `*` stands for any element of a list
    /// and `**` at the end for everything below. Needs `schema`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldClass>,
    /// Classes that rules do not look at; `prose`, `code` and `media` unless stated. Needs `schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = exempted())]
    pub exempt: Option<Vec<FieldClass>>,
    /// What rules do not look at, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exclusions: Named<Name, WafExclusion>,
    /// What single rules do, by their ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = overridden())]
    pub overrides: BTreeMap<String, RuleAction>,
    /// What is done about kinds of clients, told by the head of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bots: Option<Bots>,
    /// How large a request may be, by what it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// What is done about texts that want a model to break its instructions. Noted where `schema` is stated,
    /// unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jailbreak: Option<Jailbreak>,
    /// What is done about secrets and personal data that leave in prompts. Needs `schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<Leaks>,
    /// What is done about what models answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// Callers that try keys, by their address. Of the listener's firewall only: who shows a wrong key has no
    /// route yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_failures: Option<KeyFailures>,
    /// Whether it refuses and masks, or only counts what it would have refused.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to a request that cannot be inspected.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// The API whose requests are read strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodySchema {
    /// The API of each request's own path.
    Auto,
    /// Chat completions of OpenAI.
    OpenaiChat,
    /// Completions of OpenAI.
    OpenaiCompletions,
    /// Responses of OpenAI.
    OpenaiResponses,
    /// Embeddings of OpenAI.
    OpenaiEmbeddings,
    /// Messages of Anthropic.
    AnthropicMessages,
    /// The Model Context Protocol.
    Mcp,
    /// None of them: the paths in `fields` are all that is known.
    Custom,
}

/// What a path of a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FieldClass {
    /// Words and numbers of the API itself.
    Structure,
    /// Names that somebody chose.
    Identifier,
    /// Addresses that somebody fetches.
    Url,
    /// What people and models say to each other.
    Prose,
    /// Source code that is content.
    Code,
    /// What a tool is called with.
    ToolArguments,
    /// Images, sound and files in base64.
    Media,
    /// Paths that the schema does not know.
    Unknown,
}

/// What is done about something that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WafAction {
    /// Nothing, and it is not looked for.
    Allow,
    /// It is noted in the access log and in metrics.
    Log,
    /// The request is refused.
    Block,
}

/// What is done about something in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TextAction {
    /// Nothing, and it is not looked for.
    Allow,
    /// It is noted in the access log and in metrics.
    Log,
    /// It is made unreadable or harmless in its place, and the rest goes on.
    Mask,
    /// The request is refused, or the answer cut.
    Block,
}

/// Kinds of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bots {
    /// Programs that look for weaknesses; `block` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanner: Option<WafAction>,
    /// Programs with a browser's name whose head is no browser's; `log` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impostor_browser: Option<WafAction>,
    /// Browsers without a screen; `log` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headless: Option<WafAction>,
    /// Programs that say they are crawlers; `log` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawler: Option<WafAction>,
    /// Tools and libraries for HTTP; `allow` unless stated, since callers of an API are programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<WafAction>,
    /// Clients of model APIs; `allow` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_client: Option<WafAction>,
    /// Browsers; `allow` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<WafAction>,
    /// None of these; `allow` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<WafAction>,
}

/// How much a request may hold. What has no limit here is bounded by the listener's `maxBody` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    /// Bytes of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// Bytes of path and query; more is refused with status 414.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_bytes: Option<Bytes>,
    /// Bytes of all header names and values; more is refused with status 431.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<Bytes>,
    /// Headers; more are refused with status 431.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub headers: Option<u64>,
    /// Lists and objects inside each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<u64>,
    /// Messages of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub messages: Option<u64>,
    /// Bytes of the longest text of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_text: Option<Bytes>,
    /// Bytes of all texts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_text: Option<Bytes>,
    /// Tools that are declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u64>,
    /// Tool calls and results in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    /// Images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<u64>,
    /// Files and recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Stop sequences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<u64>,
    /// Answers asked for at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub choices: Option<u64>,
    /// Texts to embed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub inputs: Option<u64>,
    /// Tokens that an answer may have. A request that asks for more is lowered to this, unless `clamp` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
    /// Whether more tokens than `maxTokens` are lowered to it rather than refused.
    #[serde(default = "yes")]
    pub clamp: bool,
}

/// Texts that want a model to break its instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jailbreak {
    /// What is done about them; noted unless stated.
    #[serde(default = "noted")]
    pub action: WafAction,
    /// The score from which a text is one. docs/waf-signals.md says what the points are for.
    #[serde(default = "attempt")]
    #[schemars(range(min = 1, max = 1000))]
    pub threshold: u16,
}

/// Secrets and personal data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leaks {
    /// Keys and tokens: whoever holds one can act as its owner. Noted unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<TextAction>,
    /// What identifies a person. Not looked for unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<TextAction>,
    /// Cards and accounts. Noted unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<TextAction>,
    /// Single kinds, such as `email: allow`; docs/waf-signals.md lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, TextAction>,
}

/// What models answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answers {
    /// Secrets and personal data in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Leaks>,
    /// Scripts, frames, handlers and links that carry data out. Not looked for unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_content: Option<TextAction>,
    /// Whether fenced blocks of code are looked into as well.
    #[serde(default)]
    pub code_blocks: bool,
    /// Hosts, with all below them, that images and links may lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = hosts())]
    pub trusted_hosts: Vec<String>,
}

/// Callers that try keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFailures {
    /// Wrong keys an address may show before it is refused whatever it shows.
    pub limit: RequestRate,
    /// For how long.
    #[serde(default = "five_minutes")]
    pub block_for: Duration,
}

fn yes() -> bool {
    true
}

fn noted() -> WafAction {
    WafAction::Log
}

fn attempt() -> u16 {
    waf::jailbreak::THRESHOLD
}

fn five_minutes() -> Duration {
    Duration::seconds(300)
}

fn exempted() -> [FieldClass; 3] {
    [FieldClass::Prose, FieldClass::Code, FieldClass::Media]
}

fn overridden() -> BTreeMap<&'static str, RuleAction> {
    BTreeMap::from([("942100", RuleAction::Log)])
}

fn hosts() -> [&'static str; 1] {
    ["images.example.com"]
}
