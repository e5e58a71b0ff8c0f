//! Files and servers behind what must outlive a request: counts, and what operators say to all replicas. It
//! owns the IO and its failures; it refuses to decide what the kept things mean.

pub mod board;
mod checkpoint;
mod counts;
mod health;
mod journal;
pub mod redis;
pub mod refill;
mod replica;
pub mod shared;
mod sharing;

pub use counts::{Counts, CountsError, Recovered, can_count, close, counted};
pub use health::Health;
pub use sharing::Sharing;
