//! The manifest's JSON Schema, and validating against it. It owns generating it from the types; it
//! refuses to describe errors (`violations` does) or to build types.

mod violations;
mod wording;

use std::sync::LazyLock;

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use crate::manifest::Manifest;
pub(crate) use violations::violations;

/// The schema of a manifest: JSON Schema, draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// The schema as it is checked in: indented, fields in the order of their names.
#[must_use]
pub fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&*SCHEMA).unwrap_or_default();
    text.push('\n');
    text
}

/// Whether maps keep their order depends on features that other crates switch on; the text shall not.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        scalar => scalar.clone(),
    }
}

pub(crate) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with_transform(Tidy);
    sorted(settings.into_generator().into_root_schema_for::<Manifest>().as_value())
});

/// `None` when the generated schema is not a schema, which a test rules out.
pub(crate) static VALIDATOR: LazyLock<Option<Validator>> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).ok());

/// Two habits of the generator undone: line breaks of the source in descriptions, and `null`.
///
/// A field is written or left out. The types say `Option`, for which the generator allows `null`; a
/// manifest with `auth:` and nothing after it is more likely unfinished than meant.
#[derive(Clone, Debug)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        if object.get("default") == Some(&Value::Null) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(options)) = object.get_mut("anyOf") {
            options.retain(|option| option.get("type") != Some(&Value::from("null")));
            if let [Value::Object(only)] = options.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                // What the field says of itself stands before what its type says.
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
    }
}
