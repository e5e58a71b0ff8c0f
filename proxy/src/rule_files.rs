//! Rule sets of the WAF on this machine's disk: where a folder keeps its setup, rules and plugins. It owns paths; it
//! refuses the language in the files.

use std::path::{Path, PathBuf};

use policy_compiler::seclang::{Entry, RuleFiles};

/// Where Debian's package keeps the setup of the rules in `/usr/share/modsecurity-crs`.
const DEBIAN_SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";

/// The largest rule or data file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// Files of the disk, by their paths.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Disk;

impl RuleFiles for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        if size > MAX_BYTES {
            return Err(format!("it has more than {} MiB", MAX_BYTES >> 20));
        }
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let path = Path::new(pattern);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            let file = entry.file_name();
            let matches = file.to_str().is_some_and(|file| wild(name, file));
            if matches && let Some(path) = entry.path().to_str() {
                found.push(path.to_owned());
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

/// What to load from a folder: a release of CRS, Debian's package, or a folder of `.conf` files. Plugins of CRS 4 are
/// read in the order it asks for.
///
/// # Errors
///
/// What is missing, and how to name it.
pub(crate) fn entry(folder: &Path, setup: Option<&Path>) -> Result<Entry, String> {
    if !folder.is_dir() {
        return Err(format!("{} is no folder", folder.display()));
    }
    let beside = |name: &str| folder.join(name);
    let inside = if beside("rules").is_dir() { beside("rules") } else { folder.to_owned() };
    let setup: Option<PathBuf> = setup.map(Path::to_owned).or_else(|| {
        let candidates =
            [beside("crs-setup.conf"), beside("crs-setup.conf.example"), PathBuf::from(DEBIAN_SETUP)];
        candidates.into_iter().find(|path| path.is_file())
    });
    let mut entry = Entry::default();
    entry.setup.extend(setup.map(|path| path.display().to_string()));
    let plugins = |what: &str| {
        let pattern = beside("plugins").join(what).display().to_string();
        let any = Disk.glob(&pattern).is_ok_and(|found| !found.is_empty());
        any.then_some(pattern)
    };
    entry.rules.extend(plugins("*-config.conf"));
    entry.rules.extend(plugins("*-before.conf"));
    entry.rules.push(inside.join("*.conf").display().to_string());
    entry.rules.extend(plugins("*-after.conf"));
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_what_its_wildcards_allow() {
        assert!(wild("*.conf", "a.conf") && wild("R?-*.conf", "R1-x.conf") && wild("*", ""));
        assert!(!wild("*.conf", "a.conf.example") && !wild("?", "") && !wild("a", "ab"));
    }

    #[test]
    fn plugins_stand_around_the_rules_and_the_setup_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for file in
            ["crs-setup.conf.example", "rules/a.conf", "plugins/x-before.conf", "plugins/x-after.conf"]
        {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let entry = entry(folder.path(), None).unwrap();
        let names = |paths: &[String]| {
            paths.iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&entry.setup), ["crs-setup.conf.example"]);
        assert_eq!(names(&entry.rules), ["*-before.conf", "*.conf", "*-after.conf"]);
    }
}
