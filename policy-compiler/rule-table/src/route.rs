//! Routes: which requests one takes, and what holds for those. It owns their plain form; it refuses to match.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::caller::Priority;
use crate::rare::Rare;
use crate::rewrite::Rewrite;
use crate::sections::{AccessRuleId, ConsumerId, HookId, LimitId, PoolId, WafId};

/// Host condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostMatch {
    /// This host, lower case, no port.
    Exact(String),
    /// Any host that ends with this suffix, which begins with a dot.
    Suffix(String),
    /// Any host.
    Any,
}

/// Path condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathMatch {
    /// This path.
    Exact(String),
    /// This path, segment by segment after its leading slash; any one segment that is not empty where there
    /// is none to compare with.
    Template(Vec<Option<String>>),
    /// This path and everything below it, on a segment boundary; no trailing slash.
    Prefix(String),
}

/// Condition on a parameter of the query, compared as it was sent, percent-encoding included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueryMatch {
    /// Name.
    pub name: String,
    /// Exact value of its first occurrence; presence suffices when absent.
    pub value: Option<String>,
}

/// Hours of the week.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeWindow {
    /// Days it begins on, Monday at bit 0; never none.
    pub days: u8,
    /// First minute of the day.
    pub from: u16,
    /// The minute after the last; of the next day where it is not after `from`.
    pub until: u16,
    /// Time zone of the IANA database.
    pub zone: String,
}

/// Header condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: String,
    /// Exact value; presence suffices when absent.
    pub value: Option<String>,
}

/// When a route applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMatch {
    /// Host.
    pub host: HostMatch,
    /// Path.
    pub path: PathMatch,
    /// Methods, upper case and sorted; any when empty.
    pub methods: Vec<String>,
    /// All of these, sorted.
    pub headers: Vec<HeaderMatch>,
    /// All of these, sorted.
    pub query: Vec<QueryMatch>,
    /// One of these, sorted; anyone when empty.
    pub consumers: Vec<ConsumerId>,
    /// At any time when absent.
    pub time: Option<TimeWindow>,
    /// The body's model; any when absent.
    pub model: Option<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Name in the manifest.
    pub name: String,
    /// When it applies.
    pub matching: RouteMatch,
    /// Where it leads.
    pub pool: PoolId,
    /// Who may use it: anyone when empty and `public`, any consumer when empty.
    pub consumers: Vec<ConsumerId>,
    /// No key needed.
    pub public: bool,
    /// Limits counted per route.
    pub limits: Vec<LimitId>,
    /// Access rules for its requests.
    pub access: Vec<AccessRuleId>,
    /// Asked before a request is sent on.
    pub hook: Option<HookId>,
    /// What inspects its requests and answers; the listener's when absent.
    pub waf: Option<WafId>,
    /// Its place when there is not room for all, where neither consumer nor team has one.
    pub priority: Option<Priority>,
    /// Total time for a request until its commit point.
    pub deadline: Duration,
    /// Time between the comments that keep a stream's connection alive before its first token; none
    /// unless stated.
    pub heartbeat: Option<Duration>,
    /// Whether paths that are no operation read here (audio, files, realtime) are piped to the pool's
    /// backends with their credential. Nothing of them is counted but requests.
    pub pass_through: bool,
    /// Edits of every request on this route and its answers.
    pub rewrite: Rare<Rewrite>,
    /// The path template for telemetry.
    pub path_template: String,
}
