//! What the figures should be. It owns the targets and whether each is met; it refuses to leave one out
//! because it is missed.

use crate::ladder::EVERYTHING;
use crate::matching::Match;
use crate::report::Report;
use crate::table::Table;

/// One target.
struct Target {
    what: &'static str,
    unit: &'static str,
    wanted: Wanted,
    measured: fn(&Report) -> Option<f64>,
}

#[derive(Clone, Copy)]
enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

const TARGETS: [Target; 17] = [
    Target {
        what: "CPU per request with everything on, against bare Pingora",
        unit: "×",
        wanted: Wanted::AtMost(1.3),
        measured: |report| top(report.request_rows())?.ratio.map(|ratio| ratio.median),
    },
    Target {
        what: "CPU of the stages, without sockets",
        unit: "µs",
        wanted: Wanted::AtMost(8.0),
        measured: |report| Some(report.stage_sum()).filter(|sum| *sum > 0.0),
    },
    Target {
        what: "CPU per event, one in a chunk",
        unit: "µs",
        wanted: Wanted::AtMost(3.0),
        measured: |report| top(report.event_rows(1)).map(|row| row.us.median),
    },
    Target {
        what: "CPU per event, 8 in a chunk",
        unit: "µs",
        wanted: Wanted::AtMost(3.0),
        measured: |report| top(report.event_rows(8)).map(|row| row.us.median),
    },
    Target {
        what: "added at half load, p50",
        unit: "µs",
        wanted: Wanted::AtMost(60.0),
        measured: |report| report.latency_of(|latency| latency.added.p50).map(|spread| spread.median),
    },
    Target {
        what: "added at half load, p99",
        unit: "µs",
        wanted: Wanted::AtMost(300.0),
        measured: |report| report.latency_of(|latency| latency.added.p99).map(|spread| spread.median),
    },
    Target {
        what: "memory at most, with 8,000 streams open",
        unit: "MB",
        wanted: Wanted::AtMost(320.0),
        measured: |report| {
            let crowd = report.crowd.filter(|crowd| crowd.streams >= 8_000)?;
            Some(crowd.peak as f64 / 1e6)
        },
    },
    Target {
        what: "CPU per request of LiteLLM, against the gateway with everything on",
        unit: "×",
        wanted: Wanted::AtLeast(150.0),
        measured: |report| report.times_the_gateway("litellm").map(|times| times.median),
    },
    Target {
        what: "verdict and route, with 10 rules and routes",
        unit: "ns",
        wanted: Wanted::AtMost(400.0),
        measured: |report| report.matches.first().map(|one| one.ns),
    },
    Target {
        what: "the same with 100,000, against 10",
        unit: "×",
        wanted: Wanted::AtMost(4.0),
        measured: |report| Some(large(&report.matches)?.ns / report.matches.first()?.ns),
    },
    Target {
        what: "compile 100,000 routes and 100,000 access rules, after parsing",
        unit: "ms",
        wanted: Wanted::AtMost(1_500.0),
        measured: |report| Some(report.compiled_of(LARGE)?.compile_ms),
    },
    Target {
        what: "memory that takes, beyond what parsing took",
        unit: "MB",
        wanted: Wanted::AtMost(500.0),
        measured: |report| {
            let [_, parsed, compiled] = report.compiled_of(LARGE)?.peaks_mib;
            Some((compiled - parsed) as f64 * 1.048_576)
        },
    },
    Target {
        what: "its bundle",
        unit: "MB",
        wanted: Wanted::AtMost(60.0),
        measured: |report| Some(report.compiled_of(LARGE)?.bundle_bytes as f64 / 1e6),
    },
    Target {
        what: "loading that bundle",
        unit: "ms",
        wanted: Wanted::AtMost(50.0),
        measured: |report| Some(report.compiled_of(LARGE)?.load_ms),
    },
    Target {
        what: "check with every proof, 1,000 routes and 1,000 access rules",
        unit: "ms",
        wanted: Wanted::AtMost(300.0),
        measured: |report| Some(report.compiled_of(1_000)?.check_ms()),
    },
    Target {
        what: "check with every proof, 100,000 of each",
        unit: "ms",
        wanted: Wanted::AtMost(10_000.0),
        measured: |report| Some(report.compiled_of(LARGE)?.check_ms()),
    },
    Target {
        what: "diff of two manifests of 1,000 routes, compiling them included",
        unit: "ms",
        wanted: Wanted::AtMost(1_000.0),
        measured: |report| report.compiled_of(1_000)?.diff_ms,
    },
];

/// Routes, and as many access rules, of the largest policy.
const LARGE: u32 = 100_000;

fn large(matches: &[Match]) -> Option<&Match> {
    matches.iter().find(|one| one.rules == LARGE)
}

fn top(rows: Vec<crate::report::Row>) -> Option<crate::report::Row> {
    rows.into_iter().find(|row| row.name == EVERYTHING)
}

/// Every target beside what was measured.
pub(crate) fn table(report: &Report) -> Table {
    let mut table = Table::new(&["figure", "measured", "target", "met"]);
    for target in &TARGETS {
        let unit = target.unit;
        let (word, bound) = match target.wanted {
            Wanted::AtMost(bound) => ("≤", bound),
            Wanted::AtLeast(bound) => ("≥", bound),
        };
        let measured = (target.measured)(report);
        let met = measured.map_or("", |figure| if target.wanted.met_by(figure) { "yes" } else { "no" });
        let measured =
            measured.map_or("not measured".to_owned(), |figure| format!("{} {unit}", short(figure)));
        let bound = format!("{word} {} {unit}", short(bound));
        table.push(vec![target.what.to_owned(), measured, bound, met.to_owned()]);
    }
    table
}

impl Wanted {
    fn met_by(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }
}

/// Two digits behind the point for small figures, none for large ones.
fn short(figure: f64) -> String {
    if figure.abs() < 10.0 { format!("{figure:.2}") } else { format!("{figure:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_itself_meets_the_target() {
        assert!(Wanted::AtMost(1.3).met_by(1.3) && !Wanted::AtMost(1.3).met_by(1.31));
        assert!(Wanted::AtLeast(150.0).met_by(150.0) && !Wanted::AtLeast(150.0).met_by(149.0));
    }

    #[test]
    fn small_figures_keep_their_digits() {
        assert_eq!((short(1.305).as_str(), short(212.4).as_str()), ("1.30", "212"));
    }
}
