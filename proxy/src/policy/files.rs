//! A policy's files on this machine: a bundle, or a manifest with what it includes and overlays. It owns reading them; what
//! `include` means is the compiler's business.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_compiler::{Files, Source, flatten, gather};
use rule_table::{Bundle, MAX_BUNDLE_BYTES};

use super::Written;
use crate::rule_files::Disk;

/// Where a manifest is.
#[derive(Clone, Debug)]
pub struct ManifestFiles {
    first: PathBuf,
    overlays: Vec<PathBuf>,
}

/// What the files hold.
#[derive(Debug)]
pub enum ReadFiles {
    /// The files of a manifest.
    Manifest(Source),
    /// A bundle's file form.
    Bundle(Written),
}

impl ReadFiles {
    /// One piece of it, or what is wrong with how a manifest's files fit together, a line each.
    ///
    /// # Errors
    /// One line per finding.
    pub fn written(self) -> Result<Written, Vec<String>> {
        match self {
            Self::Manifest(source) => joined(&source).map(Written::Manifest),
            Self::Bundle(bundle) => Ok(bundle),
        }
    }
}

impl ManifestFiles {
    /// The manifest that begins with `first` and is changed by `overlays`.
    #[must_use]
    pub fn new(first: &Path, overlays: &[PathBuf]) -> Self {
        Self { first: first.to_owned(), overlays: overlays.to_vec() }
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// The first file or an overlay that cannot be read; of an included file that is a finding.
    pub fn read(&self) -> Result<Source, (PathBuf, io::Error)> {
        let first = text_of(&self.first)?;
        self.join(first)
    }

    /// Reads all of it, or the bundle where the first file is one.
    ///
    /// # Errors
    /// As [`ManifestFiles::read`]; and a bundle together with overlays.
    pub fn read_any(&self) -> Result<ReadFiles, (PathBuf, io::Error)> {
        match bundle_in(&self.first).map_err(|error| (self.first.clone(), error))? {
            Some(_) if !self.overlays.is_empty() => {
                let why = "a bundle is finished: overlays are applied when it is compiled";
                Err((self.first.clone(), io::Error::new(io::ErrorKind::InvalidInput, why)))
            }
            Some(bundle) => Ok(ReadFiles::Bundle(bundle)),
            None => self.read().map(ReadFiles::Manifest),
        }
    }

    /// Reads all of it but the first file.
    ///
    /// # Errors
    /// An overlay that cannot be read.
    pub fn join(&self, first: Source) -> Result<Source, (PathBuf, io::Error)> {
        let overlays: Vec<Source> =
            self.overlays.iter().map(|file| text_of(file)).collect::<Result<_, _>>()?;
        let folder = self.folder();
        let rules = Arc::new(Disk::below(&folder.path));
        Ok(gather(first, &overlays, &folder).with_rules(rules))
    }

    /// Every file it is made of, or would be if it were there, and one name in every folder that was looked
    /// through for more.
    #[must_use]
    pub fn places(&self) -> Vec<PathBuf> {
        let folder = self.folder();
        if let Ok(first) = text_of(&self.first) {
            // What is asked for is all that matters here.
            let _ = gather(first, &[], &folder);
        }
        let own = std::iter::once(&self.first).chain(&self.overlays).cloned();
        let rules = self.rules().into_iter().filter(|place| place.parent().is_some_and(Path::is_dir));
        own.chain(folder.asked.into_inner()).chain(rules).collect()
    }

    /// The files of the rule sets that its firewalls name, and one name for every folder of theirs.
    fn rules(&self) -> Vec<PathBuf> {
        let Ok(source) = self.read() else { return Vec::new() };
        let base = self.first.parent().unwrap_or(Path::new(""));
        let named = policy_compiler::rule_folders(&source);
        let mut files: Vec<PathBuf> = named.iter().map(|path| base.join(path)).collect();
        for place in files.clone() {
            let listed = place.parent().filter(|_| place.ends_with("*")).map(std::fs::read_dir);
            let entries = listed.and_then(Result::ok).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
        files.sort();
        files
    }

    /// Stands for the state of every rule file: what is read is another where this is another.
    #[must_use]
    pub fn rules_stamp(&self) -> u64 {
        let mut stamp = DefaultHasher::new();
        for file in self.rules() {
            let state = std::fs::metadata(&file).map(|state| (state.len(), state.modified().ok())).ok();
            (file, state).hash(&mut stamp);
        }
        stamp.finish()
    }

    fn folder(&self) -> Folder {
        Folder { path: self.first.parent().unwrap_or(Path::new("")).to_owned(), asked: RefCell::default() }
    }
}

/// One text for a manifest, or what is wrong with how its files fit together, a line each.
pub(crate) fn joined(source: &Source) -> Result<String, Vec<String>> {
    flatten(source).ok_or_else(|| {
        let findings = policy_compiler::compile(source).findings;
        let place = |finding: &policy_compiler::Finding| {
            finding.primary.as_ref().map_or(String::new(), |label| {
                let place = source.position(label.span.start);
                format!(" ({}:{}:{})", source.file_at(label.span.start).name, place.line, place.column)
            })
        };
        let errors = findings.iter().filter(|finding| finding.is_error());
        errors.map(|finding| format!("{}{}", finding.one_line(), place(finding))).collect()
    })
}

/// The bundle in `file`, if it begins as one does.
///
/// # Errors
/// When the file cannot be read.
pub fn bundle_in(file: &Path) -> io::Result<Option<Written>> {
    // One byte more than is read tells the loader that there is more.
    let mut reader = File::open(file)?.take(MAX_BUNDLE_BYTES as u64 + 1);
    let mut bytes = Vec::new();
    reader.by_ref().take(32).read_to_end(&mut bytes)?;
    if !Bundle::is_one(&bytes) {
        return Ok(None);
    }
    reader.read_to_end(&mut bytes)?;
    Written::read(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn text_of(file: &Path) -> Result<Source, (PathBuf, io::Error)> {
    let text = std::fs::read_to_string(file).map_err(|error| (file.to_owned(), error))?;
    Ok(Source::new(file.display().to_string(), text))
}

/// The folder of a manifest's first file.
struct Folder {
    path: PathBuf,
    /// What was asked for, found or not.
    asked: RefCell<BTreeSet<PathBuf>>,
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<String, String> {
        let path = self.path.join(path);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        self.asked.borrow_mut().insert(path);
        text
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let folder = self.path.join(folder);
        self.asked.borrow_mut().insert(folder.join("*"));
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        // A name that is not text cannot be written in a manifest either.
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_with_its_files_and_a_missing_one_is_a_finding_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("teams")).unwrap();
        write("gateway.yaml", "apiVersion: sluicegate/v1\ninclude: [teams/*.yaml, prices.yaml]\n");
        write("teams/claims.yaml", "teams: {claims: {}}\n");
        write("prod.yaml", "teams: {claims: {residency: eu}}\n");
        let files =
            ManifestFiles::new(&folder.path().join("gateway.yaml"), &[folder.path().join("prod.yaml")]);
        let source = files.read().unwrap();
        let names: Vec<_> = source.files().map(|file| file.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["gateway.yaml", "claims.yaml", "prod.yaml"]);
        let lines = joined(&source).unwrap_err();
        assert!(
            lines.iter().any(|line| line.starts_with("SG1701") && line.ends_with("gateway.yaml:2:25)")),
            "{lines:?}"
        );
        write("prices.yaml", "{models: {gpt-4o: {}}}\n");
        let text = joined(&files.read().unwrap()).unwrap();
        assert!(text.contains("claims:\n    residency: eu\n") && text.contains("gpt-4o: {}\n"), "{text}");
        assert!(!text.contains("include"), "{text}");
        let places = files.places();
        assert!(places.contains(&folder.path().join("teams/*")) && places.len() == 5, "{places:?}");
    }
}
