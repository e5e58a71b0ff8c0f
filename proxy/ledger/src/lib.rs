//! Limits of requests, tokens, streams and money: reserved before a request is sent, settled by what it
//! really took. It owns exact counters and the journal they survive by; it refuses to know who the subjects
//! are, to read a clock, or to touch a disk.
//!
//! # Why fixed windows
//! Each counter is a fixed window with exact integers. A reader can check it by hand ("600 in this minute,
//! resets in 12 s"), `x-ratelimit-*` headers are literally true, and a settlement that corrects an estimate
//! is one addition. A cell-rate algorithm (GCRA) spreads load more evenly, but stores a theoretical arrival
//! time: an over-estimate handed back would have to move that time into the past, and "remaining" would be
//! an interpretation. The known price of a fixed window is that up to twice the amount can pass around a
//! boundary.
//!
//! Boundaries are aligned per key: a key's hash sets the phase of its windows. So the windows of many
//! consumers do not turn at the same instant, a counter that was dropped and made anew has the same
//! boundaries as before, and replicas whose clocks agree count in the same windows.
//!
//! # Guarantees
//! What is reserved and settled at its estimate or below never exceeds an enforced ceiling in any window.
//! A settlement above its estimate is counted in full, because that was spent; it can carry a counter over
//! its ceiling, and then nothing is let through until the window turns. Whoever reserves the most a request
//! can take, and lets it take no more, never exceeds a ceiling.
//!
//! With a log, a reservation is recorded before `reserve` returns. Counters put back from the record are
//! never below the truth: what was under way is counted in full.

mod claim;
mod counter;
pub mod journal;
pub mod lease;
mod period;
mod remaining;
mod shard;
mod shared;
mod time;

pub use claim::{Claim, Exhausted, Meter, Refused, Short, Took};
pub use counter::{Line, Standing};
pub use period::{Calendar, Period, Place};
pub use remaining::{Allowance, Remaining};
pub use shard::{Reservation, Shard};
pub use shared::Ledger;
pub use time::Timekeeper;
