//! A thousand broken manifests, on which an independent validator with our schema and our own parser
//! must agree about structure; and what both accept, the types must take.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use policy_compiler::manifest::Manifest;
use policy_compiler::{Code, Finding, Outcome, Source, compile, schema};
use serde_json::{Map, Value, json};

const EXAMPLES: [&str; 12] = [
    include_str!("../../examples/azure-two-regions.yaml"),
    include_str!("../../examples/entra.yaml"),
    include_str!("../../examples/every-dialect.yaml"),
    include_str!("../../examples/failover.yaml"),
    include_str!("../../examples/hooks.yaml"),
    include_str!("../../examples/limits.yaml"),
    include_str!("../../examples/minimal.yaml"),
    include_str!("../../examples/replicas.yaml"),
    include_str!("../../examples/residency.yaml"),
    include_str!("../../examples/rewrite.yaml"),
    include_str!("../../examples/vllm.yaml"),
    include_str!("../../examples/waf.yaml"),
];

/// SplitMix64 (Steele, Lea and Flood 2014): the same mutations on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.get(self.below(from.len())).expect("something to pick from")
    }
}

/// Pointers to every value below the root.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut visit = |key: &str, value: &Value| {
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        all.push(pointer.clone());
        pointers(value, &pointer, all);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| visit(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| visit(&n.to_string(), value)),
        _ => {}
    }
}

/// Applies `change` to the map that holds a random field, and to the field's name.
fn in_a_map(
    root: &mut Value,
    random: &mut Random,
    change: impl Fn(&mut Map<String, Value>, &str, &mut Random),
) {
    let mut all = Vec::new();
    pointers(root, "", &mut all);
    let pointer = random.pick(&all).clone();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/").replace("~0", "~");
    if let Some(Value::Object(fields)) = root.pointer_mut(parent) {
        change(fields, &key, random);
    }
}

fn retyped(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(3.5),
        json!(4_294_967_296_u64),
        json!(""),
        json!("text"),
        json!([]),
        json!(["text"]),
        json!({}),
        json!({"env": "NAME"}),
        json!({"file": "a", "env": "b"}),
        json!([[1]]),
    ];
    random.pick(&values).clone()
}

/// Quantities at and beyond the edges of their grammar.
const QUANTITIES: [&str; 30] = [
    "0s",
    "0.0s",
    "1s",
    "1.5 s",
    "1.2345s",
    "999999999d",
    "99999d",
    "0.001us",
    "1us",
    "2",
    "s",
    "-1s",
    "0B",
    "1.5B",
    "999999999GiB",
    "0%",
    "100%",
    "100.1%",
    "99.99999%",
    "0 USD",
    "0.0000000001 USD",
    "999999999.999999999 USD",
    "1 USD/1M",
    "1 USD/hour",
    "0 tokens/min",
    "0.001k tokens/min",
    "0.1 tokens/min",
    "999999999.999M tokens/s",
    "1 request/day",
    "5 requests",
];

fn mutate(root: &mut Value, random: &mut Random) {
    match random.below(6) {
        0 => in_a_map(root, random, |fields, key, _| {
            fields.remove(key);
        }),
        1 => in_a_map(root, random, |fields, key, random| {
            let names =
                ["x", "Bad Name", "", "kind", "file", "models", "deployments", "a.b_c-d", "-a", "$schema"];
            let value = fields.remove(key).unwrap_or_default();
            fields.insert((*random.pick(&names)).to_owned(), value);
        }),
        2 => in_a_map(root, random, |fields, key, random| {
            fields.insert(key.to_owned(), retyped(random));
        }),
        3 => in_a_map(root, random, |fields, _, random| {
            let name =
                *random.pick(&["extra", "price", "cost", "quota", "health", "host", "weight", "stdout"]);
            fields.insert(name.to_owned(), retyped(random));
        }),
        4 => in_a_map(root, random, |fields, key, random| {
            fields.insert(key.to_owned(), (*random.pick(&QUANTITIES)).into());
        }),
        _ => in_a_map(root, random, |fields, key, random| {
            if let Some(Value::String(text)) = fields.get_mut(key) {
                let at = random.below(text.chars().count());
                *text = text.chars().enumerate().filter(|(n, _)| *n != at).map(|(_, c)| c).collect();
            }
        }),
    }
}

/// Codes of the findings that say a document breaks the schema.
fn structural(outcome: &Outcome) -> Vec<Code> {
    let breaks = |finding: &&Finding| match finding.code {
        // Two rules of the schema are reported under codes of their own.
        Code::MalformedKeyHash => true,
        Code::InlineSecret => finding.message.contains("takes a reference to a secret"),
        code => code.as_str() < "SG02",
    };
    outcome.findings.iter().filter(breaks).map(|finding| finding.code).collect()
}

fn independent() -> (Schemas, SchemaIndex) {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("https://example.com/schema.json", schema()).expect("a resource");
    let index = compiler.compile("https://example.com/schema.json", &mut schemas).expect("a schema");
    (schemas, index)
}

#[test]
fn a_thousand_mutations_are_judged_alike() {
    let (schemas, index) = independent();
    let mut random = Random(2_024);
    let (mut valid, mut invalid) = (0, 0);
    for round in 0..1_000 {
        let source = Source::new("gateway.yaml", EXAMPLES[round % EXAMPLES.len()]);
        let mut json = compile(&source).document.expect("a tree").root.to_json();
        for _ in 0..=random.below(2) {
            mutate(&mut json, &mut random);
        }
        let theirs = schemas.validate(&json, index).is_ok();
        let text = serde_json::to_string_pretty(&json).expect("JSON");
        let outcome = compile(&Source::new("gateway.json", text.clone()));
        let found = structural(&outcome);
        assert_eq!(found.is_empty(), theirs, "round {round}: {found:?}\n{text}");
        assert!(!found.contains(&Code::Internal), "round {round}\n{text}");
        assert!(!theirs || serde_json::from_value::<Manifest>(json).is_ok(), "round {round}\n{text}");
        if theirs { valid += 1 } else { invalid += 1 }
    }
    assert!(
        valid > 150 && invalid > 400,
        "the mutations no longer try both: {valid} valid, {invalid} invalid"
    );
}

#[test]
fn the_checked_in_schema_is_the_one_that_validates() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateway.schema.json");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == policy_compiler::schema_text(),
        "out of date: cargo run -p policy-compiler --example reference"
    );
}

#[test]
fn every_field_of_the_schema_is_described_for_editors() {
    fn check(schema: &Value, at: &str) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{at}.{name} has no description");
            check(property, &format!("{at}.{name}"));
        }
    }
    let schema = schema();
    check(&schema, "manifest");
    for (name, definition) in schema["$defs"].as_object().expect("definitions") {
        assert!(definition["description"].is_string(), "{name} has no description");
        check(definition, name);
    }
}

#[test]
fn the_checked_in_pages_of_the_sections_are_current_and_tell_every_field() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let pages = policy_compiler::pages();
    for (name, text) in &pages {
        let kept = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(kept == *text, "{name} is out of date: cargo run -p policy-compiler --example reference");
    }
    let kept = std::fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(kept, pages.len(), "a page without a section");
    let all: String = pages.into_iter().map(|(_, text)| text).collect();
    let schema = schema();
    let types = schema["$defs"].as_object().expect("types").values().chain([&schema]);
    for field in types.filter_map(|one| one["properties"].as_object()).flat_map(|fields| fields.keys()) {
        assert!(all.contains(&format!("`{field}`")) || field == "$schema", "{field}");
    }
}

#[test]
fn an_independent_validator_accepts_every_example_by_our_schema() {
    let (schemas, index) = independent();
    let mut seen = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let source = Source::new("example.yaml", std::fs::read_to_string(&path).expect("text"));
        let json = compile(&source).document.expect("a tree").root.to_json();
        assert!(schemas.validate(&json, index).is_ok(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
}
