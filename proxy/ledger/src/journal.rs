//! The journal: what was counted, in a form that survives the process. It owns the records' bytes and what
//! they add up to; it refuses files (`store` in the gateway has them).
//!
//! # Format, version 1
//! A file begins with a header of 36 bytes: `sgledger`, version (u32), number of the file (u64), ledger
//! time (u64), standing order (u32, zero), CRC-32 of the 32 bytes before. Records follow, each with its length
//! (u32), the CRC-32 of that length, the CRC-32 of what follows, and the payload. All integers are little
//! endian. A length has a check of its own, so that a flipped bit cannot make the middle of a file look
//! like its end.
//!
//! # What a reader does
//! A last record that is not whole, or zeros where one would stand, is what a crash leaves: it is left out
//! and reported. Anything else that does not add up is refused, with the place.

mod bytes;
mod reader;
mod record;
mod replay;

pub use reader::{Damage, FileHeader, HEADER_BYTES, Reader, Tail};
pub use record::{Entry, Record};
pub use replay::Replay;

/// Where records go.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Hands a record, and all that were buffered before it, to the operating system before it returns.
    ///
    /// # Errors
    /// That it could not. Nothing of the record is then read back, or all of it.
    fn write(&self, record: &[u8]) -> Result<(), Unrecorded>;

    /// Keeps a record to be written with the next one, or a little later.
    fn buffer(&self, record: &[u8]);
}

/// A record could not be written. Who keeps the log has said why where operators look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct Unrecorded;
