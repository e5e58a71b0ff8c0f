//! Several files as one manifest. It owns how an included file and an overlay join what is there, and what
//! they may not do; it refuses to find the files (`source` does) and to know what fields mean.
//!
//! An included file adds. Whatever two files both say they say alike, an entry belongs to the file that
//! says it first, and another file may add to it only what takes something away from callers. An overlay is
//! the operator's own and may change anything.

mod flatten;

use crate::diagnostics::{Code, Finding};
use crate::source::{Document, Entry, Kind, Node, Role, Source, Span, read_part};
pub use flatten::flatten;

/// Sections that are maps of things by name. Others belong whole to the file that has them.
const BY_NAME: [&str; 14] = [
    "access",
    "acl",
    "backends",
    "consumers",
    "hooks",
    "identities",
    "issuers",
    "limits",
    "listeners",
    "models",
    "pools",
    "routes",
    "teams",
    "waf",
];

/// Fields that can only take something away where there was none: section and field.
const NARROWING: [(&str, &str); 15] = [
    ("consumers", "limit"),
    ("listeners", "access"),
    ("listeners", "private"),
    ("listeners", "waf"),
    ("models", "limit"),
    ("routes", "access"),
    ("routes", "consumers"),
    ("routes", "hook"),
    ("routes", "limit"),
    ("teams", "access"),
    ("teams", "budget"),
    ("teams", "dataClass"),
    ("teams", "hook"),
    ("teams", "limit"),
    ("teams", "residency"),
];

/// Reads all files of a source and joins them. `None` when the first one, or any other, cannot be read.
pub(crate) fn compose(source: &Source, findings: &mut Vec<Finding>) -> Option<Document> {
    let mut trees = Vec::new();
    for file in source.files() {
        trees.push((file.role, read_part(file, findings)));
    }
    findings.extend(source.faults().iter().cloned());
    let mut trees = trees.into_iter();
    let (_, root) = trees.next()?;
    let mut joining = Joining { source, findings, root: root? };
    for (role, tree) in trees {
        joining.join(role, tree?);
    }
    joining.allowed_before_blocked();
    joining.take_include();
    let Joining { root, .. } = joining;
    Some(Document { source: source.clone(), root })
}

struct Joining<'s, 'f> {
    source: &'s Source,
    findings: &'f mut Vec<Finding>,
    root: Node,
}

impl Joining<'_, '_> {
    fn join(&mut self, role: Role, tree: Node) {
        if !matches!(tree.kind, Kind::Map(_)) {
            let finding =
                Finding::new(Code::WrongType, format!("a file of a manifest is {}", tree.type_name()));
            self.findings.push(
                finding
                    .at(tree.span, "not a map")
                    .help("write sections in it, as in the manifest's first file"),
            );
            return;
        }
        let mut root = std::mem::replace(&mut self.root, Node { span: Span::default(), kind: Kind::Null });
        match role {
            Role::Overlay => self.overlay(&mut root, tree, &mut Vec::new()),
            Role::Root | Role::Include => self.include(&mut root, tree),
        }
        self.root = root;
    }

    fn include(&mut self, root: &mut Node, tree: Node) {
        let (Kind::Map(fields), Kind::Map(added)) = (&mut root.kind, tree.kind) else { return };
        for section in added.into_entries() {
            if matches!(section.key.as_str(), "include" | "$schema") {
                continue;
            }
            let named = BY_NAME.contains(&section.key.as_str());
            match fields.get_mut(&section.key) {
                None => fields.put(section),
                Some(old) if named => self.section(old, section),
                Some(old) => self.agree(old, section, &mut Vec::new()),
            }
        }
    }

    /// Joins two files' parts of a section of things by name.
    fn section(&mut self, old: &mut Entry, new: Entry) {
        let mut path = vec![old.key.clone()];
        match (&mut old.value.kind, new.value.kind) {
            (Kind::Map(entries), Kind::Map(added)) => {
                for entry in added.into_entries() {
                    match entries.get_mut(&entry.key) {
                        None => entries.put(entry),
                        Some(known) => self.agree(known, entry, &mut path),
                    }
                }
            }
            (_, kind) => {
                let new = Entry { value: Node { kind, ..new.value }, ..new };
                path.clear();
                self.agree(old, new, &mut path);
            }
        }
    }

    /// Holds what a file says of an entry against what another said first.
    fn agree(&mut self, old: &mut Entry, new: Entry, path: &mut Vec<String>) {
        path.push(new.key.clone());
        match (&mut old.value.kind, new.value.kind) {
            (Kind::Map(fields), Kind::Map(said)) => {
                for field in said.into_entries() {
                    let narrows = matches!(path.as_slice(), [section, _]
                        if NARROWING.contains(&(section.as_str(), field.key.as_str())));
                    match fields.get_mut(&field.key) {
                        Some(known) => self.agree(known, field, path),
                        None if narrows => fields.put(field),
                        None => self.widens(old.key_span, &field, path),
                    }
                }
            }
            (kind, said) if json(kind) == json(&said) => {}
            _ => {
                let message = format!("two files say different things of `{}`", path.join("."));
                self.findings.push(
                    Finding::new(Code::FilesContradict, message)
                        .about(path)
                        .at(new.key_span, "said otherwise here")
                        .also(old.key_span, "said first here")
                        .help("say it in one file; what differs between environments goes into an overlay"),
                );
            }
        }
        path.pop();
    }

    fn widens(&mut self, owner: Span, field: &Entry, path: &[String]) {
        let message = format!("`{}` is another file's, and gains `{}` here", path.join("."), field.key);
        self.findings.push(
            Finding::new(Code::IncludeWidens, message)
                .about(&[path, std::slice::from_ref(&field.key)].concat())
                .at(field.key_span, "added here")
                .also(owner, "defined here")
                .help("write the field where the entry is defined; a file may add entries of its own, and limits and access rules to others'"),
        );
    }

    /// A rule of an included file that lets requests through before another file's rule can refuse them.
    fn allowed_before_blocked(&mut self) {
        if self.source.count() == 1 {
            return;
        }
        let Some(acl) = self.root.get("acl") else { return };
        let place = |entry: &Entry| {
            let priority = match entry.value.get("priority").map(|node| &node.kind) {
                Some(Kind::Number(number)) => number.as_u64().unwrap_or(0),
                _ => 0,
            };
            (priority, entry.key.clone())
        };
        let does =
            |entry: &Entry, action: &str| entry.value.get("action").and_then(Node::text) == Some(action);
        let file = |entry: &Entry| self.source.file_at(entry.key_span.start).start;
        // Of each file only its last blocking rule matters.
        let mut last: std::collections::BTreeMap<usize, &Entry> = std::collections::BTreeMap::new();
        for entry in acl.entries().iter().filter(|entry| does(entry, "block")) {
            let kept = last.entry(file(entry)).or_insert(entry);
            if place(kept) < place(entry) {
                *kept = entry;
            }
        }
        let mut found = Vec::new();
        for allow in acl.entries().iter().filter(|entry| does(entry, "allow")) {
            if self.source.file_at(allow.key_span.start).role != Role::Include {
                continue;
            }
            let later = last.iter().find(|(of, block)| **of != file(allow) && place(block) > place(allow));
            if let Some((_, block)) = later {
                let message = format!(
                    "`acl.{}` lets through what another file's `{}` may refuse",
                    allow.key, block.key
                );
                found.push(
                    Finding::new(Code::IncludeWidens, message)
                        .about(&["acl", &allow.key])
                        .at(allow.key_span, "asked first")
                        .also(block.key_span, "never asked then")
                        .help("give it a higher priority number than the rule that refuses, or write it in the file of that rule"),
                );
            }
        }
        self.findings.append(&mut found);
    }

    /// Changes what is there: maps by key, everything else whole; `null` takes away.
    fn overlay(&mut self, base: &mut Node, over: Node, path: &mut Vec<String>) {
        match (&mut base.kind, over.kind) {
            (Kind::Map(fields), Kind::Map(changes)) => {
                for change in changes.into_entries() {
                    path.push(change.key.clone());
                    self.change(fields, change, path);
                    path.pop();
                }
            }
            (_, kind) => *base = Node { span: over.span, kind },
        }
    }

    fn change(&mut self, fields: &mut crate::source::Fields, change: Entry, path: &mut Vec<String>) {
        if path.as_slice() == ["include"] {
            self.findings.push(
                Finding::new(Code::IncludeElsewhere, "an overlay includes files")
                    .about(path)
                    .at(change.key_span, "not read")
                    .help("name further overlays on the command line: `--overlay` can be repeated"),
            );
            return;
        }
        if change.value.kind == Kind::Null {
            if !fields.remove(&change.key) {
                let message = format!("the overlay takes away `{}`, which is not there", path.join("."));
                self.findings.push(
                    Finding::new(Code::OverlayOfNothing, message)
                        .about(path)
                        .at(change.key_span, "nothing to take away")
                        .help("correct the name, or remove the line"),
                );
            }
            return;
        }
        match fields.get_mut(&change.key) {
            Some(old) if matches!((&old.value.kind, &change.value.kind), (Kind::Map(_), Kind::Map(_))) => {
                self.overlay(&mut old.value, change.value, path);
            }
            _ => fields.put(change),
        }
    }

    /// What is included is part of the manifest now.
    fn take_include(&mut self) {
        let Some(include) = self.root.entry("include") else { return };
        if !self.source.is_gathered() {
            let finding =
                Finding::new(Code::IncludeElsewhere, "the manifest includes files that did not come with it");
            self.findings.push(
                finding
                    .about(&["include"])
                    .at(include.key_span, "not read")
                    .help("`sluicegate publish` sends a manifest with all its files as one"),
            );
        }
        if well_formed(&include.value)
            && let Kind::Map(fields) = &mut self.root.kind
        {
            fields.remove("include");
        }
    }
}

/// One text or a list of them; anything else stays, so that the schema says what it should be.
fn well_formed(include: &Node) -> bool {
    let text = |node: &Node| node.text().is_some_and(|text| !text.is_empty());
    text(include) || (!include.items().is_empty() && include.items().iter().all(text))
}

fn json(kind: &Kind) -> serde_json::Value {
    Node { span: Span::default(), kind: kind.clone() }.to_json()
}
