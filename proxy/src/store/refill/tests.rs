//! Two replicas and a register in memory, on a paused clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use ledger::lease::{Register, Reply, Server};
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::super::shared::{Asked, Away};
use super::*;

const CEILING: u64 = 6400;
const MINUTE: u64 = 60_000_000_000;

/// The register behind a wire that can be cut.
#[derive(Debug)]
struct Remote {
    register: Mutex<(Register, u64)>,
    born: Instant,
    away: AtomicBool,
    asked: AtomicU64,
}

impl Remote {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            register: Mutex::default(),
            born: Instant::now(),
            away: AtomicBool::new(false),
            asked: AtomicU64::new(0),
        })
    }

    fn lose_everything(&self) {
        let mut register = self.register.lock();
        *register = (Register::new(), register.1 + 1);
    }

    fn held(&self, window: u64) -> u64 {
        self.register.lock().0.held(Slot { key: 7, window })
    }
}

#[async_trait]
impl Registrar for Remote {
    async fn ask(&self, calls: &[Asked]) -> Result<Vec<Reply>, Away> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.away.load(Ordering::SeqCst) {
            return Err(Away("cut".to_owned()));
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut register = self.register.lock();
        let run = register.1.to_string();
        let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap();
        let server = Server { run: &run, now_ms };
        Ok(calls.iter().map(|asked| register.0.answer(server, &asked.call)).collect())
    }

    async fn give_up(&self) {}
}

/// One counter of a minute's windows.
#[derive(Debug)]
struct Counter {
    born: Instant,
    ceiling: u64,
    windows: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl Counter {
    fn window(&self) -> u64 {
        self.now().0 / MINUTE
    }

    /// Takes one, or says what is lacking.
    fn take(&self, asked: u64) -> Result<(), Short> {
        let window = self.window();
        let mut windows = self.windows.lock();
        let (taken, granted) = windows.entry(window).or_default();
        if *taken + asked <= *granted {
            *taken += asked;
            return Ok(());
        }
        let slot = Slot { key: 7, window };
        let short = *taken + asked - *granted;
        Err(Short { slot, ends: Moment((window + 1) * MINUTE), short, ceiling: self.ceiling })
    }

    fn taken(&self, window: u64) -> u64 {
        self.windows.lock().get(&window).map_or(0, |(taken, _)| *taken)
    }
}

impl Counters for Counter {
    fn now(&self) -> Moment {
        Moment::ZERO + self.born.elapsed()
    }

    fn shared(&self, show: &mut dyn FnMut(Counted)) {
        // As the ledger does, only the window it is in.
        let windows = self.windows.lock();
        if let Some((&window, &(taken, granted))) = windows.last_key_value() {
            let slot = Slot { key: 7, window };
            show(Counted {
                slot,
                ends: Moment((window + 1) * MINUTE),
                ceiling: self.ceiling,
                taken,
                granted,
            });
        }
    }

    fn grant(&self, slot: Slot, total: u64) -> Option<u64> {
        let mut windows = self.windows.lock();
        let last = windows.last_key_value().map(|(window, _)| *window);
        let (taken, granted) = windows.get_mut(&slot.window).filter(|_| last == Some(slot.window))?;
        *granted = total.max(*taken);
        Some(*granted)
    }
}

struct Gate {
    counter: Arc<Counter>,
    leases: Arc<Leases>,
    stop: CancellationToken,
    work: AbortOnDropHandle<()>,
}

impl Gate {
    fn start(remote: &Arc<Remote>, replica: Replica, when_away: WhenAway) -> Self {
        let counter = Arc::new(Counter { born: remote.born, ceiling: CEILING, windows: Mutex::default() });
        let terms = Terms { replica, replicas: 2, when_away };
        let registrar = Arc::clone(remote) as Arc<dyn Registrar>;
        let leases = Arc::new(Leases::new(Arc::clone(&counter) as Arc<dyn Counters>, registrar, terms));
        let stop = CancellationToken::new();
        let work = TaskTracker::new().spawn(Arc::clone(&leases).work(stop.clone()));
        Self { counter, leases, stop, work: AbortOnDropHandle::new(work) }
    }

    /// A request that takes `asked`: waits for cover as the gateway does.
    async fn request(&self, asked: u64) -> Result<(), Covered> {
        for _ in 0..4 {
            let Err(short) = self.counter.take(asked) else { return Ok(()) };
            match self.leases.cover(&[short]).await {
                Covered::More => {}
                refused => return Err(refused),
            }
        }
        Err(Covered::Spent)
    }
}

async fn two(when_away: WhenAway) -> (Arc<Remote>, Gate, Gate) {
    let remote = Remote::new();
    let start = |name| Gate::start(&remote, Replica { name, life: 1 }, when_away);
    let gates = (start(1), start(2));
    assert!(gates.0.leases.ready(Duration::from_secs(5)).await);
    assert!(gates.1.leases.ready(Duration::from_secs(5)).await);
    (remote, gates.0, gates.1)
}

/// At the end each replica may hold less than a request takes.
fn nearly_all(served: u64) -> bool {
    (CEILING - 20..=CEILING).contains(&served)
}

/// Requests of 10 every 10 ms on one replica; how many were refused.
async fn load(gate: &Gate, requests: u64) -> u64 {
    let mut refused = 0;
    for _ in 0..requests {
        refused += u64::from(gate.request(10).await.is_err());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    refused
}

#[tokio::test(start_paused = true)]
async fn two_replicas_spend_one_ceiling_between_them_to_the_last() {
    let (_, one, two) = two(WhenAway::Closed).await;
    let (first, second) = tokio::join!(load(&one, 500), load(&two, 500));
    let served = one.counter.taken(0) + two.counter.taken(0);
    assert!(nearly_all(served), "{served}");
    assert_eq!(first + second, 1000 - served / 10);
}

#[tokio::test(start_paused = true)]
async fn in_the_steady_state_no_request_waits() {
    let (_, one, _two) = two(WhenAway::Closed).await;
    load(&one, 50).await;
    let mut waited = 0;
    for _ in 0..200 {
        waited += usize::from(one.counter.take(10).is_err());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(waited, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_of_a_window_does_not_ask_when_the_last_one_was_busy() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    load(&one, 100).await;
    let turn = Duration::from_nanos(MINUTE) - remote.born.elapsed();
    tokio::time::sleep(turn - Duration::from_millis(800)).await;
    load(&one, 80).await;
    remote.away.store(true, Ordering::SeqCst);
    assert_eq!(one.counter.window(), 1);
    assert_eq!(one.request(10).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_closed_goes_on_with_its_lease_and_no_further() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    load(&one, 20).await;
    let held = remote.held(0);
    remote.away.store(true, Ordering::SeqCst);
    load(&one, 500).await;
    assert_eq!(one.request(10).await, Err(Covered::Unknown));
    assert!(one.counter.taken(0) <= held && one.counter.taken(0) + 10 > held);
    remote.away.store(false, Ordering::SeqCst);
    assert!(one.leases.ready(Duration::from_secs(5)).await);
    assert_eq!(one.request(10).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_store_that_is_known_to_be_away() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    remote.away.store(true, Ordering::SeqCst);
    load(&one, 500).await;
    let begun = Instant::now();
    assert_eq!(one.request(10).await, Err(Covered::Unknown));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_local_share_gives_each_its_part_and_no_more() {
    let (remote, one, two) = two(WhenAway::LocalShare).await;
    remote.away.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::join!(load(&one, 500), load(&two, 500));
    assert_eq!((one.counter.taken(0), two.counter.taken(0)), (CEILING / 2, CEILING / 2));
    remote.away.store(false, Ordering::SeqCst);
    assert!(one.leases.ready(Duration::from_secs(5)).await && two.leases.ready(Duration::from_secs(5)).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.request(10).await, Err(Covered::Spent));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_is_told_and_the_ceiling_holds() {
    let (remote, one, two) = two(WhenAway::Closed).await;
    tokio::join!(load(&one, 200), load(&two, 200));
    let before = one.counter.taken(0) + two.counter.taken(0);
    remote.lose_everything();
    tokio::join!(load(&one, 500), load(&two, 500));
    assert!(before >= 2000 && remote.held(0) >= before);
    let served = one.counter.taken(0) + two.counter.taken(0);
    assert!(nearly_all(served), "{served}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stops_gives_back_what_it_did_not_spend() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    load(&one, 20).await;
    assert!(remote.held(0) > 200);
    one.stop.cancel();
    one.work.await.unwrap();
    assert_eq!(remote.held(0), 200);
}

#[tokio::test(start_paused = true)]
async fn an_idle_lease_returns_so_that_another_replica_can_have_it() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    for _ in 0..20 {
        one.request(100).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let busy = remote.held(0);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let idle = remote.held(0);
    assert!(busy - 2000 > 300 && idle - 2000 < 200, "{busy} while busy, {idle} after");
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_is_spent_is_not_asked_for_by_every_refused_request() {
    let (remote, one, _two) = two(WhenAway::Closed).await;
    while one.request(100).await.is_ok() {}
    let before = remote.asked.load(Ordering::SeqCst);
    for _ in 0..1000 {
        assert_eq!(one.request(100).await, Err(Covered::Spent));
    }
    assert!(remote.asked.load(Ordering::SeqCst) - before <= 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_process_of_the_same_name_takes_over_and_the_first_spends_nothing_more() {
    let (remote, one, _two) = two(WhenAway::LocalShare).await;
    load(&one, 20).await;
    let again = Gate::start(&remote, Replica { name: 1, life: 2 }, WhenAway::Closed);
    assert!(again.leases.ready(Duration::from_secs(5)).await);
    again.request(10).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    load(&one, 5).await;
    assert_eq!(one.leases.standing(), Standing::Replaced);
    assert_eq!(one.request(10).await, Err(Covered::Unknown));
}
