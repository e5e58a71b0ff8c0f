//! The keeper of policy: takes offers, compiles them off the request path, and swaps whole or not at all.
//! It owns the order of checks and the record of the last rejection.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use decision::Gate;
use parking_lot::Mutex;
use policy_compiler::{Source as Manifest, compile};
use rule_table::{Admin, Bundle, Policy};
use telemetry::settled::Reload;
use vocabulary::Moment;
use vocabulary::admin::{Accepted, Rejection, ShareChange, Status};

use super::{LastGood, Source};
use crate::clock::unix_nanos;
use crate::edge::Pipes;
use crate::hooks::Hooks;
use crate::live::{InForce, Live};
use crate::store;
use crate::upstream::Upstreams;

/// Share changes kept for the admin API.
const SHARE_CHANGES: usize = 512;

/// What the keeper needs beyond the live state.
#[derive(Debug)]
pub struct KeeperSettings {
    /// Where policy comes from.
    pub source: Source,
    /// Directory that relative files in a manifest are relative to.
    pub base: PathBuf,
    /// What survives a restart.
    pub last_good: LastGood,
    /// For the pools' random choices.
    pub seed: u64,
    /// Whether counts of limits survive a restart.
    pub durable: bool,
}

/// Answer to an offered manifest.
#[derive(Debug)]
pub enum Offer {
    /// It is in force.
    Accepted(Accepted),
    /// The condition on the generation failed.
    Stale {
        /// The generation in force.
        generation: u64,
    },
    /// Nothing changed; one line per finding.
    Rejected(Vec<String>),
}

/// Accepts and rejects policy.
#[derive(Debug)]
pub struct Keeper {
    live: Arc<Live>,
    settings: KeeperSettings,
    /// One offer at a time: the second compares against what the first put in force.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    manifest: String,
    loaded_at_ms: u64,
    last_rejection: Option<Rejection>,
    share_changes: VecDeque<ShareChange>,
}

impl Keeper {
    /// A keeper of the policy `live` serves, which was compiled from `manifest`.
    #[must_use]
    pub fn new(live: Arc<Live>, settings: KeeperSettings, manifest: String) -> Self {
        let state =
            State { manifest, loaded_at_ms: now_ms(), last_rejection: None, share_changes: VecDeque::new() };
        Self { live, settings, turn: tokio::sync::Mutex::new(()), state: Mutex::new(state) }
    }

    /// The state requests read.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Where policy comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.settings.source
    }

    /// The manifest in force and its generation.
    #[must_use]
    pub fn manifest(&self) -> (String, u64) {
        let state = self.state.lock();
        (state.manifest.clone(), self.live.in_force().gate.generation())
    }

    /// Takes an offer: checked in full, then swapped in, or nothing changes. `still_expected` is asked
    /// with the generation in force, while no other offer can get in between.
    pub async fn offer(&self, manifest: String, still_expected: &(dyn Fn(u64) -> bool + Sync)) -> Offer {
        let _turn = self.turn.lock().await;
        let generation = self.live.in_force().gate.generation();
        if !still_expected(generation) {
            return Offer::Stale { generation };
        }
        match self.prepare(&manifest).await {
            Ok((bundle, warnings)) => self.put_in_force(manifest, bundle, warnings).await,
            Err(findings) => self.reject(findings),
        }
    }

    /// Compiles and checks everything that can fail before anything is swapped.
    async fn prepare(&self, manifest: &str) -> Result<(Bundle, Vec<String>), Vec<String>> {
        let (text, base) = (manifest.to_owned(), self.settings.base.clone());
        // Compiling takes milliseconds to seconds: not on a thread that serves requests.
        let compiled = tokio::task::spawn_blocking(move || {
            let mut outcome = compile(&Manifest::new("manifest", text));
            if let Some(bundle) = &outcome.bundle {
                let missing = super::missing_resources(bundle.policy(), &base);
                outcome.findings.extend(missing);
            }
            outcome
        })
        .await
        .map_err(|_| vec!["the compiler failed; the policy in force stays".to_owned()])?;
        let (errors, warnings): (Vec<_>, Vec<_>) =
            compiled.findings.iter().partition(|finding| finding.is_error());
        let lines = |findings: &[&policy_compiler::Finding]| {
            findings.iter().map(|finding| finding.one_line()).collect()
        };
        let Some(bundle) = compiled.bundle.filter(|_| errors.is_empty()) else { return Err(lines(&errors)) };
        if let (false, Some(limit)) = (self.settings.durable, store::budgeted(bundle.policy())) {
            return Err(vec![store::without_state(limit)]);
        }
        let in_force = self.live.in_force();
        let fixed = fixed_sections(in_force.gate.policy(), bundle.policy());
        if fixed.is_empty() {
            return Ok((bundle, lines(&warnings)));
        }
        let how = |section| {
            format!(
                "needs restart: `{section}` cannot change while the gateway runs; restart it with this manifest"
            )
        };
        Err(fixed.into_iter().map(how).collect())
    }

    async fn put_in_force(&self, manifest: String, bundle: Bundle, warnings: Vec<String>) -> Offer {
        let previous = self.live.in_force();
        let upstreams =
            match Upstreams::build(&bundle.policy().backends, &self.settings.base, Some(&previous.upstreams))
            {
                Ok(upstreams) => upstreams,
                Err((backend, error)) => return self.reject(vec![format!("backend `{backend}`: {error}")]),
            };
        let hooks = match Hooks::build(&bundle.policy().hooks, &self.settings.base, Some(&previous.hooks)) {
            Ok(hooks) => hooks,
            Err((hook, error)) => return self.reject(vec![format!("hook `{hook}`: {error}")]),
        };
        let unchanged = bundle.digest().to_string() == previous.gate.digest();
        let generation = previous.gate.generation() + u64::from(!unchanged);
        if let Err(error) = self.settings.last_good.remember(&manifest, generation) {
            return self.reject(vec![format!(
                "the state directory cannot be written, so nothing was changed: {error}"
            )]);
        }
        upstreams.prepare(&self.live.clock).await;
        let pipes = Pipes::build(bundle.policy(), &upstreams, &self.live.clock);
        pipes.update().await;
        let digest = bundle.digest().to_string();
        let gate =
            Gate::new(bundle, generation, Some(&previous.gate), self.settings.seed, self.live.clock.now());
        let gate = Arc::new(gate);
        self.live.observers.policy_accepted(&gate);
        self.live.swap(InForce {
            gate,
            upstreams: Arc::new(upstreams),
            pipes: Arc::new(pipes),
            hooks: Arc::new(hooks),
        });
        let mut state = self.state.lock();
        state.manifest = manifest;
        state.loaded_at_ms = now_ms();
        state.last_rejection = None;
        drop(state);
        tracing::info!(generation, %digest, "policy accepted");
        Offer::Accepted(Accepted { generation, digest, warnings })
    }

    /// Records that an offer, or what it would have been, is rejected.
    pub fn reject(&self, findings: Vec<String>) -> Offer {
        tracing::error!(
            findings = findings.len(),
            first = findings.first().map(String::as_str),
            "policy rejected"
        );
        self.live.observers.reloaded(Reload::Rejected);
        self.state.lock().last_rejection = Some(Rejection { at_ms: now_ms(), findings: findings.clone() });
        Offer::Rejected(findings)
    }

    /// The one-second loop: pools learn, shares are published.
    pub fn tick(&self) {
        let now = self.live.clock.now();
        let gate = Arc::clone(&self.live.in_force().gate);
        let clock = &self.live.clock;
        if (clock.scale() - 1.0).abs() < f64::EPSILON {
            // A compressed run has no wall clock to follow.
            gate.ledger().time().look(now, Moment(unix_nanos()));
        }
        let changes = gate.tick(now);
        self.live.observers.pools(&gate.pool_status(now));
        let mut state = self.state.lock();
        state.share_changes.extend(changes);
        let surplus = state.share_changes.len().saturating_sub(SHARE_CHANGES);
        state.share_changes.drain(..surplus);
    }

    /// How realised shares moved lately, newest first.
    #[must_use]
    pub fn share_changes(&self) -> Vec<ShareChange> {
        self.state.lock().share_changes.iter().rev().cloned().collect()
    }

    /// `GET /v1/status`.
    #[must_use]
    pub fn status(&self) -> Status {
        let gate = Arc::clone(&self.live.in_force().gate);
        let state = self.state.lock();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: if self.live.draining() { "draining" } else { "serving" }.to_owned(),
            generation: gate.generation(),
            digest: gate.digest().to_owned(),
            overlay_version: 0,
            source: self.settings.source.name().to_owned(),
            loaded_at_ms: state.loaded_at_ms,
            last_rejection: state.last_rejection.clone(),
            time_scale: self.live.clock.scale(),
            in_flight: self.live.in_flight(),
            pools: gate.pool_status(self.live.clock.now()),
        }
    }
}

/// The sections that differ and are read only once, at the start: sockets, certificates, exporters.
fn fixed_sections(now: &Policy, next: &Policy) -> Vec<&'static str> {
    let sections = [
        ("listeners", now.listeners != next.listeners),
        ("admin", now.admin.as_ref().map(admin_socket) != next.admin.as_ref().map(admin_socket)),
        ("telemetry", now.telemetry != next.telemetry),
        ("store", now.store != next.store),
    ];
    sections.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// What of the admin API is read only at the start. Who may use it can change at any time.
fn admin_socket(admin: &Admin) -> impl PartialEq + use<'_> {
    (&admin.address, &admin.token, &admin.tls, &admin.clients)
}

fn now_ms() -> u64 {
    unix_nanos() / 1_000_000
}
