//! From the first file of a manifest to all of them. It owns which files `include` means and what is wrong
//! with a path; it refuses to read them itself and to say how they fit together (`compose` does).

use std::collections::BTreeSet;

use super::{Kind, MAX_BYTES, Node, Role, Source, Span, glob, yaml};
use crate::diagnostics::{Code, Finding};

/// Files that include files that include files, so many times.
const MAX_DEPTH: usize = 8;
/// More files than that are a mistake in a pattern.
const MAX_FILES: usize = 10_000;

/// Where a manifest's other files are read. Paths have `/` between names and are relative to the folder of
/// the manifest's first file.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in a few words.
    fn read(&self, path: &str) -> Result<String, String>;

    /// The names of what is in a folder, in any order; the empty path is the first file's own folder.
    ///
    /// # Errors
    /// Why it cannot be listed, in a few words.
    fn names(&self, folder: &str) -> Result<Vec<String>, String>;
}

/// The whole manifest: the first file, every file that it and they include, and overlays in their order.
/// What cannot be read becomes a finding of [`crate::compile`].
#[must_use]
pub fn gather(root: Source, overlays: &[Source], files: &dyn Files) -> Source {
    let prefix = root.name.rfind('/').and_then(|slash| root.name.get(..=slash)).unwrap_or("").to_owned();
    let own = root.name.get(prefix.len()..).unwrap_or_default().to_owned();
    let mut gathering =
        Gathering { whole: root, files, prefix, seen: BTreeSet::from([own.clone()]), chain: vec![own] };
    gathering.follow(0);
    let mut whole = gathering.whole;
    for overlay in overlays {
        whole.add(overlay.name.clone(), &overlay.text, Role::Overlay);
    }
    whole.gathered = true;
    whole
}

struct Gathering<'f> {
    whole: Source,
    files: &'f dyn Files,
    /// Of the first file's name, so that the others are shown the way it is.
    prefix: String,
    seen: BTreeSet<String>,
    /// The file that is being followed, and those that led to it.
    chain: Vec<String>,
}

impl Gathering<'_> {
    /// Adds what the file with this index includes, and what that includes.
    fn follow(&mut self, index: usize) {
        let file = self.whole.file(index);
        // Most manifests are one file: they need not be read twice.
        if !file.text.contains("include") {
            return;
        }
        // What is wrong with its text is said when it is compiled.
        let Some(tree) = yaml::read_part(file, &mut Vec::new()) else { return };
        for (pattern, span) in patterns(&tree) {
            for path in self.expand(&pattern, span) {
                self.include(path, span);
            }
        }
    }

    fn include(&mut self, path: String, by: Span) {
        if self.chain.contains(&path) {
            let message = format!("`{path}` includes itself");
            let finding = Finding::new(Code::IncludeCycle, message).at(by, "around in a circle");
            return self.fault(finding, "remove one of the includes of this circle");
        }
        if self.chain.len() > MAX_DEPTH {
            let message = format!("files include each other more than {MAX_DEPTH} deep");
            let finding = Finding::new(Code::IncludeCycle, message).at(by, "one level too many");
            return self.fault(finding, "include the file from one that stands higher");
        }
        if !self.seen.insert(path.clone()) {
            return;
        }
        if self.whole.count() >= MAX_FILES || self.whole.text.len() > MAX_BYTES {
            let message = format!(
                "with `{path}` the manifest is more than {MAX_FILES} files or {} MiB",
                MAX_BYTES >> 20
            );
            let finding = Finding::new(Code::TooLarge, message).at(by, "too much");
            return self.fault(finding, "split what it describes over several gateways");
        }
        match self.files.read(&path) {
            Ok(text) => {
                self.whole.add(format!("{}{path}", self.prefix), &text, Role::Include);
                let index = self.whole.others.len();
                self.chain.push(path);
                self.follow(index);
                self.chain.pop();
            }
            Err(why) => {
                let message = format!("the included file `{path}` cannot be read: {why}");
                let finding = Finding::new(Code::UnreadInclude, message).at(by, "included here");
                self.fault(finding, "correct the path, which is relative to the file that includes it");
            }
        }
    }

    /// The files that a pattern stands for, in the order of their names.
    fn expand(&mut self, pattern: &str, span: Span) -> Vec<String> {
        let folder =
            self.chain.last().and_then(|file| file.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let Some(segments) = within(folder, pattern) else {
            let message = format!("`{pattern}` leads out of the manifest's folder");
            let finding = Finding::new(Code::IncludeOutside, message).at(span, "not below this folder");
            self.fault(finding, "keep included files in the folder of the first file, or below it");
            return Vec::new();
        };
        let mut paths = vec![String::new()];
        for segment in &segments {
            paths = paths.iter().flat_map(|path| self.step(path, segment)).collect();
        }
        let own = self.chain.last().cloned().unwrap_or_default();
        let patterned = segments.iter().any(|segment| glob::is_pattern(segment));
        if patterned {
            // `*.yaml` beside the file that says so does not mean that file.
            paths.retain(|path| *path != own);
            paths.sort_unstable();
            if paths.is_empty() {
                let message = format!("`{pattern}` matches no file");
                let finding = Finding::new(Code::EmptyInclude, message).at(span, "nothing there");
                self.fault(finding, "correct the pattern, or remove it until there is a file");
            }
        }
        paths
    }

    /// One name further down from `path`.
    fn step(&self, path: &str, segment: &str) -> Vec<String> {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if !glob::is_pattern(segment) {
            return vec![below(segment)];
        }
        let mut names = self.files.names(path).unwrap_or_default();
        names.sort_unstable();
        names.iter().filter(|name| glob::matches(segment, name)).map(|name| below(name)).collect()
    }

    fn fault(&mut self, finding: Finding, help: &str) {
        self.whole.faults.push(finding.about(&["include"]).help(help));
    }
}

/// What `include` lists, each with its place.
fn patterns(tree: &Node) -> Vec<(String, Span)> {
    let Some(include) = tree.get("include") else { return Vec::new() };
    let text = |node: &Node| node.text().map(|text| (text.to_owned(), node.span));
    match &include.kind {
        Kind::List(items) => items.iter().filter_map(text).collect(),
        _ => text(include).into_iter().collect(),
    }
}

/// The names from the first file's folder down to `path`, which is relative to `folder`; `None` when it
/// leads elsewhere.
fn within(folder: &str, path: &str) -> Option<Vec<String>> {
    if path.starts_with('/') || path.contains(['\\', ':', '\0']) {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for name in folder.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name.to_owned()),
        }
    }
    (!names.is_empty()).then_some(names)
}
