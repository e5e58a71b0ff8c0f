//! Holds over a restart. It owns one small file, replaced whole; it refuses to judge what is in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use vocabulary::admin::holds::Hold;

const NAME: &str = "holds.json";

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Of the board the holds were last seen on.
    epoch: Option<u64>,
    holds: Vec<Hold>,
}

/// The file; nothing is kept without a directory.
#[derive(Debug)]
pub(super) struct Remembered {
    dir: Option<PathBuf>,
    epoch: Mutex<Option<u64>>,
}

impl Remembered {
    pub(super) fn open(dir: Option<&Path>) -> io::Result<Self> {
        let opened = Self { dir: dir.map(Path::to_owned), epoch: Mutex::new(None) };
        *opened.epoch.lock() = opened.read()?.epoch;
        Ok(opened)
    }

    pub(super) fn holds(&self) -> io::Result<Vec<Hold>> {
        Ok(self.read()?.holds)
    }

    pub(super) fn epoch(&self) -> Option<u64> {
        *self.epoch.lock()
    }

    pub(super) fn note_epoch(&self, epoch: u64) {
        *self.epoch.lock() = Some(epoch);
    }

    pub(super) fn write(&self, holds: &[Hold]) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let kept = Kept { epoch: self.epoch(), holds: holds.to_vec() };
        let fresh = dir.join("holds.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(&fresh, dir.join(NAME))?;
        File::open(dir)?.sync_all()
    }

    fn read(&self) -> io::Result<Kept> {
        let Some(dir) = &self.dir else { return Ok(Kept::default()) };
        match fs::read(dir.join(NAME)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(error),
        }
    }
}
