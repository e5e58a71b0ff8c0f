//! A day of simulated traffic through the real program, and its costs as finance gets them: to the
//! nano-dollar what the servers' own logs say, streams, cached tokens, failures and cancellations included.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::backend::simulate;
use e2e::binary::{Running, sluicegate};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat, chat_stream};
use e2e::manifest::{MODEL, Manifest};
use e2e::wait::until_async;
use model_sim::config::Flavour;
use model_sim::{Fault, FaultKind, FaultScript, Profile, SimConfig, SimHandle};
use rustix::process::Signal;
use serde_json::{Value, json};
use vocabulary::{Prices, UnixTime, Usage};

/// A day takes ten seconds.
const SCALE: f64 = 8640.0;
const ROUNDS: usize = 40;
const KEYS: [(&str, &str); 2] = [("app", "sk-app"), ("batch", "sk-batch")];

fn price(usd: &str) -> vocabulary::TokenPrice {
    format!("{usd} USD/1M").parse().unwrap()
}

/// A server that charges what the manifest says of it.
fn server(name: &str, flavour: Flavour, [input, cached, output]: [&str; 3]) -> (SimHandle, Value) {
    let prices = Prices {
        input: price(input),
        cached_input: price(cached),
        cache_write: price(input),
        cache_write_1h: price(input),
        output: price(output),
    };
    // Policy time: an hour is four tenths of a second.
    let profile = Profile::hosted(Duration::from_secs(60), 1e9, Duration::from_secs(5));
    let config = SimConfig {
        prices: prices.into(),
        prompt_cache: true,
        flavour,
        time_scale: SCALE,
        ..SimConfig::new(name, MODEL, profile)
    };
    let stated = json!({
        "input": format!("{input} USD/1M"), "cachedInput": format!("{cached} USD/1M"), "output": format!("{output} USD/1M"),
    });
    (simulate(config), stated)
}

fn manifest(hosted: &(SimHandle, Value), own: &(SimHandle, Value)) -> Manifest {
    let slow = json!({"connect": "9h", "firstByte": "9h", "firstToken": "9h", "idle": "9h"});
    let mut manifest = Manifest::new()
        .backend("hosted", hosted.0.addr())
        .set("/backends/hosted/models/sim-chat/price", hosted.1.clone())
        .set("/backends/hosted/timeouts", slow.clone())
        .backend_of("own", "vllm", &format!("http://{}", own.0.addr()))
        .set("/backends/own/models/sim-chat", json!({"price": own.1, "cost": "9.80 USD/hour"}))
        .set("/backends/own/timeouts", slow)
        .set("/backends/own/health", json!({"enabled": false}))
        .set("/pools/own", json!({"members": ["own"]}))
        .set("/pools/chat/ejection", json!({"consecutiveFailures": 1000}))
        .set("/pools/own/ejection", json!({"consecutiveFailures": 1000}))
        .set(
            "/routes/own",
            json!({"match": {"path": "/v1/chat/completions", "method": "POST", "header": {"x-own": "yes"}}, "pool": "own", "deadline": "20h"}),
        )
        .set("/routes/own/rewrite/request/headers/set", json!({"x-sim-output-tokens": "20"}))
        .set("/routes/chat/deadline", "20h");
    for (name, key) in KEYS {
        manifest =
            manifest.consumer(name, key).set(&format!("/consumers/{name}/team"), format!("team-{name}"));
        manifest = manifest.set(&format!("/teams/team-{name}"), json!({}));
    }
    manifest
}

/// A stream whose every event says what has been consumed so far, as vLLM offers.
fn counted_stream(words: &str) -> Value {
    let mut request = chat_stream(words);
    request["stream_options"] = json!({"include_usage": true, "continuous_usage_stats": true});
    request["max_tokens"] = 20.into();
    request
}

/// Every request from now on meets this fault, or none.
fn meets(sim: &SimHandle, fault: Option<FaultKind>) {
    let faults = fault.map(|kind| Fault { lasting: None, ..Fault::new(0.0, 0.0, kind) });
    sim.set_faults(FaultScript { faults: faults.into_iter().collect() });
}

/// One of each kind of request.
async fn round(client: &Client, hosted: &SimHandle, own: &SimHandle, number: usize) {
    let to_own = client.clone().with("x-own", "yes");
    let long = model_sim::tokens::text_of(1500, 1);
    assert_eq!(client.chat(&chat(&format!("hello {number}"))).await.status, 200);
    assert_eq!(client.chat(&chat(&long)).await.status, 200, "most of its prompt is cached");
    let mut whole = client.chat_events(&chat_stream(&long)).await;
    assert!(whole.rest().await.last().is_some_and(e2e::sse::Event::is_done));
    meets(hosted, Some(FaultKind::ServerError { status: 503 }));
    assert_ne!(client.chat(&chat("hello")).await.status, 200);
    meets(hosted, None);
    // The connection ends in the middle: what was generated is owed.
    meets(own, Some(FaultKind::DropMidStream { after_events: 4 }));
    let mut broken = to_own.chat_events(&counted_stream(&format!("broken {number}"))).await;
    let events = broken.rest().await;
    assert!(!events.last().is_some_and(e2e::sse::Event::is_done), "{} {events:?}", broken.status);
    // The server stops in the middle and the caller gives up on it.
    meets(own, Some(FaultKind::HangMidStream { after_events: 4 }));
    let mut left = to_own.chat_events(&counted_stream("left alone")).await;
    for _ in 0..4 {
        left.next().await.unwrap();
    }
    drop(left);
    meets(own, None);
    assert_eq!(to_own.chat(&chat("hello")).await.status, 200);
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// The export's rows by column.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        header.iter().zip(record.iter()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Exact nano-dollars of a decimal.
fn nanos(usd: &str) -> u64 {
    format!("{usd} USD").parse::<vocabulary::Usd>().unwrap().nanos
}

fn sum(rows: &[BTreeMap<String, String>], column: &str, category: &str) -> u64 {
    rows.iter().filter(|row| row["ChargeCategory"] == category).map(|row| nanos(&row[column])).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_days_export_sums_to_the_servers_own_logs_to_the_nano_dollar() {
    let Some(program) = sluicegate() else { return };
    let hosted = server("hosted", Flavour::OpenAi, ["2.50", "1.25", "10"]);
    let own = server("own", Flavour::Vllm, ["0.07", "0.03", "0.11"]);
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = (folder.path().join("gateway.yaml"), folder.path().join("state"));
    std::fs::write(&file, manifest(&hosted, &own).text()).unwrap();
    let (file, state) = (file.to_str().unwrap(), state.to_str().unwrap());
    let scale = SCALE.to_string();
    let arguments = ["run", "--manifest", file, "--state-dir", state, "--time-scale", &scale];
    let mut gateway = Running::start(&program, &arguments, &[]);
    let address = gateway.listener("main").await;
    let begun = tokio::time::Instant::now();
    for number in 0..ROUNDS {
        let client = Client::new(address).with_key(KEYS[number % 2].1);
        Box::pin(round(&client, &hosted.0, &own.0, number)).await;
        // Spread over a day and a bit, with idle hours between.
        tokio::time::sleep_until(begun + Duration::from_millis(300) * u32::try_from(number + 1).unwrap())
            .await;
    }
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success(), "{}", gateway.said());

    let period = ["--state-dir", state, "--from", "2020-01-01", "--to", "2100-01-01"];
    let exported = run(&program, &[&["costs", "export"][..], &period].concat());
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let rows = rows(std::str::from_utf8(&exported.stdout).unwrap());
    let of_servers: u64 = [&hosted.0, &own.0].map(|sim| sim.totals().cost_nanos).iter().sum();
    assert_eq!(sum(&rows, "BilledCost", "Usage"), of_servers);
    let figure = format!("{of_servers} nano-dollars in the export and in the servers' own logs");
    e2e::figures::note("Costs", "a simulated day, exported", figure);
    let usage = |column: &str| rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
    let log: Vec<Usage> =
        [&hosted.0, &own.0].iter().flat_map(|sim| sim.log()).map(|record| record.usage()).collect();
    let logged = |of: fn(&Usage) -> u64| log.iter().map(of).sum::<u64>();
    assert_eq!(
        [usage("x_InputTokens"), usage("x_CachedInputTokens"), usage("x_OutputTokens")],
        [logged(|u| u.input), logged(|u| u.cached_input), logged(|u| u.output)]
    );
    assert!(usage("x_CachedInputTokens") > 0, "nothing was cached");
    assert!(rows.iter().all(|row| row["x_Estimated"] == "false"));

    // The hours of capacity: bought once each, and spread over whoever used them.
    let bought: Vec<_> = rows.iter().filter(|row| row["ChargeCategory"] == "Purchase").collect();
    assert!(bought.len() >= 24, "{} hours", bought.len());
    assert!(bought.iter().all(|row| nanos(&row["BilledCost"]) == 9_800_000_000));
    let effective = sum(&rows, "EffectiveCost", "Usage");
    assert_eq!(effective, of_servers + 9_800_000_000 * bought.len() as u64, "everything spent has an effect");

    reconciled(&program, folder.path(), &period, &[&hosted.0, &own.0], &rows);
}

/// The servers' own logs as a provider's export: no drift, and with a tenth missing there is.
fn reconciled(
    program: &Path,
    folder: &Path,
    period: &[&str],
    sims: &[&SimHandle],
    rows: &[BTreeMap<String, String>],
) {
    let mut days: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let day = days.entry(&row["ChargePeriodStart"][..10]).or_default();
        day.0 += row["x_InputTokens"].parse::<u64>().unwrap();
        day.1 += row["x_OutputTokens"].parse::<u64>().unwrap();
    }
    let logged: u64 = sims.iter().flat_map(|sim| sim.log()).map(|record| record.usage().input).sum();
    assert_eq!(days.values().map(|(input, _)| input).sum::<u64>(), logged);
    for (share, code) in [(10, 0), (9, 1)] {
        let lines = days
            .iter()
            .filter(|(_, tokens)| tokens.0 > 0)
            .map(|(day, (input, output))| format!("{day},{MODEL},{},{output}\n", input * share / 10));
        let text = format!("date,model,input_tokens,output_tokens\n{}", lines.collect::<String>());
        let file = folder.join("usage.csv");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let compared =
            run(program, &[&["reconcile", "--usage", file, "--format", "plain"][..], period].concat());
        let said = String::from_utf8_lossy(&compared.stdout);
        assert_eq!(compared.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&compared.stderr));
        assert_eq!(said.contains("beyond"), code == 1, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_changes_at_its_time_without_a_new_policy() {
    let server =
        simulate(SimConfig::new("hosted", MODEL, Profile::hosted(Duration::ZERO, 1e9, Duration::ZERO)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let change = |from: u64, usd: &str| json!({"from": UnixTime(from).to_string(), "input": "0 USD/1M", "output": format!("{usd} USD/1M")});
    let mut price = json!({"input": "0 USD/1M", "output": "1 USD/1M"});
    price["changes"] = json!([change(now + 2, "9"), change(now - 60, "5"), change(now + 86_400, "7")]);
    let manifest = Manifest::new()
        .backend("hosted", server.addr())
        .set("/backends/hosted/models/sim-chat/price", price)
        .consumer("app", "sk-app");
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client().with_key("sk-app");
    let cost = async || {
        let answer = client.chat(&chat("hello")).await;
        let tokens = answer.json()["usage"]["completion_tokens"].as_u64().unwrap();
        let record = gateway.access_log().record(answer.request_id()).await;
        record.cost_nanos / tokens
    };
    assert_eq!(cost().await, 5_000, "nano-dollars a token");
    until_async("the price of the next second but one", async || (cost().await == 9_000).then_some(())).await;
}
