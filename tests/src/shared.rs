//! Recorded public data that is laid beside the checkout. It owns finding it and saying loudly when it is
//! not there; it refuses to download anything.

use std::path::{Path, PathBuf};

/// The file `name` of the shared data, or nothing, with a word on standard error.
///
/// # Panics
/// When it is missing although `SLUICEGATE_REQUIRE_SHARED` is `1`.
#[must_use]
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("SLUICEGATE_SHARED").map_or_else(beside, PathBuf::from);
    let file = folder.join(name);
    if file.exists() {
        return Some(file);
    }
    missing("SLUICEGATE_REQUIRE_SHARED", &format!("{} is not there; set SLUICEGATE_SHARED", file.display()));
    None
}

/// Says that a test is skipped because of `what`, or fails it when `variable` is `1`.
///
/// # Panics
/// When it must not be skipped.
pub fn missing(variable: &str, what: &str) {
    assert!(std::env::var_os(variable).is_none_or(|value| value != "1"), "{variable}=1, but {what}");
    eprintln!("SKIPPED: {what} ({variable}=1 makes this a failure)");
}
