//! The access log's thread. It owns batching, the file's identity and what to do when the disk fails; it
//! refuses to retry a line: a failing disk must not turn into unbounded memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::Line;
use crate::drops::{Drops, Signal};

/// Lines per write at most, so that a flush or a renamed file is noticed soon.
const BATCH: usize = 512;
/// How long lines gather before they are written. Waking this thread for each one costs a request more
/// than writing its line does, and whoever watches the file would see every write.
const GATHER: Duration = Duration::from_millis(20);
/// How often a failing target is reported.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

/// Where lines go.
pub(super) enum Output {
    Stream(Box<dyn Write + Send>),
    File { path: PathBuf, file: File, identity: Identity },
}

/// Tells a file from another that took its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Where files have no inode a rename is not noticed; such systems forbid renaming open files.
    #[cfg(not(unix))]
    fn of(_: &std::fs::Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}

impl Output {
    pub(super) fn stdout() -> Self {
        Self::Stream(Box::new(io::stdout()))
    }

    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self::File { path: path.to_owned(), file, identity })
    }

    /// Appends `bytes`, to a new file if the name no longer leads to the open one.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.follow_name()?;
        match self {
            Self::Stream(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Self::File { file, .. } => {
                let length = file.metadata()?.len();
                file.write_all(bytes).inspect_err(|_| {
                    // A full disk may have taken half a line; the next one must not be glued to it.
                    let _ = file.set_len(length);
                })
            }
        }
    }

    fn follow_name(&mut self) -> io::Result<()> {
        let Self::File { path, identity, .. } = self else { return Ok(()) };
        let there = std::fs::metadata(path.as_path()).ok().map(|metadata| Identity::of(&metadata));
        if there != Some(*identity) {
            *self = Self::file(&path.clone())?;
        }
        Ok(())
    }
}

/// Drains the queue into the output.
pub(super) struct Writer {
    output: Output,
    drops: Drops,
    buffer: Vec<u8>,
    buffered: u64,
    waiting: Vec<SyncSender<()>>,
    complained: Option<Instant>,
}

impl Writer {
    pub(super) fn new(output: Output, drops: Drops) -> Self {
        Self { output, drops, buffer: Vec::new(), buffered: 0, waiting: Vec::new(), complained: None }
    }

    /// Runs until told to stop, or until every sender is gone. `gathered` is set to zero when lines begin
    /// to gather; whoever cannot wait unparks this thread.
    pub(super) fn run(mut self, lines: &Receiver<Line>, gathered: &AtomicUsize) {
        let (mut stopping, mut emptied) = (false, true);
        while !stopping {
            let Ok(first) = lines.recv() else { break };
            stopping = self.take(first);
            if emptied && !stopping && self.waiting.is_empty() {
                gathered.store(0, Ordering::Relaxed);
                // Unparked early by accident, it merely writes fewer lines at once.
                std::thread::park_timeout(GATHER);
            }
            let mut taken = 1;
            emptied = false;
            while !stopping && !emptied && taken < BATCH {
                match lines.try_recv() {
                    Ok(next) => stopping = self.take(next),
                    Err(_) => emptied = true,
                }
                taken += 1;
            }
            self.write_out();
        }
    }

    /// Says whether this was the order to stop.
    fn take(&mut self, line: Line) -> bool {
        match line {
            Line::Record(record) => {
                let start = self.buffer.len();
                if serde_json::to_writer(&mut self.buffer, &record).is_ok() {
                    self.buffer.push(b'\n');
                    self.buffered += 1;
                } else {
                    self.buffer.truncate(start);
                    self.drops.add(Signal::AccessLog, 1);
                }
                false
            }
            Line::Flush(done) => {
                self.waiting.push(done);
                false
            }
            Line::Stop => true,
        }
    }

    fn write_out(&mut self) {
        if !self.buffer.is_empty()
            && let Err(error) = self.output.append(&self.buffer)
        {
            self.drops.add(Signal::AccessLog, self.buffered);
            self.complain(&error);
        }
        self.buffer.clear();
        self.buffered = 0;
        for done in self.waiting.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    fn complain(&mut self, error: &io::Error) {
        let due = self.complained.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL);
        if due {
            self.complained = Some(Instant::now());
            tracing::error!(%error, "the access log cannot be written; lines are dropped until it can");
        }
    }
}
