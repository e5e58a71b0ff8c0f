//! Files and servers behind what must outlive a request: counts, and what operators say to all replicas. It
//! owns the IO and its failures; it refuses to decide what the kept things mean.

pub mod board;
pub mod redis;
pub mod refill;
pub mod shared;
