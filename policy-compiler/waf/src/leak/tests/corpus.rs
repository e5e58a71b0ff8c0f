use super::*;
use std::collections::BTreeMap;

#[test]
fn prompts_without_secrets_hold_none() {
    let folder = std::env::var_os("SLUICEGATE_SHARED").map(|root| std::path::PathBuf::from(root).join("waf"));
    let file = folder.map(|folder| folder.join("prompts-benign.jsonl")).filter(|file| file.is_file());
    let Some(file) = file else {
        assert!(std::env::var_os("SLUICEGATE_REQUIRE_SHARED").is_none(), "the shared prompts are required");
        println!(
            "NOT RUN: no prompts: set SLUICEGATE_SHARED to the folder that holds waf/prompts-benign.jsonl"
        );
        return;
    };
    let detector = defaults();
    let (mut counts, mut prompts, mut secrets) = (BTreeMap::new(), 0, 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        prompts += 1;
        for leak in detector.find(row["prompt"].as_str().unwrap()) {
            *counts.entry(leak.kind.name()).or_insert(0) += 1;
            secrets += usize::from(leak.kind.category() == Category::Secret);
        }
    }
    println!("leak: {prompts} benign prompts: {counts:?}");
    assert_eq!(secrets, 0);
}

#[test]
#[ignore = "for choosing shapes: set FILES to a list of files"]
fn what_files_hold() {
    let Some(list) = std::env::var_os("FILES") else { return };
    let detector = defaults();
    let (mut files, mut counts) = (0, BTreeMap::new());
    for file in std::fs::read_to_string(list).unwrap().lines() {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        files += 1;
        for leak in detector.find(&text) {
            *counts.entry(leak.kind.name()).or_insert(0) += 1;
            if leak.kind != Kind::Email {
                println!("{} {file}:{}", leak.kind.name(), text[..leak.range.start].lines().count());
            }
        }
    }
    println!("{files} files: {counts:?}");
}
