//! Words for schemas, types and values in findings. It owns how they read in a sentence; it refuses to
//! know which finding they stand in.

use jsonschema::JsonType;
use serde_json::Value;

use crate::source::Node;

/// Whether a field's name says that its value is secret.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["key", "secret", "token", "password", "credential"].iter().any(|word| name.contains(word))
}

pub(super) fn bare_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A path as people write it: `` `routes.chat.pool` ``.
pub(super) fn field(path: &[String]) -> String {
    if path.is_empty() { "the manifest".to_owned() } else { format!("`{}`", path.join(".")) }
}

/// A schema's title with its article, fit to stand in a sentence.
pub(super) fn titled(schema: &Value) -> Option<String> {
    let title = schema.get("title")?.as_str()?;
    let vowel = title.starts_with(['a', 'e', 'i', 'o', 'u']) || title.starts_with("HTTP");
    Some(format!("{} {title}", if vowel { "an" } else { "a" }))
}

/// The first sentence of a schema's description, fit to stand in a sentence.
pub(super) fn described(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let sentence = text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.');
    let mut rest = sentence.chars();
    let first = rest.next()?;
    // A word in capitals, such as `SHA-256`, keeps them.
    if rest.clone().next().is_some_and(char::is_uppercase) {
        return Some(sentence.replace('\n', " "));
    }
    Some(first.to_lowercase().chain(rest).collect::<String>().replace('\n', " "))
}

/// A scalar without quotation marks.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A value as flow YAML.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key}: {}", inline(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        scalar => plain(scalar),
    }
}

pub(super) fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "a boolean (`true` or `false`)",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a map",
        JsonType::String => "text",
    }
}

/// How to write a list of names as the map that the language has in its place.
pub(super) fn by_name(items: &[Node]) -> String {
    match items.iter().map(Node::text).collect::<Option<Vec<_>>>() {
        Some(names) if !names.is_empty() => {
            let fields: Vec<_> = names.iter().map(|name| format!("{name}: {{}}")).collect();
            format!("write `{{{}}}`: things with names are maps, never lists", fields.join(", "))
        }
        _ => "write a map, with a name before each: things with names are maps, never lists".to_owned(),
    }
}
