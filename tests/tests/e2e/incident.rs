//! One incident from its first failed request to a verified audit log, by the real program's own commands;
//! docs/incident.md shows what they said, and fails here when they say something else.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::backend::{fast, simulate};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::wait::{until_async, within};
use model_sim::{Fault, FaultKind, FaultScript, SimHandle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

const TOKEN: &str = "incident-admin-token";
const KEY: &str = "sk-sg-incident";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/incident.md");

/// What a command said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

struct Walk {
    program: PathBuf,
    folder: TempDir,
    admin: String,
    client: Client,
    /// What goes onto the page, by name.
    shown: Vec<(&'static str, String)>,
    _gateway: Running,
}

impl Walk {
    async fn begin(program: PathBuf, manifest: &Manifest) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        std::fs::write(folder.path().join("gateway.yaml"), manifest.text()).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (file, state) = (path("gateway.yaml"), path("state"));
        let arguments = ["run", "--manifest", &file, "--source", "api", "--state-dir", &state];
        let gateway = Running::start(&program, &arguments, &[]);
        let client = Client::new(gateway.listener("main").await).with_key(KEY);
        let admin = format!("http://{}", gateway.admin().await);
        Self { program, folder, admin, client, shown: Vec::new(), _gateway: gateway }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a command as an operator would.
    async fn run(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.env("SLUICEGATE_ADMIN", &self.admin).env("SLUICEGATE_ADMIN_TOKEN", TOKEN);
        let output = within("the command", command.output()).await.unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same for a command that must succeed, and onto the page.
    async fn show(&mut self, name: &'static str, arguments: &[&str]) -> String {
        let said = self.run(arguments).await;
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        self.shown.push((name, said.out.clone()));
        said.out
    }

    async fn chat(&self) -> Answer {
        self.client.chat(&chat("x")).await
    }

    /// Chats until one was served at its second attempt, and gives its id.
    async fn failed_over(&self) -> String {
        until_async("a failover", async || {
            let answer = self.chat().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let id = answer.request_id().to_owned();
            (self.run(&["why", &id]).await.code == 0).then_some(id)
        })
        .await
    }

    /// Waits until the story of a request is written, which is off its path.
    async fn has_story(&self, id: &str) {
        until_async("the story", async || (self.run(&["why", id]).await.code == 0).then_some(())).await;
    }
}

fn two_regions(east: &SimHandle, west: &SimHandle) -> Manifest {
    Manifest::new()
        .backend("eastus", east.addr())
        .backend("westeurope", west.addr())
        .set("/admin/token", json!({"file": "token"}))
        .consumer("acme", KEY)
        .set("/consumers/acme/limit", "hourly")
        .set("/limits/hourly/requests", "40 requests/hour")
}

fn brown_out() -> FaultScript {
    let kind = FaultKind::BrownOut { factor: 1.0, capacity: 1.0, error_ratio: 1.0 };
    FaultScript { faults: vec![Fault { at: 0.0, lasting: None, fraction: 1.0, kind }] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_browns_out_and_the_night_is_short() {
    let Some(program) = sluicegate() else { return };
    let (east, west) = (simulate(fast("eastus")), simulate(fast("westeurope")));
    let mut walk = Walk::begin(program, &two_regions(&east, &west)).await;
    assert_eq!(walk.chat().await.status, 200);

    east.set_faults(brown_out());
    let id = walk.failed_over().await;
    let why = walk.show("why", &["why", &id]).await;
    assert!(why.contains("served at attempt 2") && why.contains("eastus/sim-chat"), "{why}");

    let reason = ["--for", "30m", "--reason", "browns out, ticket 4711"];
    walk.show("drain", &[&["drain", "eastus"], &reason[..]].concat()).await;
    for _ in 0..6 {
        let answer = walk.chat().await;
        assert_eq!(answer.header("x-sluicegate-backend"), Some("westeurope/sim-chat"));
    }
    let again = walk.run(&[&["drain", "westeurope"], &reason[..]].concat()).await;
    assert_eq!(again.code, 2, "the last member is not drained: {}", again.out);
    assert!(again.err.contains("no member left"), "{}", again.err);
    walk.show("holds", &["holds"]).await;

    budget_is_spent(&mut walk).await;
    bad_publish(&mut walk, &east, &west).await;

    let state = walk.path("state");
    let verified = walk.show("verify", &["audit", "verify", &state]).await;
    assert!(verified.starts_with("the chain holds"), "{verified}");
    let log = walk.show("log", &["audit", "show", &state]).await;
    for action in ["start", "drain", "publish", "rollback"] {
        assert!(log.contains(action), "{action} is not in\n{log}");
    }
    assert!(!log.contains(TOKEN) && !log.contains(KEY), "{log}");
    check_page(&walk.shown);
}

/// The hour's requests run out: headers and `limits` say so before, and a refusal says when to come back.
async fn budget_is_spent(walk: &mut Walk) {
    until_async("the hour to be nearly spent", async || {
        let answer = walk.chat().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        (answer.header("x-ratelimit-remaining-requests") == Some("2")).then_some(())
    })
    .await;
    let near = walk.show("limits", &["limits", "--at-least", "80"]).await;
    assert!(near.contains("hourly  consumer acme  [#########-]   95.0 %  38 of 40 requests/hour"), "{near}");
    let refused = loop {
        let answer = walk.chat().await;
        if answer.status == 429 {
            break answer;
        }
        let left = answer.header("x-ratelimit-remaining-requests").expect("what is left is told");
        assert!(left.parse::<u64>().is_ok(), "{left}");
    };
    assert_eq!(refused.error_code(), "request_limit");
    assert!(refused.header("retry-after").is_some());
    let id = refused.request_id().to_owned();
    walk.has_story(&id).await;
    let why = walk.show("refused", &["why", &id]).await;
    assert!(why.contains("ended as `request_limit`") && why.contains("no backend was asked"), "{why}");
}

/// Somebody lifts the limit and forgets a region: with the other one drained nobody is left.
async fn bad_publish(walk: &mut Walk, east: &SimHandle, west: &SimHandle) {
    let bad = two_regions(east, west)
        .set("/limits/hourly/requests", "4000 requests/hour")
        .set("/pools/chat/members", json!(["eastus"]));
    let file = walk.path("bad.yaml");
    std::fs::write(&file, bad.text()).unwrap();
    walk.show("publish", &["publish", &file, "--reason", "more requests for acme"]).await;
    let answer = walk.chat().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "no_backend"), "{}", answer.text());
    let id = answer.request_id().to_owned();
    walk.has_story(&id).await;
    let why = walk.show("nobody", &["why", &id]).await;
    assert!(why.contains("drained"), "{why}");
    walk.show("rollback", &["rollback", "--reason", "nobody serves chat"]).await;
    let answer = walk.chat().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "request_limit"), "as it was before");
}

/// Compares what was said with the page, or writes it there.
fn check_page(shown: &[(&'static str, String)]) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let fresh = shown.iter().fold(page.clone(), |page, (name, text)| filled(&page, name, &steady(text)));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(Path::new(PAGE), fresh).unwrap();
    } else {
        assert!(page == fresh, "docs/incident.md has drifted; run this test with UPDATE_DOCS=1\n{fresh}");
    }
}

/// The page with `text` between the marks called `name`.
fn filled(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- said: {name} -->\n"), format!("<!-- end: {name} -->"));
    let at =
        page.find(&begin).unwrap_or_else(|| panic!("docs/incident.md has no mark {begin}")) + begin.len();
    let until = page[at..].find(&end).expect("every mark ends") + at;
    format!("{}```text\n{}\n```\n{}", &page[..at], text.trim_end(), &page[until..])
}

/// What a command said, without what is different each time: ids, hashes, times.
fn steady(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line[indent..].split(' ').collect();
        let steady: Vec<String> =
            (0..words.len()).map(|at| word(words[at], words.get(at + 1).copied())).collect();
        format!("{}{}", &line[..indent], steady.join(" ").replace(" s,", " ms,"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn word(word: &str, next: Option<&str>) -> String {
    let (plain, tail) = word.split_at(word.trim_end_matches([',', ':']).len());
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = next.is_some_and(|next| ["ms", "ms,", "s", "s,"].contains(&next));
    let fixed = match plain {
        _ if plain.len() == 32 && hex(plain) => "019ab3c4d5e67f8091a2b3c4d5e6f708",
        _ if plain.len() == 8 && hex(plain) => "1f0c9a2e",
        _ if plain.len() == 64 && hex(plain) => "5e0b…",
        _ if plain.len() == 20 && plain.ends_with('Z') => "2026-11-22T03:07:00Z",
        _ if plain.starts_with("blake3:") => "blake3:9c41…",
        _ if plain.len() == 13 && plain.bytes().all(|byte| byte.is_ascii_digit()) => "1795318020000",
        _ if unit && plain.parse::<f64>().is_ok() => "12",
        _ => plain,
    };
    format!("{fixed}{tail}")
}

#[test]
fn what_differs_each_time_is_not_on_the_page() {
    let said = "  2  a/b  200 served, took 1.20 s, first output after 7 ms\n1234abcd  drain  at 2026-11-22T23:59:59Z";
    let steady = steady(said);
    assert_eq!(
        steady,
        "  2  a/b  200 served, took 12 ms, first output after 12 ms\n1f0c9a2e  drain  at 2026-11-22T03:07:00Z"
    );
    let _: Value = json!(steady);
}
