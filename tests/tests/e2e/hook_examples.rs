//! The policies under `examples/hooks` say what they should. Each is run where its runtime is there; where it
//! is not, its form is checked, and that is said.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::shared::missing;
use serde_json::{Value, json};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hooks").join(name)
}

/// Questions and the decisions every example agrees on.
fn cases() -> Vec<(Value, &'static str)> {
    let question = |class: Option<&str>, model: &str| {
        let mut question = json!({
            "version": 1, "request_id": "r", "route": "chat", "pool": "gpt", "method": "POST", "model": model,
            "prompt_tokens": 64, "stream": false,
        });
        if let Some(class) = class {
            question["data_class"] = class.into();
        }
        question
    };
    let mut future = question(None, "gpt-4o");
    future["version"] = 2.into();
    vec![
        (question(Some("restricted"), "gpt-4o"), "allow"),
        (question(Some("restricted"), "llama-70b"), "deny"),
        (question(None, "llama-70b"), "allow"),
        (future, "deny"),
    ]
}

fn run(program: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_function_decides_as_it_says() {
    let python =
        std::env::var_os("SLUICEGATE_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    if Command::new(&python).arg("--version").output().is_err() {
        return missing("SLUICEGATE_REQUIRE_PYTHON", "there is no python3");
    }
    let script = "import json, sys, runpy\nnames = runpy.run_path(sys.argv[1])\nprint(json.dumps(names['decide'](json.loads(sys.argv[2]))))";
    let file = example("azure-functions/function_app.py");
    for (question, decision) in cases() {
        let answer = run(&python, &["-c", script, file.to_str().unwrap(), &question.to_string()]);
        assert_eq!(answer["decision"], decision, "{question}");
        let read: vocabulary::hook::HookAnswer = serde_json::from_value(answer).unwrap();
        assert!(read.ttl_s.is_some());
    }
}

#[test]
fn the_rego_policy_decides_as_it_says() {
    let opa = std::env::var_os("SLUICEGATE_OPA").map_or_else(|| PathBuf::from("opa"), PathBuf::from);
    if Command::new(&opa).arg("version").output().is_err() {
        return missing("SLUICEGATE_REQUIRE_OPA", "there is no opa");
    }
    let file = example("opa/policy.rego");
    for (question, decision) in cases() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input.json");
        std::fs::write(&input, question.to_string()).unwrap();
        let arguments = [
            "eval",
            "--format",
            "json",
            "--data",
            file.to_str().unwrap(),
            "--input",
            input.to_str().unwrap(),
        ];
        let told = run(&opa, &[&arguments[..], &["data.sluicegate.answer"]].concat());
        assert_eq!(told["result"][0]["expressions"][0]["value"]["decision"], decision, "{question}");
    }
}

/// API Management cannot be run here: the document is well formed, and whatever it answers is an answer.
#[test]
fn the_api_management_policy_is_well_formed_and_answers_by_the_contract() {
    let text = std::fs::read_to_string(example("api-management/policy.xml")).unwrap();
    let mut open = Vec::new();
    let bodies = text.replace("<!--", "\u{1}").replace("-->", "\u{2}");
    assert_eq!(bodies.matches('\u{1}').count(), bodies.matches('\u{2}').count());
    let outside = bodies.split('\u{2}').map(|part| part.split('\u{1}').next().unwrap()).collect::<String>();
    // Expressions in attributes hold quotation marks and no angle brackets, as API Management wants them.
    for tag in outside.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed.to_owned()), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let answers: Vec<&str> =
        outside.split("<set-body>").skip(1).map(|rest| rest.split("</set-body>").next().unwrap()).collect();
    assert_eq!(answers.len(), 3);
    for answer in answers {
        serde_json::from_str::<vocabulary::hook::HookAnswer>(answer).unwrap();
    }
}
