//! Noticing that the manifest file changed. It owns turning a burst of file events into one reload; it
//! refuses to read the file.

use std::path::Path;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write, rename and touch: what comes this close together is one change.
const SETTLE: Duration = Duration::from_millis(150);

/// Changes of one file.
#[derive(Debug)]
pub struct Changes {
    events: mpsc::Receiver<()>,
    // Watching ends when this is dropped.
    _watcher: RecommendedWatcher,
}

/// Watches `file`, also when it is replaced by a rename, as editors and Kubernetes do.
///
/// # Errors
/// When its directory cannot be watched.
pub fn watch_file(file: &Path) -> notify::Result<Changes> {
    let (sender, events) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an access event: only what changes it counts, or every reload would cause another.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            // A full channel has a reload waiting already.
            let _ = sender.try_send(());
        }
    })?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(Changes { events, _watcher: watcher })
}

impl Changes {
    /// Waits for the next change and until the file has settled. Pends for ever if watching ended.
    pub async fn next(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while tokio::time::timeout(SETTLE, self.events.recv()).await.is_ok_and(|event| event.is_some()) {}
    }
}
