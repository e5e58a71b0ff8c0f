//! ModSecurity's rule language, as OWASP CRS writes it, compiled to a program of the WAF. It owns the language: words,
//! directives, patterns, the order of things. It refuses to read files itself and to run rules. What it does not know
//! is a fault with a place, never skipped.

mod actions;
mod amend;
mod build;
mod entry;
mod fault;
mod lexer;
mod operators;
mod partial;
mod pattern;
mod report;
mod text;
mod variables;

pub use entry::entry;
pub use fault::Fault;
pub use report::Report;

use serde::{Deserialize, Serialize};
use waf::program::{Disruption, EngineMode, Program};

/// Where rule files come from. Paths are as the entry or an `Include` wrote them, joined to the folder of the
/// including file where they are relative.
pub trait RuleFiles {
    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, for a person.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The files a pattern names, in order. `*` and `?` stand in the last step only.
    ///
    /// # Errors
    ///
    /// Why the folder cannot be read, for a person.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String>;
}

/// What to load, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Setup files, read before what [`Settings`] decides. One that is absent is a fault.
    pub setup: Vec<String>,
    /// Rules: files or patterns. A pattern that names no file is a fault.
    pub rules: Vec<String>,
}

/// What a manifest decides about a rule set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Instead of what `SecRuleEngine` says.
    pub mode: Option<EngineMode>,
    /// Rules of which paranoia level score, 1 to 4.
    pub paranoia: Option<u8>,
    /// Rules of which paranoia level run without scoring.
    pub detection_paranoia: Option<u8>,
    /// The score a request is refused at.
    pub inbound_threshold: Option<u32>,
    /// The score an answer is refused at.
    pub outbound_threshold: Option<u32>,
    /// Directives between the setup and the rules, with the name they are told by.
    pub before: Option<(String, String)>,
    /// Directives after the rules.
    pub after: Option<(String, String)>,
    /// Rules that are left out, with both ends.
    pub remove_ids: Vec<(u32, u32)>,
    /// Rules with one of these tags are left out.
    pub remove_tags: Vec<String>,
    /// What single rules do instead.
    pub actions: Vec<(u32, Disruption)>,
    /// What rules do not look at.
    pub exclusions: Vec<Exclusion>,
    /// Leaves out computing what can be known before any request. For comparing both.
    pub unevaluated: bool,
}

/// A target some rules do not look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// `ARGS:comment`, as in `SecRuleUpdateTargetById`.
    pub target: String,
    /// Which rules: all, where both lists are empty.
    pub ids: Vec<(u32, u32)>,
    /// Which tags.
    pub tags: Vec<String>,
}

/// A rule set that was read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What runs.
    pub program: Program,
    /// What was read.
    pub report: Report,
}

/// Reads a rule set.
///
/// # Errors
///
/// Everything that is wrong, in the order it stands, never half a program.
pub fn load(files: &dyn RuleFiles, entry: &Entry, settings: &Settings) -> Result<Loaded, Vec<Fault>> {
    let mut builder = build::Builder::new(files);
    entry.setup.iter().for_each(|path| builder.file(path));
    builder.text("settings", &of_settings(settings));
    if let Some((name, text)) = &settings.before {
        builder.text(name, text);
    }
    entry.rules.iter().for_each(|pattern| builder.files(pattern));
    if let Some((name, text)) = &settings.after {
        builder.text(name, text);
    }
    let read = builder.finish()?;
    let mut report = Report::of(&read);
    let mut program = amend::amend(read, settings)?;
    if let Some(mode) = settings.mode {
        program.mode = mode;
    }
    if !settings.unevaluated {
        partial::evaluate(&mut program);
    }
    report.kept(&program);
    Ok(Loaded { program, report })
}

/// What is wrong with a target that an exclusion names, and how to mend it.
pub(crate) fn target_fault(written: &str) -> Option<(String, String)> {
    match variables::targets(written) {
        Ok(read) if read.targets.len() == 1 && read.except.is_empty() => None,
        Ok(_) => Some(("it is not one target".to_owned(), "write one, such as `ARGS:comment`".to_owned())),
        Err(wrong) => Some((wrong.what, wrong.fix)),
    }
}

/// The target that an exclusion names.
pub(crate) fn excluded(written: &str) -> Option<waf::program::Target> {
    variables::targets(written).ok()?.targets.into_iter().next()
}

/// Settings in the language's own words, under the names CRS 3 and CRS 4 give them.
fn of_settings(settings: &Settings) -> String {
    let mut set = Vec::new();
    let mut both = |names: [&str; 2], value: Option<String>| {
        if let Some(value) = value {
            set.extend(names.map(|name| format!("setvar:tx.{name}={value}")));
        }
    };
    both(["paranoia_level", "blocking_paranoia_level"], settings.paranoia.map(|level| level.to_string()));
    let detection = settings.detection_paranoia.or(settings.paranoia);
    both(["executing_paranoia_level", "detection_paranoia_level"], detection.map(|level| level.to_string()));
    let inbound = settings.inbound_threshold.map(|score| score.to_string());
    both(["inbound_anomaly_score_threshold"; 2], inbound);
    let outbound = settings.outbound_threshold.map(|score| score.to_string());
    both(["outbound_anomaly_score_threshold"; 2], outbound);
    if set.is_empty() {
        return String::new();
    }
    format!("SecAction \"id:4294967295,phase:1,pass,nolog,t:none,{}\"\n", set.join(","))
}
