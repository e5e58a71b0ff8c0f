//! The keeper of policy: takes offers, compiles them off the request path, and swaps whole or not at all.
//! It owns the order of checks and the record of the last rejection.

mod state;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use decision::Gate;
use parking_lot::Mutex;
use rule_table::{Admin, Bundle, Listener, Policy, Trust};
use telemetry::settled::Reload;
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::generations::Generation;
use vocabulary::admin::{Accepted, Rejection};

use self::state::State;
use super::change::{changed_sections, codes, version};
use super::{Cause, History, Holds, LastGood, Running, Source, Written};
use crate::audit::{Actor, Audit, Entry};
use crate::clock::{unix_nanos, unix_time, wall_time};
use crate::countries::Countries;
use crate::edge::Pipes;
use crate::hooks::Hooks;
use crate::live::{InForce, Live, build_tokenizers};
use crate::store;
use crate::upstream::Upstreams;

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
    /// Every offer is told here.
    pub audit: Audit,
    /// Policies to go back to.
    pub history: History,
    /// What operators hold.
    pub holds: Arc<Holds>,
    /// Whose policy is taken.
    pub trust: Trust,
    /// Whether counts of limits survive a restart.
    pub durable: bool,
}

/// Answer to an offered policy.
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

impl Keeper {
    /// A keeper of the policy `live` serves, which was compiled from `manifest`.
    #[must_use]
    pub fn new(live: Arc<Live>, settings: KeeperSettings, manifest: Written) -> Self {
        let state = State {
            file_seen: (settings.source == Source::File).then(|| manifest.clone()),
            manifest,
            loaded_at_ms: now_ms(),
            last_rejection: None,
            share_changes: VecDeque::new(),
            rolled_back: None,
            canary: None,
        };
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

    /// The manifest or bundle in force and its generation.
    #[must_use]
    pub fn manifest(&self) -> (Written, u64) {
        let state = self.state.lock();
        (state.manifest.clone(), self.live.in_force().gate.generation())
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.settings.audit
    }

    /// Policies to go back to.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.settings.history
    }

    /// What operators hold.
    #[must_use]
    pub fn holds(&self) -> &Arc<Holds> {
        &self.settings.holds
    }

    /// Takes an offer: checked in full, then swapped in, or nothing changes. `still_expected` is asked
    /// with the generation in force, while no other offer can get in between.
    pub async fn offer(
        &self,
        manifest: impl Into<Written>,
        cause: Cause,
        still_expected: &(dyn Fn(u64) -> bool + Sync),
    ) -> Offer {
        let manifest = manifest.into();
        let _turn = self.turn.lock().await;
        let generation = self.live.in_force().gate.generation();
        if !still_expected(generation) {
            return Offer::Stale { generation };
        }
        match self.prepare(&manifest).await {
            Ok((bundle, warnings)) => self.put_in_force(manifest, bundle, warnings, cause).await,
            Err(findings) => self.reject(&cause, findings).await,
        }
    }

    /// Compiles or loads, and checks everything that can fail before anything is swapped.
    async fn prepare(&self, manifest: &Written) -> Result<(Bundle, Vec<String>), Vec<String>> {
        let (written, base, trust) =
            (manifest.clone(), self.settings.base.clone(), self.settings.trust.clone());
        // Compiling takes milliseconds to seconds: not on a thread that serves requests.
        let (bundle, warnings) = tokio::task::spawn_blocking(move || written.compiled(&base, &trust))
            .await
            .map_err(|_| vec!["the compiler failed; the policy in force stays".to_owned()])??;
        store::can_count(bundle.policy(), self.settings.durable).map_err(|line| vec![line])?;
        let in_force = self.live.in_force();
        let fixed = fixed_sections(in_force.gate.policy(), bundle.policy());
        if fixed.is_empty() {
            return Ok((bundle, warnings));
        }
        let how = |section| {
            format!(
                "needs restart: `{section}` cannot change while the gateway runs; restart it with this manifest"
            )
        };
        Err(fixed.into_iter().map(how).collect())
    }

    async fn put_in_force(
        &self,
        manifest: Written,
        bundle: Bundle,
        warnings: Vec<String>,
        cause: Cause,
    ) -> Offer {
        let previous = self.live.in_force();
        let bundle = bundle.as_of(unix_time());
        let base = &self.settings.base;
        let upstreams = match Upstreams::build(&bundle.policy().backends, base, Some(&previous.upstreams)) {
            Ok(upstreams) => upstreams,
            Err((backend, error)) => {
                return self.reject(&cause, vec![format!("backend `{backend}`: {error}")]).await;
            }
        };
        let hooks = match Hooks::build(&bundle.policy().hooks, base, Some(&previous.hooks)) {
            Ok(hooks) => hooks,
            Err((hook, error)) => return self.reject(&cause, vec![format!("hook `{hook}`: {error}")]).await,
        };
        let countries = match self.countries(bundle.policy(), &previous.countries).await {
            Ok(countries) => countries,
            Err(why) => return self.reject(&cause, vec![why]).await,
        };
        let digest = bundle.digest().to_string();
        let unchanged = digest == previous.gate.digest();
        let generation = previous.gate.generation() + u64::from(!unchanged);
        if let Err(findings) = self.write_down(&manifest, &bundle, generation, &cause).await {
            return self.reject(&cause, findings).await;
        }
        upstreams.prepare(&self.live.clock).await;
        let pipes = Pipes::build(bundle.policy(), &upstreams, &self.live.clock);
        pipes.update().await;
        let gate =
            Gate::new(bundle, generation, Some(&previous.gate), self.settings.seed, self.live.clock.now());
        let gate = Arc::new(gate);
        self.live.observers.policy_accepted(&gate);
        build_tokenizers(&gate);
        let next = InForce {
            gate,
            upstreams: Arc::new(upstreams),
            pipes: Arc::new(pipes),
            hooks: Arc::new(hooks),
            countries,
        };
        self.settings.holds.apply(&next);
        if let Some(until) = cause.until_ms {
            // Its limits would count twice what the shared ledger counts once.
            let (before, times) = (Arc::clone(&previous.gate), (now_ms(), until));
            let by = cause.actor.name.clone();
            self.live.shadow.begin(Running::new(digest.clone(), before, false, times, by));
        }
        self.live.swap(next);
        let mut state = self.state.lock();
        state.manifest = manifest;
        state.loaded_at_ms = now_ms();
        state.last_rejection = None;
        if !unchanged {
            state.note(&cause, previous.gate.generation(), generation, self.settings.source);
        }
        drop(state);
        tracing::info!(generation, %digest, action = cause.action.name(), "policy accepted");
        Offer::Accepted(Accepted { generation, digest, warnings })
    }

    /// Audit log, last good policy and history, all on the disk before anything changes.
    async fn write_down(
        &self,
        manifest: &Written,
        bundle: &Bundle,
        generation: u64,
        cause: &Cause,
    ) -> Result<(), Vec<String>> {
        let failed = |what: &str, error: std::io::Error| {
            vec![format!("{what} cannot be written, so nothing was changed: {error}")]
        };
        let previous = self.live.in_force();
        let mut entry = cause.entry(version(&previous.gate));
        entry.after.generation = generation;
        entry.after.digest = bundle.digest().to_string();
        entry.changed = changed_sections(previous.gate.policy(), bundle.policy());
        entry.detail = cause.until_ms.map(|until| format!("until {}", wall_time(until)));
        let kept = Generation {
            generation,
            digest: entry.after.digest.clone(),
            at_ms: now_ms(),
            actor: cause.actor.name.clone(),
            action: cause.action.name().to_owned(),
            restores: cause.restores,
        };
        self.settings.audit.record(entry).await.map_err(|error| failed("the audit log", error))?;
        // What is on trial does not survive a restart.
        let own = self.state.lock().manifest.clone();
        let lasting = if cause.action == AuditAction::Canary { &own } else { manifest };
        let remembered = self.settings.last_good.remember(lasting, generation);
        remembered.map_err(|error| failed("the state directory", error))?;
        if kept.digest == previous.gate.digest() {
            return Ok(());
        }
        self.settings.history.keep(kept, manifest).map_err(|error| failed("the history", error))
    }

    /// The database of countries that `policy` names: the one in use where it is the same.
    async fn countries(&self, policy: &Policy, in_use: &Arc<Countries>) -> Result<Arc<Countries>, String> {
        let (file, base) = (policy.countries.clone(), self.settings.base.clone());
        if in_use.is(file.as_deref(), &base) {
            return Ok(Arc::clone(in_use));
        }
        let read = tokio::task::spawn_blocking(move || Countries::read(file.as_deref(), &base)).await;
        match read {
            Ok(read) => read.map(Arc::new).map_err(|error| error.to_string()),
            Err(_) => Err("the database of countries could not be read".to_owned()),
        }
    }

    /// Compares the policy in force with another one for `length` milliseconds, or until another one is in
    /// force.
    ///
    /// # Errors
    /// One line per finding of a manifest that could not serve.
    pub async fn begin_shadow(
        &self,
        manifest: Written,
        length: u64,
        actor: Actor,
    ) -> Result<(), Vec<String>> {
        let (bundle, _) = self.prepare(&manifest).await?;
        let gate = Arc::clone(&self.live.in_force().gate);
        let second = gate.beside(bundle.as_of(unix_time()), self.settings.seed, self.live.clock.now());
        let entry = Entry::done(actor.clone(), AuditAction::Shadow, version(&gate));
        let recorded = self.settings.audit.record(entry.to(second.digest())).await;
        recorded.map_err(|error| vec![format!("the audit log cannot be written: {error}")])?;
        let times = (now_ms(), now_ms().saturating_add(length));
        let serving = gate.digest().to_owned();
        self.live.shadow.begin(Running::new(serving, Arc::new(second), true, times, actor.name));
        Ok(())
    }

    /// Records that an offer, or what it would have been, is rejected.
    pub async fn reject(&self, cause: &Cause, findings: Vec<String>) -> Offer {
        tracing::error!(
            findings = findings.len(),
            first = findings.first().map(String::as_str),
            "policy rejected"
        );
        let in_force = version(&self.live.in_force().gate);
        self.tell(cause.entry(in_force).refused(codes(&findings))).await;
        self.live.observers.reloaded(Reload::Rejected);
        self.state.lock().last_rejection = Some(Rejection { at_ms: now_ms(), findings: findings.clone() });
        Offer::Rejected(findings)
    }

    /// Writes to the audit log what has happened already, or has been refused: that it cannot be written
    /// changes nothing about it.
    pub async fn tell(&self, entry: Entry) {
        if let Err(error) = self.settings.audit.record(entry).await {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }
}

/// The sections that differ and are read only once, at the start: sockets, certificates, exporters.
fn fixed_sections(now: &Policy, next: &Policy) -> Vec<&'static str> {
    let sections = [
        ("listeners", sockets(now) != sockets(next)),
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

/// Listeners without what is looked up per request. Their ids of access rules and issuers change with every
/// one whose name comes before, too.
fn sockets(policy: &Policy) -> Vec<Listener> {
    let without =
        |listener: &Listener| Listener { access: Vec::new(), authn: None, waf: None, ..listener.clone() };
    policy.listeners.iter().map(without).collect()
}

fn now_ms() -> u64 {
    unix_nanos() / 1_000_000
}
