//! Gathers the manifests of `tests/mistakes`, so that `sluicegate explain` shows for every code what the
//! tests compile. It owns that list and nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    println!("cargo::rerun-if-changed=tests/mistakes");
    fs::write(out.join("examples.rs"), table(&here.join("tests/mistakes"))?)
}

/// An expression: a list of names, each with whether it is a folder, its files and their texts, in the order of the names.
fn table(folder: &Path) -> io::Result<String> {
    let mut list = String::from("&[\n");
    for entry in sorted(folder)? {
        let name = entry.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let mut files = String::new();
        gather(&entry, if entry.is_dir() { "" } else { "gateway.yaml" }, &mut files)?;
        // Writing to a string cannot fail.
        let _ = writeln!(list, "    ({name:?}, {}, &[{files}]),", entry.is_dir());
    }
    list.push_str("]\n");
    Ok(list)
}

/// A file, or every file below a folder, as pairs of a path and a text.
fn gather(path: &Path, name: &str, files: &mut String) -> io::Result<()> {
    if !path.is_dir() {
        let _ = write!(files, "({name:?}, include_str!({path:?})), ");
        return Ok(());
    }
    for below in sorted(path)? {
        let own = below.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = if name.is_empty() { own.to_owned() } else { format!("{name}/{own}") };
        gather(&below, &name, files)?;
    }
    Ok(())
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}
