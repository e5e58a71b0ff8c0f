//! Many streams at once, to learn what one costs in memory. It owns having them all open at the same
//! moment, and proving it; it refuses to count what the callers and the backend need.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::Fallible;
use crate::load::{Ask, Connection};
use crate::process::Server;

/// What a crowd of streams needed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Crowd {
    /// Streams open at once.
    pub(crate) streams: usize,
    /// The server's memory before them, in bytes.
    pub(crate) before: u64,
    /// The most it ever had in memory, in bytes.
    pub(crate) peak: u64,
}

impl Crowd {
    /// Memory per stream, in KiB.
    pub(crate) fn kib_each(&self) -> f64 {
        self.peak.saturating_sub(self.before) as f64 / 1024.0 / self.streams.max(1) as f64
    }
}

/// Files this process has open beside the connections of a crowd.
const OTHER_FILES: usize = 500;

/// How many streams the limit of open files allows: this process holds both ends, the callers' and the
/// backend's.
pub(crate) fn room(files: usize) -> usize {
    files.saturating_sub(OTHER_FILES) / 2
}

/// Opens `streams` and sees them through to their ends.
pub(crate) async fn gather(
    server: &Server,
    address: SocketAddr,
    ask: Ask,
    streams: usize,
) -> Fallible<Crowd> {
    let (before, _) = server.memory()?;
    let ask = Arc::new(ask);
    let (begun, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..streams {
        let mut connection = Connection::open(address).await?;
        let (ask, begun, over) = (Arc::clone(&ask), Arc::clone(&begun), Arc::clone(&over));
        callers.spawn(async move {
            let tell = || {
                begun.fetch_add(1, Ordering::Relaxed);
            };
            let done = connection.exchange_telling(&ask, tell).await;
            over.fetch_add(1, Ordering::Relaxed);
            done
        });
    }
    while begun.load(Ordering::Relaxed) < streams && over.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    if over.load(Ordering::Relaxed) > 0 {
        let why = next(&mut callers).await.err();
        let why = why.map_or("the first stream was over too soon".to_owned(), |error| error.to_string());
        return Err(format!("{} of {streams} streams: {why}", begun.load(Ordering::Relaxed)).into());
    }
    while !callers.is_empty() {
        next(&mut callers).await?;
    }
    let (_, peak) = server.memory()?;
    Ok(Crowd { streams, before, peak })
}

async fn next(callers: &mut JoinSet<io::Result<()>>) -> io::Result<()> {
    callers.join_next().await.map_or(Ok(()), |ended| ended.map_err(io::Error::other)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_per_stream_leaves_out_what_was_there_before() {
        let crowd = Crowd { streams: 8, before: 10 << 20, peak: (10 << 20) + (16 << 10) };
        assert_eq!(crowd.kib_each(), 2.0);
    }

    #[test]
    fn every_stream_takes_two_files_of_this_process() {
        assert_eq!((room(20_000), room(100)), (9_750, 0));
    }
}
