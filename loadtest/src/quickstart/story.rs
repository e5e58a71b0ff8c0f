//! What happens in the quickstart, and when. It owns the manifest, the trace, the brown-out and the rise
//! in price, all in policy time; it refuses to act.

use std::time::Duration;

use trace::{Entry, GenerateSpec};
use vocabulary::{Prices, TokenPrice};

use crate::load::Phase;

/// The manifest the gateway runs.
pub(super) const MANIFEST: &str = include_str!("../../../examples/quickstart.yaml");
/// The key of the manifest's one consumer.
pub(super) const KEY: &str = "sk-quickstart-demo";
/// The model all backends serve.
pub(super) const MODEL: &str = model_sim::presets::CHAT_MODEL;
/// The manifest's objective.
pub(super) const OBJECTIVE: Duration = Duration::from_secs(2);

/// Length of the trace.
pub(super) const LENGTH: Duration = Duration::from_secs(600);
/// Requests per second on average: nine tenths of the tokens of Azure's public trace of conversations.
const RATE: f64 = 4.0;
/// When the provisioned backend is in trouble.
pub(super) const BROWN_OUT: std::ops::Range<Duration> = Duration::from_secs(180)..Duration::from_secs(330);
/// When the cheap backend becomes dear.
pub(super) const PRICE_RISE: Duration = Duration::from_secs(420);
/// The phase of the report that holds the brown-out.
pub(super) const BROWN_OUT_PHASE: &str = "brown-out";
/// The backend that is in trouble.
pub(super) const TROUBLED: &str = "provisioned";
/// The backend that becomes dear.
pub(super) const RISING: &str = "budget";

const OLD_PRICE: &str = "price: {input: 0.60 USD/1M, output: 2.40 USD/1M}";
const NEW_PRICE: &str = "price: {input: 3 USD/1M, output: 12 USD/1M}";
/// The new price in nano-dollars per million tokens: input, output.
const RISEN: (u64, u64) = (3_000_000_000, 12_000_000_000);

/// The new price, as the backend charges it.
pub(super) fn risen() -> Prices {
    let price = |nanos_per_million| TokenPrice { nanos_per_million };
    let input = price(RISEN.0);
    Prices { input, cached_input: input, cache_write: input, cache_write_1h: input, output: price(RISEN.1) }
}

/// The manifest after the rise.
pub(super) fn with_risen_price(manifest: &str) -> String {
    manifest.replace(OLD_PRICE, NEW_PRICE)
}

/// The requests, the same for every strategy.
pub(super) fn trace(seed: u64) -> Vec<Entry> {
    let spec = GenerateSpec { seconds: LENGTH.as_secs_f64(), rate: RATE, seed, ..GenerateSpec::default() };
    trace::generate(spec).collect()
}

/// What the report shows on its own.
pub(super) fn phases() -> Vec<Phase> {
    vec![Phase { name: BROWN_OUT_PHASE.to_owned(), span: BROWN_OUT }]
}

/// Policy seconds per wall-clock second, so that both strategies together take `seconds` of wall time.
pub(super) fn time_scale(seconds: u32) -> f64 {
    2.0 * LENGTH.as_secs_f64() / f64::from(seconds)
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) at: Duration,
    pub(super) text: &'static str,
    pub(super) bad: bool,
}

/// Everything that happens, in order.
pub(super) fn turns() -> [Turn; 4] {
    let turn = |at, text, bad| Turn { at, text, bad };
    [
        turn(Duration::ZERO, "traffic begins: about 4 requests a second, long and short", false),
        turn(
            BROWN_OUT.start,
            "brown-out: provisioned answers six times as late, at half its capacity, 5 % errors",
            true,
        ),
        turn(BROWN_OUT.end, "the brown-out ends", false),
        turn(
            PRICE_RISE,
            "budget becomes five times as dear: one line of the manifest changes, the gateway reloads it",
            true,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rise_in_price_changes_one_line_of_the_manifest() {
        let risen = with_risen_price(MANIFEST);
        let changed = MANIFEST.lines().zip(risen.lines()).filter(|(old, new)| old != new).count();
        assert_eq!(changed, 1);
        assert_eq!(
            NEW_PRICE,
            format!("price: {{input: {}, output: {}}}", super::risen().input, super::risen().output)
        );
    }

    #[test]
    fn the_trace_is_the_same_twice_and_fills_its_time() {
        let entries = trace(1);
        assert_eq!(entries, trace(1));
        assert!((1_900..2_900).contains(&entries.len()), "{}", entries.len());
        assert!(entries.last().unwrap().at > LENGTH.mul_f64(0.99));
    }

    #[test]
    fn the_manifest_names_the_simulated_backends_and_their_model() {
        for sim in model_sim::presets::quickstart() {
            assert!(MANIFEST.contains(&format!("\n  {}:\n", sim.name)), "{}", sim.name);
        }
        assert_eq!(MANIFEST.matches(&format!("      {MODEL}:\n")).count(), 4);
        assert!(MANIFEST.contains(KEY));
        assert!(MANIFEST.contains(&format!("ttft: {}", vocabulary::Span(OBJECTIVE))));
    }
}
