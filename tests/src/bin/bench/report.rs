//! What a run found out. It owns summing rounds up, and the tables; their words around and where they go
//! are `publish`'s. It refuses to round away the spread.

use serde::{Serialize, Serializer};
use serde_json::json;

use crate::Settings;
use crate::compiling::{self, Compiled};
use crate::crowd::Crowd;
use crate::ladder::{BARE, EVERYTHING, Rung};
use crate::latency::{Latency, Quantiles};
use crate::machine::Machine;
use crate::many_routes;
use crate::matching::{self, Match};
use crate::peers::Product;
use crate::spread::Spread;
use crate::stages::Cost;
use crate::table::Table;
use crate::targets;

/// One rung over all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    /// Whether it stands beside the ladder.
    peer: bool,
    /// CPU per request or stream, one per round.
    pub(crate) us: Vec<f64>,
    /// What of it was spent on other threads than the one that serves requests.
    pub(crate) beside: Vec<f64>,
}

impl Measured {
    /// A rung not measured yet.
    pub(crate) fn new(rung: &Rung) -> Self {
        let (name, what, peer) = (rung.name, rung.what.clone(), rung.is_peer());
        Self { name, what, peer, us: Vec::new(), beside: Vec::new() }
    }

    /// The middle of its rounds, in microseconds.
    pub(crate) fn median(&self) -> Option<f64> {
        Spread::of(self.us.iter().copied()).map(|spread| spread.median)
    }
}

/// CPU per stream, with so many events in each chunk.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    pub(crate) together: usize,
    pub(crate) rungs: Vec<Measured>,
}

/// Everything a run found out.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    /// CPU per small request.
    pub(crate) requests: Vec<Measured>,
    /// CPU per stream.
    pub(crate) streams: Vec<Burst>,
    /// Times at half load, one per round.
    pub(crate) latency: Vec<Latency>,
    /// Many streams at once.
    pub(crate) crowd: Option<Crowd>,
    /// CPU per stage, inside one process.
    pub(crate) stages: Vec<Cost>,
    /// Verdict and route, by the number of rules.
    pub(crate) matches: Vec<Match>,
    /// The compiler, by the number of rules.
    pub(crate) compiled: Vec<Compiled>,
    /// Servers without and with many routes, in pairs.
    pub(crate) many_routes: Vec<Measured>,
    /// Peers that are not installed here.
    pub(crate) absent: Vec<Product>,
}

/// A rung summed up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) us: Spread,
    /// Of it, on other threads than the one that serves requests.
    beside: Option<f64>,
    /// Against bare Pingora in the same round.
    pub(crate) ratio: Option<Spread>,
    /// Against the rung before it, where that is the gateway's too.
    adds: Option<f64>,
}

/// Sums up; figures per request are divided by `per`, such as the events of a stream.
fn rows(measured: &[Measured], per: f64) -> Vec<Row> {
    let scaled = |us: &[f64]| us.iter().map(|us| us / per).collect::<Vec<f64>>();
    let bare = measured.iter().find(|rung| rung.name == BARE);
    let mut below: Option<&Measured> = None;
    let mut rows = Vec::new();
    for rung in measured {
        let Some(us) = Spread::of(scaled(&rung.us)) else { continue };
        let ratio = bare.and_then(|bare| Spread::of_pairs(&rung.us, &bare.us, |own, bare| own / bare));
        let below_it = below.filter(|_| !rung.peer);
        let adds = below_it
            .and_then(|below| Spread::of_pairs(&rung.us, &below.us, |own, below| (own - below) / per));
        let beside = Spread::of(scaled(&rung.beside)).map(|beside| beside.median);
        let (name, what) = (rung.name, rung.what.clone());
        rows.push(Row { name, what, us, beside, ratio, adds: adds.map(|adds| adds.median) });
        if !rung.peer {
            below = Some(rung);
        }
    }
    rows
}

impl Report {
    /// CPU per small request.
    pub(crate) fn request_rows(&self) -> Vec<Row> {
        rows(&self.requests, 1.0)
    }

    /// CPU per event, where so many come in one chunk.
    pub(crate) fn event_rows(&self, together: usize) -> Vec<Row> {
        let burst = self.streams.iter().find(|burst| burst.together == together);
        burst.map(|burst| rows(&burst.rungs, self.settings.events.max(1) as f64)).unwrap_or_default()
    }

    /// Stages, summed, in microseconds.
    pub(crate) fn stage_sum(&self) -> f64 {
        self.stages.iter().filter(|cost| !cost.beside).map(|cost| cost.ns).sum::<f64>() / 1e3
    }

    /// One figure of every round's latency, summed up.
    pub(crate) fn latency_of(&self, figure: impl Fn(&Latency) -> f64) -> Option<Spread> {
        Spread::of(self.latency.iter().map(figure))
    }

    /// Every table with its title.
    pub(crate) fn tables(&self) -> Vec<(String, Table)> {
        let mut tables = vec![("Against the targets".to_owned(), targets::table(self))];
        if !self.requests.is_empty() {
            let mut table = table(&self.request_rows());
            for product in &self.absent {
                let name = format!("{} ({})", product.what(), product.name());
                table.push([&name, "not installed here", "", "", "", ""].map(str::to_owned).to_vec());
            }
            tables.push(("CPU per small request".to_owned(), table));
        }
        for burst in &self.streams {
            if burst.rungs.is_empty() {
                continue;
            }
            let title = match burst.together {
                1 => "CPU per event of a stream, one event in a chunk".to_owned(),
                n => format!("CPU per event of a stream, {n} events in a chunk"),
            };
            tables.push((title, table(&self.event_rows(burst.together))));
        }
        if !self.latency.is_empty() {
            tables.push(("Time of a small request at half load".to_owned(), self.latency_table()));
        }
        if let Some(crowd) = &self.crowd {
            tables.push(("Memory of many streams at once".to_owned(), crowd_table(crowd)));
        }
        if !self.stages.is_empty() {
            tables.push(("The gateway's own stages, without sockets".to_owned(), self.stage_table()));
        }
        if !self.matches.is_empty() {
            tables.push((
                "Verdict and route of a request, by the number of rules".to_owned(),
                matching::table(&self.matches),
            ));
        }
        if !self.compiled.is_empty() {
            tables
                .push(("The compiler, by the number of rules".to_owned(), compiling::table(&self.compiled)));
        }
        if !self.many_routes.is_empty() {
            let title = format!("CPU per small request, without and with {} other routes", many_routes::MANY);
            tables.push((title, many_routes::table(&self.many_routes)));
        }
        tables
    }

    fn latency_table(&self) -> Table {
        let mut table = Table::new(&["way", "p50 µs", "min … max", "p99 µs", "min … max"]);
        type Way = fn(&Latency) -> Quantiles;
        let ways: [(&str, Way); 3] = [
            ("straight to the backend", |latency| latency.direct),
            ("through the gateway, everything on", |latency| latency.through),
            ("added, pair by pair", |latency| latency.added),
        ];
        for (name, way) in ways {
            let half = self.latency_of(|latency| way(latency).p50);
            let most = self.latency_of(|latency| way(latency).p99);
            let (Some(half), Some(most)) = (half, most) else { continue };
            let range = |spread: Spread| format!("{:.0} … {:.0}", spread.min, spread.max);
            let middle = |spread: Spread| format!("{:.0}", spread.median);
            table.push(vec![name.to_owned(), middle(half), range(half), middle(most), range(most)]);
        }
        table
    }

    fn stage_table(&self) -> Table {
        let mut table = Table::new(&["stage", "ns", "budget", "what"]);
        let line = |name: &str, ns: f64, budget: f64, what: &str| {
            vec![name.to_owned(), format!("{ns:.0}"), format!("{budget:.0}"), what.to_owned()]
        };
        let (beside, stages): (Vec<_>, Vec<_>) = self.stages.iter().partition(|cost| cost.beside);
        for cost in &stages {
            table.push(line(cost.stage, cost.ns, cost.budget_ns, cost.what));
        }
        let budget = stages.iter().map(|cost| cost.budget_ns).sum();
        table.push(line("sum", self.stage_sum() * 1e3, budget, ""));
        for cost in beside {
            table.push(line(cost.stage, cost.ns, cost.budget_ns, cost.what));
        }
        table
    }

    /// The compiler with so many routes.
    pub(crate) fn compiled_of(&self, routes: u32) -> Option<&Compiled> {
        self.compiled.iter().find(|one| one.routes == routes)
    }

    /// How the top rung compares with another by CPU per request: how many times this one's it needs.
    pub(crate) fn times_the_gateway(&self, name: &str) -> Option<Spread> {
        let of = |name: &str| self.requests.iter().find(|rung| rung.name == name);
        Spread::of_pairs(&of(name)?.us, &of(EVERYTHING)?.us, |other, own| other / own)
    }
}

fn crowd_table(crowd: &Crowd) -> Table {
    let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
    let mut table = Table::new(&["what", "figure"]);
    let mut line = |what: &str, figure: String| table.push(vec![what.to_owned(), figure]);
    line("streams open at the same moment", crowd.streams.to_string());
    line("resident memory before them, MiB", mib(crowd.before));
    line("resident memory at most, MiB", mib(crowd.peak));
    line("per stream, KiB", format!("{:.1}", crowd.kib_each()));
    table
}

fn table(rows: &[Row]) -> Table {
    let mut table =
        Table::new(&["server", "µs", "min … max", "× bare Pingora", "adds µs", "of it other threads"]);
    for row in rows {
        let Spread { median, min, max } = row.us;
        let ratio = row.ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
        let adds = row.adds.map_or(String::new(), |adds| format!("{adds:+.1}"));
        let beside = row.beside.map_or(String::new(), |beside| format!("{beside:.1}"));
        let name = format!("{} ({})", row.what, row.name);
        table.push(vec![name, format!("{median:.1}"), format!("{min:.1} … {max:.1}"), ratio, adds, beside]);
    }
    table
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Settings { requests, warm_up, rounds, connections, streams, events, pairs, .. } = &self.settings;
        let bursts = self.streams.iter().map(
            |burst| json!({"events_per_chunk": burst.together, "rungs": self.event_rows(burst.together)}),
        );
        let document = json!({
            "machine": self.machine,
            "settings": {
                "requests": requests, "warm_up": warm_up, "rounds": rounds, "connections": connections,
                "streams": streams, "events": events, "pairs": pairs,
            },
            "us_per_request": self.request_rows(),
            "us_per_event": bursts.collect::<Vec<_>>(),
            "latency": self.latency,
            "crowd": self.crowd,
            "stages": self.stages,
            "stages_us": self.stage_sum(),
            "matches": self.matches,
            "compiled": self.compiled,
            "many_routes": rows(&self.many_routes, 1.0),
            "absent": self.absent,
        });
        document.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &'static str, us: &[f64]) -> Measured {
        Measured { name, what: String::new(), peer: name == "nginx", us: us.to_vec(), beside: Vec::new() }
    }

    #[test]
    fn a_rung_is_compared_with_bare_and_with_the_rung_below_it() {
        let rungs =
            [measured(BARE, &[20.0, 40.0]), measured("route", &[30.0, 60.0]), measured("key", &[31.0, 61.0])];
        let rows = rows(&rungs, 1.0);
        assert_eq!(rows[0].ratio.unwrap().median, 1.0);
        assert_eq!(rows[1].ratio.unwrap().median, 1.5);
        assert_eq!((rows[0].adds, rows[2].adds), (None, Some(1.0)));
    }

    #[test]
    fn a_peer_stands_beside_the_ladder_and_not_on_it() {
        let rungs = [measured(BARE, &[20.0]), measured("nginx", &[10.0]), measured("route", &[30.0])];
        let rows = rows(&rungs, 1.0);
        assert_eq!((rows[1].adds, rows[2].adds), (None, Some(10.0)));
    }

    #[test]
    fn a_stream_is_divided_by_its_events() {
        assert_eq!(rows(&[measured(BARE, &[1500.0])], 100.0)[0].us.median, 15.0);
    }
}
