//! The rule language from outside: what is wrong with a rule file is told with its place and how to mend it, and what
//! is right does what ModSecurity's manual says.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a broken test is best shown by a panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use policy_compiler::seclang::{Entry, Fault, Loaded, RuleFiles, Settings, load};
use proptest::prelude::*;
use waf::program::EngineMode;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside};

/// Files by name, in memory.
struct Held(BTreeMap<&'static str, Vec<u8>>);

impl RuleFiles for Held {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let ends = pattern.strip_prefix('*').unwrap_or(pattern);
        let named = |name: &&&str| **name == pattern || (pattern.starts_with('*') && name.ends_with(ends));
        Ok(self.0.keys().filter(named).map(|name| (*name).to_owned()).collect())
    }
}

fn read(rules: &[u8]) -> Result<Loaded, Vec<Fault>> {
    let files = [("rules.conf", rules.to_vec()), ("words.data", b"# names\nalpha\nbeta\n".to_vec())];
    let entry = Entry { setup: Vec::new(), rules: vec!["rules.conf".to_owned()] };
    let settings = Settings { mode: Some(EngineMode::On), ..Settings::default() };
    load(&Held(files.into()), &entry, &settings)
}

/// Ids that a request is told for, and the rule that refuses it.
fn told(rules: &str, target: &str, headers: &[(&str, &str)]) -> (Vec<u32>, Option<u32>) {
    let loaded = read(rules.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let engine = Arc::new(Engine::new(loaded.program).unwrap());
    let circumstances = Circumstances {
        client: SocketAddr::from(([192, 0, 2, 9], 1)),
        server: SocketAddr::from(([192, 0, 2, 1], 80)),
        unique_id: "id".to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(engine, circumstances);
    let headers = headers.iter().map(|(name, value)| Pair { name: (*name).into(), value: (*value).into() });
    let line = Line { method: b"GET", target: target.as_bytes(), protocol: b"HTTP/1.1" };
    inspection.request_head(&line, headers.collect());
    inspection.request_body(b"");
    let ids = inspection.matches().iter().map(|one| one.id).collect();
    (ids, inspection.refusal().map(|refusal| refusal.rule))
}

const MISTAKES: [&str; 27] = [
    "SecRuule ARGS \"@rx a\" \"id:1,phase:2,deny\"",
    "SecRule ARGZ \"@rx a\" \"id:1,phase:2,deny\"",
    "SecRule ARGS \"@containz a\" \"id:1,phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,denny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny,t:lowercaze\"",
    "SecRule ARGS \"@rx a(\" \"id:1,phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"id:one,phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:7,deny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny\"\nSecRule ARGS \"@rx b\" \"id:1,phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny",
    "SecRule ARGS",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny,chain\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,skipAfter:NOWHERE\"",
    "SecRule ARGS \"@pmFromFile absent.data\" \"id:1,phase:2,deny\"",
    "SecRule REMOTE_ADDR \"@ipMatch 300.1.2.3\" \"id:1,phase:1,deny\"",
    "SecRule ARGS \"@validateByteRange 1-300\" \"id:1,phase:2,deny\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny,status:wrong\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,deny,severity:AWFUL\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,ctl:ruleRemoveByName=x\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,ctl:ruleEngine=Sometimes\"",
    "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,setvar:tx\"",
    "SecRuleUpdateTargetById 99 \"!ARGS:a\"",
    "SecRuleEngine Maybe",
    "SecRequestBodyLimit many",
    "Include absent.conf",
    "SecRule ARGS:/a(/ \"@rx a\" \"id:1,phase:2,deny\"",
];

#[test]
fn every_mistake_is_told_with_its_line_and_how_to_mend_it() {
    let mut page = String::new();
    for rules in MISTAKES {
        let text = format!("# A comment\n\n{rules}\n");
        writeln!(page, "{rules}").unwrap();
        let faults = read(text.as_bytes()).expect_err(rules);
        for fault in faults {
            assert!(!fault.fix.is_empty(), "{fault:?}");
            assert!(fault.line >= 3, "{fault:?}");
            writeln!(page, "    {fault}").unwrap();
        }
    }
    insta::assert_snapshot!("seclang-mistakes", page);
}

#[test]
fn lines_go_on_after_a_backslash_and_quotes_hold_quotes() {
    let rules = "SecRule ARGS:a \"@contains say \\\"hi\\\"\" \\\n    \"id:1,phase:2,\\\n    pass\"\n";
    assert_eq!(told(rules, "/?a=say+%22hi%22", &[]).0, [1]);
    assert_eq!(told(rules, "/?a=say+hi", &[]).0, [0_u32; 0]);
}

#[test]
fn selectors_counts_and_exclusions_choose_what_is_looked_at() {
    for (target, query, expected) in [
        ("ARGS:a", "a=x&b=y", true),
        ("ARGS:b", "a=x&b=y", false),
        ("ARGS:/^a[0-9]$/", "a1=x", true),
        ("ARGS:/^a[0-9]$/", "ab=x", false),
        ("ARGS|!ARGS:a", "a=x", false),
        ("ARGS|!ARGS:/^a/", "b=x&ab=x", true),
        ("ARGS_NAMES", "x=1", true),
    ] {
        let rules = format!("SecRule {target} \"@streq x\" \"id:1,phase:2,pass\"\n");
        assert_eq!(!told(&rules, &format!("/?{query}"), &[]).0.is_empty(), expected, "{target} {query}");
    }
    assert_eq!(told("SecRule &ARGS \"@eq 2\" \"id:1,phase:2,pass\"\n", "/?a=1&b=2", &[]).0, [1]);
    assert_eq!(told("SecRule &ARGS:c \"@eq 0\" \"id:1,phase:2,pass\"\n", "/?a=1", &[]).0, [1]);
}

#[test]
fn chains_hold_whole_and_what_a_link_captured_is_there_for_the_next() {
    let rules = "SecRule ARGS:a \"@rx ^(\\w+)-(\\w+)$\" \"id:1,phase:2,deny,status:406,capture,chain\"\n\
                 SecRule TX:2 \"@streq b\" \"setvar:tx.seen=1\"\n";
    assert_eq!(told(rules, "/?a=a-b", &[]), (vec![1], Some(1)));
    assert_eq!(told(rules, "/?a=a-c", &[]), (Vec::new(), None));
}

#[test]
fn scores_are_added_in_macros_and_refuse_at_the_threshold() {
    let rules = "SecAction \"id:1,phase:1,pass,nolog,setvar:tx.high=5,setvar:tx.limit=8\"\n\
                 SecRule ARGS \"@contains bad\" \"id:2,phase:2,pass,setvar:'tx.score=+%{tx.high}'\"\n\
                 SecRule ARGS \"@contains worse\" \"id:3,phase:2,pass,setvar:'tx.score=+3',setvar:'!tx.none'\"\n\
                 SecRule TX:SCORE \"@ge %{tx.limit}\" \"id:9,phase:2,deny\"\n";
    assert_eq!(told(rules, "/?a=bad", &[]), (vec![2], None));
    assert_eq!(told(rules, "/?a=bad+worse", &[]), (vec![2, 3, 9], Some(9)));
}

#[test]
fn markers_skip_and_rules_are_taken_out_by_id_tag_and_control() {
    let skip = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:2,pass,nolog,skipAfter:END\"\n\
                SecRule ARGS:b \"@streq 1\" \"id:2,phase:2,pass\"\n\
                SecMarker END\n\
                SecRule ARGS:b \"@streq 1\" \"id:3,phase:2,pass\"\n";
    assert_eq!(told(skip, "/?a=1&b=1", &[]).0, [3]);
    assert_eq!(told(skip, "/?b=1", &[]).0, [2, 3]);
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:10,phase:1,pass,nolog,ctl:ruleRemoveById=20-25,ctl:ruleRemoveTargetById=30;ARGS:b\"\n\
                 SecRule ARGS:b \"@streq 1\" \"id:22,phase:2,pass\"\n\
                 SecRule ARGS:b \"@streq 1\" \"id:30,phase:2,pass\"\n\
                 SecRule ARGS:b \"@streq 1\" \"id:40,phase:2,pass,tag:'out'\"\n\
                 SecRule ARGS:b \"@streq 1\" \"id:50,phase:2,pass\"\n\
                 SecRuleRemoveByTag out\nSecRuleRemoveById 50\n";
    assert_eq!(told(rules, "/?a=1&b=1", &[]).0, [0_u32; 0]);
    assert_eq!(told(rules, "/?b=1", &[]).0, [22, 30]);
}

#[test]
fn targets_are_updated_by_id_and_tag() {
    let rules = "SecRule ARGS \"@contains x\" \"id:1,phase:2,pass,tag:'one'\"\n\
                 SecRule ARGS \"@contains x\" \"id:2,phase:2,pass,tag:'two'\"\n\
                 SecRuleUpdateTargetById 1 \"!ARGS:a\"\n\
                 SecRuleUpdateTargetByTag two \"REQUEST_HEADERS:X-Own\"\n";
    assert_eq!(told(rules, "/?a=x", &[]).0, [2]);
    assert_eq!(told(rules, "/", &[("X-Own", "x")]).0, [2]);
    assert_eq!(told(rules, "/?b=x", &[]).0, [1, 2]);
}

#[test]
fn patterns_see_bytes_and_every_line() {
    for (pattern, query, expected) in [
        ("^b$", "a=a%0ab%0ac", true),
        ("a.b", "a=a%0ab", true),
        ("(?i)ABC", "a=xabcx", true),
        ("ABC", "a=xabcx", false),
        ("\\xff", "a=%ff", true),
        ("^\\w$", "a=%e9", false),
    ] {
        let rules = format!("SecRule ARGS \"@rx {pattern}\" \"id:1,phase:2,pass\"\n");
        assert_eq!(!told(&rules, &format!("/?{query}"), &[]).0.is_empty(), expected, "{pattern} {query}");
    }
}

#[test]
fn operators_are_what_the_manual_says() {
    for (operator, query, expected) in [
        ("@pm aa bb", "a=xBBx", true),
        ("@pmFromFile words.data", "a=the+BETA", true),
        ("@pmFromFile words.data", "a=names", false),
        ("@within ,GET,POST,", "a=GET", true),
        ("@beginsWith ab", "a=abc", true),
        ("@endsWith bc", "a=abc", true),
        ("!@streq abc", "a=abc", false),
        ("@validateByteRange 32-126", "a=%07", true),
        ("@validateByteRange 32-126", "a=ok", false),
        ("@detectSQLi", "a=1%27+OR+%271%27=%271", true),
        ("@detectXSS", "a=<script>alert(1)</script>", true),
        ("@lt 5", "a=4", true),
    ] {
        let rules = format!("SecRule ARGS \"{operator}\" \"id:1,phase:2,pass\"\n");
        assert_eq!(!told(&rules, &format!("/?{query}"), &[]).0.is_empty(), expected, "{operator} {query}");
    }
    let from = "SecRule REMOTE_ADDR \"@ipMatch 192.0.2.0/24,2001:db8::/32\" \"id:1,phase:1,deny\"\n";
    assert_eq!(told(from, "/", &[]), (vec![1], Some(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_upset_the_reader_and_every_fault_has_a_line_of_the_file(
        bytes in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        for fault in read(&bytes).err().unwrap_or_default() {
            prop_assert!(fault.line as usize <= lines, "{fault:?}");
        }
    }

    #[test]
    fn no_change_to_a_rule_upsets_the_reader_and_reading_is_the_same_twice(
        which in 0..MISTAKES.len(), at: prop::sample::Index, with in "[ -~\n]{0,6}"
    ) {
        let mut text: Vec<char> = MISTAKES.get(which).unwrap_or(&"").chars().collect();
        let place = at.index(text.len() + 1);
        text.splice(place..place, with.chars());
        let text: String = text.into_iter().collect();
        let (once, twice) = (read(text.as_bytes()), read(text.as_bytes()));
        prop_assert_eq!(once.map(|read| read.program).map_err(|faults| format!("{faults:?}")),
            twice.map(|read| read.program).map_err(|faults| format!("{faults:?}")));
    }
}
