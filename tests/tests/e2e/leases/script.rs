//! The scripts in the store do what the code beside them says: the register of leases as the ledger's own
//! transition, the board as the one in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::redis::RedisServer;
use e2e::wait::until_async;
use ledger::lease::{Call, Epoch, GRACE_MS, MAX_AMOUNT, Register, Replica, Reply, Server, Slot};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sluicegate::store::board::{Board, Expect, MemoryBoard};
use sluicegate::store::redis::{Redis, RedisBoard, Settings};
use sluicegate::store::shared::{Asked, Registrar};
use tokio::runtime::Handle;

fn redis(server: &RedisServer, prefix: &str) -> Redis {
    Redis::new(Settings { url: server.url(), auth: None, base: "".into(), prefix: prefix.to_owned() })
}

fn calm(cases: u32) -> TestRunner {
    // A failure is shrunk and told; a file beside the test would only remember keys that are gone.
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn call(slot: Slot, epoch: Option<Epoch>) -> Call {
    let replica = Replica { name: 1, life: 1 };
    Call { replica, slot, epoch, granted: 0, returned: 0, want: 0, least: 0, ceiling: 0 }
}

async fn ask(redis: &Redis, calls: &[Call]) -> Vec<Reply> {
    let remember = Duration::from_secs(60);
    let asked: Vec<_> = calls.iter().map(|call| Asked { call: call.clone(), remember }).collect();
    redis.ask(&asked).await.unwrap()
}

/// The server's epoch, once its grace is over.
async fn settled(redis: &Redis) -> Epoch {
    let hello = call(Slot { key: 0, window: 0 }, None);
    let over = async || {
        let reply = ask(redis, std::slice::from_ref(&hello)).await.remove(0);
        (!reply.grace).then_some(reply.epoch)
    };
    until_async("the end of the grace period", over).await
}

/// Small amounts that meet each other, and the largest there are.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..60, 1 => Just(MAX_AMOUNT), 1 => MAX_AMOUNT - 50..=MAX_AMOUNT, 1 => Just(u64::MAX)]
}

fn any_call() -> impl Strategy<Value = Call> {
    let who = (0_u64..3, 1_u64..4);
    let amounts = (amount(), amount(), amount(), 0_u64..20, prop_oneof![4 => 50_u64..150, 1 => amount()]);
    (who, 0_u64..2, any::<bool>(), amounts).prop_map(|(who, window, known, amounts)| {
        let (granted, returned, want, least, ceiling) = amounts;
        // The case fills in its key and the epoch it knows.
        let epoch = known.then(|| Epoch { run: String::new(), since_ms: 0 });
        let replica = Replica { name: who.0, life: who.1 };
        let slot = Slot { key: 0, window };
        Call { replica, slot, epoch, granted, returned: returned.min(granted), want, least, ceiling }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn live_the_script_answers_as_the_ledgers_own_transition_does() {
    let Some(server) = RedisServer::start().await else { return };
    let redis = redis(&server, "script");
    let epoch = settled(&redis).await;
    let next_key = AtomicU64::new(1);
    let runtime = Handle::current();
    let case = |calls: Vec<Call>| {
        let key = next_key.fetch_add(1, Ordering::Relaxed);
        let mut register = Register::new();
        let now = |now_ms| Server { run: &epoch.run, now_ms };
        register.answer(now(epoch.since_ms), &call(Slot { key: 0, window: 0 }, None));
        for mut call in calls {
            call.slot.key = key;
            call.epoch = call.epoch.map(|_| epoch.clone());
            let expected = register.answer(now(epoch.since_ms + GRACE_MS), &call);
            let answered = runtime.block_on(ask(&redis, std::slice::from_ref(&call)));
            prop_assert_eq!(&answered[..], &[expected][..], "{:?}", call);
        }
        Ok::<(), TestCaseError>(())
    };
    let calls = prop::collection::vec(any_call(), 1..12);
    tokio::task::block_in_place(|| calm(200).run(&calls, case)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_batch_is_answered_in_its_order_and_slots_do_not_mix() {
    let Some(server) = RedisServer::start().await else { return };
    let redis = redis(&server, "batch");
    let epoch = settled(&redis).await;
    let calls: Vec<Call> = (1..=200)
        .map(|key| Call { want: key, ceiling: 1000, ..call(Slot { key, window: 7 }, Some(epoch.clone())) })
        .collect();
    let granted: Vec<u64> = ask(&redis, &calls).await.iter().map(|reply| reply.granted).collect();
    assert_eq!(granted, (1..=200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_flushed_server_begins_an_epoch_and_a_grace_period() {
    let Some(server) = RedisServer::start().await else { return };
    let redis = redis(&server, "flushed");
    let epoch = settled(&redis).await;
    let wanting = Call { want: 10, ceiling: 10, ..call(Slot { key: 1, window: 0 }, Some(epoch.clone())) };
    assert_eq!(ask(&redis, std::slice::from_ref(&wanting)).await[0].granted, 10);
    server.command("FLUSHALL").await;
    let after = ask(&redis, &[Call { replica: Replica { name: 2, life: 1 }, ..wanting }]).await.remove(0);
    assert!(after.grace && after.granted == 0 && after.epoch != epoch, "{after:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Publish(u8, Vec<u8>, Option<u64>),
    Remove(u8, Option<u64>),
    List,
}

fn any_act() -> impl Strategy<Value = Act> {
    let version = || prop::option::of(0_u64..6);
    prop_oneof![
        3 => (0_u8..3, prop::collection::vec(any::<u8>(), 0..20), version())
            .prop_map(|(key, value, expect)| Act::Publish(key, value, expect)),
        1 => (0_u8..3, version()).prop_map(|(key, expect)| Act::Remove(key, expect)),
        1 => Just(Act::List),
    ]
}

/// 0 stands for an absent key.
fn expect(version: Option<u64>) -> Expect {
    match version {
        None => Expect::Anything,
        Some(0) => Expect::Absent,
        Some(version) => Expect::Version(version),
    }
}

/// What a board says to an act, without what differs by board: its epoch.
async fn did(board: &dyn Board, act: &Act) -> String {
    match act {
        Act::Publish(key, value, version) => {
            let key = format!("kind/{key}");
            format!("{:?}", board.publish(&key, value.clone(), None, expect(*version)).await)
        }
        Act::Remove(key, version) => {
            format!("{:?}", board.remove(&format!("kind/{key}"), expect(*version)).await)
        }
        Act::List => {
            let listing = board.list("kind/").await.unwrap();
            let values: Vec<_> = listing.entries.iter().map(|entry| &entry.value).collect();
            format!(
                "{:?} {values:?} {:?}",
                listing.entries,
                board.version().await.map(|(_, version)| version)
            )
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_the_board_in_redis_does_as_the_one_in_memory() {
    let Some(server) = RedisServer::start().await else { return };
    let number = AtomicU64::new(0);
    let runtime = Handle::current();
    let case = |acts: Vec<Act>| {
        let prefix = format!("board-{}", number.fetch_add(1, Ordering::Relaxed));
        let (shared, memory) = (RedisBoard::new(Arc::new(redis(&server, &prefix))), MemoryBoard::new());
        for act in &acts {
            let pair = runtime.block_on(async { (did(&shared, act).await, did(&memory, act).await) });
            prop_assert_eq!(pair.0, pair.1);
        }
        Ok::<(), TestCaseError>(())
    };
    let acts = prop::collection::vec(any_act(), 1..15);
    tokio::task::block_in_place(|| calm(60).run(&acts, case)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn live_an_entry_of_the_shared_board_is_gone_when_its_time_is_over() {
    let Some(server) = RedisServer::start().await else { return };
    let board = RedisBoard::new(Arc::new(redis(&server, "expiry")));
    let ttl = Some(Duration::from_millis(300));
    board.publish("holds/1", b"{}".to_vec(), ttl, Expect::Absent).await.unwrap();
    let left = board.list("holds/").await.unwrap().entries[0].expires_in.unwrap();
    assert!(left <= Duration::from_millis(300), "{left:?}");
    let gone = async || board.list("").await.unwrap().entries.is_empty().then_some(());
    until_async("the entry's end", gone).await;
    board.publish("holds/1", b"{}".to_vec(), None, Expect::Absent).await.unwrap();
}
