//! Rule sets of the WAF on this machine's disk, below the manifest's folder where their paths are relative. It owns
//! reading them; it refuses the language in the files.

use std::path::{Path, PathBuf};

use policy_compiler::seclang::RuleFiles;

/// The largest rule or data file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// Files of the disk, by their paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    /// What relative paths are relative to.
    base: PathBuf,
}

impl Disk {
    /// The disk as seen from a folder.
    pub(crate) fn below(base: &Path) -> Self {
        Self { base: base.to_owned() }
    }
}

impl RuleFiles for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.base.join(path);
        let size = std::fs::metadata(&path).map_err(|error| error.to_string())?.len();
        if size > MAX_BYTES {
            return Err(format!("it has more than {} MiB", MAX_BYTES >> 20));
        }
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let path = Path::new(pattern);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let within = path.parent().unwrap_or(Path::new(""));
        let folder = self.base.join(within);
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            let file = entry.file_name();
            if let Some(file) = file.to_str().filter(|file| wild(name, file)) {
                found.push(within.join(file).display().to_string());
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Whether a name is one of a pattern's, `*` being any text and `?` any character.
fn wild(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| name.get(at..).is_some_and(|tail| wild(rest, tail)))
        }
        Some(one) => {
            let mut letters = name.chars();
            letters.next().is_some_and(|letter| one == '?' || one == letter)
                && wild(chars.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_what_its_wildcards_allow() {
        assert!(wild("*.conf", "a.conf") && wild("R?-*.conf", "R1-x.conf") && wild("*", ""));
        assert!(!wild("*.conf", "a.conf.example") && !wild("?", "") && !wild("a", "ab"));
    }
}
