//! The one source of policy: offering a manifest or a bundle, accepting or rejecting it whole, remembering the last
//! good one. It owns generations and what survives a restart; it refuses to compile (the compiler does)
//! or to decide about requests.

use std::path::Path;

use policy_compiler::{Finding, check_resources, expired_prices};
use rule_table::Policy;

use crate::clock::unix_time;

mod change;
mod files;
mod history;
mod holds;
mod keeper;
mod last_good;
mod prices;
mod return_to;
mod shadow;
mod signing;
mod watch;
mod written;

pub use change::{Cause, version};
pub use files::{ManifestFiles, ReadFiles, bundle_in};
pub use history::History;
pub use holds::{HoldError, Holds, drained_of};
pub use keeper::{Keeper, KeeperSettings, Offer};
pub use last_good::LastGood;
pub(crate) use last_good::write_whole;
pub use return_to::NoReturn;
pub use shadow::{Running, Shadow};
pub use signing::{public_file, signing_key, trusted_keys, write_keys};
pub use watch::{watch_file, watch_files};
pub(crate) use written::{NOT_SIGNED, refusal};
pub use written::{NotText, Written};

/// What `policy` refers to and this machine does not have: secrets, certificates; and prices that today may be
/// out of date.
#[must_use]
pub fn missing_resources(policy: &Policy, base: &Path) -> Vec<Finding> {
    let mut findings =
        check_resources(policy, base, |name| std::env::var(name).ok(), |path| std::fs::read(path));
    findings.extend(expired_prices(policy, unix_time()));
    findings
}

/// Where policy comes from; one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// The manifest file: reloaded on SIGHUP and when it changes.
    File,
    /// `PUT /v1/manifest` on the admin port; the file only seeds the first start.
    Api,
}

impl Source {
    /// As shown in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }
}
