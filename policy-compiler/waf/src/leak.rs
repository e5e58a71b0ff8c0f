//! Secrets and personal data in text: what is found, where, and the text with each of them masked, whole or in
//! pieces. It owns the kinds and their proofs (prefix, length, check digits); it refuses to keep or print a value.

mod card;
mod contact;
pub(crate) mod cursor;
mod gate;
mod iban;
mod identity;
mod keyword;
mod kind;
mod long;
mod scan;
mod stream;
mod token;

pub use kind::{Category, Kind};
pub use scan::Detector;
pub use stream::LeakStream;

use std::ops::Range;

/// The most bytes a [`LeakStream`] keeps back while it cannot yet tell whether they begin a leak.
pub const HELD_AT_MOST: usize = cursor::WINDOW;

/// One thing found. It says where, never what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub kind: Kind,
    /// Where, in bytes of the text (of the whole stream, for a stream).
    pub range: Range<usize>,
}

#[cfg(test)]
mod tests;
