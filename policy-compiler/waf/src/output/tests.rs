use super::*;
use proptest::prelude::*;
use std::time::Instant;

mod kinds;
mod streams;

fn inspector() -> Inspector {
    Inspector::new(Options { trusted_hosts: vec!["example.org".into()], ..Options::default() })
}

fn kinds_in(text: &str) -> Vec<Kind> {
    inspector().find(text).into_iter().map(|finding| finding.kind).collect()
}

#[test]
#[ignore = "a measurement"]
fn the_price_of_a_kilobyte() {
    let prose =
        "The quick **brown** fox jumps over the [lazy dog](https://a.example/x?y=z), 12 times; a < b. "
            .repeat(110);
    let dense =
        "<img alt=\"x\" src=\"http://a.example/?q\" onerror=1> ![a](http://b.example/?c=d) javascript:x "
            .repeat(110);
    let hostile = "<a on".repeat(2_000);
    for (name, text) in [("prose", &prose), ("dense", &dense), ("hostile", &hostile)] {
        let inspector = inspector();
        let start = Instant::now();
        let found: usize = (0..300).map(|_| inspector.find(text).len()).sum();
        let each = start.elapsed().as_nanos() as usize / 300 * 1024 / text.len();
        println!("output: {name}: {each} ns/KB, {found} found");
    }
}

#[test]
#[ignore = "for choosing checks: set FILES to a list of files"]
fn what_files_hold() {
    let Some(list) = std::env::var_os("FILES") else { return };
    let (mut files, mut counts) = (0, std::collections::BTreeMap::new());
    for file in std::fs::read_to_string(list).unwrap().lines().filter(|file| file.ends_with(".md")) {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        files += 1;
        let mut kinds =
            inspector().find(&text).into_iter().map(|finding| finding.kind.name()).collect::<Vec<_>>();
        kinds.dedup();
        for kind in kinds {
            *counts.entry(kind).or_insert(0) += 1;
            println!("{kind} {file}");
        }
    }
    println!("output: {files} Markdown files: {counts:?}");
}
