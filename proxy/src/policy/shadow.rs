//! A second policy beside the one that serves: live requests are followed through both, and differences are
//! counted. It owns the time it runs, how many requests it may cost and the counts; it refuses to act on any
//! request.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use decision::{Exchange, Gate, Head, Prospect};
use parking_lot::Mutex;
use vocabulary::admin::shadow::{Difference, Differs, ShadowStatus};
use vocabulary::{Moment, Reason};

/// Requests compared per second of wall time, at most: each costs some tens of microseconds.
const PER_SECOND: u64 = 200;
/// Ids kept per class.
const SAMPLES: usize = 20;

/// Where a second policy may stand.
#[derive(Debug, Default)]
pub struct Shadow {
    running: ArcSwapOption<Running>,
}

/// A comparison.
#[derive(Debug)]
pub struct Running {
    /// The policy that served when it began.
    pub serving: String,
    /// The second policy, with pools and ledger of its own unless `limits` is false.
    pub gate: Arc<Gate>,
    /// Whether its limits count.
    pub limits: bool,
    /// Milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// Who began it.
    pub by: String,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    second: u64,
    in_second: u64,
    compared: u64,
    passed_over: u64,
    differences: BTreeMap<(Differs, Option<Reason>), (u64, Vec<String>)>,
}

/// A request that was followed through the second policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The first way in which the two differ about it, and why it was or would be refused.
    pub difference: Option<(Differs, Option<Reason>)>,
}

impl Running {
    /// A comparison that has not seen anything.
    #[must_use]
    pub fn new(serving: String, gate: Arc<Gate>, limits: bool, times_ms: (u64, u64), by: String) -> Self {
        let (since_ms, until_ms) = times_ms;
        Self { serving, gate, limits, since_ms, until_ms, by, counts: Mutex::default() }
    }

    fn covers(&self, exchange: &Exchange, now_ms: u64) -> bool {
        now_ms < self.until_ms && exchange.gate.digest() == self.serving
    }
}

impl Shadow {
    /// Begins a comparison in place of the one before.
    pub fn begin(&self, running: Running) {
        self.running.store(Some(Arc::new(running)));
    }

    /// Ends it and forgets its counts. Gives whether there was one.
    pub fn end(&self) -> bool {
        self.running.swap(None).is_some()
    }

    /// What it has found so far.
    #[must_use]
    pub fn status(&self, serving: &str, now_ms: u64) -> Option<ShadowStatus> {
        let running = self.running.load_full()?;
        let counts = running.counts.lock();
        let differences = counts.differences.iter().map(|((class, reason), (count, samples))| Difference {
            class: *class,
            reason: *reason,
            count: *count,
            samples: samples.clone(),
        });
        Some(ShadowStatus {
            serving: running.serving.clone(),
            digest: running.gate.digest().to_owned(),
            since_ms: running.since_ms,
            until_ms: running.until_ms,
            by: running.by.clone(),
            running: now_ms < running.until_ms && serving == running.serving,
            limits: running.limits,
            compared: counts.compared,
            passed_over: counts.passed_over,
            differences: differences.collect(),
        })
    }

    /// Follows a request through the second policy, if one stands here and has time: `refused` is how the
    /// stages up to `reserve` ended under the first. Nothing when it was not followed.
    pub fn compare(
        &self,
        exchange: &Exchange,
        head: &Head<'_>,
        refused: Option<Reason>,
        now: (Moment, u64),
    ) -> Option<Compared> {
        let running = self.running.load();
        let running = running.as_deref()?;
        let (now, now_ms) = now;
        if !running.covers(exchange, now_ms) || !running.counts.lock().has_time(now_ms / 1000) {
            return None;
        }
        let first = exchange.prospect(refused);
        let second = exchange.prospect_under(&running.gate, head, now, running.limits);
        let difference = differs(&first, &second);
        running.counts.lock().note(&exchange.request_id, difference);
        Some(Compared { difference })
    }
}

impl Counts {
    fn has_time(&mut self, second: u64) -> bool {
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        let has_time = self.in_second < PER_SECOND;
        self.in_second += 1;
        self.passed_over += u64::from(!has_time);
        has_time
    }

    fn note(&mut self, request_id: &str, difference: Option<(Differs, Option<Reason>)>) {
        self.compared += 1;
        let Some(difference) = difference else { return };
        let (count, samples) = self.differences.entry(difference).or_default();
        *count += 1;
        if samples.len() < SAMPLES {
            samples.push(request_id.to_owned());
        }
    }
}

/// The first way in which two policies differ about a request.
fn differs(first: &Prospect, second: &Prospect) -> Option<(Differs, Option<Reason>)> {
    match (first.refused, second.refused) {
        (None, Some(reason)) => Some((Differs::WouldRefuse, Some(reason))),
        (Some(reason), None) => Some((Differs::WouldAllow, Some(reason))),
        (Some(a), Some(b)) => (a != b).then_some((Differs::OtherReason, Some(b))),
        (None, None) if first.route != second.route => Some((Differs::OtherRoute, None)),
        (None, None) if first.pool != second.pool => Some((Differs::OtherPool, None)),
        (None, None) if first.members != second.members => Some((Differs::OtherMembers, None)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(route: &str, pool: &str, members: &[&str]) -> Prospect {
        Prospect {
            refused: None,
            route: Some(route.to_owned()),
            pool: Some(pool.to_owned()),
            members: members.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    fn refused(reason: Reason) -> Prospect {
        Prospect { refused: Some(reason), ..Prospect::default() }
    }

    #[test]
    fn the_first_difference_is_the_one_that_counts() {
        let first = to("chat", "a", &["x", "y"]);
        let class = |second: &Prospect| differs(&first, second).map(|(class, _)| class);
        assert_eq!(class(&first), None);
        assert_eq!(class(&to("other", "b", &[])), Some(Differs::OtherRoute));
        assert_eq!(class(&to("chat", "b", &[])), Some(Differs::OtherPool));
        assert_eq!(class(&to("chat", "a", &["x"])), Some(Differs::OtherMembers));
        assert_eq!(class(&refused(Reason::RouteForbidden)), Some(Differs::WouldRefuse));
        let (one, other) = (refused(Reason::MissingKey), refused(Reason::InvalidKey));
        assert_eq!(differs(&one, &first), Some((Differs::WouldAllow, Some(Reason::MissingKey))));
        assert_eq!(differs(&one, &other), Some((Differs::OtherReason, Some(Reason::InvalidKey))));
        assert_eq!(differs(&one, &one), None);
    }

    #[test]
    fn a_second_has_room_for_so_many_and_the_rest_is_counted() {
        let mut counts = Counts::default();
        assert_eq!((0..PER_SECOND + 7).filter(|_| counts.has_time(1)).count() as u64, PER_SECOND);
        assert_eq!(counts.passed_over, 7);
        assert!(counts.has_time(2));
    }

    #[test]
    fn twenty_ids_are_kept_and_all_are_counted() {
        let mut counts = Counts::default();
        (0..30).for_each(|n| counts.note(&n.to_string(), Some((Differs::OtherPool, None))));
        let (count, samples) = &counts.differences[&(Differs::OtherPool, None)];
        assert_eq!((*count, samples.len(), samples[0].as_str()), (30, SAMPLES, "0"));
    }
}
