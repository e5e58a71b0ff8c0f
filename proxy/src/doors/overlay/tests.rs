//! Keys are kept before they count, narrow what the manifest grants, and are agreed on between replicas.

use crate::store::board::MemoryBoard;
use policy_compiler::{Source, compile};

use super::*;

const MANIFEST: &str = "
apiVersion: sluicegate/v1
listeners: {main: {address: '127.0.0.1:8080'}}
backends: {a: {kind: openai, url: 'https://a.example', models: {m: {price: {input: 1 USD/1M, output: 1 USD/1M}}}}}
pools: {chat: {members: [a]}}
routes:
  chat: {match: {path: /v1/chat/completions}, pool: chat}
  secret: {match: {path: /v1/embeddings}, pool: chat, consumers: [other]}
limits: {few: {requests: 60 requests/min, tokens: 1k tokens/min, budget: 300 USD/month}}
consumers:
  team: {limit: few, keys: {one: {sha256: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'}}}
  other: {keys: {one: {sha256: 'fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9'}}}
";

fn policy() -> Policy {
    let outcome = compile(&Source::new("gateway.yaml", MANIFEST));
    outcome.bundle.unwrap_or_else(|| panic!("{:?}", outcome.findings)).into_policy()
}

fn asked(consumer: &str) -> IssueKey {
    IssueKey {
        consumer: consumer.into(),
        name: "laptop".into(),
        expires: None,
        routes: Vec::new(),
        limits: KeyLimits::default(),
    }
}

fn open(dir: &Path, board: Option<SharedBoard>) -> Overlay {
    Overlay::open(Some(dir), Arc::default(), board).unwrap()
}

#[test]
fn an_issued_key_survives_a_restart_and_so_does_its_revocation() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), None);
    let issued = first.issue(&policy(), asked("team"), "night", 100).unwrap();
    assert!(issued.key.starts_with(&issued.known.prefix) && issued.known.prefix.len() < 12);
    let (version, keys) = open(dir.path(), None).list();
    assert_eq!((version, &keys[..]), (1, &[issued.known.clone()][..]));
    first.revoke(&issued.known.id, 200).unwrap();
    let (version, keys) = open(dir.path(), None).list();
    assert_eq!((version, keys[0].revoked), (2, Some(UnixTime(200))));
}

#[test]
fn the_key_itself_is_neither_kept_nor_printed() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = open(dir.path(), None);
    let issued = overlay.issue(&policy(), asked("team"), "night", 100).unwrap();
    let secret = issued.key.strip_prefix("sk-sg-").unwrap().split_at(4).1;
    let kept = fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert!(!kept.contains(secret));
    assert!(!format!("{issued:?} {overlay:?}").contains(secret));
}

#[test]
fn a_key_can_only_narrow_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let (overlay, policy) = (open(dir.path(), None), policy());
    let route = |name: &str| IssueKey { routes: vec![name.into()], ..asked("team") };
    let late = IssueKey { expires: Some(UnixTime(99)), ..asked("team") };
    for (asked, why) in [
        (asked("nobody"), "no consumer `nobody`"),
        (route("nowhere"), "no route `nowhere`"),
        (route("secret"), "may not use the route `secret`"),
        (late, "has passed"),
        (IssueKey { name: String::new(), ..asked("team") }, "`name`"),
    ] {
        let error = overlay.issue(&policy, asked, "night", 100).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(overlay.version(), 0);
    overlay.issue(&policy, route("chat"), "night", 100).unwrap();
}

#[test]
fn rotation_leaves_the_old_key_good_for_a_while_and_no_longer_than_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (overlay, policy) = (open(dir.path(), None), policy());
    let old = overlay.issue(&policy, asked("team"), "night", 100).unwrap();
    let new = overlay.rotate(&policy, &old.known.id, 3600, "night", 200).unwrap();
    assert_ne!((&new.key, &new.known.id), (&old.key, &old.known.id));
    let (_, keys) = overlay.list();
    let expires = |id: &str| keys.iter().find(|key| key.id == id).unwrap().expires;
    assert_eq!((expires(&old.known.id), expires(&new.known.id)), (Some(UnixTime(3800)), None));
    overlay.revoke(&old.known.id, 300).unwrap();
    assert!(overlay.rotate(&policy, &old.known.id, 1, "night", 400).is_err(), "revoked is over");
}

#[test]
fn without_a_state_directory_nothing_is_issued_and_a_damaged_overlay_is_refused_by_name() {
    let nowhere = Overlay::open(None, Arc::default(), None).unwrap();
    let error = nowhere.issue(&policy(), asked("team"), "night", 100).unwrap_err();
    assert!(error.to_string().contains("--state-dir"));
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), None).issue(&policy(), asked("team"), "night", 100).unwrap();
    let mut bytes = fs::read(dir.path().join(FILE)).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(dir.path().join(FILE), &bytes[..]).unwrap();
    let error = Overlay::open(Some(dir.path()), Arc::default(), None).unwrap_err();
    assert!(error.to_string().contains("overlay.json"), "{error}");
}

#[tokio::test]
async fn replicas_that_issue_at_once_lose_neither_key_and_a_revocation_reaches_all() {
    let board: SharedBoard = Arc::new(MemoryBoard::default());
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (open(a.path(), Some(Arc::clone(&board))), open(b.path(), Some(board)));
    let first = a.issue(&policy(), asked("team"), "night", 100).unwrap();
    b.issue(&policy(), asked("other"), "day", 100).unwrap();
    a.share().await;
    b.share().await;
    a.share().await;
    assert_eq!(a.list(), b.list());
    assert_eq!(a.list().1.len(), 2);
    b.revoke(&first.known.id, 200).unwrap();
    b.share().await;
    a.share().await;
    assert_eq!(a.list(), b.list());
    assert!(a.list().1.iter().any(|key| key.revoked == Some(UnixTime(200))));
}

fn limits(requests: Option<&str>, tokens: Option<&str>, budget: Option<&str>) -> KeyLimits {
    KeyLimits {
        requests: requests.map(|text| text.parse().unwrap()),
        tokens: tokens.map(|text| text.parse().unwrap()),
        budget: budget.map(|text| text.parse().unwrap()),
    }
}

#[test]
fn a_keys_own_limits_are_within_those_of_its_consumer_and_survive_a_restart_and_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = open(dir.path(), None);
    let issue = |consumer: &str, limits| {
        overlay.issue(&policy(), IssueKey { limits, ..asked(consumer) }, "night", 100)
    };
    for (wide, named) in [
        (limits(Some("61 requests/min"), None, None), "limits.requests"),
        (limits(Some("2 requests/s"), None, None), "limits.requests"),
        (limits(Some("5 tokens/min"), None, None), "limits.requests"),
        (limits(None, Some("2k tokens/min"), None), "limits.tokens"),
        (limits(None, None, Some("11 USD/day")), "limits.budget"),
    ] {
        let refused = issue("team", wide).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
    assert!(issue("other", limits(Some("61 requests/min"), None, None)).is_ok(), "which has no limit");
    let narrow = limits(Some("1 request/s"), Some("500 tokens/min"), Some("10 USD/day"));
    let issued = issue("team", narrow).unwrap();
    let rotated = overlay.rotate(&policy(), &issued.known.id, 60, "night", 200).unwrap();
    let kept = open(dir.path(), None).list().1;
    for id in [&issued.known.id, &rotated.known.id] {
        assert_eq!(kept.iter().find(|key| key.id == *id).unwrap().limits, narrow);
    }
}
