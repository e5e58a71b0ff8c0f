//! The smallest value a JSON schema accepts, as far as the keywords that model servers are given go. It
//! owns that value; it refuses to validate: a schema it does not understand gets a plain guess.

use serde_json::{Map, Value, json};

/// Deeper than this a schema that speaks of itself is cut off with null.
const DEEPEST: usize = 24;

/// A value for `schema`: constants and the first of several possibilities are taken, required properties
/// are present and others are not.
pub(super) fn example(schema: &Value) -> Value {
    value(schema, schema, 0)
}

fn value(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let inner = |schema: &Value| value(schema, root, depth + 1);
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = target.strip_prefix('#').unwrap_or_default();
        return root.pointer(pointer).map_or(Value::Null, inner);
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(choice).and_then(|choices| choices.get(0)) {
            return inner(first);
        }
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        return merged(all.iter().map(inner));
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => text(schema),
        Some("integer") => json!(lowest(schema).ceil() as i64),
        Some("number") => json!(lowest(schema)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => {
            let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(64);
            let item = schema.get("items").map_or(Value::Null, inner);
            Value::Array((0..count).map(|_| item.clone()).collect())
        }
        _ => object(schema, inner),
    }
}

fn object(schema: &Value, inner: impl Fn(&Value) -> Value) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    let property =
        |name: &str| schema.get("properties").and_then(|all| all.get(name)).map_or(json!("a"), &inner);
    Value::Object(names.map(|name| (name.to_owned(), property(name))).collect())
}

fn merged(values: impl Iterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for value in values {
        match value {
            Value::Object(fields) => all.extend(fields),
            other => return other,
        }
    }
    Value::Object(all)
}

fn text(schema: &Value) -> Value {
    let shortest = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(4_096) as usize;
    let known = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2025-10-09T08:53:20Z",
        Some("date") => "2025-10-09",
        Some("time") => "08:53:20Z",
        Some("email") => "weir@example.org",
        Some("uri") => "https://example.org/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "weir",
    };
    Value::from(format!("{known:w<shortest$}"))
}

fn lowest(schema: &Value) -> f64 {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let above = number("exclusiveMinimum").map(|bound| bound + 1.0);
    let lowest = number("minimum").or(above).unwrap_or(1.0);
    number("maximum")
        .map_or(lowest, |highest| if number("minimum").is_none() { lowest.min(highest) } else { lowest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn required_properties_are_there_and_of_their_kind() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 6},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": "integer", "minimum": 3},
                "where": {"$ref": "#/$defs/place"},
                "tags": {"type": "array", "minItems": 2, "items": {"type": ["boolean", "null"]}},
                "note": {"type": "string"},
            },
            "required": ["city", "unit", "days", "where", "tags"],
            "$defs": {"place": {"anyOf": [{"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}]}},
        });
        let expected = json!({
            "city": "weirww", "unit": "c", "days": 3, "where": {"lat": 1.0}, "tags": [true, true],
        });
        assert_eq!(example(&schema), expected);
        assert_eq!(example(&json!({})), json!({}));
    }

    #[test]
    fn a_schema_that_speaks_of_itself_has_an_end() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        let text = example(&schema).to_string();
        assert!(text.starts_with("{\"next\":{") && text.contains(":null}"), "{text}");
    }

    proptest! {
        #[test]
        fn no_schema_makes_it_panic(text in "[\\[\\]{}\":,a-z0-9$#/]{0,80}") {
            if let Ok(schema) = serde_json::from_str::<Value>(&text) {
                let _ = example(&schema);
            }
        }
    }
}
