//! The run: every rung once per round, in turn, so that a noisy minute falls on all of them. It owns the
//! order of measuring and checking that a rung did its work; how figures are summed up is `report`'s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::cores::Cores;
use crate::ladder::{ACCESS_LOG, BARE, Features, Kind, Rung, rungs};
use crate::load::{Ask, Load};
use crate::machine::Machine;
use crate::process::Server;
use crate::report::{Measured, Report};
use crate::sink::Sink;
use crate::{Fallible, Settings, nginx, say_aside, stages};

/// What stays the same over all rounds.
struct Bench<'a> {
    settings: &'a Settings,
    cores: Cores,
    gateway: PathBuf,
    this: PathBuf,
    backend: Backend,
    sink: Sink,
    folder: tempfile::TempDir,
    _awake: JoinSet<()>,
}

/// What is sent to a server, and how much of it.
#[derive(Clone, Copy)]
struct Dose {
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
    let bench = Bench::start(settings, cores).await?;
    let found = nginx::program();
    let mut skipped = Vec::new();
    if found.is_none() {
        skipped.push("nginx: not found on the path".to_owned());
    }
    let all = rungs(found);
    if let Some(unknown) = settings.only.iter().find(|name| all.iter().all(|rung| rung.name != name.as_str()))
    {
        let names: Vec<&str> = all.iter().map(|rung| rung.name).collect();
        return Err(format!("--only: there is no rung `{unknown}`; there are {}", names.join(", ")).into());
    }
    let wanted = |rung: &Rung| {
        settings.only.is_empty() || rung.name == BARE || settings.only.iter().any(|name| name == rung.name)
    };
    let chosen: Vec<Rung> = all.into_iter().filter(wanted).collect();
    let small = Dose { stream: false, warm_up: settings.warm_up, count: settings.requests };
    let requests = bench.measure_all("requests", &chosen, small).await?;
    let streaming: Vec<Rung> = chosen.into_iter().filter(|rung| rung.streams).collect();
    // One stream per connection is enough to open the backend's connections and to warm the code.
    let warm_up = settings.connections as usize;
    let long = Dose { stream: true, warm_up, count: settings.streams };
    let streams = bench.measure_all("streams", &streaming, long).await?;
    let stages = bench.stages().await?;
    Ok(Report { machine, settings: settings.clone(), requests, streams, stages, skipped })
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
        let backend = Backend::start(settings.events).await?;
        let sink = Sink::start().await?;
        let mut awake = JoinSet::new();
        awake.spawn(stay_awake());
        Ok(Self {
            settings,
            cores,
            gateway,
            this,
            backend,
            sink,
            folder: tempfile::tempdir()?,
            _awake: awake,
        })
    }

    /// Measures every rung in every round.
    async fn measure_all(&self, of: &str, rungs: &[Rung], dose: Dose) -> Fallible<Vec<Measured>> {
        let mut measured: Vec<Measured> = rungs.iter().map(Measured::new).collect();
        if dose.count == 0 {
            return Ok(Vec::new());
        }
        for round in 1..=self.settings.rounds {
            for (rung, measured) in rungs.iter().zip(&mut measured) {
                let used = self.measure(rung, dose).await;
                let used = used.map_err(|error| format!("{of}, rung `{}`: {error}", rung.name))?;
                let each = used.as_secs_f64() * 1e6 / dose.count as f64;
                say_aside(&format!(
                    "{of} {round}/{} {:<10}{each:>10.1} µs each",
                    self.settings.rounds, rung.name
                ));
                measured.us.push(each);
            }
        }
        Ok(measured)
    }

    /// CPU time of one server, started afresh, over one dose.
    async fn measure(&self, rung: &Rung, dose: Dose) -> Fallible<Duration> {
        let folder = tempfile::tempdir_in(&self.folder)?;
        let server = self.serve(rung, folder.path()).await?;
        let features = match rung.server {
            Kind::Gateway(features) => Some(features),
            Kind::Bare | Kind::Nginx(_) => None,
        };
        let ask = Ask::new(features.is_some_and(|features| features.key), dose.stream);
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

    async fn serve(&self, rung: &Rung, folder: &Path) -> Fallible<Server> {
        let backend = *self.backend.addresses.first().ok_or("the backend listens nowhere")?;
        let command = match &rung.server {
            Kind::Bare => {
                let mut command = Command::new(&self.this);
                command.args(["peer", &backend.to_string()]);
                command
            }
            Kind::Nginx(program) => return nginx::start(program, backend, folder, self.cores).await,
            Kind::Gateway(features) => {
                let file = folder.join("gateway.json");
                std::fs::write(&file, features.manifest(&self.backend.addresses, self.sink.address))?;
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

    /// The stages inside this process, on the server's CPU, while the collector goes on here.
    async fn stages(&self) -> Fallible<Vec<stages::Cost>> {
        if self.settings.stage_requests == 0 {
            return Ok(Vec::new());
        }
        say_aside("stages");
        let (cores, count, collector) = (self.cores, self.settings.stage_requests, self.sink.address);
        let manifest = Features::all().manifest(&self.backend.addresses, collector);
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
