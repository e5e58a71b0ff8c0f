//! An example of every code: the first manifest among the tests' mistakes that provokes it. It owns finding
//! and showing one; it refuses to make any up.

use std::sync::Arc;

use crate::compile::compile;
use crate::diagnostics::render::masked;
use crate::diagnostics::{Code, Finding, Style, render};
use crate::seclang::RuleFiles;
use crate::source::{Files, Source, gather};

/// Paths and texts.
type Texts = &'static [(&'static str, &'static str)];

/// Name and files of every mistake, in the order of names, which begin with a code.
const MISTAKES: &[(&str, bool, Texts)] = include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// Longer examples are told by what is found in them alone.
const SHOWN: usize = 60;

/// A manifest that provokes a finding.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The code at its beginning, then what is wrong.
    pub name: &'static str,
    /// Whether it is a folder, whose files include each other.
    pub(crate) folder: bool,
    files: Texts,
}

/// The files of an example, held in memory.
struct Held(Texts);

impl Files for Held {
    fn read(&self, path: &str) -> Result<String, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let below = |(name, _): &(&str, &str)| {
            let rest = if folder.is_empty() { name } else { name.strip_prefix(folder)?.strip_prefix('/')? };
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.0.iter().filter_map(below).collect();
        names.dedup();
        if names.is_empty() { Err("no such folder".to_owned()) } else { Ok(names) }
    }
}

impl RuleFiles for Held {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        Files::read(self, path).map(String::into_bytes)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, pattern) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let names = self.names(folder).unwrap_or_default();
        let wanted = |name: &String| {
            *name == pattern || pattern.strip_prefix('*').is_some_and(|end| name.ends_with(end))
        };
        Ok(names.into_iter().filter(wanted).map(|name| format!("{folder}/{name}")).collect())
    }
}

/// An example of a code. What stands outside the text, such as a missing file, has none.
#[must_use]
pub fn example(code: Code) -> Option<Example> {
    let found = MISTAKES.iter().find(|(name, ..)| name.starts_with(code.as_str()));
    found.map(|(name, folder, files)| Example { name, folder: *folder, files })
}

/// Every example, in the order of names.
pub(crate) fn examples() -> impl Iterator<Item = Example> {
    MISTAKES.iter().map(|(name, folder, files)| Example { name, folder: *folder, files })
}

impl Example {
    /// The code it is an example of.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.name.split('-').next().and_then(Code::find)
    }

    fn source(&self) -> Source {
        let text = |name| self.files.iter().find(|(path, _)| *path == name).map(|(_, text)| *text);
        let root = Source::new("gateway.yaml", text("gateway.yaml").unwrap_or_default());
        let overlay = text("overlay.yaml").map(|text| Source::new("overlay.yaml", text));
        let source = match (self.folder, overlay) {
            (false, _) => root,
            (true, overlay) => gather(root, overlay.as_slice(), &Held(self.files)),
        };
        source.with_rules(Arc::new(Held(self.files)))
    }

    /// It, with secrets masked, and what the compiler says about its code in it.
    #[must_use]
    pub fn findings(&self) -> (Source, Vec<Finding>) {
        let source = self.source();
        let mut findings = compile(&source).findings;
        let source = masked(&findings, &source).into_owned();
        findings.retain(|finding| Some(finding.code) == self.code());
        (source, findings)
    }
}

/// The long explanation of a code with an example of it and what to do, for `sluicegate explain`; `None`
/// when there is no such code.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let code = Code::find(code)?;
    let (severity, title, text) = (code.severity().name(), code.title(), code.explanation());
    let mut page = format!("{code} ({severity}): {title}\n\n{text}\n");
    if let Some(example) = example(code) {
        let (source, findings) = example.findings();
        if source.text.lines().count() <= SHOWN {
            page.push_str("\nFor example:\n\n");
            for file in source.files() {
                if source.count() > 1 {
                    page.push_str(&format!("    # {}\n", file.name));
                }
                for line in file.text.lines() {
                    page.push_str(format!("    {line}").trim_end());
                    page.push('\n');
                }
            }
        }
        page.push_str("\nWhat is said of it:\n\n");
        page.push_str(&render(&findings, &source, Style::Plain));
    }
    Some(page)
}
