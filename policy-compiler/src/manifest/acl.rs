//! Section `acl`: the access control list. Its rules look at every request in the order of their priority,
//! and the first that applies decides.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::{CountryCode, HeaderValues};
use super::limit::{Mode, OnFailure};
use super::listed::Listed;
use super::quantity::Bytes;
use super::route::Methods;

/// A rule of the access control list. It applies where all of `when` holds and nothing of `unless` does; the
/// first that applies, by priority, decides. What no rule decides is let through to `access` and `routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AclRule {
    /// Its place: the lowest comes first. Two rules that can both apply may share one only if they do the same.
    #[schemars(range(min = 1, max = 1_000_000), example = 100)]
    pub priority: u32,
    /// What must hold, all of it; every request unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<AclConditions>,
    /// Exceptions: what of this holds, even one of it, takes a request out of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<AclConditions>,
    /// What is done.
    pub action: AclAction,
    /// The HTTP status of a refusal; 403 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 499), example = 404)]
    pub status: Option<u16>,
    /// Whether it decides, or only counts what it would have decided.
    #[serde(default)]
    pub mode: Mode,
    /// What happens where a condition cannot be told (an address without a known country, a body that does
    /// not say its size and is not read): `closed` lets a blocking rule apply and an allowing one not.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What a rule of the access control list does. None of them asks the caller anything: callers are programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AclAction {
    /// Lets the request through to `access` and `routes`; no later rule is asked.
    Allow,
    /// Refuses it.
    Block,
    /// Notes it in the access log and in metrics, and goes on to the next rule.
    Log,
}

/// Conditions over a request. In a list, one entry has to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct AclConditions {
    /// Listeners it came in by, by name.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = &"public")]
    pub listener: Listed,
    /// Addresses and networks it comes from.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = "10.0.0.0/8")]
    pub address: Listed,
    /// Countries it comes from. Needs the section `countries`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub country: Vec<CountryCode>,
    /// Methods.
    #[serde(default, skip_serializing_if = "Methods::is_empty")]
    pub method: Methods,
    /// Host names, or `*.example.com` for every name below one.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = "*.llm.corp")]
    pub host: Listed,
    /// Paths: exact, with `/*` at the end for all below, or with `{}` segments as in a route.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = "/v1/files/*")]
    pub path: Listed,
    /// Headers by name, each with the value or the list of values it may have; `*` for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = debugging())]
    pub header: BTreeMap<String, HeaderValues>,
    /// Patterns of the `User-Agent`, upper and lower case alike, in which `*` stands for anything.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = "python-requests/*")]
    pub user_agent: Listed,
    /// What kind of program the `User-Agent` says it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bot: Vec<BotClass>,
    /// Bodies of more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "1 MiB")]
    pub body_over: Option<Bytes>,
}

/// A kind of program, by what its `User-Agent` says (RFC 9110 §10.1.5); anybody can say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BotClass {
    /// Crawlers of search engines.
    SearchEngine,
    /// Crawlers that gather text for models, and assistants that fetch pages.
    AiCrawler,
    /// Programs made to copy sites.
    Scraper,
    /// Browsers steered by a program.
    HeadlessBrowser,
    /// Libraries and tools for HTTP, such as curl.
    HttpLibrary,
    /// Clients of model APIs, such as OpenAI's own.
    ModelClient,
    /// Monitoring and link previews.
    Monitor,
    /// No `User-Agent` at all.
    Unnamed,
}

fn debugging() -> BTreeMap<&'static str, [&'static str; 2]> {
    BTreeMap::from([("x-environment", ["test", "staging"])])
}
