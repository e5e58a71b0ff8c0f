//! The run: every rung once per round, in turn, so that a noisy minute falls on all of them. It owns the
//! order of measuring and checking that a rung did its work; how figures are summed up is `report`'s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;

use crate::backend::{Backend, Pace};
use crate::cores::Cores;
use crate::crowd::{self, Crowd};
use crate::ladder::{ACCESS_LOG, BARE, EVERYTHING, Features, Kind, Rung, rungs};
use crate::latency::{self, Latency};
use crate::load::{Ask, Load};
use crate::machine::{Machine, raise_file_limit};
use crate::peers::{Peer, Product};
use crate::process::{Server, Used};
use crate::report::{Burst, Measured, Report};
use crate::sink::Sink;
use crate::{Fallible, Settings, compiling, many_routes, matching, say_aside, stages};

/// Events per chunk of the streams that are measured.
const BURSTS: [usize; 2] = [1, 8];
/// Time between two chunks of them.
const BEAT: Duration = Duration::from_millis(2);
/// Streams of a crowd: slow, and long enough that the first still flows when the last begins.
const SLOW: Pace = Pace { events: 20, together: 1, every: Duration::from_secs(1) };

/// Rounds of latency begun for each that is wanted: those in which the load left late do not count.
const TRIES: usize = 4;

/// What stays the same over all rounds.
struct Bench<'a> {
    settings: &'a Settings,
    cores: Cores,
    gateway: PathBuf,
    this: PathBuf,
    sink: Sink,
    folder: tempfile::TempDir,
    _awake: JoinSet<()>,
}

/// What is sent to a server, and how much of it.
#[derive(Clone, Copy)]
struct Dose<'a> {
    of: &'a str,
    backend: &'a Backend,
    stream: bool,
    warm_up: usize,
    count: usize,
}

/// Measures everything `settings` ask for.
pub(crate) async fn run(settings: &Settings) -> Fallible<Report> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = Cores::take();
    let machine = Machine::now(cores, cpus);
    cores.stay_aside();
    let files = raise_file_limit();
    let bench = Bench::start(settings, cores).await?;
    let found = Product::ALL.map(|product| Peer::find(product, settings.peers.as_deref()));
    let absent = Product::ALL.into_iter().zip(&found).filter(|(_, found)| found.is_none());
    let absent = absent.map(|(product, _)| product).collect();
    let found: Vec<Peer> = found.into_iter().flatten().collect();
    let chosen = chosen(settings, rungs(&found))?;
    let requests = bench.requests(&chosen).await?;
    let streams = bench.streams(&chosen).await?;
    let many_routes = if settings.only.is_empty() || settings.only.iter().any(|name| name == "many-routes") {
        bench.requests(&many_routes::rungs(&found)).await?
    } else {
        Vec::new()
    };
    let top = chosen.iter().find(|rung| rung.name == EVERYTHING);
    let (mut latency, mut crowd) = (Vec::new(), None);
    if let Some(top) = top {
        let full = requests.iter().find(|rung| rung.name == EVERYTHING).and_then(Measured::median);
        if let Some(full) = full.filter(|_| settings.pairs > 0) {
            // Half of what one worker could do in a second.
            latency = bench.latency(top, 0.5e6 / full).await?;
        }
        if settings.crowd > 0 {
            crowd = Some(bench.crowd(top, settings.crowd.min(crowd::room(files))).await?);
        }
    }
    let stages = bench.stages().await?;
    say_aside("matching");
    let matches = bench.cores.as_server(|| matching::run(settings.stage_requests));
    say_aside("compiling");
    let compiled = if settings.stage_requests > 0 { compiling::run(&bench.this)? } else { Vec::new() };
    let settings = settings.clone();
    Ok(Report {
        machine,
        settings,
        requests,
        streams,
        latency,
        crowd,
        stages,
        matches,
        compiled,
        many_routes,
        absent,
    })
}

/// The rungs that are wanted, with the yardstick.
fn chosen(settings: &Settings, all: Vec<Rung>) -> Fallible<Vec<Rung>> {
    let only = &settings.only;
    let is_known = |name: &String| name == "many-routes" || all.iter().any(|rung| rung.name == name.as_str());
    if let Some(unknown) = only.iter().find(|name| !is_known(name)) {
        let names: Vec<&str> = all.iter().map(|rung| rung.name).collect();
        return Err(format!("--only: there is no rung `{unknown}`; there are {}", names.join(", ")).into());
    }
    let wanted =
        |rung: &Rung| only.is_empty() || rung.name == BARE || only.iter().any(|name| name == rung.name);
    Ok(all.into_iter().filter(wanted).collect())
}

impl<'a> Bench<'a> {
    async fn start(settings: &'a Settings, cores: Cores) -> Fallible<Self> {
        let this = std::env::current_exe()?;
        let gateway = settings.gateway.clone().unwrap_or_else(|| this.with_file_name("sluicegate"));
        if !gateway.is_file() {
            let gateway = gateway.display();
            return Err(format!(
                "{gateway} is not there: build it (`make bench` does) or name it with --gateway"
            )
            .into());
        }
        let sink = Sink::start().await?;
        let mut awake = JoinSet::new();
        awake.spawn(stay_awake());
        Ok(Self { settings, cores, gateway, this, sink, folder: tempfile::tempdir()?, _awake: awake })
    }

    /// CPU per small request.
    async fn requests(&self, rungs: &[Rung]) -> Fallible<Vec<Measured>> {
        let backend = Backend::start(SLOW).await?;
        let Settings { warm_up, requests, .. } = *self.settings;
        let rungs: Vec<&Rung> = rungs.iter().collect();
        let dose = Dose { of: "requests", backend: &backend, stream: false, warm_up, count: requests };
        self.measure_all(&rungs, dose).await
    }

    /// CPU per stream, with events that come one by one and several at once.
    async fn streams(&self, rungs: &[Rung]) -> Fallible<Vec<Burst>> {
        let streaming: Vec<&Rung> = rungs.iter().filter(|rung| rung.streams).collect();
        let mut bursts = Vec::new();
        for together in BURSTS {
            let backend =
                Backend::start(Pace { events: self.settings.events, together, every: BEAT }).await?;
            // One stream per connection is enough to open the backend's connections and to warm the code.
            let warm_up = self.settings.connections as usize;
            let of = format!("streams of {together}");
            let count = self.settings.streams;
            let dose = Dose { of: &of, backend: &backend, stream: true, warm_up, count };
            bursts.push(Burst { together, rungs: self.measure_all(&streaming, dose).await? });
        }
        Ok(bursts)
    }

    /// Measures every rung in every round.
    async fn measure_all(&self, rungs: &[&Rung], dose: Dose<'_>) -> Fallible<Vec<Measured>> {
        let mut measured: Vec<Measured> = rungs.iter().map(|rung| Measured::new(rung)).collect();
        if dose.count == 0 {
            return Ok(Vec::new());
        }
        for round in 1..=self.settings.rounds {
            for (rung, measured) in rungs.iter().zip(&mut measured) {
                let count = (dose.count / rung.one_in).max(1);
                let dose = Dose { count, warm_up: (dose.warm_up / rung.one_in).max(1), ..dose };
                let used = self.measure(rung, dose).await;
                let used = used.map_err(|error| format!("{}, rung `{}`: {error}", dose.of, rung.name))?;
                let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
                let (us, beside) = (each(used.all), each(used.beside));
                say_aside(&format!(
                    "{} {round}/{} {:<10}{us:>10.1} µs each",
                    dose.of, self.settings.rounds, rung.name
                ));
                measured.us.push(us);
                measured.beside.push(beside);
            }
        }
        Ok(measured)
    }

    /// CPU time of one server, started afresh, over one dose.
    async fn measure(&self, rung: &Rung, dose: Dose<'_>) -> Fallible<Used> {
        let folder = tempfile::tempdir_in(&self.folder)?;
        let server = self.serve(rung, dose.backend, folder.path()).await?;
        let features = rung.features();
        let ask = Ask::new(rung.shows_key(), dose.stream);
        let mut load = Load::open(server.address()?, self.settings.connections, ask).await?;
        let head = load.try_one().await?;
        let missing = features.filter(|_| !dose.stream).and_then(|features| features.missing_from(&head));
        if let Some(name) = missing {
            return Err(format!("answers lack `{name}`:\n{head}").into());
        }
        load.send(dose.warm_up).await?;
        let exports = self.sink.exports();
        let before = server.cpu()?;
        load.send(dose.count).await?;
        let used = server.cpu()?.since(&before);
        drop(load);
        server.stop().await?;
        if let Some(features) = features {
            self.prove(features, folder.path(), 1 + dose.warm_up + dose.count, exports)?;
        }
        Ok(used)
    }

    async fn serve(&self, rung: &Rung, backend: &Backend, folder: &Path) -> Fallible<Server> {
        let first = *backend.addresses.first().ok_or("the backend listens nowhere")?;
        let command = match &rung.server {
            Kind::Bare => {
                let mut command = Command::new(&self.this);
                command.args(["peer", &first.to_string()]);
                command
            }
            Kind::Peer(peer) => return peer.start(first, folder, self.cores).await,
            Kind::Gateway(features) => {
                let file = folder.join("gateway.json");
                std::fs::write(&file, features.manifest(&backend.addresses, self.sink.address))?;
                let mut command = Command::new(&self.gateway);
                command.args(["run", "--threads", "1", "--manifest"]).arg(file);
                command
            }
        };
        Server::announced(command, self.cores).await
    }

    /// Whether every request was logged and something was exported, where that was asked for.
    fn prove(&self, features: Features, folder: &Path, sent: usize, before: (u64, u64)) -> Fallible<()> {
        if features.access_log {
            let lines = std::fs::read_to_string(folder.join(ACCESS_LOG))?.lines().count();
            if lines != sent {
                return Err(format!("{sent} requests were sent, but {lines} logged").into());
            }
        }
        let exports = self.sink.exports();
        if features.otlp && (exports.0 == before.0 || exports.1 == before.1) {
            return Err(
                format!("the collector saw no metrics or no traces: {before:?}, then {exports:?}").into()
            );
        }
        Ok(())
    }

    /// What the gateway adds to the time of a request, at `rate` per second.
    async fn latency(&self, rung: &Rung, rate: f64) -> Fallible<Vec<Latency>> {
        let backend = Backend::start(SLOW).await?;
        let straight = *backend.addresses.first().ok_or("the backend listens nowhere")?;
        let (mut rounds, wanted) = (Vec::new(), self.settings.rounds as usize);
        for _ in 0..TRIES * wanted {
            if rounds.len() == wanted {
                break;
            }
            let folder = tempfile::tempdir_in(&self.folder)?;
            let server = self.serve(rung, &backend, folder.path()).await?;
            let through = (server.address()?, Ask::new(rung.shows_key(), false));
            let direct = (straight, Ask::new(false, false));
            let latency = latency::measure(through, direct, rate, self.settings.pairs).await?;
            server.stop().await?;
            let told = latency.map_or("not told: the load left late".to_owned(), |latency| {
                format!("adds p50 {:.0} µs, p99 {:.0} µs", latency.added.p50, latency.added.p99)
            });
            say_aside(&format!("latency {}/{wanted} {told}", rounds.len() + 1));
            rounds.extend(latency);
        }
        Ok(rounds)
    }

    /// Memory of many streams at once.
    async fn crowd(&self, rung: &Rung, streams: usize) -> Fallible<Crowd> {
        say_aside(&format!("{streams} streams at once"));
        let backend = Backend::start(SLOW).await?;
        let folder = tempfile::tempdir_in(&self.folder)?;
        let server = self.serve(rung, &backend, folder.path()).await?;
        let address = server.address()?;
        let crowd = crowd::gather(&server, address, Ask::new(rung.shows_key(), true), streams).await?;
        server.stop().await?;
        Ok(crowd)
    }

    /// The stages inside this process, on the server's CPU, while the collector goes on here.
    async fn stages(&self) -> Fallible<Vec<stages::Cost>> {
        if self.settings.stage_requests == 0 {
            return Ok(Vec::new());
        }
        say_aside("stages");
        let (cores, count, collector) = (self.cores, self.settings.stage_requests, self.sink.address);
        // Nothing is sent to backends here.
        let manifest = Features::all().manifest(&[collector; 3], collector);
        let log = self.folder.path().join(ACCESS_LOG);
        let run = move || cores.as_server(|| stages::run(&manifest, collector, &log, count));
        tokio::task::spawn_blocking(run).await?
    }
}

/// Keeps this thread from ever sleeping. A server that wakes a sleeping peer is charged for it, the more
/// often the slower it is, which would widen every ratio by what is no work of the server's.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}
