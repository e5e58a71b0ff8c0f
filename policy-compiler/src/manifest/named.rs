//! Maps from a name to a thing, and how names look. It owns the spelling of names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How a kind of name looks.
pub trait Spelling {
    /// The JSON Schema of a name.
    fn schema() -> Schema;
}

/// Names that the manifest makes up: lower case, so that they read the same in metrics, logs and URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name;

/// Names that come from elsewhere: models and deployments, such as `gpt-4o` or `org/model:tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelName;

impl Spelling for Name {
    fn schema() -> Schema {
        json_schema!({
            "pattern": "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$",
            "description": "A name of at most 63 lower-case letters, digits, `-`, `_` and `.` that begins and ends with a letter or digit.",
            "examples": ["claims-team"],
        })
    }
}

impl Spelling for ModelName {
    fn schema() -> Schema {
        json_schema!({
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$",
            "description": "A model or deployment name of at most 128 letters, digits and `.`, `_`, `-`, `:`, `/`, `@`.",
            "examples": ["gpt-4o"],
        })
    }
}

/// Things by name, in the order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Named<N, T> {
    things: BTreeMap<String, T>,
    #[serde(skip)]
    spelling: PhantomData<N>,
}

/// Server names that a certificate is for, or `*.` and a name for one label below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostName;

impl Spelling for HostName {
    fn schema() -> Schema {
        json_schema!({
            "pattern": r"^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$",
            "description": "A host name in lower case, or `*.` and a host name.",
            "examples": ["api.example.com"],
        })
    }
}

impl<N, T> Default for Named<N, T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), spelling: PhantomData }
    }
}

impl<N, T> std::ops::Deref for Named<N, T> {
    type Target = BTreeMap<String, T>;
    fn deref(&self) -> &Self::Target {
        &self.things
    }
}

impl<N, T> std::ops::DerefMut for Named<N, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.things
    }
}

impl<'a, N, T> IntoIterator for &'a Named<N, T> {
    type Item = (&'a String, &'a T);
    type IntoIter = std::collections::btree_map::Iter<'a, String, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.things.iter()
    }
}

impl<N: Spelling, T: JsonSchema> JsonSchema for Named<N, T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let thing = generator.subschema_for::<T>();
        json_schema!({"type": "object", "propertyNames": N::schema(), "additionalProperties": thing})
    }
}
