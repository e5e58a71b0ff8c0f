//! Stages 2 to 7 and 9 of a request (identify, admit, inspect, reserve, choose, rewrite, settle) as one
//! machine without IO. It owns the [`Exchange`] and who may add what to it; it refuses to know sockets,
//! clocks, files or Pingora: the gateway, the simulator and the tests drive the same code.

mod access;
mod acl;
mod admit;
mod answer;
mod callers;
mod ceiling;
mod choose;
mod claims;
mod counters;
mod dialects;
mod exact;
mod exchange;
mod failover;
mod gate;
mod homes;
mod hook;
mod identify;
mod inspect;
pub mod keys;
mod networks;
mod peer;
mod pool_spec;
mod price;
mod prospect;
mod refusal;
mod reserve;
mod residency;
mod retry_budget;
mod rewrite;
mod settle;
mod shed;
mod standings;
mod tokens;
mod waf;

pub use self::waf::{AnswerGuard, CountryOf, WafRequest};
pub use access::Country;
pub use admit::too_large;
pub use answer::{AnswerStream, Unreadable};
pub use choose::{Choice, PoolView, SharedPool};
pub use claims::Stake;
pub use exchange::{Attempt, Exchange, Stage, StageMark};
pub use failover::{AttemptFailure, Next, Progress};
pub use gate::{Gate, Generation};
pub use hook::{HookFault, Verdict, ask as hook_question, verdict as hook_verdict};
pub use identify::{Destination, Head};
pub use networks::Networks;
pub use peer::{ClientCertificate, Peer};
pub use prospect::Prospect;
pub use refusal::Refusal;
pub use reserve::{Reserved, Uncovered};
pub use rewrite::{
    Presentable, Sending, UpstreamRequest, apply_header_edits, authority, credential_header, probe,
};
pub use settle::{Ending, Settled};
pub use shed::Load;
pub use tokens::{Claims, IssuerKeys, KeySetFault, PublicKeys, TokenFault, Verified};
