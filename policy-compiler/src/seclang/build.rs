//! Directives in their order: rules with their chains, defaults, markers, includes. It owns the state of reading; what
//! names rules elsewhere is settled by [`super::amend`].

mod directives;

use waf::program::{EngineMode, Place, Reading, Test};

use super::actions::{Actions, Which, WrittenEffect, actions};
use super::fault::{Fault, Wrong};
use super::lexer::{Directive, directives};
use super::operators::operator;
use super::variables::{Targets, targets};
use super::{RuleFiles, lexer};

/// Includes inside each other.
const DEPTH: usize = 16;

/// A rule as it was written.
#[derive(Debug, Clone)]
pub(super) struct WrittenRule {
    pub(super) place: Place,
    pub(super) actions: Actions,
    pub(super) links: Vec<WrittenLink>,
}

/// A link of a chain.
#[derive(Debug, Clone)]
pub(super) struct WrittenLink {
    pub(super) test: Option<Test>,
    pub(super) effects: Vec<WrittenEffect>,
}

/// A change to rules that stand elsewhere.
#[derive(Debug, Clone)]
pub(super) enum Amendment {
    Remove(Which),
    Targets(Which, Targets),
    Actions(Which, Box<Actions>),
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) mode: EngineMode,
    pub(super) reading: Reading,
    pub(super) signature: String,
    pub(super) rules: Vec<WrittenRule>,
    /// Markers with how many rules stand before them.
    pub(super) markers: Vec<(String, usize)>,
    /// Default actions by phase.
    pub(super) defaults: Vec<(u32, Actions)>,
    pub(super) amendments: Vec<(Fault, Amendment)>,
    /// Files with their bytes.
    pub(super) files: Vec<(String, usize)>,
    /// Directives and actions that do nothing here, with how often.
    pub(super) without_effect: std::collections::BTreeMap<String, u32>,
}

/// Reads files into [`Read`].
pub(super) struct Builder<'f> {
    files: &'f dyn RuleFiles,
    read: Read,
    faults: Vec<Fault>,
    /// The last rule waits for its next link.
    chain_is_open: bool,
    depth: usize,
}

/// Where a directive stands.
struct Here<'h> {
    file: &'h str,
    line: u32,
}

impl<'f> Builder<'f> {
    pub(super) fn new(files: &'f dyn RuleFiles) -> Self {
        let read = Read { mode: EngineMode::DetectionOnly, ..Read::default() };
        Self { files, read, faults: Vec::new(), chain_is_open: false, depth: 0 }
    }

    /// Reads what a pattern names; naming nothing is a fault.
    pub(super) fn files(&mut self, pattern: &str) {
        if !pattern.contains(['*', '?']) {
            self.file(pattern);
            return;
        }
        match self.files.glob(pattern) {
            Ok(paths) if paths.is_empty() => {
                let wrong =
                    Wrong::new("names no file", "check the folder; on Debian install modsecurity-crs");
                self.faults.push(wrong.at(pattern, 0));
            }
            Ok(paths) => paths.iter().for_each(|path| self.file(path)),
            Err(why) => self
                .faults
                .push(Wrong::new(format!("cannot be read: {why}"), "check the folder").at(pattern, 0)),
        }
    }

    /// Reads one file.
    pub(super) fn file(&mut self, path: &str) {
        match self.files.read(path) {
            Ok(bytes) => self.contents(path, &bytes),
            Err(why) => {
                self.faults.push(Wrong::new(format!("cannot be read: {why}"), "check the path").at(path, 0));
            }
        }
    }

    /// Reads what a file holds.
    fn contents(&mut self, path: &str, bytes: &[u8]) {
        self.read.files.push((path.to_owned(), bytes.len()));
        self.bytes(path, bytes);
    }

    /// Reads directives that stand in no file.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.bytes(name, &lexer::bytes(text));
    }

    fn bytes(&mut self, file: &str, bytes: &[u8]) {
        if self.depth > DEPTH {
            self.faults.push(
                Wrong::new("includes itself, or too many files inside each other", "cut the circle")
                    .at(file, 0),
            );
            return;
        }
        self.depth = self.depth.saturating_add(1);
        for lexed in directives(bytes) {
            match lexed {
                Ok(directive) => {
                    let here = Here { file, line: directive.line };
                    if let Err(wrong) = self.directive(&here, &directive) {
                        self.faults.push(wrong.at(file, directive.line));
                        self.chain_is_open = false;
                    }
                }
                Err((line, wrong)) => self.faults.push(wrong.at(file, line)),
            }
        }
        if std::mem::take(&mut self.chain_is_open) {
            let line = self.read.rules.last().map_or(0, |rule| rule.place.line);
            let wrong =
                Wrong::new("a chain does not end in this file", "add its last SecRule, or remove `chain`");
            self.faults.push(wrong.at(file, line));
        }
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn finish(self) -> Result<Read, Vec<Fault>> {
        if self.faults.is_empty() { Ok(self.read) } else { Err(self.faults) }
    }

    /// `SecRule TARGETS OPERATOR [ACTIONS]`.
    fn rule(&mut self, here: &Here<'_>, directive: &Directive) -> Result<(), Wrong> {
        let mut words = directive.words.iter();
        let (Some(variables), Some(asked)) = (words.next(), words.next()) else {
            return Err(Wrong::new(
                "SecRule needs targets and an operator",
                "write `SecRule ARGS \"@rx x\" \"id:1,…\"`",
            ));
        };
        let actions = actions(words.next().map_or("", String::as_str))?;
        if words.next().is_some() {
            return Err(Wrong::new("SecRule has more than three arguments", "put quotes around each"));
        }
        let Targets { targets, except } = targets(variables)?;
        if targets.is_empty() {
            return Err(Wrong::new("SecRule looks at nothing", "name a target"));
        }
        let beside = |name: &str| self.beside(here.file, name);
        let asked = operator(asked, &beside)?;
        let test = Test {
            targets,
            except,
            transformations: actions.transformations.clone(),
            multi_match: actions.multi_match,
            operator: asked.operator,
            negated: asked.negated,
            capture: actions.capture,
        };
        self.add(here, Some(test), actions)
    }

    /// A data file, beside the rule file unless its path is absolute.
    fn beside(&self, file: &str, name: &str) -> Result<Vec<u8>, Wrong> {
        let path = joined(file, name);
        self.files.read(&path).map_err(|why| {
            Wrong::new(format!("the data file `{path}` cannot be read: {why}"), "put it beside the rule file")
        })
    }

    fn action(&mut self, here: &Here<'_>, directive: &Directive) -> Result<(), Wrong> {
        let actions = actions(directive.words.first().map_or("", String::as_str))?;
        self.add(here, None, actions)
    }

    fn add(&mut self, here: &Here<'_>, test: Option<Test>, mut actions: Actions) -> Result<(), Wrong> {
        for name in &actions.without_effect {
            *self.read.without_effect.entry((*name).to_owned()).or_default() += 1;
        }
        let link = WrittenLink { test, effects: std::mem::take(&mut actions.effects) };
        let goes_on = actions.chain;
        if std::mem::replace(&mut self.chain_is_open, goes_on) {
            if actions.id.is_some() {
                return Err(Wrong::new(
                    "a link of a chain has an id",
                    "the rule that begins the chain has it",
                ));
            }
            if let Some(rule) = self.read.rules.last_mut() {
                rule.links.push(link);
            }
            return Ok(());
        }
        if actions.id.is_none() {
            self.chain_is_open = false;
            return Err(Wrong::new("the rule has no id", "add `id:` and a number that no other rule has"));
        }
        let file = here.file.rsplit('/').next().unwrap_or(here.file).to_owned();
        let place = Place { file, line: here.line };
        let known = self.read.rules.iter().find(|rule| rule.actions.id == actions.id);
        if let Some(known) = known {
            let other = format!("{}:{}", known.place.file, known.place.line);
            let id = actions.id.unwrap_or_default();
            return Err(Wrong::new(
                format!("the id {id} is also that of the rule at {other}"),
                "give it another",
            ));
        }
        self.read.rules.push(WrittenRule { place, actions, links: vec![link] });
        Ok(())
    }
}

/// A path beside a file.
fn joined(file: &str, name: &str) -> String {
    match file.rsplit_once('/') {
        Some((folder, _)) if !name.starts_with('/') => format!("{folder}/{name}"),
        _ => name.to_owned(),
    }
}
