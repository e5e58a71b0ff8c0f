//! The gateway put together: policy compiled, secrets read, sockets bound, then and only then traffic. It
//! owns the order; every step that can fail comes before the first accept.

use std::path::Path;
use std::sync::Arc;

use decision::Gate;
use rule_table::Policy;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Gateway;
use super::error::{Options, StartError};
use super::prepare::{Prepared, Stored, begin, open_store, prepare};
use crate::admin::{Admin, AdminAuthn, AdminDesk, KeyDesk};
use crate::audit::Audit;
use crate::clock::{Clock, unix_time};
use crate::costs::Costs;
use crate::countries::Countries;
use crate::doors::{KeySets, Overlay};
use crate::edge::{self, Bound, Edge, Pipes};
use crate::hooks::Hooks;
use crate::live::{InForce, Live, build_tokenizers};
use crate::observability::Observability;
use crate::policy::{Holds, Keeper, KeeperSettings, ManifestFiles};
use crate::settlement::Observers;
use crate::store::board::{MemoryBoard, follow};
use crate::store::{Counts, Health};
use crate::upstream::{Secret, Upstreams, read_secret};
use crate::why::Stories;

/// Where the admin API listens unless the manifest says otherwise.
const ADMIN_ADDRESS: &str = "127.0.0.1:9901";

/// How to reach others: read and checked, nothing connected yet.
struct Reach {
    upstreams: Upstreams,
    hooks: Hooks,
    countries: Countries,
    admin_token: Option<Secret>,
}

impl Reach {
    fn read(policy: &Policy, base: &Path) -> Result<Self, StartError> {
        let upstreams = Upstreams::build(&policy.backends, base, None)
            .map_err(|(backend, source)| StartError::Upstream { backend, source })?;
        let hooks = Hooks::build(&policy.hooks, base, None)
            .map_err(|(hook, source)| StartError::Hook { hook, source })?;
        let token = policy.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let token = token.map(|reference| read_secret(reference, base)).transpose();
        let admin_token = token.map_err(StartError::AdminToken)?;
        let countries = Countries::read(policy.countries.as_deref(), base)?;
        Ok(Self { upstreams, hooks, countries, admin_token })
    }
}

/// Every socket, bound and not accepting.
struct Sockets {
    bound: Vec<Bound>,
    admin: Admin,
}

impl Sockets {
    fn bind(policy: &Policy, base: &Path) -> Result<Self, StartError> {
        let bound = edge::bind(policy, base)?;
        let section = policy.admin.as_ref();
        let admin = Admin::bind(section.map_or(ADMIN_ADDRESS, |admin| &admin.address), section, base)?;
        Ok(Self { bound, admin })
    }
}

impl Gateway {
    /// Starts the gateway in the current runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Prepared { written, bundle, generation, base, last_good, history } = prepare(&options)?;
        let clock = Clock::new(options.time_scale);
        let policy = bundle.policy();
        let state_dir = options.state_dir.as_deref();
        let Reach { upstreams, hooks, countries, admin_token } = Reach::read(policy, &base)?;
        let sync = policy.store.sync;
        let sockets = Sockets::bind(policy, &base)?;
        let observability = Observability::start(&policy.telemetry, &base)?;
        upstreams.prepare(&clock).await;
        let pipes = Pipes::build(policy, &upstreams, &clock);
        pipes.update().await;
        let Stored { counts, ledger, leases, board } = open_store(&policy.store, &options, clock, &base)?;
        let gate = Gate::new(bundle.as_of(unix_time()), generation, None, options.seed, clock.now())
            .with_ledger(ledger);
        let gate = Arc::new(gate);
        let overlay = Overlay::open(state_dir, Arc::clone(gate.issued_keys()), board.clone());
        let overlay = Arc::new(overlay.map_err(StartError::State)?);
        let costs = Costs::open(state_dir, clock).map_err(StartError::State)?;
        let stories = Stories::open(state_dir).map_err(StartError::State)?;
        let observers = Observers { costs, stories: Some(stories.clone()), ..observability.observers() };
        observers.policy_accepted(&gate);
        build_tokenizers(&gate);
        let in_force = InForce {
            gate,
            upstreams: Arc::new(upstreams),
            pipes: Arc::new(pipes),
            hooks: Arc::new(hooks),
            countries: Arc::new(countries),
        };
        let live = Live::new(clock, observers, KeySets::new(base.clone()), in_force);
        let live = Arc::new(live.with_stores(Health::new(counts.clone(), leases)));
        let audit = Audit::open(state_dir).map_err(StartError::State)?;
        begin(&audit, &history, &live, &written).map_err(StartError::State)?;
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
            trust: options.trust.clone(),
            durable: counts.is_some(),
        };
        let keeper = Arc::new(Keeper::new(live, settings, written));
        let keys = KeyDesk { overlay: Arc::clone(&overlay) };
        let parts = Parts { keeper, admin_token, keys, counts, observability };
        let gateway = parts.open(sockets, &options)?;
        gateway.begin_work(clock, sync, options.source, overlay).await;
        gateway.spawn(following);
        gateway.spawn(Arc::clone(&holds).run(follower));
        gateway.spawn(stories.run(holds));
        Ok(gateway)
    }
}

/// Everything but the sockets.
struct Parts {
    keeper: Arc<Keeper>,
    admin_token: Option<Secret>,
    keys: KeyDesk,
    counts: Option<Arc<Counts>>,
    observability: Observability,
}

impl Parts {
    /// Begins to accept.
    fn open(self, sockets: Sockets, options: &Options) -> Result<Gateway, StartError> {
        let Self { keeper, admin_token, keys, counts, observability } = self;
        let Sockets { bound, admin } = sockets;
        let live = Arc::clone(keeper.live());
        let listeners = bound.iter().map(|socket| (socket.name().to_owned(), socket.address)).collect();
        let certificates = bound.iter().flat_map(Bound::followed).chain(admin.followed()).collect();
        let (admin_address, admin_is_tls) = (admin.address, admin.is_tls());
        let system = |error: &dyn std::fmt::Display| StartError::System(error.to_string());
        let edge = Edge::start(bound, &live).map_err(|error| system(&error))?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let authn = AdminAuthn::new(live, admin_token);
        let desk = AdminDesk { keeper: Arc::clone(&keeper), authn, keys };
        admin.serve(desk, stop.clone(), &tasks).map_err(|error| system(&error))?;
        Ok(Gateway {
            listeners,
            admin: admin_address,
            admin_is_tls,
            keeper,
            edge,
            observability,
            stop,
            tasks,
            manifest: ManifestFiles::new(&options.manifest, &options.overlays),
            certificates,
            counts,
        })
    }
}
