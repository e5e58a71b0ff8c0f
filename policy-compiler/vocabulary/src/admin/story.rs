//! Why a request ended as it did: everything the gateway decided about it. It owns the shape; it refuses
//! any content: no header value, no prompt, no output, no key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DecisionRecord;
use super::holds::Hold;
use crate::access_log::AccessLogRecord;

/// `GET /v1/requests/{id}`: a request that failed, was refused, cut or served elsewhere than first tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Story {
    /// The request as in the access log: route, caller, attempts with reasons and times, status.
    pub request: AccessLogRecord,
    /// The policy that decided.
    pub generation: u64,
    /// The caller's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Who a token says the caller is, as `issuer/subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What the caller was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Each pick with all candidates and their standing; empty when it was so long ago that the pool has
    /// forgotten.
    pub decisions: Vec<DecisionRecord>,
    /// What operators held then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

/// The words of a refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// What is wrong and what to do.
    pub message: String,
    /// When trying again makes sense, in policy seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<f64>,
}

/// `GET /v1/requests`: the stories told last, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stories {
    /// The stories.
    pub stories: Vec<Story>,
    /// Stories that were not kept since the start because writing could not keep up or the space was used.
    pub dropped: u64,
}
