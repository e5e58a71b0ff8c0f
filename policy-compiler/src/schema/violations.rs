//! From a schema validator's errors to findings with a place and a fix. It owns the wording of
//! structural mistakes; it refuses to know any section beyond what the schema says of it.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::Location;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::wording::{
    bare_number, by_name, described, field, inline, names_a_secret, plain, titled, type_name,
};
use super::{SCHEMA, VALIDATOR};
use crate::diagnostics::{Code, Finding, suggest};
use crate::source::{Document, Kind, Node};

/// Fields that stood elsewhere once: section, field, and how it is written now.
const MOVED: [(&str, &str, &str); 1] = [("pools", "maxAttempts", "retry: {maxAttempts: …}")];

/// Every way in which a document breaks the schema.
pub(crate) fn violations(document: &Document, json: &Value) -> Vec<Finding> {
    let Some(validator) = VALIDATOR.as_ref() else {
        return vec![
            Finding::new(Code::Internal, "the schema of the manifest is not usable").at_value::<&str>(
                document,
                &[],
                "",
            ),
        ];
    };
    let mut findings: Vec<Finding> = validator
        .iter_errors(json)
        .flat_map(|error| Violation::new(document, &error).findings(&error))
        .collect();
    drop_misspelt(&mut findings);
    findings
}

/// A required field that was misspelt is both unknown and missing; the first says it all.
fn drop_misspelt(findings: &mut Vec<Finding>) {
    let unknown: Vec<Vec<String>> =
        findings.iter().filter(|f| f.code == Code::UnknownField).map(|f| f.path.clone()).collect();
    // A map that takes one field and has an unknown one beside it has just one too many: the unknown one.
    findings.retain(|finding| {
        let holds = |path: &Vec<String>| path.split_last().is_some_and(|(_, above)| above == finding.path);
        finding.code != Code::WrongCount || !unknown.iter().any(holds)
    });
    findings.retain(|finding| {
        let Some((missing, parent)) = finding.path.split_last() else { return true };
        let misspelt = |path: &Vec<String>| {
            path.split_last().is_some_and(|(name, above)| {
                above == parent && suggest::nearest(name, [missing.as_str()]).is_some()
            })
        };
        finding.code != Code::MissingField || !unknown.iter().any(misspelt)
    });
}

/// An error in the terms of the document.
struct Violation<'d> {
    document: &'d Document,
    path: Vec<String>,
    node: Option<&'d Node>,
    /// The schema that was broken.
    schema: &'static Value,
}

impl<'d> Violation<'d> {
    fn new(document: &'d Document, error: &ValidationError<'_>) -> Self {
        let path: Vec<String> = segments(error.instance_path());
        let keyword = error.schema_path().as_str();
        let schema =
            keyword.rsplit_once('/').and_then(|(parent, _)| SCHEMA.pointer(parent)).unwrap_or(&Value::Null);
        let node = document.value(&path);
        Self { document, path, node, schema }
    }

    fn findings(&self, error: &ValidationError<'_>) -> Vec<Finding> {
        let finding = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                return unexpected.iter().map(|name| self.unknown_field(name)).collect();
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                return self.no_alternative(context);
            }
            ValidationErrorKind::Required { property } => {
                self.missing_field(property.as_str().unwrap_or_default())
            }
            ValidationErrorKind::Type { kind } => self.wrong_type(kind),
            ValidationErrorKind::Pattern { .. } => self.malformed(),
            ValidationErrorKind::PropertyNames { error } => self.malformed_name(error),
            ValidationErrorKind::Constant { expected_value } => {
                self.not_an_option(&[(**expected_value).clone()])
            }
            ValidationErrorKind::Enum { options } => {
                self.not_an_option(options.as_array().map_or(&[], Vec::as_slice))
            }
            ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => self.out_of_range(),
            ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MaxProperties { .. }
            | ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinLength { .. } => self.wrong_count(),
            other => {
                self.finding(Code::MalformedValue, format!("breaks the schema's rule `{}`", other.keyword()))
            }
        };
        vec![finding]
    }

    fn field(&self) -> String {
        field(&self.path)
    }

    fn finding(&self, code: Code, what: String) -> Finding {
        Finding::new(code, format!("{} {what}", self.field())).at_value(self.document, &self.path, "")
    }

    fn unknown_field(&self, name: &str) -> Finding {
        if let Some(finding) = self.moved_field(name) {
            return finding;
        }
        let mut known: Vec<&str> = properties(self.schema).collect();
        known.retain(|property| !property.starts_with('$'));
        let path: Vec<String> = self.path.iter().cloned().chain([name.to_owned()]).collect();
        let finding = Finding::new(Code::UnknownField, format!("{} has no field `{name}`", self.field()))
            .at_key(self.document, &path, "not known here")
            .help(suggest::help(name, &known, "fields"));
        match self.document.value(&path) {
            Some(value) if names_a_secret(name) => finding.redacting(value.span),
            _ => finding,
        }
    }

    fn moved_field(&self, name: &str) -> Option<Finding> {
        let section = self.path.first().filter(|_| self.path.len() == 2)?;
        let (.., to) = MOVED.iter().find(|(of, field, _)| section == of && name == *field)?;
        let path: Vec<String> = self.path.iter().cloned().chain([name.to_owned()]).collect();
        let value = self.document.value(&path).map_or_else(|| "…".to_owned(), |node| inline(&node.to_json()));
        let example = to.replace('…', &value);
        let finding =
            Finding::new(Code::MovedField, format!("`{name}` no longer stands in {}", self.field()));
        Some(finding.at_key(self.document, &path, "moved").help(format!("write `{example}`")))
    }

    fn missing_field(&self, name: &str) -> Finding {
        let described = self.schema.get("properties").and_then(|all| all.get(name)).and_then(described);
        let mut help = format!("add `{name}:`");
        if let Some(text) = described {
            help.push_str(&format!(" ({text})"));
        }
        let path: Vec<String> = self.path.iter().cloned().chain([name.to_owned()]).collect();
        Finding::new(Code::MissingField, format!("{} lacks the field `{name}`", self.field()))
            .at_value(self.document, &path, format!("`{name}` is missing"))
            .help(help)
    }

    fn wrong_type(&self, kind: &TypeKind) -> Finding {
        let wanted = match kind {
            TypeKind::Single(only) => Some(*only),
            TypeKind::Multiple(_) => None,
        };
        if self.is_secret_reference()
            && let Some(node) = self.node.filter(|node| node.text().is_some())
        {
            return self.inline_secret(node);
        }
        self.takes(
            &titled(self.schema).unwrap_or_else(|| wanted.map_or("another type", type_name).to_owned()),
            wanted,
        )
    }

    /// A value of another type than the field takes.
    fn takes(&self, expected: &str, wanted: Option<JsonType>) -> Finding {
        let Some(Node { kind, .. }) = self.node.filter(|node| node.kind != Kind::Null) else {
            return self
                .finding(Code::WrongType, "has no value".to_owned())
                .labelled("nothing after it")
                .help(format!("write {expected}, or remove the field"));
        };
        let found = self.node.map_or("nothing", Node::type_name);
        if self.path.is_empty() {
            return self
                .finding(Code::WrongType, format!("is a map of sections, not {found}"))
                .labelled(format!("{found} here"))
                .help("begin with `apiVersion: sluicegate/v1`; `sluicegate init` writes a first manifest");
        }
        let help = match (wanted, kind) {
            (Some(JsonType::Boolean), _) => "write `true` or `false`".to_owned(),
            (Some(JsonType::Integer), _) => {
                "write a whole number without unit and quotes, such as `128000`".to_owned()
            }
            (Some(JsonType::Object), Kind::List(items)) => by_name(items),
            (Some(JsonType::String), Kind::Number(_) | Kind::Bool(_))
                if self.schema.get("pattern").is_none() =>
            {
                "put it in quotes".to_owned()
            }
            (_, Kind::Text(word)) if self.is_flag(word) => format!("write `{{{word}: true}}`"),
            _ => self.how_to_write(),
        };
        self.finding(Code::WrongType, format!("takes {expected}, not {found}"))
            .labelled(format!("{found} here"))
            .help(help)
    }

    fn malformed(&self) -> Finding {
        let text = self.node.and_then(Node::text).unwrap_or_default();
        let document = self.document;
        if definition("KeyHash") == Some(self.schema) {
            return Finding::new(
                Code::MalformedKeyHash,
                format!("{} is not the SHA-256 of a key", self.field()),
            )
            .at_value(document, &self.path, "not 64 lower-case hex digits")
            .redacting(document.value_span(&self.path))
            .help(
                "hash the key with `printf %s \"$KEY\" | sha256sum`; if this is the key itself, revoke it",
            );
        }
        let mut what = String::from("is malformed");
        if let Some(expected) = titled(self.schema) {
            what = format!("is not {expected}");
        }
        let label = if bare_number(text) { "a number without a unit" } else { "malformed" };
        self.finding(Code::MalformedValue, what).labelled(label).help(self.how_to_write())
    }

    fn malformed_name(&self, error: &ValidationError<'_>) -> Finding {
        let name = error.instance().as_str().unwrap_or_default().to_owned();
        let path: Vec<String> = self.path.iter().cloned().chain([name.clone()]).collect();
        let schema = self.schema.get("propertyNames").unwrap_or(self.schema);
        let rule = described(schema).unwrap_or_default();
        Finding::new(Code::MalformedName, format!("`{name}` cannot be a name in {}", self.field()))
            .at_key(self.document, &path, "malformed name")
            .help(format!("use {rule}"))
    }

    fn not_an_option(&self, options: &[Value]) -> Finding {
        let texts: Vec<String> = options.iter().map(plain).collect();
        let known: Vec<&str> = texts.iter().map(String::as_str).collect();
        let given = self.node.map(|node| plain(&node.to_json())).unwrap_or_default();
        if self.path == ["apiVersion"] {
            return Finding::new(
                Code::UnsupportedVersion,
                "this version of the manifest language is not supported",
            )
            .at_value(self.document, &self.path, "not supported")
            .help(format!("write `apiVersion: {}`", texts.join(" or ")));
        }
        let finding = self.finding(Code::NotAnOption, format!("takes one of: {}", suggest::listed(&known)));
        let finding = match suggest::nearest(&given, known.iter().copied()) {
            Some(name) => finding.help(format!("did you mean `{name}`?")),
            None => finding.help(format!("write {}", suggest::listed(&known).replace(", ", " or "))),
        };
        finding.labelled("not one of them")
    }

    fn out_of_range(&self) -> Finding {
        let bound = |keyword: &str| self.schema.get(keyword).map(ToString::to_string);
        let range = match (bound("minimum"), bound("maximum")) {
            (Some(low), Some(high)) => format!("between {low} and {high}"),
            (Some(low), None) => format!("of at least {low}"),
            (None, Some(high)) => format!("of at most {high}"),
            (None, None) => "in its range".to_owned(),
        };
        self.finding(Code::OutOfRange, format!("takes a number {range}"))
            .labelled("out of range")
            .help(format!("write a number {range}"))
    }

    fn wrong_count(&self) -> Finding {
        let empty = self.node.is_some_and(|node| match &node.kind {
            Kind::Text(text) => text.is_empty(),
            _ => node.entries().is_empty() && node.items().is_empty(),
        });
        let exact = self.schema.get("maxProperties").is_some();
        let (what, label) = match (empty, exact) {
            (true, false) => ("is empty and needs at least one entry", "empty"),
            (true, true) => ("is empty and needs one field", "empty"),
            (false, _) => ("takes one field, not several", "several fields"),
        };
        let text = self.node.is_some_and(|node| node.text().is_some());
        let what = if text { "is empty" } else { what };
        self.finding(Code::WrongCount, what.to_owned()).labelled(label).help(if exact {
            self.how_to_write()
        } else {
            "write an entry, or remove what refers to it".to_owned()
        })
    }

    /// Reports on the alternative that was most likely meant: the one of the right type.
    fn no_alternative(&self, context: &[Vec<ValidationError<'static>>]) -> Vec<Finding> {
        let constants: Vec<Value> = context.iter().flatten().filter_map(constant).collect();
        if !constants.is_empty() && constants.len() == context.len() {
            return vec![self.not_an_option(&constants)];
        }
        let same_place = |error: &ValidationError<'_>| segments(error.instance_path()) == self.path;
        let meant = context.iter().find(|branch| {
            !branch
                .iter()
                .any(|error| same_place(error) && matches!(error.kind(), ValidationErrorKind::Type { .. }))
        });
        match meant {
            Some(branch) => {
                branch.iter().flat_map(|error| Violation::new(self.document, error).findings(error)).collect()
            }
            None => {
                let expected = titled(self.schema).unwrap_or_else(|| "another type".to_owned());
                vec![self.takes(&expected, None)]
            }
        }
    }

    /// Whether a word that stands alone is a field that is only ever `true`.
    fn is_flag(&self, word: &str) -> bool {
        let field = self.schema.get("properties").and_then(|all| all.get(word));
        field.and_then(|schema| schema.get("const")) == Some(&Value::Bool(true))
    }

    fn is_secret_reference(&self) -> bool {
        definition("SecretRef") == Some(self.schema)
    }

    fn inline_secret(&self, node: &Node) -> Finding {
        Finding::new(
            Code::InlineSecret,
            format!("{} takes a reference to a secret, not the secret", self.field()),
        )
        .at_value(self.document, &self.path, "not shown")
        .redacting(node.span)
        .help("keep it in the environment or a file and write `{env: NAME}` or `{file: path}`")
    }

    /// An example, made of what was written where only a unit is missing.
    fn how_to_write(&self) -> String {
        let Some(example) = self.schema.get("examples").and_then(|all| all.get(0)) else {
            return described(self.schema)
                .map_or_else(|| "see the schema".to_owned(), |text| format!("write {text}"));
        };
        let given = self.node.map(|node| plain(&node.to_json())).unwrap_or_default();
        if let Some(example) = example.as_str()
            && bare_number(&given)
        {
            let unit = example.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            let unit = unit.strip_prefix('k').filter(|rest| rest.starts_with(' ')).unwrap_or(unit);
            if unit.len() < example.len() {
                return format!("write the unit as well, such as `{given}{unit}`");
            }
        }
        format!("write for example `{}`", inline(example))
    }
}

fn segments(location: &Location) -> Vec<String> {
    location.into_iter().map(|segment| segment.to_string()).collect()
}

fn definition(name: &str) -> Option<&'static Value> {
    SCHEMA.get("$defs").and_then(|all| all.get(name))
}

fn properties(schema: &Value) -> impl Iterator<Item = &str> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|all| all.keys().map(String::as_str))
}

fn constant(error: &ValidationError<'_>) -> Option<Value> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => Some((**expected_value).clone()),
        _ => None,
    }
}
