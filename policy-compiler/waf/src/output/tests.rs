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
