//! Stories on disk, one file per hour of arrival, which a request's id tells (UUIDv7, RFC 9562 §5.7). It
//! owns the bounds in bytes and hours; it refuses to read more than one file for one question.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vocabulary::admin::story::Story;

/// Bytes kept on disk; the oldest hour goes first.
const BYTES: u64 = 256 << 20;
/// Hours kept: a day, and the one under way.
const HOURS: usize = 25;
/// Stories kept in memory where there is no directory, and for the list of the latest where there is one.
const IN_MEMORY: usize = 10_000;
const LISTED: usize = 1000;
const HOUR_MS: u64 = 3_600_000;

type Line = Arc<[u8]>;

#[derive(Debug)]
pub(super) struct Store {
    dir: Option<PathBuf>,
    /// Bytes by hour.
    hours: BTreeMap<u64, u64>,
    pub(super) bytes: u64,
    latest: VecDeque<(String, Line)>,
}

/// Where the story of one request is, if anywhere.
pub(super) enum Place {
    File(PathBuf),
    Memory(Option<Line>),
}

impl Store {
    pub(super) fn open(state: Option<&Path>) -> io::Result<Self> {
        let mut store = Self { dir: None, hours: BTreeMap::new(), bytes: BYTES, latest: VecDeque::new() };
        let Some(state) = state else { return Ok(store) };
        let dir = state.join("why");
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let hour =
                name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|name| name.parse().ok());
            if let Some(hour) = hour {
                store.hours.insert(hour, entry.metadata()?.len());
            }
        }
        store.dir = Some(dir);
        Ok(store)
    }

    /// Writes stories; gives how many found no room.
    pub(super) fn write(&mut self, stories: &[Story]) -> io::Result<u64> {
        let mut by_hour: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut lost = 0;
        for story in stories {
            let line = serde_json::to_vec(story)?;
            let hour = story.request.arrival_ms / HOUR_MS;
            let bytes = by_hour.entry(hour).or_default();
            let known = self.hours.get(&hour).copied().unwrap_or(0);
            // One hour of trouble must not take more than all the room there is.
            if self.dir.is_some() && known + (bytes.len() + line.len()) as u64 >= self.bytes {
                lost += 1;
                continue;
            }
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
            self.latest.push_back((story.request.request_id.clone(), line.into()));
        }
        let most = if self.dir.is_some() { LISTED } else { IN_MEMORY };
        let surplus = self.latest.len().saturating_sub(most);
        self.latest.drain(..surplus);
        let Some(dir) = self.dir.clone() else { return Ok(lost) };
        for (hour, bytes) in by_hour.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let mut file = OpenOptions::new().create(true).append(true).open(file(&dir, hour))?;
            file.write_all(&bytes)?;
            *self.hours.entry(hour).or_default() += bytes.len() as u64;
        }
        self.make_room(&dir);
        Ok(lost)
    }

    fn make_room(&mut self, dir: &Path) {
        while self.hours.len() > 1
            && (self.hours.len() > HOURS || self.hours.values().sum::<u64>() > self.bytes)
        {
            let Some((hour, _)) = self.hours.pop_first() else { return };
            if let Err(error) = fs::remove_file(file(dir, hour)) {
                tracing::warn!(hour, %error, "an old hour of stories cannot be removed");
            }
        }
    }

    /// Where to look for a request: outside the lock, for a file may be long.
    pub(super) fn place(&self, id: uuid::Uuid) -> Place {
        let Some(dir) = &self.dir else {
            let id = id.simple().to_string();
            let found = self.latest.iter().rev().find(|(known, _)| *known == id);
            return Place::Memory(found.map(|(_, line)| Arc::clone(line)));
        };
        let seconds = id.get_timestamp().map_or(0, |time| time.to_unix().0);
        Place::File(file(dir, seconds * 1000 / HOUR_MS))
    }

    pub(super) fn latest(&self, limit: usize) -> Vec<Story> {
        let newest = self.latest.iter().rev().take(limit);
        newest.filter_map(|(_, line)| serde_json::from_slice(line).ok()).collect()
    }
}

impl Place {
    pub(super) fn find(self, id: &str) -> io::Result<Option<Story>> {
        let path = match self {
            Self::Memory(line) => return Ok(line.and_then(|line| serde_json::from_slice(&line).ok())),
            Self::File(path) => path,
        };
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let finder = memchr::memmem::Finder::new(id);
        while reader.read_until(b'\n', &mut line)? > 0 {
            if finder.find(&line).is_some()
                && let Ok(story) = serde_json::from_slice::<Story>(&line)
                && story.request.request_id == id
            {
                return Ok(Some(story));
            }
            line.clear();
        }
        Ok(None)
    }
}

fn file(dir: &Path, hour: u64) -> PathBuf {
    dir.join(format!("{hour}.jsonl"))
}
