//! Real arrivals, ten minutes of them, against four simulated offers: nothing is lost, every account of
//! tokens agrees, and choosing by objective beats taking turns.

use std::path::Path;
use std::time::Duration;

use e2e::backend::simulate;
use e2e::gateway::{Settings, TestGateway};
use e2e::manifest::Manifest;
use e2e::shared::shared;
use loadtest::{Bend, Outcome, Plan, Report, bend};
use model_sim::SimHandle;
use model_sim::presets::quickstart;
use serde_json::{Value, json};
use vocabulary::Usage;

/// Policy seconds per second.
const SCALE: f64 = 5.0;
const WINDOW: Duration = Duration::from_secs(600);
const TRACE: &str = "traces/azure2023_conv.csv";

/// Four servers and a gateway before them.
struct Stand {
    sims: Vec<SimHandle>,
    gateway: TestGateway,
}

/// What a run came to, by its own accounts.
struct Run {
    report: Report,
    usage_of_sims: Usage,
    usage_of_log: Usage,
    usd_of_sims: f64,
    usd_of_log: f64,
}

fn serving(name: &str) -> Value {
    match name {
        "provisioned" => json!({
            "model": "sim-chat", "contextWindow": 131_072, "cost": "36 USD/hour", "expectedTtft": "400ms",
            "quota": {"tokens": "216k tokens/min", "shape": "leaky-bucket", "burst": "10s", "outputWeight": 4},
        }),
        "payg" => json!({
            "model": "sim-chat", "contextWindow": 131_072, "expectedTtft": "600ms",
            "price": {"input": "2.50 USD/1M", "output": "10 USD/1M"},
            "quota": {"tokens": "300k tokens/min", "requests": "1800 requests/min"},
        }),
        "budget" => json!({
            "contextWindow": 131_072, "expectedTtft": "1300ms",
            "price": {"input": "0.60 USD/1M", "output": "2.40 USD/1M"},
        }),
        _ => json!({
            "contextWindow": 131_072, "expectedTtft": "500ms", "concurrency": 16,
            "price": {"input": "0.05 USD/1M", "output": "0.05 USD/1M"},
        }),
    }
}

async fn stand(strategy: &str) -> Stand {
    let configs = quickstart();
    let names: Vec<String> = configs.iter().map(|config| config.name.clone()).collect();
    let sims: Vec<SimHandle> = configs
        .into_iter()
        .map(|mut config| {
            config.time_scale = SCALE;
            simulate(config)
        })
        .collect();
    let mut manifest = Manifest::new().set("/pools/chat/strategy", strategy);
    if strategy == "adaptive" {
        let objective = json!({"ttft": "2s", "attainment": "96%", "maxCostPerMiss": "0.20 USD"});
        manifest = manifest.set("/pools/chat/objective", objective);
    }
    for (name, sim) in names.iter().zip(&sims) {
        let (kind, section) = match name.as_str() {
            "provisioned" | "payg" => ("azure-openai", "deployments"),
            "selfhosted" => ("vllm", "models"),
            _ => ("openai", "models"),
        };
        manifest = manifest
            .backend_of(name, kind, &format!("http://{}", sim.addr()))
            .member("chat", name)
            .set(&format!("/backends/{name}/{section}"), json!({"sim-chat": serving(name)}))
            .set(&format!("/backends/{name}/timeouts"), json!({"firstToken": "60s"}));
    }
    let settings = Settings { time_scale: SCALE, ..Settings::default() };
    Stand { sims, gateway: TestGateway::start_with(&manifest, settings).await.unwrap() }
}

async fn run(stand: &Stand, trace: &Path) -> Run {
    let recorded = trace::open(trace, None).unwrap();
    let how = Bend { speed: 1.0, rate_scale: 1.0, window: Some(WINDOW), seed: 1 };
    let mut plan = Plan::new(stand.gateway.url.parse().unwrap(), "sim-chat", bend(Box::new(recorded), how));
    plan.time_scale = SCALE;
    plan.exact_output = true;
    plan.objective = Some(Duration::from_secs(2));
    plan.timeout = Duration::from_secs(180);
    let report = loadtest::replay(plan).await.unwrap();
    let served = usize::try_from(report.count(Outcome::Ok)).unwrap();
    let log = stand.gateway.access_log().at_least(served).await;
    let sum = |usages: &mut dyn Iterator<Item = Usage>| {
        usages.fold(Usage::default(), |sum, one| Usage {
            input: sum.input + one.input,
            output: sum.output + one.output,
            ..Usage::default()
        })
    };
    let usage_of_log = sum(&mut log.iter().filter_map(|record| record.usage));
    let usage_of_sims = sum(&mut stand.sims.iter().flat_map(SimHandle::log).map(|record| record.usage()));
    let nanos = |sum: u64| sum as f64 / 1e9;
    Run {
        report,
        usage_of_sims,
        usage_of_log,
        usd_of_sims: nanos(stand.sims.iter().map(|sim| sim.totals().cost_nanos).sum()),
        usd_of_log: nanos(log.iter().map(|record| record.cost_nanos).sum()),
    }
}

impl Run {
    fn is_sound(&self, name: &str) {
        let report = &self.report;
        assert_eq!(report.lost(), 0, "{name}: {:?} {:?}", report.outcomes, report.details);
        assert!(report.count(Outcome::Ok) > 1_000, "{name}: {:?}", report.outcomes);
        assert_eq!(report.without_usage, 0, "{name}: every stream is complete, usage included");
        let client = (report.usage.input, report.usage.output);
        assert_eq!(
            client,
            (self.usage_of_sims.input, self.usage_of_sims.output),
            "{name}: client and servers"
        );
        assert_eq!(
            client,
            (self.usage_of_log.input, self.usage_of_log.output),
            "{name}: client and access log"
        );
        assert!(
            (self.usd_of_log - self.usd_of_sims).abs() < 1e-6,
            "{name}: {} {}",
            self.usd_of_log,
            self.usd_of_sims
        );
    }

    fn usd_per_million_tokens(&self) -> f64 {
        self.usd_of_log / self.usage_of_log.total() as f64 * 1e6
    }

    fn p95_ttft(&self) -> f64 {
        self.report.ttft.p95_s.unwrap()
    }
}

/// Runs one strategy on a stand of its own and says how it went.
async fn measured(strategy: &str, trace: &Path) -> Run {
    let stand = stand(strategy).await;
    let run = run(&stand, trace).await;
    eprintln!(
        "{strategy}: p95 TTFT {:.2} s, {:.3} USD per 1M tokens, {} requests, {:.1} % in time, shares {:.2?}, {:?}",
        run.p95_ttft(),
        run.usd_per_million_tokens(),
        run.report.count(Outcome::Ok),
        run.report.objective.map_or(0.0, |attained| attained.fraction * 100.0),
        run.report.backends.iter().map(|(name, one)| (name, one.share)).collect::<Vec<_>>(),
        run.report.validity.problems,
    );
    assert_eq!(
        stand.gateway.shutdown(Duration::from_secs(5)).await,
        0,
        "requests in flight after the last answer"
    );
    run
}

/// Four minutes. One strategy after the other: side by side they would take each other's processor time,
/// and what is measured is time.
#[tokio::test(flavor = "multi_thread")]
async fn long_adaptive_beats_turns_on_ten_minutes_of_real_arrivals_and_no_token_is_miscounted() {
    let Some(trace) = shared(TRACE) else { return };
    let turns = Box::pin(measured("round-robin", &trace)).await;
    let adaptive = Box::pin(measured("adaptive", &trace)).await;
    turns.is_sound("round-robin");
    adaptive.is_sound("adaptive");
    let seconds = (adaptive.p95_ttft(), turns.p95_ttft());
    assert!(seconds.0 < seconds.1, "p95 TTFT: adaptive {} s, in turn {} s", seconds.0, seconds.1);
    let dollars = (adaptive.usd_per_million_tokens(), turns.usd_per_million_tokens());
    assert!(dollars.0 < dollars.1, "per 1M tokens: adaptive {} USD, in turn {} USD", dollars.0, dollars.1);
}
