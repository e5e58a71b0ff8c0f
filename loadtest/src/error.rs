//! What can go wrong before or beside a measurement. It owns the messages and the exit codes; failures
//! of the system under test are never errors here, they are outcomes.

use std::io;

use trace::TraceError;

use crate::load::{LengthsError, TargetError, Unreachable};

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a plan asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// A URL that cannot be a target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A distribution that is none.
    #[error(transparent)]
    Lengths(#[from] LengthsError),
    /// The trace cannot be read on.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The target did not answer before the run.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The operating system refused something.
    #[error("the operating system refused: {0}")]
    Io(#[from] io::Error),
    /// A fault of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The run was made.
    Pass = 0,
    /// A fault of this program or of the machine.
    Internal = 1,
    /// Bad usage, configuration or trace.
    Usage = 2,
    /// The target could not be reached before the run.
    Unreachable = 3,
    /// The run was made, but its figures are not to be believed.
    Invalid = 4,
    /// Interrupted by the person who ran it.
    Interrupted = 130,
}

impl Error {
    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Target(_) | Self::Lengths(_) | Self::Trace(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Io(_) | Self::Internal(_) => Exit::Internal,
        }
    }
}
