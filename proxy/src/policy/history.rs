//! Policies accepted lately, so that one of them can be put in force again. It owns how many are kept and
//! their files; it refuses to put anything in force.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use vocabulary::admin::generations::Generation;

use super::Written;

/// Accepted policies kept.
const KEPT: usize = 50;

/// One accepted policy and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    generation: Generation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    /// In its place, a bundle in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundle: Option<String>,
}

impl Kept {
    fn new(generation: Generation, written: Option<&Written>) -> Self {
        let (manifest, bundle) = match written {
            Some(Written::Manifest(text)) => (Some(text.clone()), None),
            Some(Written::Bundle(bytes)) => (None, Some(STANDARD.encode(bytes))),
            None => (None, None),
        };
        Self { generation, manifest, bundle }
    }

    fn written(&self) -> io::Result<Option<Written>> {
        let Some(bundle) = &self.bundle else { return Ok(self.manifest.clone().map(Written::Manifest)) };
        let bytes = STANDARD.decode(bundle).map_err(io::Error::other)?;
        Written::read(bytes).map(Some).map_err(io::Error::other)
    }
}

/// The history; in memory only without a directory.
#[derive(Debug)]
pub struct History {
    dir: Option<PathBuf>,
    /// Oldest first. Texts are here only when they are not on disk.
    kept: Mutex<VecDeque<Kept>>,
}

impl History {
    /// Opens what is kept below `dir`. A file that cannot be read as a generation is passed over, with a
    /// warning: history is a convenience, and must not keep a gateway from starting.
    ///
    /// # Errors
    /// When the directory cannot be created or listed.
    pub fn open(state: Option<&Path>) -> io::Result<Self> {
        let Some(state) = state else { return Ok(Self { dir: None, kept: Mutex::default() }) };
        let dir = state.join("history");
        fs::create_dir_all(&dir)?;
        let mut kept = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| read(&bytes)) {
                Ok(generation) => kept.push(Kept::new(generation, None)),
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "a kept generation is not readable")
                }
            }
        }
        kept.sort_by_key(|one| one.generation.generation);
        Ok(Self { dir: Some(dir), kept: Mutex::new(kept.into()) })
    }

    /// Keeps an accepted policy, and lets go of the oldest beyond fifty.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn keep(&self, generation: Generation, written: &Written) -> io::Result<()> {
        let number = generation.generation;
        let mut one = Kept::new(generation, Some(written));
        if let Some(dir) = &self.dir {
            write(dir, &file_name(number), &serde_json::to_vec(&one)?)?;
            (one.manifest, one.bundle) = (None, None);
        }
        let mut kept = self.kept.lock();
        kept.retain(|known| known.generation.generation != number);
        kept.push_back(one);
        while kept.len() > KEPT {
            let oldest = kept.pop_front();
            if let (Some(dir), Some(oldest)) = (&self.dir, oldest) {
                // One file too many does no harm.
                let _ = fs::remove_file(dir.join(file_name(oldest.generation.generation)));
            }
        }
        Ok(())
    }

    /// What is kept, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Generation> {
        self.kept.lock().iter().rev().map(|kept| kept.generation.clone()).collect()
    }

    /// The manifest or bundle of a generation, if it is kept.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn manifest(&self, generation: u64) -> io::Result<Option<Written>> {
        let kept = self.kept.lock();
        let Some(found) = kept.iter().find(|kept| kept.generation.generation == generation) else {
            return Ok(None);
        };
        if let Some(written) = found.written()? {
            return Ok(Some(written));
        }
        let Some(dir) = &self.dir else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&fs::read(dir.join(file_name(generation)))?)?;
        kept.written()
    }

    /// The number under which a gateway that reached `reached` begins with a policy of this digest: the same
    /// unless that number stands for another content.
    #[must_use]
    pub fn number_for(&self, digest: &str, reached: u64) -> u64 {
        let kept = self.kept.lock();
        match kept.back().map(|latest| &latest.generation) {
            Some(latest) if latest.generation >= reached && latest.digest != digest => latest.generation + 1,
            Some(latest) => latest.generation.max(reached),
            None => reached,
        }
    }

    /// The generation to go back to from `current`: the newest before it with another content, where what
    /// was rolled back to counts as the generation it restored.
    #[must_use]
    pub fn before(&self, current: u64) -> Option<u64> {
        let kept = self.kept.lock();
        let find = |number: u64| kept.iter().find(|kept| kept.generation.generation == number);
        let own = find(current)?;
        let stands_for = own.generation.restores.unwrap_or(current);
        kept.iter()
            .rev()
            .map(|kept| &kept.generation)
            .find(|one| one.generation < stands_for && one.digest != own.generation.digest)
            .map(|one| one.restores.unwrap_or(one.generation))
    }
}

fn read(bytes: &[u8]) -> Result<Generation, String> {
    serde_json::from_slice::<Kept>(bytes).map(|kept| kept.generation).map_err(|error| error.to_string())
}

fn file_name(generation: u64) -> String {
    format!("{generation:012}.json")
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
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

    fn generation(number: u64, digest: &str, restores: Option<u64>) -> Generation {
        Generation {
            generation: number,
            digest: digest.to_owned(),
            at_ms: number,
            actor: "night".to_owned(),
            action: "publish".to_owned(),
            restores,
        }
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(Some(dir.path())).unwrap();
        history.keep(generation(1, "a", None), &"one".into()).unwrap();
        let bundle = Written::read(b"sluicegate-bundle\0\xff".to_vec()).unwrap();
        history.keep(generation(2, "b", None), &bundle).unwrap();
        let again = History::open(Some(dir.path())).unwrap();
        assert_eq!(again.list(), history.list());
        assert_eq!(again.list()[0].generation, 2);
        assert_eq!(again.manifest(1).unwrap(), Some("one".into()));
        assert_eq!(again.manifest(2).unwrap(), Some(bundle));
        assert_eq!(again.manifest(3).unwrap(), None);
    }

    #[test]
    fn fifty_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::open(Some(dir.path())).unwrap();
        (1..=53).for_each(|number| history.keep(generation(number, "a", None), &"x".into()).unwrap());
        assert_eq!(history.list().len(), KEPT);
        assert_eq!(History::open(Some(dir.path())).unwrap().list().last().unwrap().generation, 4);
    }

    #[test]
    fn going_back_twice_goes_back_twice_and_never_to_what_was_left() {
        let history = History::open(None).unwrap();
        history.keep(generation(1, "a", None), &"".into()).unwrap();
        history.keep(generation(2, "b", None), &"".into()).unwrap();
        history.keep(generation(3, "bad", None), &"".into()).unwrap();
        assert_eq!(history.before(3), Some(2));
        history.keep(generation(4, "b", Some(2)), &"".into()).unwrap();
        assert_eq!(history.before(4), Some(1));
        history.keep(generation(5, "a", Some(1)), &"".into()).unwrap();
        assert_eq!(history.before(5), None);
    }

    #[test]
    fn a_number_stands_for_one_content() {
        let history = History::open(None).unwrap();
        assert_eq!(history.number_for("a", 1), 1);
        history.keep(generation(4, "a", None), &"".into()).unwrap();
        assert_eq!((history.number_for("a", 4), history.number_for("b", 4)), (4, 5));
    }

    #[test]
    fn a_damaged_file_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        History::open(Some(dir.path())).unwrap().keep(generation(1, "a", None), &"one".into()).unwrap();
        std::fs::write(dir.path().join("history/000000000002.json"), "{").unwrap();
        assert_eq!(History::open(Some(dir.path())).unwrap().list().len(), 1);
    }
}
