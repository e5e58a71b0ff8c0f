//! Section `hooks`: decisions asked of others before a request is sent on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::Span;

use super::identity::HeaderCredential;
use super::limit::{Mode, OnFailure};
use super::quantity::Duration;

/// Somebody who is asked whether a request may be sent on. The contract is in docs/policy-hook.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// Where questions are POSTed to, without query.
    #[schemars(example = "https://policy.internal/v1/decide")]
    pub url: String,
    /// How it is asked and answers.
    #[serde(default)]
    pub format: HookFormat,
    /// A header with a secret, such as `x-functions-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderCredential>,
    /// How long an answer may take.
    #[serde(default = "timeout")]
    pub timeout: Duration,
    /// How long an answer holds for the same question, at most; every request asks anew unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "30s")]
    pub cache: Option<Duration>,
    /// Whether its refusals hold, or are only counted.
    #[serde(default)]
    pub mode: Mode,
    /// What happens when it does not answer.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// How a hook is asked and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookFormat {
    /// The contract as it is.
    #[default]
    Plain,
    /// The question under `input` and the answer under `result`, as Open Policy Agent has them.
    Opa,
}

fn timeout() -> Duration {
    Duration(Span(std::time::Duration::from_millis(500)))
}
