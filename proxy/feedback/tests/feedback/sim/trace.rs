//! Requests to replay: generated, or a published trace when it is at hand.

use std::path::PathBuf;

use super::noise::{normal, uniform};

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) at: f64,
    pub(crate) prompt: u64,
    pub(crate) output: u64,
}

/// Poisson arrivals at `per_second` for `seconds`; sizes log-normal with the medians of a chat service.
pub(crate) fn generated(seconds: f64, per_second: f64, seed: u64) -> Vec<Request> {
    let mut at = 0.0;
    let mut requests = Vec::new();
    for k in 0.. {
        at += -(1.0 - uniform([seed, k, 0, 0, 7])).ln() / per_second;
        if at >= seconds {
            break;
        }
        let size = |median: f64, purpose: u64| median * (0.8 * normal([seed, k, 0, 0, purpose])).exp();
        requests.push(Request {
            at,
            prompt: size(1_020.0, 8).clamp(20.0, 4_100.0) as u64,
            output: size(129.0, 9).clamp(1.0, 600.0) as u64,
        });
    }
    requests
}

/// Azure's 2023 conversation trace (CC-BY 4.0; Splitwise, ISCA 2024), if the folder of shared traces is
/// there.
pub(crate) fn azure_conversation() -> Option<Vec<Request>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SLUICEGATE_SHARED").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(shared.join("traces/azure2023_conv.csv")).ok()?;
    let rows = text.lines().skip(1).map(|line| {
        let mut fields = line.split(',');
        let mut number =
            || fields.next().and_then(|field| field.trim().parse::<f64>().ok()).expect("a number");
        Request { at: number(), prompt: number() as u64, output: number().max(1.0) as u64 }
    });
    Some(rows.collect())
}
