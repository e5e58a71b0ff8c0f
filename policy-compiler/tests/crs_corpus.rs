//! The regression tests of OWASP CRS 3.3.9 against its own rules, as their runner configures them: detection only,
//! every paranoia level blocking. Where the rules or the tests are absent this says so and ends.

#![expect(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a broken test environment is best shown by a panic, and what was read is worth seeing"
)]

#[path = "crs/mod.rs"]
mod crs;

use std::collections::{BTreeMap, BTreeSet};

use crs::{both, engine, rows};
use policy_compiler::seclang::Settings;
use waf::program::EngineMode;
use waf::run::{Inspection, Shortcuts};

/// What the corpus's own runner sets (its README): everything blocks, and limits that tests go beyond.
fn settings() -> Settings {
    let set = "SecAction \"id:2,phase:1,pass,nolog,t:none,setvar:tx.paranoia_level=4,\
        setvar:tx.blocking_paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,\
        setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,\
        setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535\"\n";
    Settings {
        mode: Some(EngineMode::DetectionOnly),
        paranoia: Some(4),
        before: Some(("the corpus".to_owned(), set.to_owned())),
        ..Settings::default()
    }
}

/// Tests of the corpus that are not passed, and why.
const MISSES: [(&str, &str); 5] = [
    ("920180-3", "sends Content-Length: 0 once its runner has normalised it, and asks that there be none"),
    ("920181-1", "a server drops Content-Length beside Transfer-Encoding before any rule sees both"),
    ("933110-28", "asks for `.phar`, which the rule of Debian's 3.3.9 does not name"),
    ("933111-2", "asks for `.phar` too"),
    ("944200-0FP", "its body holds the very bytes of the rule; the runner would send others"),
];

#[test]
fn the_corpus_of_crs_is_passed_but_for_what_is_explained() {
    let Some((rules, shared)) = both() else { return };
    let engine = engine(&rules, Shortcuts::default(), &settings());
    let mut misses = BTreeMap::new();
    let mut asked = 0usize;
    for row in rows(&shared) {
        if row.expect_ids.is_empty() && row.no_expect_ids.is_empty() {
            continue;
        }
        asked += 1;
        let ids = row.run(&engine);
        let missing: Vec<u32> = row.expect_ids.iter().copied().filter(|id| !ids.contains(id)).collect();
        let spurious: Vec<u32> = row.no_expect_ids.iter().copied().filter(|id| ids.contains(id)).collect();
        if !missing.is_empty() || !spurious.is_empty() {
            misses.insert(row.name(), (missing, spurious));
        }
    }
    let passed = asked - misses.len();
    println!("{passed} of {asked} pass: {:.2} %", 100.0 * passed as f64 / asked as f64);
    for (name, (missing, spurious)) in &misses {
        println!("{name}: missing {missing:?}, spurious {spurious:?}");
    }
    let explained: BTreeSet<&str> = MISSES.iter().map(|(name, _)| *name).collect();
    assert_eq!(misses.keys().map(String::as_str).collect::<BTreeSet<_>>(), explained);
    assert!(asked > 2400);
}

#[test]
fn without_gates_identities_and_evaluation_every_verdict_of_the_corpus_is_the_same() {
    let Some((rules, shared)) = both() else { return };
    let quick = engine(&rules, Shortcuts::default(), &settings());
    let plain_settings = Settings { unevaluated: true, ..settings() };
    let plain = engine(&rules, Shortcuts { gates: false, identity: false }, &plain_settings);
    for row in rows(&shared) {
        let (quick, plain) = (row.inspect(&quick), row.inspect(&plain));
        let told = |inspection: &Inspection| {
            let one =
                |one: &waf::run::Match| (one.id, one.message.clone(), one.data.clone(), one.target.clone());
            inspection.matches().iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(told(&quick), told(&plain), "{}", row.name());
        assert_eq!(quick.would_refuse(), plain.would_refuse(), "{}", row.name());
        for score in ["anomaly_score", "outbound_anomaly_score"] {
            assert_eq!(quick.score(score), plain.score(score), "{} {score}", row.name());
        }
    }
}
