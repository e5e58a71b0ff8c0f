//! Leases: how several replicas share one ceiling without asking each other about every request. It owns
//! the register all replicas share, as a pure transition, and what one replica makes of its replies; it
//! refuses IO, clocks and the choice of a store.
//!
//! # How it works
//! For every counter and window the [`Register`] knows how much each replica may spend. A replica asks for
//! a piece before it needs it ([`Call`]), and its own ledger spends from that piece. What is granted over
//! all replicas never exceeds the ceiling, so neither does what they spend.
//!
//! # Why late, lost and repeated messages do no harm
//! A lease is two totals that only grow: granted, and of that returned. Every call states both, and the
//! register keeps the larger of what it knew and what it is told. So a repeated call changes nothing, a
//! reply that was lost is made good by the next one, and a return that arrives late cannot take back what
//! was granted since.
//!
//! # When a replica restarts
//! A replica has a name that survives it and a life that grows with every start. A call of a new life takes
//! over what the old one held; calls of an older life are [`Reply::stale`] and change nothing.
//!
//! # When the register loses its data
//! It then begins a new [`Epoch`], and for [`GRACE_MS`] grants nothing while replicas state what they hold.
//! Its server's run id is part of an epoch: a server that restarted may have come back with an older copy.
//!
//! A call names the epoch it was made under, and only under the present one is anything granted; a replica
//! drops replies of an epoch it has left. So nothing granted before a loss is learnt after it.
//!
//! # What is assumed
//! Replicas agree on a counter's ceiling, and every replica that spent from a window reaches the register
//! within the grace period after a loss. One that does not is forgotten: the ceiling of a window that is
//! under way can then be exceeded by what that replica held in it. The window after is whole again.

mod call;
mod lessee;
mod pace;
mod register;

pub use call::{Call, Epoch, MAX_AMOUNT, Replica, Reply, Slot};
pub use lessee::{Heard, Lessee, Wants};
pub use pace::{Pace, Shape, share};
pub use register::{GRACE_MS, Register, Server};
