//! Noticing that the manifest file changed. It owns turning a burst of file events into one reload; it
//! refuses to read the file.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write, rename and touch: what comes this close together is one change.
const SETTLE: Duration = Duration::from_millis(150);
/// A folder in which something changes all the time must not hold a reload back for ever.
const SETTLE_AT_MOST: Duration = Duration::from_secs(1);

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
    watch_files(&[file.to_owned()])
}

/// Watches several files at once, and files that appear beside them.
///
/// # Errors
/// When one of their directories cannot be watched.
pub fn watch_files(files: &[PathBuf]) -> notify::Result<Changes> {
    let (sender, events) = mpsc::channel(1);
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name().map(OsStr::to_owned)).collect();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| names.iter().any(|name| concerns(&event, Some(name)))) {
            // A full channel has a reload waiting already.
            let _ = sender.try_send(());
        }
    })?;
    let folders: BTreeSet<&Path> = files.iter().map(|file| folder_of(file)).collect();
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(Changes { events, _watcher: watcher })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Changes {
    /// Waits for the next change and until the file has settled. Pends for ever if watching ended.
    pub async fn next(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        let settled = async {
            while tokio::time::timeout(SETTLE, self.events.recv()).await.is_ok_and(|event| event.is_some()) {}
        };
        // Whatever still changes after that is the next change.
        let _ = tokio::time::timeout(SETTLE_AT_MOST, settled).await;
    }
}

/// Whether an event in the folder may have changed what the name `file` leads to. Reading it is an access
/// event, and every reload reads it. Writing to a neighbour, such as an access log, changes nothing here;
/// renaming or making one may, since a mounted file is often a link to it.
fn concerns(event: &notify::Event, file: Option<&OsStr>) -> bool {
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_)) => event.paths.iter().any(|path| path.file_name() == file),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange, RenameMode};

    use super::*;

    #[test]
    fn writing_to_a_neighbour_is_no_change_and_replacing_one_may_be() {
        let event =
            |kind, name: &str| notify::Event::new(kind).add_path(Path::new("/etc/sluicegate").join(name));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        for (kind, name, expected) in [
            (written, "gateway.yaml", true),
            (written, "access.jsonl", false),
            (renamed, "gateway.yaml", true),
            (renamed, "..data", true),
            (EventKind::Create(CreateKind::File), "..data", true),
            (EventKind::Access(AccessKind::Any), "gateway.yaml", false),
        ] {
            assert_eq!(
                concerns(&event(kind, name), Some(OsStr::new("gateway.yaml"))),
                expected,
                "{kind:?} {name}"
            );
        }
    }

    #[tokio::test]
    async fn a_busy_folder_does_not_hold_a_change_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, "a").unwrap();
        let mut changes = watch_file(&file).unwrap();
        let busy = async {
            loop {
                std::fs::write(&file, "b").unwrap();
                tokio::time::sleep(SETTLE / 3).await;
            }
        };
        tokio::select! {
            () = changes.next() => {}
            () = busy => {}
            () = tokio::time::sleep(SETTLE_AT_MOST * 10) => panic!("the change was never told"),
        }
    }
}
