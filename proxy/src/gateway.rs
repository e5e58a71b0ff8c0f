//! The gateway put together: policy compiled, secrets read, sockets bound, then and only then traffic. It
//! owns the order of starting and stopping; every step that can fail comes before the first accept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use decision::Gate;
use ledger::Ledger;
use policy_compiler::compile;
use rule_table::{Bundle, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::generations::Generation;

use crate::admin::{Admin, AdminAuthn, AdminDesk, AdminError, KeyDesk};
use crate::audit::{Actor, Audit, Entry};
use crate::clock::{Clock, unix_nanos};
use crate::costs::{self, Costs};
use crate::countries::{self, Countries, CountriesError};
use crate::doors::{KeySets, Overlay};
use crate::edge::{self, BindError, Edge, Followed, Pipes};
use crate::hooks::{HookError, Hooks};
use crate::live::{InForce, Live};
use crate::observability::{Observability, ObservabilityError};
use crate::policy::{
    Cause, History, Holds, Keeper, KeeperSettings, LastGood, Offer, Source, missing_resources, version,
    watch_file,
};
use crate::settlement::Observers;
use crate::store::board::{MemoryBoard, SharedBoard, follow};
use crate::store::refill::Leases;
use crate::store::{self, Counts, CountsError, Sharing};
use crate::upstream::{SecretError, UpstreamError, Upstreams, read_secret};
use crate::why::Stories;

/// Where the admin API listens unless the manifest says otherwise.
const ADMIN_ADDRESS: &str = "127.0.0.1:9901";
/// How often it is looked whether a name, a secret, a certificate or a token is due.
const TEND_EVERY: Duration = Duration::from_millis(250);

/// How long a start waits for the shared store: a server that was empty grants nothing for two seconds.
const STORE_READY: Duration = Duration::from_secs(3);

/// What the gateway is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The manifest file; relative files in it are relative to its directory.
    pub manifest: PathBuf,
    /// The one source of policy.
    pub source: Source,
    /// Keeps the last accepted manifest; required for [`Source::Api`].
    pub state_dir: Option<PathBuf>,
    /// Policy seconds per wall-clock second.
    pub time_scale: f64,
    /// For the pools' random choices.
    pub seed: u64,
}

/// Why the gateway does not run. Nothing listens then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The manifest file cannot be read.
    #[error("the manifest {} cannot be read: {source}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is wrong.
    #[error("the manifest has errors")]
    Policy {
        /// The text that was compiled.
        manifest: Box<policy_compiler::Source>,
        /// What the compiler found.
        findings: Vec<policy_compiler::Finding>,
    },
    /// A backend's credential or certificate cannot be read.
    #[error("backend `{backend}`: {source}")]
    Upstream {
        /// Name in the manifest.
        backend: String,
        /// Why.
        source: UpstreamError,
    },
    /// A policy hook cannot be asked.
    #[error("hook `{hook}`: {source}")]
    Hook {
        /// Name in the manifest.
        hook: String,
        /// Why.
        source: HookError,
    },
    /// The admin token cannot be read.
    #[error("admin token: {0}")]
    AdminToken(SecretError),
    /// The database of countries cannot be used.
    #[error(transparent)]
    Countries(#[from] CountriesError),
    /// A listener cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin API cannot listen.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Telemetry cannot start.
    #[error(transparent)]
    Observability(#[from] ObservabilityError),
    /// The state directory is unusable.
    #[error("the state directory cannot be used: {0}")]
    State(std::io::Error),
    /// What limits have counted cannot be put back.
    #[error("counts of limits: {0}")]
    Counts(#[from] CountsError),
    /// The system refuses what a server needs.
    #[error("the gateway cannot start: {0}")]
    System(String),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Every listener's name and real address.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    keeper: Arc<Keeper>,
    edge: Edge,
    observability: Observability,
    stop: CancellationToken,
    tasks: TaskTracker,
    manifest: PathBuf,
    certificates: Vec<Arc<dyn Followed>>,
    counts: Option<Arc<Counts>>,
}

/// What has been checked and read before any socket is touched.
struct Prepared {
    text: String,
    bundle: Bundle,
    generation: u64,
    base: PathBuf,
    last_good: LastGood,
    history: History,
}

impl Gateway {
    /// Starts the gateway in the current runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Prepared { text, bundle, generation, base, last_good, history } = prepare(&options)?;
        let clock = Clock::new(options.time_scale);
        let policy = bundle.policy();
        let upstreams = Upstreams::build(&policy.backends, &base, None)
            .map_err(|(backend, source)| StartError::Upstream { backend, source })?;
        let hooks = Hooks::build(&policy.hooks, &base, None)
            .map_err(|(hook, source)| StartError::Hook { hook, source })?;
        let section = policy.admin.as_ref();
        let token = section.and_then(|admin| admin.token.as_ref());
        let token = token.map(|reference| read_secret(reference, &base)).transpose();
        let token = token.map_err(StartError::AdminToken)?;
        let countries = Countries::read(policy.countries.as_deref(), &base)?;
        let sync = policy.store.sync;
        let bound = edge::bind(policy, &base)?;
        let admin = Admin::bind(section.map_or(ADMIN_ADDRESS, |admin| &admin.address))?;
        let observability = Observability::start(&policy.telemetry, &base)?;
        upstreams.prepare(&clock).await;
        let pipes = Pipes::build(policy, &upstreams, &clock);
        pipes.update().await;
        let Stored { counts, ledger, leases, board } = open_store(&policy.store, &options, clock, &base)?;
        let gate = Gate::new(bundle, generation, None, options.seed, clock.now()).with_ledger(ledger);
        let gate = Arc::new(gate);
        let overlay =
            Overlay::open(options.state_dir.as_deref(), Arc::clone(gate.issued_keys()), board.clone())
                .map(Arc::new)
                .map_err(StartError::State)?;
        let costs = Costs::open(options.state_dir.as_deref(), clock).map_err(StartError::State)?;
        let stories = Stories::open(options.state_dir.as_deref()).map_err(StartError::State)?;
        let observers = Observers { costs, stories: Some(stories.clone()), ..observability.observers() };
        observers.policy_accepted(&gate);
        let in_force = InForce {
            gate,
            upstreams: Arc::new(upstreams),
            pipes: Arc::new(pipes),
            hooks: Arc::new(hooks),
            countries: Arc::new(countries),
        };
        let live =
            Arc::new(Live::new(clock, observers, KeySets::new(base.clone()), in_force).with_leases(leases));
        let state_dir = options.state_dir.as_deref();
        let audit = Audit::open(state_dir).map_err(StartError::State)?;
        begin(&audit, &history, &live, &text).map_err(StartError::State)?;
        let board = board.unwrap_or_else(|| Arc::new(MemoryBoard::new()));
        let (follower, following) = follow(Arc::clone(&board));
        let holds = Holds::open(Arc::clone(&live), audit.clone(), board, state_dir);
        let holds = Arc::new(holds.map_err(StartError::State)?);
        let settings = KeeperSettings {
            source: options.source,
            base,
            last_good,
            seed: options.seed,
            audit,
            history,
            holds: Arc::clone(&holds),
            durable: counts.is_some(),
        };
        let keeper = Arc::new(Keeper::new(Arc::clone(&live), settings, text));
        let listeners = bound.iter().map(|socket| (socket.name().to_owned(), socket.address)).collect();
        let certificates = bound.iter().flat_map(edge::Bound::followed).collect();
        let admin_address = admin.address;
        let system = |error: &dyn std::fmt::Display| StartError::System(error.to_string());
        let edge = Edge::start(bound, &live).map_err(|error| system(&error))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let desk = AdminDesk {
            keeper: Arc::clone(&keeper),
            authn: AdminAuthn::new(live, token),
            keys: KeyDesk { overlay: Arc::clone(&overlay) },
        };
        admin.serve(desk, stop.clone(), &tasks).map_err(|error| system(&error))?;
        let gateway = Self {
            listeners,
            admin: admin_address,
            keeper,
            edge,
            observability,
            stop,
            tasks,
            manifest: options.manifest,
            certificates,
            counts,
        };
        gateway.begin_work(clock, sync, options.source, overlay).await;
        gateway.spawn(following);
        gateway.spawn(Arc::clone(&holds).run(follower));
        gateway.spawn(stories.run(holds));
        Ok(gateway)
    }

    /// Policy and status.
    #[must_use]
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Reads certificates, the database of countries and the manifest file again and offers what it says; for SIGHUP.
    pub async fn reload(&self) -> Offer {
        for certificate in &self.certificates {
            certificate.reread();
        }
        countries::reread(self.keeper.live()).await;
        reload(&self.keeper, &self.manifest, "signal").await
    }

    /// Stops accepting, lets requests in flight end for at most `limit`, then ends everything. Returns
    /// how many requests had to be cut.
    pub async fn shutdown(self, limit: Duration) -> u64 {
        let Self { keeper, edge, observability, stop, tasks, counts, .. } = self;
        let live = Arc::clone(keeper.live());
        live.drain();
        edge.stop().await;
        let drained = async {
            while live.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Running out of time is the limit doing its work; what is left is counted below.
        let _ = tokio::time::timeout(limit, drained).await;
        let cut = live.in_flight();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        let costs = live.observers.costs.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || costs.flush()).await {
            tracing::error!(%error, "the last costs were not written");
        }
        if let Some(counts) = counts {
            let now = live.clock.now();
            // A checkpoint that fails has been said; the journal holds what it would have.
            let _ = tokio::task::spawn_blocking(move || counts.close(now)).await;
        }
        // Exporters flush on their own threads and block.
        let _ = tokio::task::spawn_blocking(move || observability.shutdown()).await;
        cut
    }

    async fn begin_work(&self, clock: Clock, sync: Duration, source: Source, overlay: Arc<Overlay>) {
        if let Some(counts) = &self.counts {
            self.spawn(Arc::clone(counts).keep(clock, sync));
        }
        self.spawn_loops(source);
        self.supply().await;
        self.spawn(async move { overlay.keep_sharing().await });
    }

    /// Begins to supply shared limits, and waits a moment for the first word of the store.
    async fn supply(&self) {
        let Some(leases) = self.keeper.live().leases() else { return };
        // Tracked and not cut off: it gives back what is left when the gateway stops.
        self.tasks.spawn(Arc::clone(leases).work(self.stop.clone()));
        if !leases.ready(STORE_READY).await {
            tracing::warn!("the shared store is not ready; limits are held as the manifest says for that");
        }
    }

    fn spawn_loops(&self, source: Source) {
        let live = Arc::clone(self.keeper.live());
        self.spawn(edge::probe_forever(Arc::clone(&live)));
        self.spawn(tend_upstreams(Arc::clone(&live)));
        let issuers = Arc::clone(&live);
        self.spawn(async move { issuers.key_sets.keep_fresh(Arc::clone(&issuers)).await });
        self.spawn(countries::follow(Arc::clone(&live)));
        self.spawn(costs::keep(live.observers.costs.clone()));
        self.spawn(tick_forever(Arc::clone(&self.keeper), live));
        self.spawn(end_forever(Arc::clone(&self.keeper)));
        for certificate in &self.certificates {
            self.spawn(follow_certificate(Arc::clone(certificate)));
        }
        if source == Source::File {
            self.spawn(follow_file(Arc::clone(&self.keeper), self.manifest.clone()));
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// Counts kept across restarts, where there is a place for them.
fn open_counts(options: &Options, clock: &Clock) -> Result<Option<Arc<Counts>>, StartError> {
    let Some(state) = &options.state_dir else { return Ok(None) };
    let (counts, recovered) = Counts::open(state, clock)?;
    if recovered.records > 0 {
        tracing::info!(records = recovered.records, torn = recovered.torn, "counts of limits put back");
    }
    Ok(Some(Arc::new(counts)))
}

/// What is kept beyond a request, and shared with other replicas.
struct Stored {
    counts: Option<Arc<Counts>>,
    ledger: Arc<Ledger>,
    leases: Option<Arc<Leases>>,
    board: Option<SharedBoard>,
}

fn open_store(store: &Store, options: &Options, clock: Clock, base: &Path) -> Result<Stored, StartError> {
    let counts = open_counts(options, &clock)?;
    let ledger =
        counts.as_ref().map_or_else(|| store::in_memory(&clock), |counts| Arc::clone(counts.ledger()));
    let Some(shared) = &store.shared else { return Ok(Stored { counts, ledger, leases: None, board: None }) };
    if (clock.scale() - 1.0).abs() > f64::EPSILON {
        let why = "windows of a shared limit begin by the clock on the wall, so it cannot be run with --time-scale; remove `store.shared` for such a run";
        return Err(StartError::System(why.to_owned()));
    }
    let state = options.state_dir.as_deref();
    let sharing = Sharing::begin(shared, &ledger, clock, state, base).map_err(StartError::State)?;
    Ok(Stored { counts, ledger, leases: Some(sharing.leases), board: Some(sharing.board) })
}

fn prepare(options: &Options) -> Result<Prepared, StartError> {
    if options.source == Source::Api && options.state_dir.is_none() {
        let how = "`--source api` needs `--state-dir`, so that what was published survives a restart";
        return Err(StartError::System(how.to_owned()));
    }
    let last_good = LastGood::open(options.state_dir.as_deref()).map_err(StartError::State)?;
    let reached = last_good.generation().map_err(StartError::State)?;
    let published = match options.source {
        Source::Api => last_good.manifest().map_err(StartError::State)?,
        Source::File => None,
    };
    let text = match published {
        Some(text) => text,
        None => std::fs::read_to_string(&options.manifest)
            .map_err(|source| StartError::Manifest { path: options.manifest.clone(), source })?,
    };
    let base = options.manifest.parent().unwrap_or(Path::new("")).to_owned();
    let bundle = compiled(&options.manifest, &text, &base)?;
    let history = History::open(options.state_dir.as_deref()).map_err(StartError::State)?;
    let generation = history.number_for(&bundle.digest().to_string(), reached.max(1));
    if options.state_dir.is_none()
        && let Some(name) = store::budgeted(bundle.policy())
    {
        return Err(StartError::System(store::without_state(name)));
    }
    last_good.remember(&text, generation).map_err(StartError::State)?;
    Ok(Prepared { text, bundle, generation, base, last_good, history })
}

/// Compiles `text` and checks what it refers to.
fn compiled(file: &Path, text: &str, base: &Path) -> Result<Bundle, StartError> {
    let manifest = policy_compiler::Source::new(file.display().to_string(), text);
    let mut outcome = compile(&manifest);
    if let Some(bundle) = &outcome.bundle {
        let missing = outcome.locate(missing_resources(bundle.policy(), base));
        outcome.findings.extend(missing);
    }
    let sound = !outcome.findings.iter().any(policy_compiler::Finding::is_error);
    outcome
        .bundle
        .filter(|_| sound)
        .ok_or_else(|| StartError::Policy { manifest: Box::new(manifest), findings: outcome.findings })
}

async fn tick_forever(keeper: Arc<Keeper>, live: Arc<Live>) {
    let mut beat = tokio::time::interval(live.clock.wall(Duration::from_secs(1)));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        keeper.tick();
    }
}

/// Ends what operators ordered for a time.
async fn end_forever(keeper: Arc<Keeper>) {
    let mut beat = tokio::time::interval(TEND_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        beat.tick().await;
        keeper.end_what_is_over().await;
    }
}

/// Tells the audit log and the history what the gateway begins with.
fn begin(audit: &Audit, history: &History, live: &Live, manifest: &str) -> std::io::Result<()> {
    let in_force = live.in_force();
    let policy = version(&in_force.gate);
    let kept = Generation {
        generation: policy.generation,
        digest: policy.digest.clone(),
        at_ms: unix_nanos() / 1_000_000,
        actor: "gateway".to_owned(),
        action: AuditAction::Start.name().to_owned(),
        restores: None,
    };
    if history.list().first().is_none_or(|latest| latest.digest != kept.digest) {
        history.keep(kept, manifest)?;
    }
    audit.write(Entry::done(Actor::local("gateway"), AuditAction::Start, policy))
}

/// Follows changes of names, secrets, certificates and tokens.
async fn tend_upstreams(live: Arc<Live>) {
    let mut beat = tokio::time::interval(TEND_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut work = JoinSet::new();
    loop {
        tokio::select! {
            _ = beat.tick() => live.in_force().upstreams.tend(&live.clock, &mut work),
            Some(done) = work.join_next() => {
                if done.is_ok_and(|addresses_changed| addresses_changed) {
                    live.in_force().pipes.update().await;
                }
            }
        }
    }
}

async fn follow_certificate(certificate: Arc<dyn Followed>) {
    let watched: notify::Result<Vec<_>> = certificate.files().iter().map(|file| watch_file(file)).collect();
    let mut watched = match watched {
        Ok(watched) => watched,
        Err(error) => {
            tracing::warn!(%error, "a listener's certificate is not watched; send SIGHUP to read it again");
            return;
        }
    };
    loop {
        // Asked first: the files may have changed between being read at the start and being watched.
        certificate.reread();
        let changes = watched.iter_mut().map(|file| Box::pin(file.next()));
        futures_util::future::select_all(changes).await;
    }
}

async fn follow_file(keeper: Arc<Keeper>, file: PathBuf) {
    let mut changes = match watch_file(&file) {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the manifest is not watched; send SIGHUP to reload it");
            return;
        }
    };
    loop {
        // Asked first: the file may have changed between being read at the start and being watched.
        let known = std::fs::read_to_string(&file).is_ok_and(|text| keeper.file_is_known(&text));
        if !known {
            reload(&keeper, &file, "file").await;
        }
        changes.next().await;
    }
}

/// Reads the manifest file again. One that has not changed since somebody put another policy before it
/// leaves that policy in force; its secrets are read again all the same.
async fn reload(keeper: &Keeper, file: &Path, actor: &str) -> Offer {
    let cause = Cause::reload(actor);
    if keeper.source() != Source::File {
        let how = "the source of policy is `api`; publish with PUT /v1/manifest";
        return Offer::Rejected(vec![how.to_owned()]);
    }
    match tokio::fs::read_to_string(file).await {
        Ok(text) => {
            let known = keeper.file_is_known(&text);
            keeper.saw_file(&text);
            let manifest = if known { keeper.manifest().0 } else { text };
            keeper.offer(manifest, cause, &|_| true).await
        }
        Err(error) => {
            let what = format!("the manifest {} cannot be read: {error}", file.display());
            keeper.reject(&cause, vec![what]).await
        }
    }
}
