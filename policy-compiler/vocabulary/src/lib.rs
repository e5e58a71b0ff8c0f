//! The words every other crate speaks: reasons, usage, units and money, request facts, the access-log
//! record and the admin API's types. It owns names and their spelling; it refuses to own any behaviour
//! beyond parsing and printing them, and it imports no other crate of this workspace.

pub mod access_log;
pub mod address;
pub mod admin;
pub mod date;
pub mod facts;
pub mod hook;
pub mod moment;
pub mod money;
pub mod reason;
pub mod units;
pub mod usage;

pub use address::is_private;
pub use date::{DateError, UnixTime};
pub use facts::{Operation, RequestFacts};
pub use moment::Moment;
pub use money::{HourlyCost, Prices, TokenPrice, Usd};
pub use reason::{Reason, ReasonKind};
pub use units::{ByteSize, Rate, RateUnit, Share, Span, UnitError};
pub use usage::{Usage, UsageSource};
