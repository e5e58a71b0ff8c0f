//! The quick way to the tree, for manifests that are plain JSON (RFC 8259). It owns nothing of the language:
//! whatever it does not take (anything but strict JSON, a key written twice, too deep a nest) is left to `yaml`,
//! which reads JSON as well and words what is wrong.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Entry, Fields, Kind, MAX_DEPTH, Node, Span, numbers};

/// Reads a text; `None` where `yaml` has to.
pub(super) fn read(text: &str) -> Option<Node> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let root: &RawValue = serde_json::from_str(text).ok()?;
    Reader { begin: text.as_ptr().addr() }.node(root, 0)
}

/// Where the text begins in memory: values are parts of it, so that this tells their places.
struct Reader {
    begin: usize,
}

impl Reader {
    fn span(&self, value: &RawValue) -> Option<Span> {
        let start = value.get().as_ptr().addr().checked_sub(self.begin)?;
        Some(Span { start, end: start.checked_add(value.get().len())? })
    }

    fn node(&self, value: &RawValue, depth: usize) -> Option<Node> {
        let text = value.get();
        let kind = match text.as_bytes().first()? {
            b'{' | b'[' if depth >= MAX_DEPTH => return None,
            b'{' => Kind::Map(self.fields(text, depth)?),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Kind::List(items.into_iter().map(|item| self.node(item, depth + 1)).collect::<Option<_>>()?)
            }
            b'"' => Kind::Text(serde_json::from_str(text).ok()?),
            _ => numbers::plain(text),
        };
        Some(Node { span: self.span(value)?, kind })
    }

    fn fields(&self, text: &str, depth: usize) -> Option<Fields> {
        let Pairs(pairs) = serde_json::from_str(text).ok()?;
        let entry = |(key, value): (&RawValue, &RawValue)| {
            Some(Entry {
                key: serde_json::from_str(key.get()).ok()?,
                key_span: self.span(key)?,
                value: self.node(value, depth + 1)?,
            })
        };
        let entries: Vec<Entry> = pairs.into_iter().map(entry).collect::<Option<_>>()?;
        let mut keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| matches!(pair, [one, other] if one == other));
        (!twice).then(|| Fields::new(entries))
    }
}

/// The fields of one object, as they stand.
struct Pairs<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'t> Deserialize<'t> for Pairs<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'t> Visitor<'t> for Each {
            type Value = Pairs<'t>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Pairs<'t>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::yaml::read_events;
    use super::super::{File, Role};
    use super::*;

    fn as_yaml(text: &str) -> Option<Node> {
        let file = File { name: "gateway.json", text, start: 0, role: Role::Root };
        let mut findings = Vec::new();
        let root = read_events(file, &mut findings);
        root.filter(|_| findings.is_empty())
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = "[ -~äß\n\t]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e12..1e12).prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(text, inner, 0..6).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_has_the_tree_that_yaml_gives_it(one in value(), two in value(), pretty in any::<bool>()) {
            let root = json!({"one": one, "two": two});
            let text = if pretty { format!(" {root:#}\n") } else { root.to_string() };
            let read = read(&text);
            prop_assert!(read.is_some(), "{text}");
            prop_assert_eq!(read, as_yaml(&text), "{}", text);
        }

        #[test]
        fn no_text_makes_it_fall(text in ".{0,64}") {
            let _ = read(&format!("{{{text}"));
            let _ = read(&text);
        }
    }

    #[test]
    fn what_needs_words_is_left_to_yaml() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        let left = [
            "",
            "[]",
            "a: 1",
            "{a: 1}",
            "{\"a\": 1,}",
            "{\"a\": 1} {}",
            "{\"a\": 1, \"a\": 2}",
            "{\"a\": 1 # b\n}",
            &deep,
        ];
        for text in left {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(read("{\"a\": {\"b\": [1, \"x\", null]}}").is_some());
    }
}
