//! Ready-made fleets. It owns the four servers of the quickstart; it refuses ports and scripts of what
//! goes wrong beyond the odd failed request: the caller adds those.

use std::time::Duration;

use vocabulary::{Prices, TokenPrice};

use crate::config::{Flavour, ModelConfig, SimConfig};
use crate::faults::{Fault, FaultKind, FaultScript};
use crate::prices::PriceList;
use crate::profile::Profile;
use crate::quota::QuotaConfig;

/// The chat model every server of the quickstart serves.
pub const CHAT_MODEL: &str = "sim-chat";

/// The embedding model every server of the quickstart serves.
pub const EMBEDDING_MODEL: &str = "sim-embed";

/// Four servers of one model that differ as real offers do, in the order `provisioned`, `payg`,
/// `budget`, `selfhosted`. The first two speak Azure OpenAI's API, `budget` OpenAI's and `selfhosted`
/// vLLM's. Real time, no key; seeds differ.
///
/// | server | price in / out, USD per 1M | first token | per token | limit |
/// |---|---|---|---|---|
/// | `provisioned` | 0 / 0 | 0.25 s + prompt / 9,000 | 18 ms | bucket of 3,600 weighted tokens/s x 10 s |
/// | `payg` | 2.50 / 10 | 0.45 s + prompt / 7,000 | 22 ms | 300,000 tokens and 1,800 requests per minute |
/// | `budget` | 0.60 / 2.40 | 0.95 s + prompt / 3,000 | 32 ms | slows beyond 40 in flight |
/// | `selfhosted` | 0.05 / 0.05 | prompt / 5,000 + queue | 20 ms + 1.2 ms x batch | 16 slots |
#[must_use]
pub fn quickstart() -> Vec<SimConfig> {
    vec![provisioned(), payg(), budget(), selfhosted()]
}

/// A provisioned server in trouble: first tokens six times as late, half the capacity, 5 % errors.
#[must_use]
pub const fn brown_out(at: f64, lasting: f64) -> Fault {
    Fault::new(at, lasting, FaultKind::BrownOut { factor: 6.0, capacity: 0.5, error_ratio: 0.05 })
}

fn server(name: &str, seed: u64, profile: Profile, failing: f64, cents_in: u64, cents_out: u64) -> SimConfig {
    let price = |cents: u64| TokenPrice { nanos_per_million: cents * 10_000_000 };
    let failures =
        Fault { at: 0.0, lasting: None, fraction: failing, kind: FaultKind::ServerError { status: 500 } };
    SimConfig {
        models: vec![ModelConfig::new(CHAT_MODEL), ModelConfig::new(EMBEDDING_MODEL)],
        faults: FaultScript { faults: vec![failures] },
        prices: PriceList::from(Prices {
            input: price(cents_in),
            cached_input: price(cents_in),
            cache_write: price(cents_in),
            cache_write_1h: price(cents_in),
            output: price(cents_out),
        }),
        seed,
        ..SimConfig::new(name, CHAT_MODEL, profile)
    }
}

fn provisioned() -> SimConfig {
    let profile = Profile::hosted(Duration::from_millis(250), 9_000.0, Duration::from_millis(18));
    let quota = QuotaConfig::Provisioned {
        weighted_tokens_per_s: 3_600.0,
        burst: Duration::from_secs(10),
        output_weight: 4.0,
    };
    let flavour = Flavour::AzureOpenAi;
    SimConfig { quota, flavour, ..server("provisioned", 11, profile.with_noise(0.25, 0.005), 0.001, 0, 0) }
}

fn payg() -> SimConfig {
    let profile = Profile::hosted(Duration::from_millis(450), 7_000.0, Duration::from_millis(22));
    let quota = QuotaConfig::PerMinute { requests: Some(1_800), tokens: Some(300_000) };
    let flavour = Flavour::AzureOpenAi;
    SimConfig { quota, flavour, ..server("payg", 12, profile.with_noise(0.40, 0.015), 0.003, 250, 1_000) }
}

fn budget() -> SimConfig {
    let profile = Profile::Hosted {
        ttft_base: Duration::from_millis(950),
        prefill_tokens_per_s: 3_000.0,
        time_per_token: Duration::from_millis(32),
        sigma: 0.42,
        tail: 0.02,
        soft_concurrency: Some(40),
    };
    server("budget", 13, profile, 0.008, 60, 240)
}

fn selfhosted() -> SimConfig {
    let iteration = (Duration::from_millis(20), Duration::from_micros(1_200));
    // Prefill and decode share the iterations, so about 1.7 typical chats a second are its limit: a quarter
    // of the quickstart's trace fits, and a strategy that knows no better is not set up to fail.
    let profile = Profile::self_hosted(16, 10_000.0, iteration.0, iteration.1);
    let server = server("selfhosted", 14, profile.with_noise(0.10, 0.0), 0.001, 5, 5);
    SimConfig { flavour: Flavour::Vllm, ..server }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocabulary::{Moment, Usage};

    #[test]
    fn a_million_tokens_each_way_cost_what_the_table_says() {
        let usage = Usage { input: 1_000_000, output: 1_000_000, ..Usage::default() };
        let costs: Vec<String> =
            quickstart().iter().map(|sim| sim.prices.cost(Moment::ZERO, &usage).to_string()).collect();
        assert_eq!(costs, ["0 USD", "12.5 USD", "3 USD", "0.1 USD"]);
    }
}
