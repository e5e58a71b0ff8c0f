//! What must hold after a soak, with its figures. It owns the comparison of the gateway's account with the
//! servers' own; it refuses to be lenient about a token.

use std::collections::HashMap;

use model_sim::Record;
use vocabulary::access_log::{AccessLogRecord, AttemptRecord};
use vocabulary::admin::limits::LimitStanding;
use vocabulary::{Reason, UsageSource};

use super::fleet::WIDE;
use super::{Sample, Soaked};

/// Figures and what is wrong with them.
#[derive(Debug)]
pub struct Verdict {
    /// Rows of a table: what, and how much.
    pub figures: Vec<(String, String)>,
    /// What does not hold.
    pub failures: Vec<String>,
}

/// Requests of one sort, by both accounts.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    requests: u64,
    ours: u64,
    theirs: u64,
    /// Requests whose accounts differ.
    different: u64,
    /// Requests that were charged less than was billed.
    below: u64,
}

impl Compared {
    fn add(&mut self, ours: u64, theirs: u64) {
        self.requests += 1;
        self.ours += ours;
        self.theirs += theirs;
        self.different += u64::from(ours != theirs);
        self.below += u64::from(ours < theirs);
    }
}

/// Judges a soak.
#[must_use]
pub fn judge(soaked: &Soaked) -> Verdict {
    let mut verdict = Verdict { figures: Vec::new(), failures: Vec::new() };
    requests(soaked, &mut verdict);
    leaks(soaked, &mut verdict);
    tokens(soaked, &mut verdict);
    memory(&soaked.samples, &mut verdict);
    verdict
}

impl Verdict {
    fn figure(&mut self, what: &str, how_much: impl ToString) {
        self.figures.push((what.to_owned(), how_much.to_string()));
    }

    fn must(&mut self, holds: bool, otherwise: String) {
        if !holds {
            self.failures.push(otherwise);
        }
    }
}

fn requests(soaked: &Soaked, verdict: &mut Verdict) {
    let ended = soaked.tally.at_the_end();
    verdict.figure("requests sent", ended.sent);
    verdict.figure("served in full", ended.served);
    verdict.figure("refused with an error", ended.refused);
    verdict.figure("streams cut with an error event", ended.cut);
    verdict.figure("callers that left on purpose", ended.left);
    verdict.figure("lost", ended.lost);
    verdict.figure("faults", soaked.faults.len());
    let lines = soaked.records.len() as u64;
    verdict.must(ended.lost == 0, format!("{} requests were lost", ended.lost));
    verdict.must(lines == ended.sent, format!("{lines} lines in the access log of {} requests", ended.sent));
    let usual = ended.served * 10 >= ended.sent * 7;
    verdict.must(usual, format!("only {} of {} were served", ended.served, ended.sent));
}

fn leaks(soaked: &Soaked, verdict: &mut Verdict) {
    let status = &soaked.status;
    let members = status.pools.iter().flat_map(|pool| &pool.members);
    let (in_flight, unanswered) = members.fold((0, 0), |(in_flight, unanswered), member| {
        (in_flight + u64::from(member.in_flight), unanswered + member.unanswered_prompt_tokens)
    });
    verdict.figure("requests still booked after the last one", status.in_flight + in_flight);
    verdict.figure("prompt tokens still booked", unanswered);
    verdict.must(
        status.in_flight + in_flight + unanswered == 0,
        format!("leaked: {} in flight, {in_flight} at members, {unanswered} prompt tokens", status.in_flight),
    );
}

fn tokens(soaked: &Soaked, verdict: &mut Verdict) {
    let mut by_id: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in soaked.sims.iter().filter(|one| one.billed) {
        by_id.entry(record.request_id.as_str()).or_default().push(record);
    }
    let (mut told, mut left, mut unknown) = (Compared::default(), Compared::default(), Compared::default());
    for record in &soaked.records {
        let theirs = by_id.get(record.request_id.as_str()).map_or(&[][..], Vec::as_slice);
        let sort = match Fate::of(record) {
            Fate::Told => &mut told,
            Fate::Left => &mut left,
            Fate::Unknown => &mut unknown,
        };
        let billed = theirs.iter().map(|one| one.usage().total()).sum();
        sort.add(record.charged_tokens.unwrap_or(0), billed);
    }
    let sorts =
        [("told in full", told), ("left by the caller", left), ("with an attempt of unknown fate", unknown)];
    for (sort, compared) in sorts {
        verdict.figure(&format!("requests {sort}"), compared.requests);
        verdict.figure(&format!("tokens of requests {sort}, charged"), compared.ours);
        verdict.figure(&format!("tokens of requests {sort}, by the servers"), compared.theirs);
    }
    verdict.must(told.requests > 0, "nothing was served".to_owned());
    verdict.must(
        told.different == 0,
        format!("{} of {} requests told in full were charged otherwise", told.different, told.requests),
    );
    verdict.must(
        unknown.below == 0,
        format!(
            "{} of {} requests with an attempt of unknown fate were charged less than was billed",
            unknown.below, unknown.requests
        ),
    );
    ledger(soaked, told.ours + left.ours + unknown.ours, told.theirs + left.theirs + unknown.theirs, verdict);
}

/// What is known of a request's tokens.
enum Fate {
    /// Every server that was sent it said what it took, or refused it.
    Told,
    /// The caller left.
    Left,
    /// An attempt ended before its server said anything.
    Unknown,
}

impl Fate {
    fn of(record: &AccessLogRecord) -> Self {
        // The usage of a record is that of its last attempt.
        let counted = record.usage_source == Some(UsageSource::Provider);
        let uncounted = record.attempts.len() - usize::from(counted).min(record.attempts.len());
        let silent = |attempt: &AttemptRecord| {
            let reasons = [Reason::BackendTimeout, Reason::BackendReset, Reason::BackendProtocol];
            attempt.reason.is_some_and(|reason| reasons.contains(&reason))
        };
        match (record.reason, record.usage_source) {
            (Some(Reason::ClientClosed), _) => Self::Left,
            (_, Some(UsageSource::Gateway)) => Self::Unknown,
            _ if record.attempts.iter().take(uncounted).any(silent) => Self::Unknown,
            _ => Self::Told,
        }
    }
}

/// The ledger itself: nothing open, and as much counted as all requests were charged.
fn ledger(soaked: &Soaked, charged: u64, billed: u64, verdict: &mut Verdict) {
    let counters = &soaked.status.limits.counters;
    let held: Vec<&LimitStanding> = counters.iter().filter(|one| one.reserved > 0).collect();
    verdict.figure("counters of limits", counters.len());
    verdict.figure("counters that still hold room", soaked.status.limits.held);
    verdict.must(held.is_empty() && soaked.status.limits.held == 0, format!("room is still held: {held:?}"));
    // A window that turned began to count anew; the other's did not.
    let counts = |one: &&LimitStanding| one.unit == "tokens" && WIDE.contains(&one.limit.as_str());
    let turned = |one: &LimitStanding| {
        let mut before = soaked.before.limits.counters.iter();
        before.all(|early| (&early.limit, early.resets_at_ms) != (&one.limit, one.resets_at_ms))
    };
    let whole = counters.iter().filter(counts).find(|one| !turned(one));
    verdict.must(whole.is_some(), "no counter of tokens lasted from beginning to end".to_owned());
    let used = whole.map_or(0, |one| one.used);
    verdict.figure("tokens used, by the ledger", used);
    verdict.figure("tokens billed, by the servers", billed);
    verdict.figure("charged beyond what was billed", i128::from(used) - i128::from(billed));
    verdict.must(
        used == charged,
        format!("the ledger counts {used} tokens, and requests were charged {charged}"),
    );
}

/// Memory after a quarter of the time against memory at the end, each over a tenth of the time.
fn memory(samples: &[Sample], verdict: &mut Verdict) {
    let tenth = (samples.len() / 10).max(1);
    let mean =
        |samples: &[Sample]| samples.iter().map(|s| s.memory).sum::<u64>() / samples.len().max(1) as u64;
    let early = mean(samples.get(samples.len() / 4..).and_then(|rest| rest.get(..tenth)).unwrap_or_default());
    let late = mean(samples.get(samples.len().saturating_sub(tenth)..).unwrap_or_default());
    let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    verdict.figure("memory after a quarter of the time", mebibytes(early));
    verdict.figure("memory at the end", mebibytes(late));
    verdict.must(
        late <= early + early / 10 + (8 << 20),
        format!("memory grew from {} to {}", mebibytes(early), mebibytes(late)),
    );
}
