//! Waiting with a bound. It owns the longest time anything here may take; it refuses to wait without one.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than anything should take on a busy machine; what takes this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition that has no event of its own is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// The output of `work`, which must come within [`PATIENCE`].
///
/// # Panics
/// When it does not.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took more than {} s", PATIENCE.as_secs()),
    }
}

/// Waits until `look` finds something, for what only shows itself by being looked at: a file, a status.
///
/// # Panics
/// When it finds nothing within [`PATIENCE`].
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    until_async(what, async || look()).await
}

/// The same for a look that itself has to wait, as a request does.
///
/// # Panics
/// When it finds nothing within [`PATIENCE`].
pub async fn until_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", PATIENCE.as_secs());
        tokio::time::sleep(GLANCE).await;
    }
}
