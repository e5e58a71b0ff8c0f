//! `sluicegate run`: the gateway in the foreground, until a signal ends it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::{Overlays, show_findings};
use super::{BAD_INPUT, FAILURE, Output, complain};
use crate::gateway::{Gateway, Options, StartError};
use crate::policy::{Offer, Source, trusted_keys};

const EXAMPLES: &str = "\
Examples:
  sluicegate run --manifest gateway.yaml
  sluicegate run --manifest gateway.yaml --source api --state-dir /var/lib/sluicegate
  sluicegate run --manifest gateway.bundle --trusted-key signing.pem.pub

Signals: SIGHUP reloads the manifest, SIGTERM and Ctrl-C drain and stop, a second one stops at once.";

/// Serve a manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON, or a bundle
    #[arg(long, short, env = "SLUICEGATE_MANIFEST")]
    manifest: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// Where policy comes from while the gateway runs
    #[arg(long, value_enum, default_value = "file")]
    source: Source,
    /// Keeps the last accepted manifest and its generation
    #[arg(long, env = "SLUICEGATE_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Accept only bundles signed with this key, from any source; a PEM file with a public key, can be repeated
    #[arg(long = "trusted-key", value_name = "FILE", env = "SLUICEGATE_TRUSTED_KEYS", value_delimiter = ',')]
    trusted_keys: Vec<PathBuf>,
    /// How long requests in flight may take to end on SIGTERM, in seconds
    #[arg(long, default_value_t = 30)]
    drain_seconds: u64,
    /// Worker threads that serve requests; as many as there are CPUs unless stated
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Policy seconds per wall-clock second, to compress a run
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    time_scale: f64,
    /// Seed of the pools' random choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How the operational log on standard error is written
    #[arg(long, value_enum, default_value_t)]
    log: Output,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("must be a number above 0".to_owned()) }
}

pub(super) fn run(args: &Args) -> u8 {
    crate::observability::log_to_stderr(args.log == Output::Json);
    raise_open_files();
    #[cfg(target_os = "linux")]
    keep_pages_small();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = match builder.enable_all().thread_name("sluicegate").build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("sluicegate: the runtime cannot start: {error}\n"));
            return FAILURE;
        }
    };
    let code = runtime.block_on(serve(args));
    // Whatever still blocks (a file, a name server) is not worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

/// Takes all the files the system grants: shells hand down a small soft limit for the sake of programs that
/// still use `select`.
fn raise_open_files() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Each connection's buffers are large and mostly empty. In huge pages, which the allocator asks for, the
/// empty parts are resident too, and an open stream takes twice the memory.
#[cfg(target_os = "linux")]
fn keep_pages_small() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::warn!(%error, "huge pages stay in use, so that streams take more memory");
    }
}

async fn serve(args: &Args) -> u8 {
    let signals = Signals::new();
    let mut signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            complain(&format!("sluicegate: signals cannot be received: {error}\n"));
            return FAILURE;
        }
    };
    let trust = match trusted_keys(&args.trusted_keys) {
        Ok(trust) => trust,
        Err(why) => {
            complain(&format!("sluicegate: {why}\n"));
            return BAD_INPUT;
        }
    };
    let options = Options {
        manifest: args.manifest.clone(),
        overlays: args.overlays.files.clone(),
        source: args.source,
        trust,
        state_dir: args.state_dir.clone(),
        time_scale: args.time_scale,
        seed: args.seed,
    };
    let gateway = match Gateway::start(options).await {
        Ok(gateway) => gateway,
        Err(error) => return explain(&error),
    };
    announce(&gateway);
    while let Received::Reload = signals.next().await {
        if let Offer::Rejected(findings) = gateway.reload().await {
            let findings = findings.join("\n  ");
            complain(&format!(
                "sluicegate: the manifest was rejected, the policy in force stays:\n  {findings}\n"
            ));
        }
    }
    complain("sluicegate: draining\n");
    tokio::select! {
        cut = gateway.shutdown(Duration::from_secs(args.drain_seconds)) => {
            if cut > 0 {
                complain(&format!("sluicegate: {cut} requests were cut after {} s\n", args.drain_seconds));
            }
        }
        () = signals.stop() => complain("sluicegate: stopped without draining\n"),
    }
    0
}

fn announce(gateway: &Gateway) {
    for (name, address) in &gateway.listeners {
        complain(&format!("sluicegate: listener `{name}` on {address}\n"));
    }
    let scheme = if gateway.admin_is_tls { "https" } else { "http" };
    complain(&format!("sluicegate: admin API on {scheme}://{}\nsluicegate: ready\n", gateway.admin));
}

fn explain(error: &StartError) -> u8 {
    match error {
        StartError::Policy { manifest, findings } => {
            show_findings(findings, manifest, Output::Text);
            BAD_INPUT
        }
        StartError::System(_) => {
            complain(&format!("sluicegate: {error}\n"));
            FAILURE
        }
        _ => {
            complain(&format!("sluicegate: {error}\n"));
            BAD_INPUT
        }
    }
}

enum Received {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.hangup.recv() => Received::Reload,
            _ = self.terminate.recv() => Received::Stop,
            _ = self.interrupt.recv() => Received::Stop,
        }
    }

    async fn stop(&mut self) {
        while !matches!(self.next().await, Received::Stop) {}
    }
}
