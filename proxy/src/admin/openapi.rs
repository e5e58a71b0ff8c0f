//! The OpenAPI 3.1 document of the admin API, drawn up from the table of routes. It owns the document's
//! form (<https://spec.openapis.org/oas/v3.1.1.html>); it refuses to know anything the table does not say.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::authn::role_name;
use super::table::{Body, Parameter, ROUTES, Route};

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings);
    let mut paths = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(route.method.to_ascii_lowercase(), operation(route, &mut generator));
        }
    }
    for (path, about) in [
        ("/livez", "Answers while the process lives."),
        (
            "/readyz",
            "Answers 200 while requests are served (`ready`, or `ready, degraded:` and why) and 503 while they are not: at the end, or while limits refuse for want of what they are counted in.",
        ),
    ] {
        paths.insert(path.to_owned(), probe(about));
    }
    let problem = json!({
        "type": "object",
        "description": "Problem details, RFC 9457.",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "findings": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["type", "title", "status", "detail", "findings"],
    });
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Sluicegate admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What changes something is written to the audit log before it is answered.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    })
}

/// The document as it is served and as it lies in `docs/`.
pub(super) fn text() -> String {
    format!("{:#}\n", document())
}

fn probe(about: &str) -> Value {
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    json!({"get": {
        "summary": about,
        "security": [],
        "responses": {"200": {"description": "Yes.", "content": text}, "503": {"description": "No."}},
    }})
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = in_path(route.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(route.parameters.iter().map(parameter));
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.about,
        "description": format!("Takes the role `{}`.", role_name(route.role)),
        "x-role": role_name(route.role),
        "responses": responses(route, generator),
    });
    if let Value::Object(fields) = &mut operation {
        if !parameters.is_empty() {
            fields.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(content) = content(route.takes, generator) {
            fields.insert("requestBody".to_owned(), json!({"content": content}));
        }
    }
    operation
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut done = json!({"description": "Done."});
    if let (Some(content), Value::Object(fields)) = (content(route.gives, generator), &mut done) {
        fields.insert("content".to_owned(), content);
    }
    let problem = json!({
        "description": "Refused; nothing has changed.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    json!({"200": done, "4XX": problem})
}

fn content(body: Body, generator: &mut SchemaGenerator) -> Option<Value> {
    match body {
        Body::Nothing => None,
        Body::Manifest => Some(json!({
            "application/yaml": {"schema": {"type": "string"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        })),
        Body::Json(schema) => Some(json!({"application/json": {"schema": schema(generator)}})),
        Body::Anything => Some(json!({"application/json": {"schema": true}})),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.about,
        "schema": {"type": "string"},
    })
}

fn in_path(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// Such as `get_generations_n`.
fn id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/v1/").split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(route.method.to_ascii_lowercase())
        .chain(words.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("_")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_with_its_role() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["x-role"], role_name(route.role), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn reference_page_is_what_the_routes_say() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, text()).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(kept == text(), "docs/openapi.json has drifted: run `make schema`");
    }
}
