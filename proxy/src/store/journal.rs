//! The journal's files: appended to before a request is sent, synced in batches. It owns writes and what a
//! failed one leaves behind; it refuses to know what records say.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ledger::journal::{FileHeader, Log, Unrecorded};
use parking_lot::Mutex;

/// Buffered settlements are written when they come to this, if nothing else is before.
const LARGEST_BUFFER: usize = 256 * 1024;

/// One file after another; the one being written.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    number: u64,
    /// Bytes that were written whole.
    length: u64,
    buffer: Vec<u8>,
    /// Bytes were written since the last sync.
    dirty: bool,
    /// Something could not be written since the file was begun.
    failing: bool,
    failures: u64,
}

/// How the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) length: u64,
    pub(super) failing: bool,
    pub(super) failures: u64,
}

impl Journal {
    /// Begins a new file.
    pub(super) fn begin(folder: &Path, header: FileHeader) -> io::Result<Self> {
        Ok(Self { folder: folder.to_owned(), open: Mutex::new(open(folder, header)?) })
    }

    /// Ends the file and begins the next one; returns its number. Where that fails, the old one goes on.
    pub(super) fn turn_over(&self, time: vocabulary::Moment) -> io::Result<u64> {
        let mut held = self.open.lock();
        // What cannot be written is in the counters all the same, of which a checkpoint is about to be made.
        let _ = held.flush();
        let mut next = open(&self.folder, FileHeader { number: held.number + 1, time })?;
        next.failures = held.failures;
        *held = next;
        Ok(held.number)
    }

    /// Writes what is buffered and waits until the disk has everything.
    pub(super) fn sync(&self) -> io::Result<()> {
        let file = {
            let mut held = self.open.lock();
            held.flush()?;
            if !std::mem::take(&mut held.dirty) {
                return Ok(());
            }
            held.file.try_clone()?
        };
        // Without the lock: requests go on while the disk works.
        file.sync_data().inspect_err(|_| {
            let mut held = self.open.lock();
            held.dirty = true;
            held.fail();
        })
    }

    pub(super) fn condition(&self) -> Condition {
        let held = self.open.lock();
        Condition { length: held.length, failing: held.failing, failures: held.failures }
    }
}

impl Log for Journal {
    fn write(&self, record: &[u8]) -> Result<(), Unrecorded> {
        let mut held = self.open.lock();
        held.buffer.extend_from_slice(record);
        held.flush().map_err(|_| {
            let kept = held.buffer.len().saturating_sub(record.len());
            held.buffer.truncate(kept);
            Unrecorded
        })
    }

    fn buffer(&self, record: &[u8]) {
        let mut held = self.open.lock();
        if held.buffer.len() < LARGEST_BUFFER || held.flush().is_ok() {
            held.buffer.extend_from_slice(record);
        }
        // Else it is lost, and with it what its request did not use: never more room, only less.
    }
}

impl Open {
    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Half a record must not precede the next one. Should this fail too, a reader refuses the file.
            let _ = self.file.set_len(self.length);
            self.fail();
            return Err(error);
        }
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        self.dirty = true;
        Ok(())
    }

    fn fail(&mut self) {
        self.failures += 1;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(
                "the journal of limits cannot be written: limits with `onFailure: closed` refuse until it can"
            );
        }
    }
}

fn open(folder: &Path, header: FileHeader) -> io::Result<Open> {
    let path = folder.join(file_name(header.number));
    let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
    let bytes = header.encode();
    if let Err(error) = file.write_all(&bytes).and_then(|()| file.sync_data()) {
        // An empty file of this number would stand in the way of the next attempt.
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    File::open(folder)?.sync_all()?;
    Ok(Open {
        file,
        number: header.number,
        length: bytes.len() as u64,
        buffer: Vec::new(),
        dirty: false,
        failing: false,
        failures: 0,
    })
}

fn file_name(number: u64) -> String {
    format!("journal-{number:016}")
}

/// The journal's files in `folder`, in the order they were written.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("journal-")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}
