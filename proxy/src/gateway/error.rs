//! What a gateway is started with, and why it does not run. It owns the words; it refuses to start anything.

use std::path::PathBuf;

use rule_table::Trust;

use crate::admin::AdminError;
use crate::countries::CountriesError;
use crate::edge::BindError;
use crate::hooks::HookError;
use crate::observability::ObservabilityError;
use crate::policy::Source;
use crate::store::CountsError;
use crate::upstream::{SecretError, UpstreamError};

/// What the gateway is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The manifest or bundle; relative files in it are relative to its directory.
    pub manifest: PathBuf,
    /// Files that change it, in their order.
    pub overlays: Vec<PathBuf>,
    /// The one source of policy.
    pub source: Source,
    /// Keeps the last accepted manifest; required for [`Source::Api`].
    pub state_dir: Option<PathBuf>,
    /// Whose policy is taken, from whatever source.
    pub trust: Trust,
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
    /// The bundle, or a manifest in its place, is refused, or it does not fit this machine.
    #[error("the policy in {} is refused:\n  {}", path.display(), findings.join("\n  "))]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, a line each.
        findings: Vec<String>,
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
