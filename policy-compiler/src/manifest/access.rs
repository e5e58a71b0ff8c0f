//! Sections `access` and `countries`: from where and with what a request may come.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::limit::{Mode, OnFailure};

/// From where and with which headers a request may come. Listeners and routes refer to it; where several
/// rules apply, a request has to satisfy each of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessRule {
    /// Addresses and networks that may come in; any unless stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = networks())]
    pub allow: Vec<String>,
    /// Addresses and networks that may not, whatever `allow` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Countries that may come in and that may not. Needs the section `countries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<CountryRule>,
    /// Headers that must be there, by name, each with the value or the list of values it may have; `*` for
    /// any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = tenants())]
    pub headers: BTreeMap<String, HeaderValues>,
    /// Whether it refuses, or only counts what it would have refused.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to an address whose country is not known.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Countries by their two capital letters (ISO 3166-1 alpha-2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountryRule {
    /// Countries that may come in; any unless stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<CountryCode>,
    /// Countries that may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<CountryCode>,
}

/// A country's two capital letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CountryCode(pub String);

impl JsonSchema for CountryCode {
    fn schema_name() -> Cow<'static, str> {
        "CountryCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "country of two capital letters",
            "pattern": "^[A-Z]{2}$",
            "description": "A country's two capital letters (ISO 3166-1 alpha-2). Norway's need quotes.",
            "examples": ["SE"],
        })
    }
}

/// The values a header may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeaderValues {
    /// This one; `*` for any.
    One(String),
    /// One of these.
    Several(#[schemars(length(min = 1))] Vec<String>),
}

impl HeaderValues {
    /// The values in the order written; none when any will do.
    #[must_use]
    pub fn wanted(&self) -> &[String] {
        match self {
            Self::One(any) if any == "*" => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

/// Which country an address is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Countries {
    /// A database in MaxMind's format (.mmdb) with countries, relative to the manifest. When it is replaced,
    /// the new one is used without a reload.
    #[schemars(length(min = 1), example = "geo.mmdb")]
    pub file: String,
}

fn networks() -> [&'static str; 2] {
    ["10.0.0.0/8", "2001:db8::/32"]
}

fn tenants() -> BTreeMap<&'static str, [&'static str; 2]> {
    BTreeMap::from([("x-tenant", ["claims", "research"])])
}
