//! What is told about a request: plain data with a stable JSON form. It owns the shape and its names, which
//! only grow; it refuses to find anything out and to lay it out for people.

use serde::Serialize;
use vocabulary::Reason;

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// Everything told about one request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// [`VERSION`].
    pub v: u32,
    /// The policy's digest.
    pub policy: String,
    /// What was asked.
    pub request: Asked,
    /// How it ends.
    pub outcome: Outcome,
    /// All stages, in order.
    pub stages: Vec<StageTold>,
    /// The caller, where one is known.
    pub caller: Option<Caller>,
    /// The access control list.
    pub acl: Acl,
    /// Access rules of the listener and of the route that object, whether they refuse or count.
    pub objections: Vec<Objection>,
    /// What the body says, on AI routes.
    pub body: Option<Body>,
    /// The route, once settled.
    pub route: Option<String>,
    /// Routes that nearly took the request, the nearest first.
    pub near_routes: Vec<NearRoute>,
    /// What it asks of every limit, in the order in which they may refuse.
    pub limits: Vec<LimitAsked>,
    /// The pools it is offered to, the route's own first.
    pub pools: Vec<PoolTold>,
    /// The request as its backend would get it.
    pub sending: Option<Sending>,
    /// What the caller is answered, where the gateway itself answers.
    pub answer: Option<Answer>,
    /// What rules and limits in shadow mode would refuse it for.
    pub would_refuse: Vec<Reason>,
    /// What could not be foreseen, and what to say to foresee it.
    pub notes: Vec<String>,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A backend gets it.
    SentOn,
    /// The gateway itself answers it.
    Answered,
    /// It is refused.
    Refused,
}

/// The request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Host, as it was sent.
    pub host: String,
    /// Path; queries may hold what is nobody's business.
    pub path: String,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// The listener it comes by.
    pub listener: String,
    /// The address it comes from, where it has one.
    pub from: Option<String>,
    /// That address's country, where known.
    pub country: Option<String>,
    /// When it arrives, in Unix seconds.
    pub at: u64,
}

/// A stage and what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StageTold {
    /// Its name.
    pub stage: &'static str,
    /// What became of the request there.
    pub verdict: StageVerdict,
}

/// What became of a request at a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageVerdict {
    /// It went on.
    Passed,
    /// It ended there.
    Refused,
    /// The gateway answered it itself.
    Answered,
    /// It ended before.
    NotReached,
    /// Only a real request gets there.
    NotForeseen,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The consumer.
    pub consumer: Option<String>,
    /// Its team.
    pub team: Option<String>,
    /// The place its data must not leave.
    pub residency: Option<String>,
    /// The class of its data.
    pub data_class: Option<String>,
    /// Whether it was named by whoever asks, not found out from the request.
    pub vouched: bool,
}

/// The access control list's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acl {
    /// How many rules there are.
    pub rules: usize,
    /// The rule that decided; let through where there is none.
    pub decided: Option<RuleTold>,
    /// Rules that noted it.
    pub noted: Vec<String>,
    /// Rules in shadow mode that would have applied.
    pub shadowed: Vec<String>,
    /// Rules that nearly applied, the nearest first.
    pub near: Vec<NearRule>,
}

/// A rule and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleTold {
    /// Its name.
    pub rule: String,
    /// Its priority.
    pub priority: u32,
    /// `allow`, `block 403` or `log`.
    pub action: String,
}

/// A rule that did not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearRule {
    /// Which.
    #[serde(flatten)]
    pub rule: RuleTold,
    /// Why not: its first condition that does not hold, or its exception that does.
    pub because: String,
}

/// An access rule that objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Objection {
    /// Its name.
    pub rule: String,
    /// `listener` or `route`.
    pub of: &'static str,
    /// To what.
    pub reason: Reason,
    /// Whether it only counts.
    pub shadow: bool,
}

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Body {
    /// The operation's name.
    pub operation: &'static str,
    /// The model as the caller wrote it.
    pub model: String,
    /// Estimated prompt tokens.
    pub prompt_tokens: u64,
    /// The caller's own ceiling on output, per choice.
    pub max_output_tokens: Option<u64>,
    /// Whether a stream is wanted.
    pub stream: bool,
}

/// A route that did not take the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearRoute {
    /// Its name.
    pub route: String,
    /// Conditions that do not hold; none where a more specific route came first.
    pub missed: Vec<String>,
}

/// A limit and what is asked of it. Amounts are in its unit; money is in nano-dollars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitAsked {
    /// Its name; a key's own limits have none.
    pub limit: Option<String>,
    /// For whom it counts: `consumer`, `each`, `team`, `model`, `route` or `key`.
    pub scope: &'static str,
    /// `requests`, `tokens`, `streams` or `nano-dollars`.
    pub unit: &'static str,
    /// What the request asks.
    pub asks: u64,
    /// The most per period.
    pub ceiling: u64,
    /// `s`, `min`, `hour`, `day`, `week`, `month`, or `at once`.
    pub per: &'static str,
    /// Whether it counts without refusing.
    pub shadow: bool,
    /// Whether it is never exceeded.
    pub hard: bool,
}

/// A pool and its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolTold {
    /// Its name.
    pub pool: String,
    /// How it picks.
    pub strategy: &'static str,
    /// Its members, in its order.
    pub members: Vec<MemberTold>,
    /// Why the pick fell as it did, in the pool's own words, where it picks by learning.
    pub why: Option<String>,
    /// Where a request goes on when this pool cannot serve it.
    pub fallbacks: Vec<FallbackTold>,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberTold {
    /// Its name.
    pub member: String,
    /// Whether it is the pick of a pool that has learned nothing yet.
    pub picked: bool,
    /// Why it cannot serve the request, if it cannot.
    pub out: Option<String>,
}

/// A fallback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FallbackTold {
    /// To which pool.
    pub to: String,
    /// When: as in the manifest.
    pub when: Vec<String>,
    /// Why it is closed to this caller, if it is.
    pub closed: Option<String>,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sending {
    /// The member.
    pub to: String,
    /// Scheme, host, port and path.
    pub url: String,
    /// The path of the operation it is sent as, where that is another one than was asked for.
    pub translated_to: Option<&'static str>,
    /// Whether its body differs from the caller's.
    pub body_changed: bool,
    /// Bytes of its body.
    pub body_bytes: u64,
    /// Headers set, by name.
    pub headers_set: Vec<String>,
    /// Headers removed, by name.
    pub headers_removed: Vec<String>,
    /// Fields of the body that rules edit.
    pub fields: Vec<String>,
    /// Whether text is put before the system prompt.
    pub system_prefix: bool,
    /// Fields that the backend's dialect has no place for.
    pub lost_fields: Vec<&'static str>,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// Seconds until its commit point.
    pub deadline_s: u64,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Why it was refused, if it was.
    pub reason: Option<Reason>,
    /// In words.
    pub message: String,
    /// Media type.
    pub media: &'static str,
    /// The body as the caller gets it, where it is a refusal.
    pub body: Option<serde_json::Value>,
    /// Seconds after which trying again makes sense.
    pub retry_after_s: Option<u64>,
}
