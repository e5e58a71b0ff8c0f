//! Which dialect an operation is of, for those that can be carried over. It owns the pairing of a caller's
//! operation with the one its backend serves; it refuses to translate: `wire` does.

use vocabulary::Operation;
use wire::translate::{Backend, Format};

/// A caller's operation and its backend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// They are one: bytes pass as they are.
    Same(Operation),
    /// The backend speaks the first, the caller the second.
    Other(Backend, Format),
}

/// What a backend speaks that serves `operation`.
pub(crate) const fn spoken(operation: Operation) -> Option<Backend> {
    match operation {
        Operation::Chat => Some(Backend::Chat),
        Operation::Messages => Some(Backend::Messages),
        _ => None,
    }
}

/// What a caller speaks that asks for `operation`.
pub(crate) const fn format(operation: Operation) -> Option<Format> {
    match operation {
        Operation::Chat => Some(Format::Chat),
        Operation::Messages => Some(Format::Messages),
        Operation::Responses => Some(Format::Responses),
        _ => None,
    }
}
