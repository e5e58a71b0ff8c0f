//! Whether a log is what was written. It owns reading files in order and naming the first broken line; it
//! refuses to mend anything.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;
use vocabulary::admin::audit::AuditLine;

use super::chain::{GENESIS, Head, hash};
use super::file::read_head;
use super::{HEAD, LOG};

/// A log that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Lines read.
    pub lines: u64,
    /// Number of the first of them; above 1 when earlier files are not here.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// SHA-256 of the last line: where the chain leads.
    pub sha256: String,
    /// Whether a head record was there to compare with. Without one, a log cut short looks whole.
    pub head_checked: bool,
}

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}:{line}: {what}")]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// The file.
    pub file: String,
    /// Its line, from 1; one past the last for what is missing at the end.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// The files of the log at `path`, in order: a directory's or a current log's own with those put aside
/// before it, or the one file of another name.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let dir = if path.is_dir() {
        path
    } else if path.file_name().is_some_and(|name| name == LOG) {
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    } else {
        return Ok(vec![path.to_owned()]);
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.strip_prefix("audit-").is_some_and(|rest| rest.ends_with(".jsonl")) {
            found.push(path);
        }
    }
    found.sort();
    found.push(dir.join(LOG));
    Ok(found)
}

/// Reads `files` in order and follows the chain through all of them; where the last is the current log and
/// its head lies beside it, the chain must lead there.
///
/// # Errors
/// An error of reading, or the first thing that is wrong.
pub fn verify(files: &[PathBuf]) -> io::Result<Result<Verified, Broken>> {
    let mut chain = Chain::default();
    let mut end = (String::new(), 1);
    for file in files {
        let name = file.display().to_string();
        let mut reader = BufReader::new(fs::File::open(file)?);
        let (mut number, mut bytes) = (0, Vec::new());
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            number += 1;
            if let Err(what) = chain.follow(&bytes) {
                return Ok(Err(Broken { file: name, line: number, what }));
            }
            bytes.clear();
        }
        end = (name, number + 1);
    }
    let head = match files.last().filter(|file| file.file_name().is_some_and(|name| name == LOG)) {
        Some(log) => read_head(log.parent().unwrap_or(Path::new("")))?,
        None => None,
    };
    let checked = head.is_some();
    if let Some(what) = head.and_then(|head| chain.misses(&head)) {
        return Ok(Err(Broken { file: end.0, line: end.1, what }));
    }
    let Chain { lines, first, last, .. } = chain;
    Ok(Ok(Verified { lines, first, last: last.seq, sha256: last.sha256, head_checked: checked }))
}

#[derive(Debug, Default)]
struct Chain {
    lines: u64,
    first: u64,
    before: Head,
    last: Head,
}

impl Chain {
    fn follow(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(bytes) = bytes.strip_suffix(b"\n") else {
            return Err("the line has no end: it was cut, or is being written".to_owned());
        };
        let line: AuditLine =
            serde_json::from_slice(bytes).map_err(|error| format!("not a line of an audit log: {error}"))?;
        if self.lines == 0 {
            if line.seq == 1 && line.previous != GENESIS {
                return Err("line 1 names a line before it".to_owned());
            }
            self.first = line.seq;
        } else if line.previous != self.last.sha256 {
            return Err(format!(
                "line {} does not follow from the line before it: one of the two was changed, added or removed",
                line.seq
            ));
        } else if line.seq != self.last.seq + 1 {
            return Err(format!("line {} comes after line {}", line.seq, self.last.seq));
        }
        self.lines += 1;
        let last = Head { seq: line.seq, sha256: hash(bytes) };
        self.before = std::mem::replace(&mut self.last, last);
        Ok(())
    }

    /// What is wrong with where the chain ends. One line beyond its head is a crash between the two writes.
    fn misses(&self, head: &Head) -> Option<String> {
        if *head == self.last || *head == self.before {
            return None;
        }
        Some(if self.last.seq < head.seq {
            format!(
                "{HEAD} says that {} lines were written; those after {} are missing",
                head.seq, self.last.seq
            )
        } else {
            format!("{HEAD} says line {} has another content than it has here", head.seq)
        })
    }
}
