//! Where data is processed: places, and what Azure calls its ways to deploy. It owns their spelling; it
//! refuses to derive a place from a region (`resolve` does).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A place where data is processed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub String);

impl JsonSchema for Place {
    fn schema_name() -> Cow<'static, str> {
        "Place".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "zone, country or `global`",
            "pattern": "^([a-z]{2}|global)$",
            "description": "Where data is processed: the zone `eu` or `us`, a country by its two letters (ISO 3166-1) in lower case, or `global` for anywhere.",
            "examples": ["eu", "de", "global"],
        })
    }
}

/// A place that data must not leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Residency(pub String);

impl JsonSchema for Residency {
    fn schema_name() -> Cow<'static, str> {
        "Residency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "zone or country",
            "pattern": "^[a-z]{2}$",
            "description": "A place that data must not leave: the zone `eu` or `us`, or a country by its two letters (ISO 3166-1) in lower case.",
            "examples": ["eu", "de"],
        })
    }
}

/// How an Azure deployment was made, by the name of its SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sku {
    /// Pay-as-you-go, in its region.
    Standard,
    /// Provisioned throughput, in its region.
    ProvisionedManaged,
    /// Pay-as-you-go, anywhere in its data zone.
    DataZoneStandard,
    /// Provisioned throughput, anywhere in its data zone.
    DataZoneProvisionedManaged,
    /// Batches, anywhere in its data zone.
    DataZoneBatch,
    /// Pay-as-you-go, anywhere.
    GlobalStandard,
    /// Provisioned throughput, anywhere.
    GlobalProvisionedManaged,
    /// Batches, anywhere.
    GlobalBatch,
    /// For trying out fine-tuned models, anywhere.
    DeveloperTier,
}
