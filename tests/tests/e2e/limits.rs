//! Limits through real sockets: never above their ceiling, whatever comes at once, and never below the truth
//! after a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::backend::{FakeBackend, Reply, fast, simulate, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::figures::note;
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::{MODEL, Manifest};
use futures_util::future::join_all;
use ledger::journal::FileHeader;
use model_sim::SimHandle;
use rustix::process::Signal;
use serde_json::{Value, json};
use sluicegate::gateway::StartError;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use vocabulary::Moment;
use vocabulary::admin::Status;

fn limited(address: std::net::SocketAddr, limit: Value) -> Manifest {
    Manifest::new()
        .backend("a", address)
        .set(&format!("/backends/a/models/{MODEL}/maxOutput"), 8)
        .set("/limits/ceiling", limit)
        .set("/routes/chat/limit", "ceiling")
}

/// Sixty-four callers, ten requests each; how many were served and refused with `code`.
async fn storm(client: &Client, code: &str) -> (usize, usize) {
    let one = async |caller: usize| {
        let (mut served, mut refused) = (0, 0);
        for round in 0..10 {
            let mut request =
                if round % 2 == 0 { chat("how much is left?") } else { chat_stream("and now?") };
            if (caller + round).is_multiple_of(3) {
                // Nobody names a ceiling: the gateway has to.
                request.as_object_mut().unwrap().remove("max_tokens");
            }
            let answer = client.chat(&request).await;
            match answer.status {
                200 => served += 1,
                429 => {
                    assert_eq!(answer.json()["error"]["code"], code);
                    refused += 1;
                }
                status => panic!("{status}: {}", answer.text()),
            }
        }
        (served, refused)
    };
    let all = join_all((0..64).map(|caller| Box::pin(one(caller)))).await;
    all.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn tokens(sim: &SimHandle) -> u64 {
    sim.log().iter().map(|record| record.usage().total()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_never_pass_a_hard_ceiling_of_tokens() {
    let sim = simulate(fast("a"));
    let manifest = limited(sim.addr(), json!({"tokens": "3k tokens/day", "hard": true}));
    let gateway = TestGateway::start(&manifest).await;
    let (served, refused) = storm(&gateway.client(), "token_limit").await;
    let spent = tokens(&sim);
    assert!(spent <= 3_000, "{spent} tokens of 3000");
    let figure = format!("{served} served, {refused} refused, {spent} tokens by the servers' log");
    note("Ceilings", "64 callers at once, hard 3,000 tokens a day", figure);
    assert!(served > 20 && refused > 0, "{served} served, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_never_pass_a_hard_budget() {
    let sim = simulate(fast("a"));
    // A dollar per million tokens: 2000 tokens.
    let manifest = limited(sim.addr(), json!({"budget": "0.002 USD/month", "hard": true}));
    let gateway = TestGateway::start(&manifest).await;
    let (served, refused) = storm(&gateway.client(), "budget_exhausted").await;
    let spent = tokens(&sim);
    assert!(spent <= 2_000, "{spent} tokens of what 0.002 USD buy");
    let figure = format!("{served} served, {refused} refused, 0.00{spent:04} USD by the servers' log");
    note("Ceilings", "64 callers at once, hard 0.002 USD a month", figure);
    assert!(served > 10 && refused > 0, "{served} served, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_get_exactly_the_requests_of_a_window() {
    let sim = simulate(fast("a"));
    let gateway = TestGateway::start(&limited(sim.addr(), json!({"requests": "100 requests/day"}))).await;
    let (served, refused) = storm(&gateway.client(), "request_limit").await;
    assert_eq!((served, refused, sim.log().len()), (100, 540, 100));
    note("Ceilings", "64 callers at once, 100 requests a day", format!("{served} served, {refused} refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_refused_while_as_many_are_under_way_and_served_when_one_ends() {
    let pace = Arc::new(Semaphore::new(0));
    let backend = FakeBackend::always(Reply::paced(&stream_body(&["one"]), &pace)).await;
    let gateway = TestGateway::start(&limited(backend.address(), json!({"streams": 2}))).await;
    let client = gateway.client();
    let stream = || async { client.chat(&chat_stream("x")).await };
    let callers = TaskTracker::new();
    let (first, second) = (callers.spawn(told(client.clone())), callers.spawn(told(client.clone())));
    backend.await_requests(2).await;
    let refused = stream().await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "stream_limit"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    pace.add_permits(1_000);
    for answer in [first.await.unwrap(), second.await.unwrap()] {
        assert_eq!(answer.status, 200);
    }
    gateway.await_idle().await;
    assert_eq!(stream().await.status, 200);
}

async fn told(client: Client) -> Answer {
    client.chat(&chat_stream("x")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_takes_more_than_was_reserved_is_cut_with_the_reason() {
    let words: Vec<&str> = vec![" more"; 40];
    let backend = FakeBackend::always(Reply::stream(&stream_body(&words))).await;
    let manifest = limited(backend.address(), json!({"tokens": "10k tokens/day", "hard": true}));
    let gateway = TestGateway::start(&manifest).await;
    let mut request = chat_stream("x");
    request.as_object_mut().unwrap().remove("max_tokens");
    let mut stream = gateway.client().chat_events(&request).await;
    let events = stream.rest().await;
    let last = events.last().unwrap();
    assert!(!last.is_done(), "nothing that could pass for completeness");
    assert_eq!(last.json()["error"]["code"], "ceiling_reached");
    let sent = backend.calls();
    let sent = sent.first().unwrap().json();
    assert_eq!(sent["max_completion_tokens"], 8, "the ceiling is sent upstream: {sent}");
}

fn run(program: &Path, folder: &Path) -> Running {
    let (file, state) = (folder.join("gateway.yaml"), folder.join("state"));
    let (file, state) = (file.display().to_string(), state.display().to_string());
    Running::start(program, &["run", "--manifest", &file, "--state-dir", &state], &[])
}

fn left(answer: &Answer) -> u64 {
    answer.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_comes_back_with_no_less_than_was_spent_and_no_more_than_was_held() {
    let Some(program) = sluicegate() else { return };
    let pace = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&pace);
    let backend = FakeBackend::start(move |number, _| match number {
        0..5 | 7.. => Reply::completion("yes"),
        _ => Reply::paced(&stream_body(&["one"]), &held),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let manifest = limited(backend.address(), json!({"tokens": "10k tokens/day"}));
    std::fs::write(folder.path().join("gateway.yaml"), manifest.text()).unwrap();
    let mut gateway = run(&program, folder.path());
    let client = Client::new(gateway.listener("main").await);
    gateway.says("sluicegate: ready").await;
    let mut before = 0;
    for _ in 0..5 {
        before = left(&client.chat(&chat("x")).await);
    }
    let callers = TaskTracker::new();
    let open = [callers.spawn(told(client.clone())), callers.spawn(told(client.clone()))];
    backend.await_requests(7).await;
    let mut second = run(&program, folder.path());
    assert_eq!(second.ended().await.code(), Some(2), "{}", second.said());
    assert!(second.said().contains("in use by another gateway"), "{}", second.said());
    gateway.signal(Signal::KILL);
    gateway.ended().await;
    open.iter().for_each(tokio::task::JoinHandle::abort);
    let restarted = run(&program, folder.path());
    let client = Client::new(restarted.listener("main").await);
    restarted.says("sluicegate: ready").await;
    let after = left(&client.chat(&chat("x")).await);
    // A request holds its prompt and eight tokens of output: less than 30. Two were open, one is new, and
    // the last of the five had not been settled when it was answered.
    assert!(after < before - 16, "{after} left of {before}: what was open is charged");
    assert!(after >= before - 4 * 30, "{after} left of {before}");
    let figure = format!(
        "{before} tokens left before, {after} after: {} more are counted, of at most 120 that were open or new",
        before - after
    );
    note("Crashes", "kill -9 with two requests open, started again", figure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_without_a_place_to_count_it_does_not_start() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifest = limited(e2e::backend::nobody(), json!({"budget": "5 USD/day"}));
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, manifest.text()).unwrap();
    let mut gateway = Running::start(&program, &["run", "--manifest", &file.display().to_string()], &[]);
    assert_ne!(gateway.ended().await.code(), Some(0));
    let said = gateway.said();
    assert!(said.contains("limit `ceiling` has a budget") && said.contains("--state-dir"), "{said}");
}

/// The files of the journal in a state directory, oldest first.
fn journals(state: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(state.join("ledger")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().contains("journal-")).collect();
    files.sort();
    files
}

/// What a gateway says that does not start on these counts.
async fn refused_counts(manifest: &Manifest, settings: &Settings) -> String {
    match TestGateway::start_with(manifest, settings.clone()).await {
        Err(StartError::Counts(error)) => error.to_string(),
        other => panic!("started, or failed otherwise: {:?}", other.map(drop)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_older_journal_is_refused_with_its_place_and_a_torn_one_is_read() {
    let backend = FakeBackend::always(Reply::completion("yes")).await;
    let folder = tempfile::tempdir().unwrap();
    let manifest = limited(backend.address(), json!({"tokens": "10k tokens/day"}));
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings.clone()).await.unwrap();
    for _ in 0..3 {
        gateway.client().chat(&chat("x")).await;
    }
    let state = folder.path().join("state");
    let written = std::fs::read(journals(&state).last().unwrap()).unwrap();
    gateway.shutdown(Duration::from_secs(5)).await;
    // As a crash would have left it: the records are there, and no checkpoint holds them.
    let next = state.join(format!("ledger/journal-{:016}", 9_000));
    let shown = |said: &str| said.replace(&*state.to_string_lossy(), "<state>").replace('|', "/");

    let mut damaged = written.clone();
    damaged[60] ^= 1;
    std::fs::write(&next, &damaged).unwrap();
    let said = refused_counts(&manifest, &settings).await;
    assert!(said.contains("journal-") && said.contains("damaged at byte"), "{said}");
    note("Journal", "one bit flipped", format!("refused: `{}`", shown(&said)));

    let mut older = written.clone();
    older[8] = 0;
    let check = crc32fast::hash(&older[..32]).to_le_bytes();
    older[32..36].copy_from_slice(&check);
    std::fs::write(&next, &older).unwrap();
    let said = refused_counts(&manifest, &settings).await;
    assert!(said.contains("journal-") && said.contains("version 0"), "{said}");
    note("Journal", "written by another version", format!("refused: `{}`", shown(&said)));

    std::fs::write(&next, &written[..written.len() - 5]).unwrap();
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let left = left(&gateway.client().chat(&chat("x")).await);
    assert!(left < 10_000, "{left}");
    let figure =
        format!("read up to the last whole record: {left} of 10000 tokens left after one more request");
    note("Journal", "its last 5 bytes cut off", figure);
}

/// A wall clock cannot be set back here, but what a gateway finds can be ahead of it: a journal from an hour
/// later is what one leaves behind before the clock is set back an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_an_hour_gives_no_window_again() {
    let backend = FakeBackend::always(Reply::completion("yes")).await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("state/ledger");
    std::fs::create_dir_all(&ledger).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let later = Moment((now + Duration::from_secs(3_600)).as_nanos() as u64);
    let header = FileHeader { number: 1, time: later }.encode();
    std::fs::write(ledger.join(format!("journal-{:016}", 1)), header).unwrap();
    let manifest = limited(backend.address(), json!({"requests": "20 requests/hour"}));
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let mut served = Vec::new();
    for _ in 0..3 {
        let gateway = TestGateway::start_with(&manifest, settings.clone()).await.unwrap();
        let client = gateway.client();
        let answers = join_all((0..64).map(|_| told(client.clone()))).await;
        served.push(answers.iter().filter(|answer| answer.status == 200).count());
        gateway.shutdown(Duration::from_secs(5)).await;
    }
    assert_eq!(served, [20, 0, 0]);
    let figure = format!("{} of 20 served, then {} and {}", served[0], served[1], served[2]);
    note("Clocks", "the clock an hour behind the ledger, 20 requests an hour, two restarts", figure);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_every_limit_has_used_holds_and_has_left() {
    let pace = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&pace);
    let backend = FakeBackend::start(move |number, _| match number {
        0 => Reply::completion("yes"),
        _ => Reply::paced(&stream_body(&["one"]), &held),
    })
    .await;
    let limit = json!({"requests": "10 requests/day", "streams": 4});
    let gateway = TestGateway::start(&limited(backend.address(), limit)).await;
    let client = gateway.client();
    client.chat(&chat("x")).await;
    let callers = TaskTracker::new();
    let open = callers.spawn(told(client.clone()));
    backend.await_requests(2).await;
    let seen = gateway.status().await.limits;
    let [streams, requests] = seen.counters.as_slice() else { panic!("{seen:?}") };
    assert_eq!(
        (streams.unit.as_str(), streams.used, streams.reserved, streams.remaining),
        ("streams", 0, 1, 3)
    );
    assert_eq!((requests.used, requests.reserved, requests.remaining), (1, 1, 8));
    assert_eq!(
        (requests.limit.as_str(), requests.scope.as_str(), requests.subject.as_str()),
        ("ceiling", "route", "chat")
    );
    assert!(requests.resets_at_ms.is_some() && streams.resets_at_ms.is_none());
    assert_eq!(seen.held, 2);
    let one: Status = gateway.admin().get("/v1/status?limits=1").await.parsed();
    assert_eq!((one.limits.counters.len(), one.limits.others), (1, 1));
    assert_eq!(gateway.admin().get("/v1/status?limits=all").await.status, 400);
    if let Some(program) = sluicegate() {
        let told =
            Command::new(program).args(["status", "--admin", &gateway.admin_url]).output().await.unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(
            told.contains("ceiling  route chat  [##--------]   20.0 %  1 + 1 held of 10 requests/day"),
            "{told}"
        );
    }
    pace.add_permits(1_000);
    open.await.unwrap();
    gateway.await_idle().await;
    assert_eq!(gateway.status().await.limits.held, 0);
}
