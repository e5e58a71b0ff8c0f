//! The work behind the desk: looks at counters, asks the register for all in one round trip, and hands out
//! what it says. It owns the replica's side of the leases and the order of things; nothing waits for it but
//! requests whose lease ran out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::lease::{Call, GRACE_MS, Heard, Lessee, Pace, Reply, Shape, Slot, Wants, share};
use rule_table::WhenAway;
use tokio::time::Instant;
use vocabulary::Moment;

use super::desk::Wanted;
use super::{Counted, LOOK_EVERY, Leases, Standing, Terms};
use crate::store::shared::{Asked, Away};

/// The register hears from every replica this often, so that none misses an epoch's grace.
const BEAT: Duration = Duration::from_secs(1);
/// How long to wait for a store that is away; no request does.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is tried while it is not ready.
const RETRY: Duration = Duration::from_millis(100);
/// Clocks of replicas may differ by this much without a slot being forgotten too early.
const SLACK: Duration = Duration::from_secs(60);
/// A window's first lease is taken this long before it begins.
const AHEAD: Duration = Duration::from_secs(1);
/// A lease not spent from for this long is returned, but for a piece.
const IDLE: Duration = Duration::from_secs(10);
/// The most slots in one round trip, so that a script stays short: others wait for it at the server.
const BATCH: usize = 128;
/// Looking may take this part of the time, however many counters there are.
const LOOK_SHARE: u32 = 20;

/// Times it is asked again because the register has news; more often it has no time to keep anything.
const EPOCHS: usize = 3;

/// The slot of the heartbeat. A counter's key is a hash, and its windows since 1970 are many.
const HEART: Slot = Slot { key: 0, window: 0 };

pub(super) fn share_of(ceiling: u64, terms: &Terms) -> u64 {
    share(Shape { ceiling, replicas: terms.replicas })
}

/// What is known of a counter besides its lease.
#[derive(Clone, Copy, Debug)]
struct Watched {
    pace: Pace,
    /// When it was last spent from.
    spent_at: Moment,
    taken: u64,
    ends: Moment,
    ceiling: u64,
    /// Left for anybody, as last heard.
    room: u64,
}

pub(super) struct Supply {
    leases: Arc<Leases>,
    lessee: Lessee,
    watched: BTreeMap<Slot, Watched>,
    looked_at: Instant,
    look_after: Duration,
    beat_at: Instant,
    /// Until when it only states what it spent alone, as every other replica does that was cut off too.
    settles: Settles,
}

/// After a time alone: grants would be given before others said what they spent meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settles {
    Done,
    WhenBack,
    Until(Instant),
}

impl Supply {
    pub(super) fn new(leases: Arc<Leases>) -> Self {
        let lessee = Lessee::new(leases.terms.replica);
        let now = Instant::now();
        Self {
            leases,
            lessee,
            watched: BTreeMap::new(),
            looked_at: now,
            look_after: Duration::ZERO,
            beat_at: now,
            settles: Settles::Done,
        }
    }

    pub(super) async fn run(&mut self) {
        loop {
            let standing = self.leases.standing();
            let pause = if standing == Standing::Ready { self.look_after } else { RETRY };
            tokio::select! {
                () = tokio::time::sleep_until(self.looked_at + pause) => {}
                () = self.leases.wake.notified(), if standing == Standing::Ready => {}
            }
            if standing == Standing::Replaced {
                std::future::pending::<()>().await;
            }
            self.round().await;
        }
    }

    /// Returns what is not spent: the process ends, and others can use it.
    pub(super) async fn close(&mut self) {
        if self.leases.standing() != Standing::Ready {
            return;
        }
        let slots: Vec<Slot> = self.lessee.slots().collect();
        for slot in &slots {
            self.give_back(*slot, 0);
        }
        let mut statements = slots.into_iter().map(|slot| (slot, Wants::default())).collect();
        // Whatever is not heard returns when its window ends.
        let _ = tokio::time::timeout(PATIENCE, self.ask(&mut statements)).await;
    }

    /// One round: what is wanted, what runs low, what is to be stated.
    async fn round(&mut self) {
        let (number, wanted) = self.leases.desk.lock().take();
        let mut asks: BTreeMap<Slot, Wants> = BTreeMap::new();
        if self.looked_at.elapsed() >= self.look_after {
            self.look(&mut asks);
        }
        wanted.into_iter().for_each(|(slot, wanted)| self.want(slot, wanted, &mut asks));
        self.state_anew(&mut asks);
        let ready = self.leases.standing() == Standing::Ready;
        if !ready || self.beat_at.elapsed() >= BEAT {
            asks.entry(HEART).or_default();
        }
        if !asks.is_empty() {
            self.exchange(asks, if ready { self.leases.terms.wait() } else { PATIENCE }).await;
        }
        self.leases.rounds.send_replace(number);
    }

    /// Asks, and again at once while the register has news.
    async fn exchange(&mut self, mut asks: BTreeMap<Slot, Wants>, patience: Duration) {
        for _ in 0..EPOCHS {
            let heard = match tokio::time::timeout(patience, self.ask(&mut asks)).await {
                Ok(heard) => heard,
                Err(_) => {
                    self.leases.registrar.give_up().await;
                    Err(Away(format!("no answer within {patience:?}")))
                }
            };
            match heard {
                Ok(Standing::Replaced) => return self.stand(Standing::Replaced),
                Ok(standing) => self.stand(standing),
                Err(Away(why)) => {
                    if self.leases.terms.when_away == WhenAway::LocalShare {
                        self.settles = Settles::WhenBack;
                    }
                    return self.stand(Standing::Away(why));
                }
            }
            // What was wanted under the epoch before was not granted, and stays to be asked.
            self.state_anew(&mut asks);
            if asks.is_empty() {
                return;
            }
        }
    }

    /// Sends `asks`, and takes out of it what was answered under the epoch it was asked under.
    async fn ask(&mut self, asks: &mut BTreeMap<Slot, Wants>) -> Result<Standing, Away> {
        let mut standing = self.leases.standing();
        let settling = self.settling();
        if settling {
            asks.values_mut().for_each(|wants| wants.want = 0);
        }
        let now = self.leases.counts.now();
        let asked: Vec<Asked> = asks.iter().map(|(slot, wants)| self.asked(*slot, *wants, now)).collect();
        for batch in asked.chunks(BATCH) {
            let replies = self.leases.registrar.ask(batch).await?;
            self.beat_at = Instant::now();
            for (Asked { call, .. }, reply) in batch.iter().zip(&replies) {
                match self.lessee.hear(call, reply) {
                    Heard::Lease => {
                        asks.remove(&call.slot);
                        self.learn(call, reply, reply.grace || settling);
                    }
                    // The rest of the batch was asked under the same epoch, and is asked again.
                    Heard::News | Heard::Late => {}
                    Heard::Stale => return Ok(Standing::Replaced),
                }
                standing = if reply.grace || settling { Standing::Grace } else { Standing::Ready };
            }
        }
        Ok(standing)
    }

    /// Whether it only states for now.
    fn settling(&mut self) -> bool {
        let now = Instant::now();
        if self.settles == Settles::WhenBack {
            self.settles = Settles::Until(now + Duration::from_millis(GRACE_MS));
        }
        if let Settles::Until(end) = self.settles
            && now >= end
        {
            self.settles = Settles::Done;
        }
        self.settles != Settles::Done
    }

    fn asked(&mut self, slot: Slot, wants: Wants, now: Moment) -> Asked {
        let known = self.watched.get(&slot);
        let taken = known.map_or(0, |known| known.taken);
        let ends = known.map_or(now, |known| known.ends);
        Asked { call: self.lessee.call(slot, taken, wants), remember: ends.since(now) + SLACK }
    }

    /// Hands out what a reply says is held.
    fn learn(&mut self, call: &Call, reply: &Reply, grace: bool) {
        let slot = call.slot;
        if slot == HEART {
            return;
        }
        if let Some(known) = self.watched.get_mut(&slot) {
            known.room = reply.room;
        }
        let held = self.lessee.held(slot);
        let alone = grace && self.leases.terms.when_away == WhenAway::LocalShare;
        let own = if alone { share_of(call.ceiling, &self.leases.terms) } else { 0 };
        let told = self.leases.counts.grant(slot, held.max(own)).is_some();
        let mut desk = self.leases.desk.lock();
        desk.hold(slot, held, told);
        let granted = reply.granted.saturating_sub(call.granted);
        if call.want > 0 && !grace && granted < call.want {
            desk.ran_dry(slot, reply.room, Instant::now());
        }
    }

    /// A request's want, with what the pace will need next.
    fn want(&mut self, slot: Slot, wanted: Wanted, asks: &mut BTreeMap<Slot, Wants>) {
        let now = self.leases.counts.now();
        let Wanted { sum, least, ceiling, ends } = wanted;
        let replicas = self.leases.terms.replicas;
        let known = self.watched.entry(slot).or_insert_with(|| Watched {
            pace: Pace::new(now, 0),
            spent_at: now,
            taken: 0,
            ends,
            ceiling,
            room: ceiling,
        });
        let piece = known.pace.piece(Shape { ceiling, replicas }, sum, known.room);
        asks.insert(slot, Wants { want: piece, least, ceiling });
    }

    /// Adds what the register of this epoch has not heard of.
    fn state_anew(&self, asks: &mut BTreeMap<Slot, Wants>) {
        for slot in self.lessee.unstated() {
            asks.entry(slot).or_insert_with(|| self.statement(slot));
        }
    }

    fn statement(&self, slot: Slot) -> Wants {
        let ceiling = self.watched.get(&slot).map_or(0, |known| known.ceiling);
        Wants { want: 0, least: 0, ceiling }
    }

    /// Looks at every shared counter: supplies those that run low, returns what lies idle, states what is
    /// not covered.
    fn look(&mut self, asks: &mut BTreeMap<Slot, Wants>) {
        self.looked_at = Instant::now();
        let mut all = Vec::new();
        self.leases.counts.shared(&mut |counted| all.push(counted));
        let now = self.leases.counts.now();
        all.iter().for_each(|counted| self.look_at(counted, now, asks));
        let over: Vec<Slot> = self
            .watched
            .iter()
            .filter(|(_, known)| now.since(known.ends) > SLACK)
            .map(|(slot, _)| *slot)
            .collect();
        for slot in over {
            self.watched.remove(&slot);
            self.lessee.forget(slot);
            self.leases.desk.lock().forget(slot);
        }
        self.look_after = LOOK_EVERY.max(self.looked_at.elapsed() * LOOK_SHARE);
    }

    fn look_at(&mut self, counted: &Counted, now: Moment, asks: &mut BTreeMap<Slot, Wants>) {
        let Counted { slot, ends, ceiling, taken, granted } = *counted;
        if now >= ends {
            return;
        }
        let fresh = !self.watched.contains_key(&slot);
        let known = self.watched.entry(slot).or_insert_with(|| Watched {
            pace: Pace::new(now, taken),
            spent_at: now,
            taken,
            ends,
            ceiling,
            room: ceiling,
        });
        if known.taken != taken {
            known.spent_at = now;
        }
        known.pace.observe(now, taken);
        (known.taken, known.ends, known.ceiling) = (taken, ends, ceiling);
        let known = *known;
        let shape = Shape { ceiling, replicas: self.leases.terms.replicas };
        let held = self.lessee.held(slot);
        let low = known.pace.low_water(shape);
        let idle = now.since(known.spent_at) > IDLE;
        if !idle && known.room > 0 && held.saturating_sub(taken) <= low {
            let want = known.pace.piece(shape, 1, known.room);
            asks.insert(slot, Wants { want, least: 1, ceiling });
        } else if fresh || taken > held {
            asks.insert(slot, self.statement(slot));
        } else if idle && self.idle_excess(slot, &known, granted) {
            self.give_back(slot, known.pace.keep(BEAT).max(low));
            asks.insert(slot, self.statement(slot));
        }
        if !idle && ends.since(now) < AHEAD {
            self.look_ahead(slot, &known, shape, asks);
        }
    }

    /// Takes the first piece of the next window, so that its first request does not wait.
    fn look_ahead(&mut self, slot: Slot, known: &Watched, shape: Shape, asks: &mut BTreeMap<Slot, Wants>) {
        let next = Slot { window: slot.window + 1, ..slot };
        if self.lessee.held(next) > 0 {
            return;
        }
        let want = known.pace.piece(shape, 1, shape.ceiling);
        asks.insert(next, Wants { want, least: 1, ceiling: shape.ceiling });
        // Until it has begun nobody counts in it; then it has an end of its own.
        self.watched.entry(next).or_insert(Watched {
            taken: 0,
            room: shape.ceiling,
            ends: known.ends + AHEAD,
            ..*known
        });
    }

    fn idle_excess(&self, slot: Slot, known: &Watched, granted: u64) -> bool {
        let shape = Shape { ceiling: known.ceiling, replicas: self.leases.terms.replicas };
        let spare = self.lessee.held(slot).min(granted).saturating_sub(known.taken);
        // Not for a trifle: what is returned has to be asked for again.
        spare > 2 * known.pace.low_water(shape).max(1)
    }

    /// Lowers the ledger's grant first, so that what is returned cannot be taken meanwhile.
    fn give_back(&mut self, slot: Slot, keep: u64) {
        let taken = self.watched.get(&slot).map_or(0, |known| known.taken);
        let set = self.leases.counts.grant(slot, taken.saturating_add(keep)).unwrap_or(0);
        self.lessee.keep_only(slot, set);
        let held = self.lessee.held(slot);
        self.leases.desk.lock().hold(slot, held, true);
    }

    /// Notes how things stand, and says so when that changed.
    fn stand(&self, now: Standing) {
        let before = self.leases.standing.send_replace(now.clone());
        if before == now {
            return;
        }
        match &now {
            Standing::Ready => tracing::info!("the shared store grants leases"),
            Standing::Grace => tracing::info!("the shared store began anew and grants leases in a moment"),
            Standing::Away(why) if !matches!(before, Standing::Away(_)) => {
                tracing::warn!(why, "the shared store is away; limits go on with what was leased");
            }
            Standing::Away(_) => {}
            Standing::Replaced => tracing::error!(
                "another process uses this replica's name, and has its leases: give each replica a state \
                 directory of its own, then start this one again"
            ),
        }
        self.supply_as(&now);
    }

    /// Sets every grant to what this standing allows.
    fn supply_as(&self, standing: &Standing) {
        let mut slots = Vec::new();
        self.leases.counts.shared(&mut |counted| slots.push((counted.slot, counted.ceiling)));
        let mut desk = self.leases.desk.lock();
        desk.alone.clear();
        let alone = self.leases.terms.when_away == WhenAway::LocalShare;
        for (slot, ceiling) in slots {
            let held = self.lessee.held(slot);
            let total = match standing {
                Standing::Replaced => 0,
                Standing::Away(_) | Standing::Grace if alone => {
                    desk.alone.insert(slot);
                    held.max(share_of(ceiling, &self.leases.terms))
                }
                _ => held,
            };
            self.leases.counts.grant(slot, total);
        }
    }
}
