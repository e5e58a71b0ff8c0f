//! What a firewall's section says of its rules: where they are, which count, what they leave out.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::super::listed::Listed;

/// Where a rule set is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ruleset {
    /// A folder: a release of CRS, that of Debian's package, or any with `.conf` files. Relative to the manifest's
    /// own folder.
    #[schemars(length(min = 1), example = "/usr/share/modsecurity-crs")]
    pub dir: String,
    /// The setup file. Unless stated, `crs-setup.conf` or `crs-setup.conf.example` in the folder, or where Debian
    /// keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "/etc/modsecurity/crs/crs-setup.conf")]
    pub setup: Option<String>,
}

/// Scores at which rules refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Thresholds {
    /// A request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub inbound: Option<u32>,
    /// An answer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub outbound: Option<u32>,
}

/// What rules do not look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WafExclusion {
    /// Ids of rules, or ranges of them such as `942100-942190`.
    #[serde(default, skip_serializing_if = "RuleIds::is_empty")]
    pub rules: RuleIds,
    /// Families of rules, such as `sqli`, `xss`, `rce`, `lfi`, `php`: CRS tags them `attack-sqli` and so on.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = &"sqli")]
    pub families: Listed,
    /// What they leave out, as ModSecurity names it. The whole rules are left out unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "ARGS:json.metadata.query", example = "REQUEST_COOKIES:session")]
    pub target: Option<String>,
}

/// Ids of rules and ranges of them, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct RuleIds(pub Vec<String>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(Id),
    Several(Vec<Id>),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u32),
    Text(String),
}

impl RuleIds {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Written> for RuleIds {
    fn from(written: Written) -> Self {
        let text = |id| match id {
            Id::Number(id) => id.to_string(),
            Id::Text(text) => text,
        };
        match written {
            Written::One(id) => Self(vec![text(id)]),
            Written::Several(ids) => Self(ids.into_iter().map(text).collect()),
        }
    }
}

impl From<RuleIds> for Written {
    fn from(ids: RuleIds) -> Self {
        Self::Several(ids.0.into_iter().map(Id::Text).collect())
    }
}

impl JsonSchema for RuleIds {
    fn schema_name() -> Cow<'static, str> {
        "RuleIds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let id = json_schema!({
            "description": "A rule's id, or a range of ids.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 4_294_967_294_u32},
                {"type": "string", "pattern": "^[0-9]{1,9} ?(- ?[0-9]{1,9})?$"},
            ],
            "examples": [942_100, "942100-942190"],
        });
        json_schema!({
            "description": "A rule's id, a range of ids, or a list of them.",
            "anyOf": [id.clone(), {"type": "array", "items": id}],
            "examples": [942_100, ["942100-942190", 932_100]],
        })
    }
}

/// What one rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuleAction {
    /// It does not run.
    Off,
    /// It is told and scores nothing.
    Log,
    /// It refuses by itself, whatever the score.
    Block,
}
