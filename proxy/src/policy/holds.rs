//! What operators hold for a time, on all replicas. It owns placing, releasing, expiry, what a restart
//! remembers and carrying holds into every policy, by names; it refuses to know who may.

mod effect;
mod file;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rule_table::Policy;
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::holds::{Hold, HoldKind, HoldRequest};

use self::effect::conflict;
use self::file::Remembered;
use super::version;
use crate::audit::{Actor, Audit, Entry};
use crate::clock::{unix_nanos, wall_time};
use crate::live::{InForce, Live};
use crate::store::board::{BoardError, Expect, Follower, SharedBoard};

use effect::apply;
pub use effect::drained_of;

/// Where holds stand on the board.
const PREFIX: &str = "holds/";
/// How long a hold may last.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often expiry is looked at, and holds that could not be published are tried again.
const BEAT: Duration = Duration::from_millis(250);

/// Why a hold is not placed or released. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The order makes no sense as it is.
    #[error("{0}")]
    Order(String),
    /// The target is not in the policy in force.
    #[error("{0}")]
    UnknownTarget(String),
    /// It would leave requests without a member, or another hold is in the way.
    #[error("{0}")]
    Conflict(String),
    /// No hold has this id.
    #[error("no hold has the id `{0}`; GET /v1/holds lists them")]
    UnknownId(String),
    /// It could not be written down.
    #[error("the hold cannot be written down: {0}")]
    Write(String),
}

/// Holds in force.
#[derive(Debug)]
pub struct Holds {
    live: Arc<Live>,
    audit: Audit,
    board: SharedBoard,
    remembered: Remembered,
    state: Mutex<State>,
    /// One change at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    known: Arc<[Hold]>,
    /// Placed here while the board was away: not yet known to other replicas.
    unpublished: Vec<String>,
    /// Released here while the board was away.
    unremoved: Vec<String>,
}

impl Holds {
    /// Holds as a restart finds them in `dir`; [`Holds::run`] keeps them up to date.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(
        live: Arc<Live>,
        audit: Audit,
        board: SharedBoard,
        dir: Option<&Path>,
    ) -> std::io::Result<Self> {
        let remembered = Remembered::open(dir)?;
        let now_ms = now_ms();
        let known: Vec<Hold> =
            remembered.holds()?.into_iter().filter(|hold| hold.until_ms > now_ms).collect();
        let state = State { known: known.into(), ..State::default() };
        let holds = Self {
            live,
            audit,
            board,
            remembered,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(()),
        };
        holds.apply(&holds.live.in_force());
        Ok(holds)
    }

    /// Holds in force, oldest first.
    #[must_use]
    pub fn list(&self) -> Arc<[Hold]> {
        Arc::clone(&self.state.lock().known)
    }

    /// Puts what is held into force in a policy, also one that is not served yet.
    pub fn apply(&self, in_force: &InForce) {
        apply(&self.list(), in_force);
    }

    /// Places a hold: in force here when this returns, on other replicas within two seconds. The second
    /// value is false when the board is away and other replicas do not hear of it until it is back.
    ///
    /// # Errors
    /// [`HoldError`].
    pub async fn place(&self, order: HoldRequest, actor: Actor) -> Result<(Hold, bool), HoldError> {
        let length = length(&order.for_)?;
        let _turn = self.turn.lock().await;
        let in_force = self.live.in_force();
        let now_ms = now_ms();
        let mut hold = Hold {
            id: format!("{:08x}", rand::random::<u32>()),
            kind: order.kind,
            target: order.target,
            member: order.member,
            since_ms: now_ms,
            until_ms: now_ms.saturating_add(u64::try_from(length.as_millis()).unwrap_or(u64::MAX)),
            reason: order.reason,
            by: actor.name.clone(),
            shares: std::collections::BTreeMap::new(),
        };
        check(in_force.gate.policy(), &hold)?;
        let known = self.list();
        if let Some(why) = conflict(in_force.gate.policy(), &known, &hold, order.force) {
            let entry = self
                .entry(&hold, actor, action(hold.kind))
                .refused("it would leave requests without a member, or another hold is in the way");
            self.tell(entry).await;
            return Err(HoldError::Conflict(why));
        }
        if hold.kind == HoldKind::Freeze {
            hold.shares = effect::shares(&in_force, &hold.target, self.live.clock.now());
        }
        let entry = self.entry(&hold, actor, action(hold.kind));
        self.audit.record(entry).await.map_err(|error| HoldError::Write(error.to_string()))?;
        let published = self.publish(&hold, Expect::Absent).await;
        let mut next = known.to_vec();
        next.push(hold.clone());
        {
            let mut state = self.state.lock();
            if published.is_err() {
                state.unpublished.push(hold.id.clone());
            }
        }
        self.take(next).await;
        Ok((hold, published.is_ok()))
    }

    /// Ends a hold before its time.
    ///
    /// # Errors
    /// [`HoldError::UnknownId`], [`HoldError::Write`].
    pub async fn release(&self, id: &str, actor: Actor, reason: Option<String>) -> Result<Hold, HoldError> {
        let _turn = self.turn.lock().await;
        let known = self.list();
        let hold = known.iter().find(|hold| hold.id == id).cloned();
        let hold = hold.ok_or_else(|| HoldError::UnknownId(id.to_owned()))?;
        let entry = self.entry(&hold, actor, AuditAction::Release).because(reason);
        self.audit.record(entry).await.map_err(|error| HoldError::Write(error.to_string()))?;
        if self.board.remove(&key(id), Expect::Anything).await.is_err() {
            self.state.lock().unremoved.push(id.to_owned());
        }
        self.take(known.iter().filter(|one| one.id != id).cloned().collect()).await;
        Ok(hold)
    }

    /// Follows the board and lets holds expire, until the gateway stops.
    pub async fn run(self: Arc<Self>, mut follower: Follower) {
        self.put_back().await;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = follower.changed() => self.read_board().await,
                _ = beat.tick() => {
                    self.catch_up().await;
                    self.expire().await;
                }
            }
        }
    }

    /// A board that is not the one remembered has lost what was on it, or never had it: a gateway that is
    /// alone keeps its board in memory. One that is still the same knows better what was released meanwhile.
    async fn put_back(&self) {
        let Ok((epoch, _)) = self.board.version().await else { return };
        if self.remembered.epoch() != Some(epoch) {
            for hold in self.list().iter() {
                // Another replica may have put it back first.
                let _ = self.publish(hold, Expect::Absent).await;
            }
        }
        self.read_board().await;
    }

    async fn read_board(&self) {
        let _turn = self.turn.lock().await;
        let Ok(listing) = self.board.list(PREFIX).await else { return };
        let now_ms = now_ms();
        let (known, unpublished, unremoved) = {
            let state = self.state.lock();
            (Arc::clone(&state.known), state.unpublished.clone(), state.unremoved.clone())
        };
        let told =
            listing.entries.iter().filter_map(|entry| serde_json::from_slice::<Hold>(&entry.value).ok());
        let mut next: Vec<Hold> =
            told.filter(|hold| hold.until_ms > now_ms && !unremoved.contains(&hold.id)).collect();
        // Those that ran out just now leave by `expire`, which tells the audit log.
        let own = known.iter().filter(|hold| unpublished.contains(&hold.id) || hold.until_ms <= now_ms);
        for hold in own {
            if next.iter().all(|one| one.id != hold.id) {
                next.push(hold.clone());
            }
        }
        next.sort_by(|a, b| (a.since_ms, &a.id).cmp(&(b.since_ms, &b.id)));
        self.remembered.note_epoch(listing.epoch);
        if next[..] != known[..] {
            self.take(next).await;
        }
    }

    /// Tells the board what it has not heard while it was away.
    async fn catch_up(&self) {
        let (unpublished, unremoved) = {
            let state = self.state.lock();
            (state.unpublished.clone(), state.unremoved.clone())
        };
        for id in unpublished {
            let hold = self.list().iter().find(|hold| hold.id == id).cloned();
            let told = match hold {
                Some(hold) => !matches!(self.publish(&hold, Expect::Absent).await, Err(BoardError::Away(_))),
                None => true,
            };
            if told {
                self.state.lock().unpublished.retain(|one| *one != id);
            }
        }
        for id in unremoved {
            if self.board.remove(&key(&id), Expect::Anything).await.is_ok() {
                self.state.lock().unremoved.retain(|one| *one != id);
            }
        }
    }

    async fn expire(&self) {
        let now_ms = now_ms();
        if self.list().iter().all(|hold| hold.until_ms > now_ms) {
            return;
        }
        let _turn = self.turn.lock().await;
        let (over, left): (Vec<Hold>, Vec<Hold>) =
            self.list().iter().cloned().partition(|hold| hold.until_ms <= now_ms);
        for hold in over {
            self.tell(self.entry(&hold, Actor::local("gateway"), AuditAction::HoldExpired)).await;
        }
        self.take(left).await;
    }

    /// Makes `next` what is held: here at once, and after a restart.
    async fn take(&self, next: Vec<Hold>) {
        self.state.lock().known = next.into();
        self.apply(&self.live.in_force());
        if let Err(error) = self.remembered.write(&self.list()) {
            tracing::error!(%error, "what is held cannot be written down; a restart may forget it");
        }
    }

    async fn publish(&self, hold: &Hold, expect: Expect) -> Result<u64, BoardError> {
        let value = serde_json::to_vec(hold).unwrap_or_default();
        let left = Duration::from_millis(hold.until_ms.saturating_sub(now_ms()).max(1));
        self.board.publish(&key(&hold.id), value, Some(left), expect).await
    }

    fn entry(&self, hold: &Hold, actor: Actor, action: AuditAction) -> Entry {
        let target = match &hold.member {
            Some(member) => format!("{} to {member}", hold.target),
            None => hold.target.clone(),
        };
        let policy = version(&self.live.in_force().gate);
        let mut entry = Entry::done(actor, action, policy).to(target);
        entry.detail = Some(format!("hold {} until {}", hold.id, wall_time(hold.until_ms)));
        entry.because(Some(hold.reason.clone()).filter(|_| action == self::action(hold.kind)))
    }

    async fn tell(&self, entry: Entry) {
        if let Err(error) = self.audit.record(entry).await {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }
}

fn action(kind: HoldKind) -> AuditAction {
    match kind {
        HoldKind::Drain => AuditAction::Drain,
        HoldKind::Pin => AuditAction::Pin,
        HoldKind::Freeze => AuditAction::Freeze,
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn length(text: &str) -> Result<Duration, HoldError> {
    let span = text.parse::<vocabulary::Span>().ok().map(|span| span.0);
    span.filter(|length| !length.is_zero() && *length <= LONGEST)
        .ok_or_else(|| HoldError::Order("`for` must be a time of at most 7d, such as 30m".to_owned()))
}

/// Whether the policy has what is to be held.
fn check(policy: &Policy, hold: &Hold) -> Result<(), HoldError> {
    let target = &hold.target;
    let pool = policy.pools.iter().find(|pool| pool.name == *target);
    let unknown =
        |what: &str| HoldError::UnknownTarget(format!("{what} `{target}` is not in the policy in force"));
    match (hold.kind, pool) {
        (HoldKind::Drain, _) => {
            let known = policy.backends.iter().any(|backend| backend.name == *target)
                || policy.deployments.iter().any(|deployment| deployment.name == *target);
            if known { Ok(()) } else { Err(unknown("the backend or deployment")) }
        }
        (HoldKind::Pin | HoldKind::Freeze, None) => Err(unknown("the pool")),
        (HoldKind::Pin, Some(pool)) => {
            let members = effect::members(policy, pool);
            let Some(wanted) = &hold.member else {
                return Err(HoldError::Order("a pin needs the member to use".to_owned()));
            };
            if members.iter().any(|member| member.name == *wanted) {
                return Ok(());
            }
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            Err(HoldError::UnknownTarget(format!(
                "`{wanted}` is not a member of the pool `{target}`; its members are {}",
                names.join(", ")
            )))
        }
        (HoldKind::Freeze, Some(pool)) if pool.strategy != rule_table::Strategy::Adaptive => {
            Err(HoldError::Order(format!("the pool `{target}` is not adaptive: its weights do not move")))
        }
        (HoldKind::Freeze, Some(_)) => Ok(()),
    }
}

fn now_ms() -> u64 {
    unix_nanos() / 1_000_000
}
