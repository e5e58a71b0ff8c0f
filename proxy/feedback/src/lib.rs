//! The feedback loop of one pool: it learns how fast, how sound and how full each member is, and picks the
//! member where a request costs least, a missed objective being priced in dollars. It owns estimator,
//! controller and picker; it refuses IO, clocks and threads (`now` is an argument, the caller locks).
//!
//! # The rule
//! Among members that may take the request, the pick minimises, in dollars,
//!
//! ```text
//! cost + λ · P(miss) + λ · queue + λ · pace
//! ```
//!
//! - `cost`: expected marginal price of the request there.
//! - `P(miss)`: probability that the first token comes later than the objective allows, or not at all.
//! - `queue`: what a request on a saturated member does to those behind it.
//! - `pace`: what is lost by spending a windowed quota faster than its window passes.
//! - `λ`: what avoiding one miss is worth. A one-second loop raises it while the objective is missed and
//!   lowers it while there is slack, up to a ceiling the operator sets. At the ceiling, spending stops
//!   growing and the pool reports that its objective is out of reach.
//!
//! In-flight counts, unanswered prompt tokens and quota reservations change at the pick itself, so two picks
//! in a row never see the same room.
//!
//! # Using it
//! Call [`Pool::choose`] per attempt; then [`Pool::first_token`], and exactly one of [`Pool::finished`] and
//! [`Pool::failed`]; [`Pool::unanswered`] when a request ended without any answer; [`Pool::tick`] each
//! second.

mod breaker;
mod choose;
mod controller;
mod decisions;
mod estimator;
mod health;
mod held;
mod member_set;
mod open;
mod pool;
mod quota;
mod settle;
mod shares;
mod spec;
mod standing;
mod turns;

pub use choose::{Ask, NoCandidate, Pick};
pub use held::HoldSpec;
pub use member_set::{MAX_MEMBERS, MemberSet};
pub use open::Ticket;
pub use pool::{Closes, Pool};
pub use settle::Failure;
pub use spec::{BreakerSpec, EjectionSpec, MemberSpec, Objective, PoolSpec, QuotaShape, QuotaSpec, Strategy};
