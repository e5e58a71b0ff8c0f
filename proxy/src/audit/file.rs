//! The log on disk. It owns appending with sync, the head record, the tail kept in memory and rotation; it
//! refuses to know what lines mean.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use vocabulary::admin::audit::AuditLine;

use super::chain::{Head, link};
use super::{HEAD, LOG};

/// Size at which a file is put aside and another begun.
const ROTATE_AT: u64 = 16 << 20;
/// Lines kept in memory for the admin API.
const KEPT: usize = 1000;
/// No line is longer; enough to find the last one.
const TAIL: u64 = 64 << 10;

#[derive(Debug)]
pub(super) struct File {
    pub(super) rotate_at: u64,
    dir: Option<PathBuf>,
    log: Option<fs::File>,
    size: u64,
    head: Head,
    latest: VecDeque<AuditLine>,
}

impl File {
    /// Opens the log; says what is wrong where file and head do not agree.
    pub(super) fn open(dir: Option<&Path>) -> io::Result<(Self, Option<String>)> {
        let empty = Self {
            rotate_at: ROTATE_AT,
            dir: None,
            log: None,
            size: 0,
            head: Head::default(),
            latest: VecDeque::new(),
        };
        let Some(dir) = dir else { return Ok((empty, None)) };
        fs::create_dir_all(dir)?;
        let mut log = OpenOptions::new().create(true).read(true).append(true).open(dir.join(LOG))?;
        cut_torn_line(&mut log)?;
        let size = log.metadata()?.len();
        let lines = last_lines(&mut log, size)?;
        let recorded = read_head(dir)?;
        let aside = |seq| dir.join(aside_name(seq)).exists();
        let (head, damage) = settle(recorded, lines.last(), aside);
        let latest = lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let file = Self { dir: Some(dir.to_owned()), log: Some(log), size, head, latest, ..empty };
        file.write_head()?;
        Ok((file, damage))
    }

    /// Number of the next line and hash of the last.
    pub(super) fn next(&self) -> (u64, String) {
        (self.head.seq.saturating_add(1), self.head.sha256.clone())
    }

    /// Appends a line: on the disk when this returns, and so is the head. A crash in between leaves the log
    /// one line ahead of its head, which the next start takes as it is.
    pub(super) fn append(&mut self, line: &AuditLine) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        let head = Head::after(line.seq, &bytes);
        bytes.push(b'\n');
        if self.size > 0 && self.size + bytes.len() as u64 > self.rotate_at {
            self.rotate()?;
        }
        if let Some(log) = &mut self.log {
            if let Err(error) = log.write_all(&bytes).and_then(|()| log.sync_data()) {
                // Half a line would break the chain for every line after it.
                let _ = log.set_len(self.size);
                return Err(error);
            }
            self.size += bytes.len() as u64;
        }
        self.head = head;
        self.latest.push_back(line.clone());
        if self.latest.len() > KEPT {
            self.latest.pop_front();
        }
        self.write_head()
    }

    pub(super) fn latest(&self, limit: usize) -> Vec<AuditLine> {
        self.latest.iter().rev().take(limit).cloned().collect()
    }

    /// Puts the file aside under the number of its last line, so that names sort as lines do.
    fn rotate(&mut self) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        fs::rename(dir.join(LOG), dir.join(aside_name(self.head.seq)))?;
        self.log = Some(OpenOptions::new().create_new(true).append(true).open(dir.join(LOG))?);
        self.size = 0;
        fs::File::open(dir)?.sync_all()
    }

    fn write_head(&self) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let fresh = dir.join("audit.head.new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&self.head)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(HEAD))?;
        fs::File::open(dir)?.sync_all()
    }
}

/// The head on disk; nothing where there is none, an error where it cannot be read as one.
pub(super) fn read_head(dir: &Path) -> io::Result<Option<Head>> {
    match fs::read(dir.join(HEAD)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where the chain goes on from, and what is wrong with that place. `aside` says whether a file that ends
/// with that line has been put aside.
fn settle(
    recorded: Option<Head>,
    last: Option<&Vec<u8>>,
    aside: impl Fn(u64) -> bool,
) -> (Head, Option<String>) {
    let Some(line) = last else {
        let head = recorded.unwrap_or_default();
        // Between putting one file aside and the first line of the next, the log is empty.
        let lost = head.seq > 0 && !aside(head.seq);
        let damage = lost.then(|| format!("the log is empty, and its head says {} lines", head.seq));
        return (head, damage);
    };
    let Some(link) = link(line) else {
        return (
            recorded.unwrap_or_default(),
            Some("its last line is not a line of an audit log".to_owned()),
        );
    };
    let head = Head::after(link.seq, line);
    let damage = match recorded {
        None => Some(format!("it has {} lines, and its head is missing", head.seq)),
        Some(recorded) if recorded == head => None,
        Some(recorded) if link.seq == recorded.seq + 1 && link.previous == recorded.sha256 => None,
        Some(recorded) => {
            let (at, last) = (recorded.seq, head.seq);
            Some(format!("its head says line {at}, and its last line is {last} or not the line it was"))
        }
    };
    (head, damage)
}

/// Cuts off what follows the last newline: a line that was being written when the machine stopped, and
/// that nobody was told of.
fn cut_torn_line(log: &mut fs::File) -> io::Result<()> {
    let size = log.metadata()?.len();
    let tail = read_tail(log, size)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let surplus = (tail.len() - whole) as u64;
    if surplus > 0 {
        tracing::warn!(bytes = surplus, "the audit log ended within a line that was never acknowledged");
        log.set_len(size - surplus)?;
    }
    Ok(())
}

/// Name of a file that was put aside after line `seq`.
pub(super) fn aside_name(seq: u64) -> String {
    format!("audit-{seq:012}.jsonl")
}

fn last_lines(log: &mut fs::File, size: u64) -> io::Result<Vec<Vec<u8>>> {
    let tail = read_tail(log, size)?;
    let mut lines: Vec<_> =
        tail.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    // The first of them may have lost its beginning.
    if size > TAIL && !lines.is_empty() {
        lines.remove(0);
    }
    Ok(lines)
}

fn read_tail(log: &mut fs::File, size: u64) -> io::Result<Vec<u8>> {
    log.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    log.read_to_end(&mut tail)?;
    Ok(tail)
}
