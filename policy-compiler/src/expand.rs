//! The effective policy for people: every value, written or not, with where it comes from. It owns the
//! YAML and JSON form of that; it refuses to decide any default itself.

use serde_json::{Map, Value, json};

use crate::compile::compile;
use crate::diagnostics::Finding;
use crate::source::{Document, Source, plain_yaml};

/// Sections in the order of the language's reference.
const SECTIONS: [&str; 20] = [
    "apiVersion",
    "listeners",
    "admin",
    "identities",
    "backends",
    "pools",
    "routes",
    "consumers",
    "teams",
    "models",
    "issuers",
    "limits",
    "acl",
    "access",
    "countries",
    "hooks",
    "overload",
    "waf",
    "store",
    "telemetry",
];
/// Comments begin here unless a line is longer.
const COMMENT_COLUMN: usize = 56;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in the manifest's only file, on this line.
    Line(usize),
    /// Written in this one of its files, on this line.
    File(String, usize),
    /// Not written.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::File(file, line) => write!(f, "{file}:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value of the effective manifest. A list counts as one value, whatever it holds.
#[derive(Clone, Debug, PartialEq)]
enum Effective {
    Leaf(Value, Origin),
    Map(Vec<(String, Effective)>),
}

/// Every effective value of a manifest.
#[derive(Clone, Debug)]
pub struct Expanded {
    /// What compiling it found.
    pub findings: Vec<Finding>,
    values: Option<Vec<(String, Effective)>>,
}

/// Expands a manifest.
#[must_use]
pub fn expand(source: &Source) -> Expanded {
    let outcome = compile(source);
    let manifest = outcome.manifest.as_ref().and_then(|manifest| serde_json::to_value(manifest).ok());
    let values = outcome.document.zip(manifest).map(|(document, manifest)| {
        let mut sections = Vec::new();
        for section in SECTIONS {
            if let Some(value) = manifest.get(section) {
                let mut path = vec![section.to_owned()];
                sections.push((section.to_owned(), effective(value, &mut path, &document)));
            }
        }
        sections
    });
    Expanded { findings: outcome.findings, values }
}

fn effective(value: &Value, path: &mut Vec<String>, document: &Document) -> Effective {
    let origin = || {
        let source = &document.source;
        document.value(path).map_or(Origin::Default, |_| {
            let at = document.key_span(path).start;
            let line = source.position(at).line;
            if source.count() == 1 {
                Origin::Line(line)
            } else {
                Origin::File(source.file_at(at).name.to_owned(), line)
            }
        })
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            let mut map = Vec::new();
            for name in names {
                path.push(name.clone());
                map.push((name.clone(), effective(fields.get(name).unwrap_or(&Value::Null), path, document)));
                path.pop();
            }
            Effective::Map(map)
        }
        leaf => Effective::Leaf(leaf.clone(), origin()),
    }
}

impl Expanded {
    /// As YAML with each value's origin in a comment; itself a manifest that means the same. `None`
    /// when the manifest's structure is not sound.
    #[must_use]
    pub fn yaml(&self) -> Option<String> {
        let mut text = String::new();
        write_map(self.values.as_ref()?, 0, &mut text);
        Some(text)
    }

    /// As JSON: every value is `{"value": …, "origin": "line 3" | "default"}`.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        self.values.as_ref().map(|values| to_json(values))
    }
}

fn to_json(map: &[(String, Effective)]) -> Value {
    let field = |(name, value): &(String, Effective)| {
        let value = match value {
            Effective::Leaf(value, origin) => json!({"value": value, "origin": origin.to_string()}),
            Effective::Map(map) => to_json(map),
        };
        (name.clone(), value)
    };
    Value::Object(map.iter().map(field).collect::<Map<_, _>>())
}

fn write_map(map: &[(String, Effective)], indent: usize, text: &mut String) {
    for (name, value) in map {
        let head = format!("{:indent$}{}:", "", plain_yaml(name));
        match value {
            Effective::Map(map) => {
                text.push_str(&head);
                text.push('\n');
                write_map(map, indent + 2, text);
            }
            Effective::Leaf(value, origin) => {
                let line = format!("{head} {}", scalar(value));
                text.push_str(&format!("{line:COMMENT_COLUMN$} # {origin}\n"));
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain_yaml(text),
        Value::Array(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}: {}", plain_yaml(name), scalar(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
