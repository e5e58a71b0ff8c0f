use super::*;
use proptest::prelude::*;
use std::time::Instant;

mod corpus;
mod kinds;
mod streams;

fn all() -> Detector {
    Detector::new(Kind::ALL)
}

fn defaults() -> Detector {
    Detector::new(&Kind::defaults().collect::<Vec<_>>())
}

fn kinds_in(detector: &Detector, text: &str) -> Vec<Kind> {
    detector.find(text).into_iter().map(|leak| leak.kind).collect()
}

#[test]
#[ignore = "a measurement"]
fn the_price_of_a_kilobyte() {
    let prose =
        "The quick brown fox jumps over the lazy dog, 12 times; see chapter 7.3 for the (long) proof. "
            .repeat(110);
    let dense =
        "mail a.b@example.com card 4111 1111 1111 1111, -- +1 sk-proj eyJ private_key AKIA ".repeat(120);
    let dotted = "a.".repeat(5_000);
    for (name, text) in [("prose", &prose), ("dense", &dense), ("dotted", &dotted)] {
        let detector = defaults();
        let start = Instant::now();
        let found: usize = (0..500).map(|_| detector.find(text).len()).sum();
        let each = start.elapsed().as_nanos() as usize / 500 * 1024 / text.len();
        println!("leak: {name}: {each} ns/KB, {found} found");
    }
}
