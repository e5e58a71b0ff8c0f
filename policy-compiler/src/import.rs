//! Manifests from the configuration of other gateways. It owns what each field becomes and the list of what
//! becomes nothing; it refuses to guess: what has no exact counterpart is left out and said.

mod azure_waf;
mod litellm;
mod written;

pub use azure_waf::azure_waf;
pub use litellm::litellm;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostics::{Code, Finding};
use crate::source::{Source, read_part};

/// A manifest from another gateway's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The manifest, with what was left out in a comment at its head.
    pub manifest: String,
    /// What was not carried over and why, a sentence each; never a value that may be secret.
    pub left: Vec<String>,
}

/// What is being put together.
#[derive(Debug, Default)]
struct Import {
    sections: BTreeMap<String, Map<String, Value>>,
    left: Vec<String>,
}

impl Import {
    fn leave(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left.contains(&what) {
            self.left.push(what);
        }
    }

    /// A section, to add to.
    fn section(&mut self, name: &str) -> &mut Map<String, Value> {
        self.sections.entry(name.to_owned()).or_default()
    }

    fn finish(self, from: &str) -> Imported {
        let mut manifest = format!("# From {from}.\n");
        if !self.left.is_empty() {
            manifest.push_str("#\n# Not carried over:\n");
            for line in &self.left {
                manifest.push_str(&format!("# - {line}\n"));
            }
        }
        manifest.push_str("\napiVersion: sluicegate/v1\n");
        manifest.push_str(&written::yaml(&self.sections));
        let manifest = crate::format(&Source::new("imported", manifest.clone())).unwrap_or(manifest);
        Imported { manifest, left: self.left }
    }
}

/// Reads a configuration that is not ours: what our language refuses for being read in two ways is taken as
/// YAML 1.2 has it.
fn foreign(source: &Source) -> Result<Value, Vec<Finding>> {
    let mut findings = Vec::new();
    let tree = source.files().next().and_then(|file| read_part(file, &mut findings));
    findings.retain(|finding| finding.is_error() && finding.code != Code::AmbiguousScalar);
    match tree {
        Some(tree) if findings.is_empty() => Ok(tree.to_json()),
        _ => Err(findings),
    }
}

/// A name that the language takes, from any text.
fn name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let cut: String = kept.trim_matches(['-', '.', '_']).chars().take(60).collect();
    let cut = cut.trim_end_matches(['-', '.', '_']);
    if cut.is_empty() { "unnamed".to_owned() } else { cut.to_owned() }
}

/// The name, or the first with a number behind it that is free.
fn free(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut number = 2_u32;
    let mut name = wanted.to_owned();
    while taken(&name) {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A number, also one that was written as text.
fn number(value: &Value, field: &str) -> Option<f64> {
    let field = value.get(field)?;
    field.as_f64().or_else(|| field.as_str()?.trim().parse().ok()).filter(|number| number.is_finite())
}

fn whole(value: &Value, field: &str) -> Option<u64> {
    let number = number(value, field)?;
    (number >= 1.0 && number < 1e15 && number.fract() == 0.0).then_some(number as u64)
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let mut fields: Vec<_> = value.as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v)).collect();
    // Whether maps keep their order depends on features that other crates switch on.
    fields.sort_by_key(|(key, _)| *key);
    fields.into_iter()
}
