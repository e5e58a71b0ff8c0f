//! What the gateway adds to the time of a request, at half the load one worker can bear. It owns pairing
//! each request through the gateway with one straight to the backend, both on a fixed schedule; it refuses
//! to subtract quantiles: what is summed up are the differences of pairs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::load::{Ask, Connection};

/// Connections opened beforehand on each way.
const CONNECTIONS: usize = 64;
/// The most requests under way; with more, the machine does not bear the load.
const MOST: usize = 1_000;
/// How late the 99th of a hundred requests may leave: later, the times tell of the load, not of the server.
const LATE_US: f64 = 100.0;

/// Time of a request, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Quantiles {
    /// By nearest rank.
    fn of(mut us: Vec<f64>) -> Option<Self> {
        us.sort_by(f64::total_cmp);
        let at = |percent: usize| us.get((us.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { p50: at(50)?, p99: at(99)? })
    }
}

/// One round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    /// Straight to the backend.
    pub(crate) direct: Quantiles,
    /// Through the gateway.
    pub(crate) through: Quantiles,
    /// The differences of pairs.
    pub(crate) added: Quantiles,
}

/// One way to the backend.
#[derive(Clone)]
struct Way {
    server: SocketAddr,
    idle: Arc<Mutex<Vec<Connection>>>,
    ask: Arc<Ask>,
}

impl Way {
    async fn open(server: SocketAddr, ask: Ask) -> io::Result<Self> {
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(Connection::open(server).await?);
        }
        Ok(Self { server, idle: Arc::new(Mutex::new(idle)), ask: Arc::new(ask) })
    }

    /// Time from `due` to the start of sending and to the end of the answer, in microseconds.
    async fn go(self, due: Instant) -> io::Result<(f64, f64)> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.server).await?,
        };
        let late = due.elapsed();
        connection.exchange(&self.ask).await?;
        let took = due.elapsed();
        self.idle.lock().push(connection);
        Ok((late.as_secs_f64() * 1e6, took.as_secs_f64() * 1e6))
    }
}

/// Sends `pairs` at `rate` per second, after a tenth as many that do not count. The two of a pair are half
/// a beat apart, lest they wait for each other. Times run from when a request was due, so that a stall
/// counts against every request it delays. Nothing comes of it when the load could not keep its schedule.
pub(crate) async fn measure(
    gateway: (SocketAddr, Ask),
    backend: (SocketAddr, Ask),
    rate: f64,
    pairs: usize,
) -> io::Result<Option<Latency>> {
    let through = Way::open(gateway.0, gateway.1).await?;
    let direct = Way::open(backend.0, backend.1).await?;
    let ways = [through, direct];
    let beat = Duration::from_secs_f64(1.0 / rate);
    let warm_up = pairs / 10;
    let mut flights = JoinSet::new();
    let mut landed = Landed { warm_up, us: vec![[0.0; 2]; pairs], late: Vec::new() };
    let mut due = Instant::now() + beat;
    for pair in 0..warm_up + pairs {
        for (place, way) in ways.iter().enumerate() {
            reach(due).await;
            let flight = way.clone().go(due);
            flights.spawn(async move { Ok::<_, io::Error>((pair, place, flight.await?)) });
            due += beat / 2;
        }
        while let Some(flight) = flights.try_join_next() {
            landed.note(flight.map_err(io::Error::other)??);
        }
        if flights.len() > MOST {
            return Ok(None);
        }
    }
    while let Some(flight) = flights.join_next().await {
        landed.note(flight.map_err(io::Error::other)??);
    }
    let late = Quantiles::of(landed.late);
    Ok(summed_up(&landed.us).filter(|_| late.is_some_and(|late| late.p99 <= LATE_US)))
}

/// Times by pair, the gateway's first.
struct Landed {
    warm_up: usize,
    us: Vec<[f64; 2]>,
    /// How late requests left.
    late: Vec<f64>,
}

impl Landed {
    fn note(&mut self, (pair, place, (late, us)): (usize, usize, (f64, f64))) {
        self.late.push(late);
        let pair = pair.checked_sub(self.warm_up).and_then(|pair| self.us.get_mut(pair));
        if let Some(slot) = pair.and_then(|pair| pair.get_mut(place)) {
            *slot = us;
        }
    }
}

fn summed_up(pairs: &[[f64; 2]]) -> Option<Latency> {
    let through = Quantiles::of(pairs.iter().map(|[through, _]| *through).collect())?;
    let direct = Quantiles::of(pairs.iter().map(|[_, direct]| *direct).collect())?;
    let added = Quantiles::of(pairs.iter().map(|[through, direct]| through - direct).collect())?;
    Some(Latency { direct, through, added })
}

/// Waits without sleeping: timers of the runtime have a grain of a millisecond.
async fn reach(due: Instant) {
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred = (1..=100).map(f64::from).rev().collect();
        assert_eq!(Quantiles::of(hundred), Some(Quantiles { p50: 50.0, p99: 99.0 }));
        assert_eq!(Quantiles::of(vec![7.0]), Some(Quantiles { p50: 7.0, p99: 7.0 }));
        assert_eq!(Quantiles::of(Vec::new()), None);
    }

    #[test]
    fn what_is_added_is_told_pair_by_pair() {
        let latency = summed_up(&[[150.0, 100.0], [120.0, 10.0], [90.0, 80.0]]).unwrap();
        assert_eq!(latency.added, Quantiles { p50: 50.0, p99: 110.0 });
        assert_eq!(latency.through.p50 - latency.direct.p50, 40.0);
    }
}
