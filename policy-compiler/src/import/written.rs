//! A manifest's sections as YAML. It owns what stands on one line.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::source::plain_yaml;

const WIDTH: usize = 100;

pub(super) fn yaml(sections: &BTreeMap<String, Map<String, Value>>) -> String {
    let mut text = String::new();
    for (name, fields) in sections {
        text.push_str(&format!("{name}:\n"));
        block(fields, 2, &mut text);
    }
    text
}

fn block(fields: &Map<String, Value>, indent: usize, text: &mut String) {
    let mut fields: Vec<_> = fields.iter().collect();
    // Whether maps keep their order depends on features that other crates switch on.
    fields.sort_by_key(|(name, _)| *name);
    for (name, value) in fields {
        let head = format!("{:indent$}{}:", "", plain_yaml(name));
        let line = flow(value);
        match value {
            Value::Object(inner) if head.len() + line.len() > WIDTH => {
                text.push_str(&format!("{head}\n"));
                block(inner, indent + 2, text);
            }
            _ => text.push_str(&format!("{head} {line}\n")),
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain_yaml(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| format!("{}: {}", plain_yaml(name), flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}
