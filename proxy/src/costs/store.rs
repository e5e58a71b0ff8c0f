//! Hour files: `costs/2026-11-22T23.jsonl` in the state directory, one JSON object a line, each with its own
//! checksum. It owns writing so that a crash costs at most the lines not written yet, and reading so that
//! damage is named; it refuses to interpret sums.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rollup::{Fixed, HOUR, Hour, Key, Sums};

/// Name of the folder in the state directory.
const FOLDER: &str = "costs";
/// A file is rewritten with one line a key once so much has been appended to it.
const COMPACT_AT: u64 = 1 << 20;

/// A line of an hour file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// More of a key.
    Consumed {
        #[serde(flatten)]
        key: Key,
        #[serde(flatten)]
        sums: Sums,
    },
    /// A deployment that costs by the hour; the last word on it counts.
    Fixed {
        deployment: String,
        #[serde(flatten)]
        fixed: Fixed,
    },
}

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CostsError {
    /// No such folder, or no right to it.
    #[error("{}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that was whole once and is not what was written.
    #[error(
        "{}:{line}: the line is damaged (its checksum does not fit); restore the file from a backup, or remove the line and count its hour as incomplete",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
}

fn at(path: &Path) -> impl Fn(io::Error) -> CostsError {
    let path = path.to_owned();
    move |source| CostsError::Io { path: path.clone(), source }
}

/// The hour files of one gateway.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// The hour whose file is being appended to, everything in it, and how much was appended.
    open: Option<(u64, Hour, u64)>,
}

impl Store {
    /// In this state directory; the folder is made if need be.
    pub(super) fn open(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, open: None })
    }

    /// Adds `more` to an hour; it is on the disk when this returns.
    pub(super) fn append(&mut self, hour: u64, more: &Hour) -> Result<(), CostsError> {
        let path = self.folder.join(file_name(hour));
        let (known, mut appended) = match self.open.take() {
            Some((open, known, appended)) if open == hour => (Some(known), appended),
            Some((before, known, appended)) => {
                if appended > 0 {
                    self.rewrite(before, &known)?;
                }
                (None, 0)
            }
            None => (None, 0),
        };
        let fresh = known.is_none();
        let mut whole = match known {
            Some(known) => known,
            None => read_file(&path)?.unwrap_or_default(),
        };
        for (key, sums) in &more.sums {
            whole.consume(key.clone(), sums);
        }
        whole.fixed.extend(more.fixed.iter().map(|(deployment, fixed)| (deployment.clone(), fixed.clone())));
        if fresh || appended > COMPACT_AT {
            // What a crash left at the end of the file is gone with this, so that nothing is added to it.
            self.rewrite(hour, &whole)?;
            appended = 0;
        } else {
            let text = lines(more);
            let mut file = OpenOptions::new().append(true).open(&path).map_err(at(&path))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(at(&path))?;
            appended += text.len() as u64;
        }
        self.open = Some((hour, whole, appended));
        Ok(())
    }

    /// Writes a file anew; a crash leaves the old one or the new one.
    fn rewrite(&self, hour: u64, whole: &Hour) -> Result<(), CostsError> {
        let path = self.folder.join(file_name(hour));
        let new = path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(lines(whole).as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(at(&path))
    }
}

/// Every hour from `from` to before `to`, in Unix seconds, of several gateways together.
///
/// # Errors
/// [`CostsError`].
pub fn read(state_dirs: &[PathBuf], from: u64, to: u64) -> Result<BTreeMap<u64, Hour>, CostsError> {
    let mut hours: BTreeMap<u64, Hour> = BTreeMap::new();
    for state_dir in state_dirs {
        let folder = state_dir.join(FOLDER);
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let hour = path.file_name().and_then(|name| name.to_str()).and_then(hour_of);
            let Some(hour) = hour.filter(|hour| (from..to).contains(&(hour * HOUR))) else { continue };
            if let Some(read) = read_file(&path)? {
                hours.entry(hour).or_default().merge(read);
            }
        }
    }
    Ok(hours)
}

/// `None` when there is no such file. Half a line at the end is what a crash leaves, and not an error.
fn read_file(path: &Path) -> Result<Option<Hour>, CostsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let mut hour = Hour::default();
    for (number, bytes) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let Some(text) = bytes.strip_suffix(b"\n") else { break };
        let line = std::str::from_utf8(text).ok().and_then(parse);
        match line.ok_or_else(|| CostsError::Damaged { path: path.to_owned(), line: number })? {
            Line::Consumed { key, sums } => hour.consume(key, &sums),
            Line::Fixed { deployment, fixed } => {
                hour.fixed.insert(deployment, fixed);
            }
        }
    }
    Ok(Some(hour))
}

fn lines(hour: &Hour) -> String {
    let consumed = hour.sums.iter().map(|(key, sums)| Line::Consumed { key: key.clone(), sums: *sums });
    let fixed = hour
        .fixed
        .iter()
        .map(|(deployment, fixed)| Line::Fixed { deployment: deployment.clone(), fixed: fixed.clone() });
    consumed.chain(fixed).map(|line| sealed(&line)).collect()
}

/// `{"consumed":{…},"crc":"…"}`: the checksum is of everything before its own field.
fn sealed(line: &Line) -> String {
    let text = serde_json::to_string(line).unwrap_or_default();
    let open = text.strip_suffix('}').unwrap_or(&text);
    format!("{open},\"crc\":\"{:08x}\"}}\n", crc32fast::hash(open.as_bytes()))
}

fn parse(text: &str) -> Option<Line> {
    let (open, crc) = text.rsplit_once(",\"crc\":\"")?;
    let crc = u32::from_str_radix(crc.strip_suffix("\"}")?, 16).ok()?;
    let whole = crc == crc32fast::hash(open.as_bytes());
    serde_json::from_str(&format!("{open}}}")).ok().filter(|_| whole)
}

/// Of an hour since the Unix epoch.
fn file_name(hour: u64) -> String {
    let second = i64::try_from(hour.saturating_mul(HOUR)).unwrap_or(i64::MAX);
    let text = Timestamp::from_second(second).map(|at| at.to_string()).unwrap_or_default();
    format!("{}.jsonl", text.get(..13).unwrap_or("unknown"))
}

fn hour_of(name: &str) -> Option<u64> {
    let at: Timestamp = format!("{}:00:00Z", name.strip_suffix(".jsonl")?).parse().ok()?;
    u64::try_from(at.as_second()).ok().map(|second| second / HOUR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_1: u64 = 495_000;

    fn consumed(consumer: &str, input: u64) -> Hour {
        let key = Key { consumer: Some(consumer.to_owned()), deployment: "a/m".to_owned(), ..Key::default() };
        let mut hour = Hour::default();
        hour.consume(key, &Sums { requests: 1, input, ..Sums::default() });
        hour
    }

    fn all(dir: &Path) -> Result<BTreeMap<u64, Hour>, CostsError> {
        read(&[dir.to_owned()], 0, u64::MAX)
    }

    #[test]
    fn what_was_appended_is_read_back_after_any_number_of_starts() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let mut store = Store::open(dir.path()).unwrap();
            for _ in 0..4 {
                store.append(HOUR_1, &consumed("app", 10)).unwrap();
                store.append(HOUR_1, &consumed("other", 1)).unwrap();
            }
            store.append(HOUR_1 + 1, &consumed("app", 5)).unwrap();
        }
        let hours = all(dir.path()).unwrap();
        let inputs: Vec<u64> = hours[&HOUR_1].sums.values().map(|sums| sums.input).collect();
        assert_eq!(inputs, [120, 12]);
        assert_eq!(hours[&(HOUR_1 + 1)].sums.values().map(|sums| sums.input).sum::<u64>(), 15);
    }

    #[test]
    fn a_file_is_named_by_its_hour_and_found_by_it() {
        assert_eq!(file_name(495_000), "2026-06-21T00.jsonl");
        assert_eq!(hour_of("2026-06-21T00.jsonl"), Some(495_000));
        assert_eq!(hour_of("2026-06-21T00.new"), None);
    }

    #[test]
    fn a_line_cut_by_a_crash_is_left_out_and_not_added_to() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.append(HOUR_1, &consumed("app", 10)).unwrap();
        let path = dir.path().join(FOLDER).join(file_name(HOUR_1));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"consumed\":{\"deploy").unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.append(HOUR_1, &consumed("app", 5)).unwrap();
        store.append(HOUR_1, &consumed("app", 1)).unwrap();
        let sums: Vec<u64> = all(dir.path()).unwrap()[&HOUR_1].sums.values().map(|sums| sums.input).collect();
        assert_eq!(sums, [16]);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_named_by_file_and_line(bit in any::<prop::sample::Index>(), mask in 0_u8..8) {
            let text = lines(&consumed("app", 10));
            let mut bytes = text.clone().into_bytes();
            let place = bit.index(bytes.len() - 1);
            bytes[place] ^= 1 << mask;
            prop_assume!(bytes[place] != b'\n');
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join(FOLDER);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file_name(HOUR_1)), [bytes.as_slice(), text.as_bytes()].concat()).unwrap();
            let damaged = all(dir.path());
            let found = matches!(damaged, Err(CostsError::Damaged { line: 1, .. }));
            // Upper-case digits of a checksum are the same digits.
            let same = damaged.is_ok_and(|hours| hours[&HOUR_1].sums.values().all(|sums| sums.input == 20));
            prop_assert!(found || same);
        }
    }
}
