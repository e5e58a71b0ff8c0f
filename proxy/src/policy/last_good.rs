//! The last accepted manifest or bundle and its generation, on disk. It owns writing both so that a crash leaves
//! either the old or the new; it refuses to interpret them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Written;

/// A directory that keeps the last accepted policy; without one, nothing survives a restart.
#[derive(Clone, Debug, Default)]
pub struct LastGood {
    dir: Option<PathBuf>,
}

const MANIFEST: &str = "manifest.yaml";
const GENERATION: &str = "generation";

impl LastGood {
    /// Keeps in `dir`, which is created if need be.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(dir: Option<&Path>) -> io::Result<Self> {
        if let Some(dir) = dir {
            fs::create_dir_all(dir)?;
        }
        Ok(Self { dir: dir.map(Path::to_owned) })
    }

    /// The generation reached so far; 0 at first.
    ///
    /// # Errors
    /// When the file exists but cannot be read or is not a number.
    pub fn generation(&self) -> io::Result<u64> {
        let Some(bytes) = self.read(GENERATION)? else { return Ok(0) };
        let number = String::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok());
        number
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the generation file is not a number"))
    }

    /// The manifest or bundle accepted last.
    ///
    /// # Errors
    /// When the file exists but cannot be read.
    pub fn manifest(&self) -> io::Result<Option<Written>> {
        let bytes = self.read(MANIFEST)?;
        bytes
            .map(Written::read)
            .transpose()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Remembers an accepted policy. The generation is written last: should the machine die in
    /// between, the next start serves the new manifest and counts it anew.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn remember(&self, written: &Written, generation: u64) -> io::Result<()> {
        self.write(MANIFEST, written.bytes())?;
        self.write(GENERATION, generation.to_string().as_bytes())
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        match fs::read(dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        write_whole(dir, name, bytes)
    }
}

/// Writes a file of `dir` so that a crash leaves either the old or the new.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = dir.join(format!("{name}.new"));
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_is_read_back_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let kept = LastGood::open(Some(&state)).unwrap();
        assert_eq!((kept.generation().unwrap(), kept.manifest().unwrap()), (0, None));
        kept.remember(&"a: 1\n".into(), 7).unwrap();
        let next = LastGood::open(Some(&state)).unwrap();
        assert_eq!((next.generation().unwrap(), next.manifest().unwrap()), (7, Some("a: 1\n".into())));
    }

    #[test]
    fn a_damaged_generation_is_an_error_and_not_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(GENERATION), "seven").unwrap();
        assert!(LastGood::open(Some(dir.path())).unwrap().generation().is_err());
    }
}
