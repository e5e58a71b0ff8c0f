//! The access control list as plain data: rules in the order in which they are asked. It owns their shape;
//! it refuses to look at requests.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::rare::{Absent, Rare};
use crate::sections::{HostMatch, Mode, OnFailure, PathMatch};

/// A rule. It applies where every condition of `when` holds and none of `unless`; the first that applies and
/// is enforced decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclRule {
    /// Name in the manifest.
    pub name: String,
    /// Its place; the list is sorted by it, then by name.
    pub priority: u32,
    /// What must hold; every request when empty.
    pub when: AclConditions,
    /// Exceptions, each by itself.
    pub unless: Rare<AclConditions>,
    /// What is done.
    pub action: AclAction,
    /// Decide or count.
    pub mode: Mode,
    /// Stance when a condition cannot be told.
    pub on_failure: OnFailure,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AclAction {
    /// Asks no later rule.
    Allow,
    /// Refuses with this HTTP status.
    Block(u16),
    /// Leaves a note and goes on.
    Log,
}

/// Conditions; a list that is empty is no condition, one that is not holds where one of its entries does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclConditions {
    /// Listeners, indices, sorted.
    pub listeners: Vec<u32>,
    /// Networks, sorted, none within another.
    pub networks: Vec<IpNet>,
    /// Countries, two capitals, sorted.
    pub countries: Vec<String>,
    /// Methods, sorted.
    pub methods: Vec<String>,
    /// Hosts, sorted.
    pub hosts: Vec<HostMatch>,
    /// Paths, sorted.
    pub paths: Vec<PathMatch>,
    /// Headers, sorted by name: each is a condition of its own.
    pub headers: Vec<HeaderCondition>,
    /// Patterns of the user agent in lower case, `*` for anything, sorted.
    pub user_agents: Vec<String>,
    /// Kinds of programs, sorted.
    pub bots: Vec<BotClass>,
    /// Bodies of more bytes than this.
    pub body_over: Option<u64>,
}

impl Absent for AclConditions {
    const ABSENT: &'static Self = &Self {
        listeners: Vec::new(),
        networks: Vec::new(),
        countries: Vec::new(),
        methods: Vec::new(),
        hosts: Vec::new(),
        paths: Vec::new(),
        headers: Vec::new(),
        user_agents: Vec::new(),
        bots: Vec::new(),
        body_over: None,
    };
}

/// A header that is there, with one of these values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeaderCondition {
    /// Lower-case name.
    pub name: String,
    /// Values, sorted; any when empty.
    pub values: Vec<String>,
}

/// A kind of program, by what its user agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Libraries and tools for HTTP.
    HttpLibrary,
    /// Clients of model APIs.
    ModelClient,
    /// Monitoring and link previews.
    Monitor,
    /// No user agent at all.
    Unnamed,
}
