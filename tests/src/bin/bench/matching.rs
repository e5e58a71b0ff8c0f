//! What finding a request's verdict and route costs, by the number of rules and routes. It owns timing the
//! engines beside asking one by one; the policy and the requests are those of the crate's own bench.

#[path = "../../../../policy-compiler/rule-table/benches/matching/population.rs"]
mod population;

use std::hint::black_box;
use std::time::{Duration, Instant};

use population::{Request, decide, decide_plainly, policy, requests};
use rule_table::{AclTable, RouteTable};
use serde::Serialize;

use crate::table::Table;

/// So many rules, and as many routes.
const SIZES: [u32; 3] = [10, 1_000, 100_000];
/// Calls timed together. Of their batches the median counts: a pause of this thread is in few of them.
const BATCH: usize = 64;
/// Requests asked one by one, at most: each asks every rule.
const SCANS: usize = 32;

/// One size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Match {
    /// Rules, and as many routes.
    pub(crate) rules: u32,
    /// Per request.
    pub(crate) ns: f64,
    /// Asking each rule and route in turn.
    pub(crate) scan_ns: f64,
    /// Building both engines.
    pub(crate) build_ms: f64,
    /// Of both engines' tables.
    pub(crate) index_bytes: usize,
}

/// Times `count` requests for each size; nothing where there are none.
pub(crate) fn run(count: usize) -> Vec<Match> {
    SIZES.iter().filter(|_| count > 0).map(|rules| of(*rules, count)).collect()
}

fn of(rules: u32, count: usize) -> Match {
    let policy = policy(rules);
    let start = Instant::now();
    let (acl, routes) = (AclTable::build(&policy), RouteTable::build(&policy));
    let build_ms = start.elapsed().as_secs_f64() * 1e3;
    let requests = requests(rules);
    let indexed = |request: &Request| decide(&acl, &routes, request);
    // Warms the caches, as traffic would.
    median(&requests, requests.len(), BATCH, indexed);
    Match {
        rules,
        ns: median(&requests, count, BATCH, indexed),
        scan_ns: median(&requests, SCANS, 1, |request| decide_plainly(&policy, request)),
        build_ms,
        index_bytes: acl.stats().index_bytes.saturating_add(routes.index_bytes()),
    }
}

/// Nanoseconds per call.
fn median(requests: &[Request], count: usize, batch: usize, call: impl Fn(&Request) -> bool) -> f64 {
    let mut next = requests.iter().cycle();
    let mut batches: Vec<Duration> = Vec::new();
    for _ in 0..count.div_ceil(batch) {
        let start = Instant::now();
        for request in next.by_ref().take(batch) {
            black_box(call(request));
        }
        batches.push(start.elapsed());
    }
    batches.sort_unstable();
    let middle = batches.get(batches.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1e9 / batch as f64
}

/// All sizes.
pub(crate) fn table(matches: &[Match]) -> Table {
    let mut table = Table::new(&[
        "rules, and as many routes",
        "ns",
        "× the first",
        "ns one by one",
        "ms to build",
        "index KiB",
    ]);
    let first = matches.first().map_or(1.0, |first| first.ns);
    for one in matches {
        table.push(vec![
            one.rules.to_string(),
            format!("{:.0}", one.ns),
            format!("{:.1}", one.ns / first),
            format!("{:.0}", one.scan_ns),
            format!("{:.1}", one.build_ms),
            (one.index_bytes / 1024).to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_asking_agree_and_every_request_has_a_route() {
        let policy = policy(100);
        let (acl, routes) = (AclTable::build(&policy), RouteTable::build(&policy));
        for request in requests(100).iter().take(64) {
            assert!(decide(&acl, &routes, request) && decide_plainly(&policy, request));
        }
    }
}
