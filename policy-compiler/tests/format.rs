//! Formatting: nothing that a manifest means changes, no comment is lost, and twice is as good as once.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::path::Path;

use policy_compiler::{Source, compile, format};
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    format(&Source::new("gateway.yaml", text)).expect("YAML")
}

fn tree(text: &str) -> Option<serde_json::Value> {
    compile(&Source::new("gateway.yaml", text)).document.map(|document| document.root.to_json())
}

fn digest(text: &str) -> Option<String> {
    compile(&Source::new("gateway.yaml", text)).bundle.map(|bundle| bundle.digest().to_string())
}

/// Comments in the order of their text, since sections may change places.
fn comments(text: &str) -> Vec<String> {
    let comment = |line: &str| {
        let at = if line.trim_start().starts_with('#') {
            line.find('#')
        } else {
            line.find(" #").map(|at| at + 1)
        };
        at.and_then(|at| line.get(at..)).map(|comment| comment.trim_end().to_owned())
    };
    let mut comments: Vec<String> = text.lines().filter_map(comment).collect();
    comments.sort();
    comments
}

fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["../examples", "tests/mistakes"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
                all.push((name, std::fs::read_to_string(&path).expect("text")));
            }
        }
    }
    all
}

#[test]
fn formatting_keeps_the_digest_and_every_comment_and_twice_is_once() {
    let mut formatted_some = 0;
    for (name, text) in texts() {
        let Ok(once) = format(&Source::new("gateway.yaml", text.clone())) else { continue };
        formatted_some += 1;
        assert_eq!(tree(&text), tree(&once), "{name}\n{once}");
        assert_eq!(digest(&text), digest(&once), "{name}");
        assert_eq!(comments(&text), comments(&once), "{name}\n{once}");
        assert_eq!(formatted(&once), once, "{name}");
    }
    assert!(formatted_some > 100);
}

#[test]
fn sections_move_with_their_comments_and_quotes_go_where_nothing_needs_them() {
    let text = "\
# The file.
# yaml-language-server: $schema=gateway.schema.json

# What goes where.
routes:
    chat:   {match: {'path': \"/v1/chat/completions\" , host: '*.corp'},   pool: llama} # all of it


    # old: {match: {path: /old}, pool: llama}
# Where models are.
backends:
  gpu:                # ours
    kind: vllm
    url: 'http://127.0.0.1:8000'
    models: {
      llama: {},  # big
      # not yet
      mixtral: {}
    }
apiVersion: sluicegate/v1
pools:
  llama:
    members:
    - gpu/llama
    # - gpu/mixtral
listeners: {web: {address: 127.0.0.1:8080}}
# The end.
";
    insta::assert_snapshot!("sections-in-order", formatted(text));
    assert_eq!(tree(text), tree(&formatted(text)));
}

#[test]
fn what_is_not_yaml_and_what_is_json_is_left_alone() {
    assert!(format(&Source::new("gateway.yaml", "a: [")).is_err());
    let json = "{\"apiVersion\":   \"sluicegate/v1\"}";
    assert_eq!(formatted(json), json);
}

/// A value of any shape, in YAML of any style, with comments.
fn lines(depth: u32, indent: usize) -> BoxedStrategy<String> {
    let pad = " ".repeat(indent);
    let scalar = prop_oneof![
        "[a-z]{1,6}",
        "[a-z ,#:]{1,8}".prop_map(|text| format!("{text:?}")),
        "'[a-z#*]{0,5}'",
        Just("7".to_owned()),
        Just("{a: [1, 'x'], b: {}}".to_owned()),
        Just("{a: 1, # why\n            b: 2}".to_owned()),
    ];
    let comment = prop_oneof![4 => Just(String::new()), 1 => Just("   # beside".to_owned())];
    let above = prop_oneof![
        4 => Just(String::new()), 1 => Just(format!("{pad}# above\n")), 1 => Just(format!("\n{pad}  # odd\n")), 1 => Just("\n".to_owned()),
    ];
    let flat = (above.clone(), "[a-z]{1,5}", scalar, comment.clone()).prop_map({
        let pad = pad.clone();
        move |(above, key, value, beside)| (key.clone(), format!("{above}{pad}{key}: {value}{beside}\n"))
    });
    let one = if depth == 0 {
        flat.boxed()
    } else {
        let nested = (above, "[a-z]{1,5}", lines(depth - 1, indent + 3), comment, any::<bool>());
        let nested = nested.prop_map(move |(above, key, inner, beside, list)| {
            let inner = if list {
                format!("{pad} - x{beside}\n{pad} - {}", inner.trim_start_matches(['\n', ' ']))
            } else {
                inner
            };
            let inner = if list && inner.contains("- #") { format!("{pad}   x: 1\n") } else { inner };
            (key.clone(), format!("{above}{pad}{key}:{beside}\n{inner}"))
        });
        prop_oneof![2 => flat, 1 => nested].boxed()
    };
    proptest::collection::btree_map("[a-z]{1,4}", one, 1..4)
        .prop_map(|all| {
            let mut seen = std::collections::BTreeSet::new();
            all.into_values()
                .filter(|(key, _)| seen.insert(key.clone()))
                .map(|(_, text)| text)
                .collect::<String>()
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_tree_with_comments_survives(text in lines(3, 0)) {
        let Ok(once) = format(&Source::new("g.yaml", text.clone())) else { return Ok(()) };
        prop_assert_eq!(tree(&text), tree(&once), "{}\n->\n{}", text, once);
        let count = |text: &str| ["# why", "# beside", "# above", "# odd"].map(|c| text.matches(c).count());
        prop_assert_eq!(count(&text), count(&once), "{}\n->\n{}", text, once);
        let twice = formatted(&once);
        prop_assert_eq!(&twice, &once, "{}\n->\n{}\n->\n{}", text, once, twice);
    }

    #[test]
    fn no_text_whatever_upsets_the_formatter(text in "[ a:#{}\\[\\],\"'|>\n-]{0,60}") {
        if let Ok(once) = format(&Source::new("g.yaml", text.clone())) {
            prop_assert_eq!(tree(&text), tree(&once), "{:?}\n->\n{:?}", text, once);
        }
    }
}
