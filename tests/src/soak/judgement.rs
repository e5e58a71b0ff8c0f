//! What must hold after a soak, with its figures. It owns the comparison of the gateway's account with the
//! servers' own; it refuses to be lenient about a token.

use std::collections::HashMap;

use model_sim::Record;
use vocabulary::access_log::AccessLogRecord;
use vocabulary::{Reason, Usage};

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
}

impl Compared {
    fn add(&mut self, ours: u64, theirs: u64) {
        self.requests += 1;
        self.ours += ours;
        self.theirs += theirs;
        self.different += u64::from(ours != theirs);
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

fn total(usage: &Usage) -> u64 {
    usage.input + usage.output
}

fn tokens(soaked: &Soaked, verdict: &mut Verdict) {
    let mut by_id: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in &soaked.sims {
        by_id.entry(record.request_id.as_str()).or_default().push(record);
    }
    let (mut whole, mut cut, mut left, mut attempts) =
        (Compared::default(), Compared::default(), Compared::default(), Compared::default());
    for record in &soaked.records {
        let theirs = by_id.get(record.request_id.as_str()).map_or(&[][..], Vec::as_slice);
        compare(record, theirs, [&mut whole, &mut cut, &mut left, &mut attempts]);
    }
    let sorts = [
        ("served", whole),
        ("cut in the middle", cut),
        ("left by the caller", left),
        ("attempts that failed before any output", attempts),
    ];
    for (sort, compared) in sorts {
        verdict.figure(&format!("tokens of requests {sort}, by the gateway"), compared.ours);
        verdict.figure(&format!("tokens of requests {sort}, by the servers"), compared.theirs);
    }
    verdict.must(whole.requests > 0, "nothing was served".to_owned());
    for (sort, compared) in sorts.into_iter().take(2) {
        verdict.must(
            compared.different == 0,
            format!(
                "{} of {} requests {sort} were counted differently",
                compared.different, compared.requests
            ),
        );
    }
}

/// Sorts one request's tokens. What an attempt came to before the last one is not in the record's usage.
fn compare(record: &AccessLogRecord, theirs: &[&Record], [whole, cut, left, attempts]: [&mut Compared; 4]) {
    let ours = record.usage.as_ref().map_or(0, total);
    let (mut last, mut before) = (0, 0);
    let mut billed = theirs.iter().filter(|one| one.billed).collect::<Vec<_>>();
    billed.sort_by_key(|one| one.arrival);
    // The last attempt is the one whose usage the record holds, whatever its server called its end: one that
    // forgets `[DONE]` has failed in its own eyes, and still served.
    let place = record.usage.and(billed.len().checked_sub(1));
    for (index, one) in billed.iter().enumerate() {
        let tokens = total(&one.usage());
        if Some(index) == place { last += tokens } else { before += tokens }
    }
    if before > 0 {
        attempts.add(0, before);
    }
    match record.reason {
        None => whole.add(ours, last),
        Some(Reason::ClientClosed) => left.add(ours, last),
        Some(_) if record.usage.is_some() => cut.add(ours, last),
        Some(_) => {}
    }
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
