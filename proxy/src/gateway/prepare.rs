//! What is read, checked and opened before anything listens. It owns the order of those steps; it refuses to
//! touch a socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::Ledger;
use policy_compiler::compile;
use rule_table::{Bundle, Store};
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::generations::Generation;

use super::error::{Options, StartError};
use crate::audit::{Actor, Audit, Entry};
use crate::clock::{Clock, unix_nanos};
use crate::live::Live;
use crate::policy::{
    History, LastGood, ManifestFiles, NOT_SIGNED, ReadFiles, Source, Written, missing_resources, version,
};
use crate::rule_files::Disk;
use crate::store::board::SharedBoard;
use crate::store::refill::Leases;
use crate::store::{self, Counts, Sharing};

/// What has been checked and read before any socket is touched.
pub(super) struct Prepared {
    pub(super) written: Written,
    pub(super) bundle: Bundle,
    pub(super) generation: u64,
    pub(super) base: PathBuf,
    pub(super) last_good: LastGood,
    pub(super) history: History,
}

/// What is kept beyond a request, and shared with other replicas.
pub(super) struct Stored {
    pub(super) counts: Option<Arc<Counts>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) leases: Option<Arc<Leases>>,
    pub(super) board: Option<SharedBoard>,
}

pub(super) fn open_store(
    store: &Store,
    options: &Options,
    clock: Clock,
    base: &Path,
) -> Result<Stored, StartError> {
    let (ledger, counts) = store::counted(options.state_dir.as_deref(), &clock)?;
    let Some(shared) = &store.shared else { return Ok(Stored { counts, ledger, leases: None, board: None }) };
    if (clock.scale() - 1.0).abs() > f64::EPSILON {
        let why = "windows of a shared limit begin by the clock on the wall, so it cannot be run with --time-scale; remove `store.shared` for such a run";
        return Err(StartError::System(why.to_owned()));
    }
    let state = options.state_dir.as_deref();
    let sharing = Sharing::begin(shared, &ledger, clock, state, base).map_err(StartError::State)?;
    Ok(Stored { counts, ledger, leases: Some(sharing.leases), board: Some(sharing.board) })
}

pub(super) fn prepare(options: &Options) -> Result<Prepared, StartError> {
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
    let read = match published {
        Some(Written::Manifest(text)) => {
            ReadFiles::Manifest(policy_compiler::Source::new(options.manifest.display().to_string(), text))
        }
        Some(bundle) => ReadFiles::Bundle(bundle),
        None => ManifestFiles::new(&options.manifest, &options.overlays)
            .read_any()
            .map_err(|(path, source)| StartError::Manifest { path, source })?,
    };
    let base = options.manifest.parent().unwrap_or(Path::new("")).to_owned();
    let (bundle, written) = taken(read, options, &base)?;
    store::can_count(bundle.policy(), options.state_dir.is_some()).map_err(StartError::System)?;
    let history = History::open(options.state_dir.as_deref()).map_err(StartError::State)?;
    let generation = history.number_for(&bundle.digest().to_string(), reached.max(1));
    last_good.remember(&written, generation).map_err(StartError::State)?;
    Ok(Prepared { written, bundle, generation, base, last_good, history })
}

/// The policy that was read, in one piece and ready to serve.
fn taken(read: ReadFiles, options: &Options, base: &Path) -> Result<(Bundle, Written), StartError> {
    let refused = |findings| StartError::Refused { path: options.manifest.clone(), findings };
    match read {
        ReadFiles::Manifest(_) if options.trust.wants_signature() => {
            Err(refused(vec![NOT_SIGNED.to_owned()]))
        }
        ReadFiles::Manifest(manifest) => {
            // What is kept and compared is one text, whatever files it came from.
            let joined = policy_compiler::flatten(&manifest);
            Ok((compiled(manifest, base)?, joined.unwrap_or_default().into()))
        }
        ReadFiles::Bundle(written) => {
            let (bundle, warnings) = written.compiled(base, &options.trust).map_err(refused)?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Ok((bundle, written))
        }
    }
}

/// Compiles a manifest and checks what it refers to.
fn compiled(manifest: policy_compiler::Source, base: &Path) -> Result<Bundle, StartError> {
    let manifest = manifest.with_rules(Arc::new(Disk::below(base)));
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

/// Tells the audit log and the history what the gateway begins with.
pub(super) fn begin(
    audit: &Audit,
    history: &History,
    live: &Live,
    manifest: &Written,
) -> std::io::Result<()> {
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
