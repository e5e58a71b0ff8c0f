//! Rule sets that a manifest names, compiled: from `waf` to programs. It owns what the manifest's words mean for
//! rules and where their faults are told; it refuses the language itself (`seclang` has it) and reading files.

mod families;

use std::collections::BTreeMap;

use waf::program::{Collection, Disruption, Effect, EngineMode, Program};
use waf::run::Engine;

use crate::diagnostics::{Code, Finding};
use crate::manifest::{Manifest, RuleAction, Ruleset, Waf, WafExclusion};
use crate::seclang::{self, Exclusion, Fault, Loaded, Settings};
use crate::source::{Document, Entry, Node, Source};

pub use families::{Opened, opens};

/// Programs by the name of their firewall, in postcard's form.
pub(crate) type Programs = BTreeMap<String, Vec<u8>>;

/// More faults of one rule set than this are counted, not told.
const MOST_FAULTS: usize = 20;

/// Compiles every rule set of a manifest.
pub(crate) fn programs(document: &Document, manifest: &Manifest) -> (Programs, Vec<Finding>) {
    let (mut programs, mut findings) = (Programs::new(), Vec::new());
    for (name, waf) in &manifest.waf {
        let Some(ruleset) = &waf.ruleset else { continue };
        match one(document, name, waf, ruleset) {
            Ok((program, found)) => {
                programs.insert(name.clone(), program);
                findings.extend(found);
            }
            Err(found) => findings.extend(found),
        }
    }
    (programs, findings)
}

/// Folders of rules, and setup files, that a manifest names, as it names them.
#[must_use]
pub fn rule_folders(source: &Source) -> Vec<String> {
    if !source.text.contains("ruleset") {
        return Vec::new();
    }
    let Some(document) = crate::compile::read(source) else { return Vec::new() };
    let firewalls = document.value(&["waf"]).map_or(&[][..], Node::entries);
    let named = |firewall: &Entry| {
        let ruleset = firewall.value.get("ruleset")?;
        let text = |field| ruleset.get(field).and_then(Node::text).map(str::to_owned);
        Some([
            text("dir").map(|dir| format!("{dir}/*")),
            text("dir").map(|dir| format!("{dir}/rules/*")),
            text("setup"),
        ])
    };
    firewalls.iter().filter_map(named).flatten().flatten().collect()
}

type Compiled = (Vec<u8>, Vec<Finding>);

fn one(document: &Document, name: &str, waf: &Waf, ruleset: &Ruleset) -> Result<Compiled, Vec<Finding>> {
    let told = |what: String, help: String| {
        let path = ["waf", name, "ruleset", "dir"];
        let message = format!("the rule set of firewall `{name}` cannot be compiled: {what}");
        Finding::new(Code::UncompiledRules, message).at_value(document, &path, "named here").help(help)
    };
    let Some(files) = document.source.rules() else {
        let help = "compile the manifest where the rules are, with `sluicegate compile --bundle`, and hand in the bundle";
        return Err(vec![told("there are no files here".to_owned(), help.to_owned())]);
    };
    let faults = |faults: Vec<Fault>| -> Vec<Finding> {
        let more = faults.len().saturating_sub(MOST_FAULTS);
        let mut found: Vec<Finding> =
            faults.into_iter().take(MOST_FAULTS).map(|fault| fault_of(&told, fault)).collect();
        if more > 0 {
            found.push(told(
                format!("{more} more faults"),
                "mend the first ones; `sluicegate waf import` tells all".to_owned(),
            ));
        }
        found
    };
    let entry = seclang::entry(files, &ruleset.dir, ruleset.setup.as_deref()).map_err(|why| {
        vec![told(why, "name a folder with rules, such as /usr/share/modsecurity-crs".to_owned())]
    })?;
    let settings = settings(waf);
    let Loaded { mut program, .. } = seclang::load(files, &entry, &settings).map_err(faults)?;
    amend(&mut program, waf);
    let mut findings = Vec::new();
    if !(settings.exclusions.is_empty() && settings.remove_ids.is_empty() && settings.remove_tags.is_empty())
    {
        let whole =
            Settings { exclusions: Vec::new(), remove_ids: Vec::new(), remove_tags: Vec::new(), ..settings };
        if let Ok(whole) = seclang::load(files, &entry, &whole) {
            findings.extend(told_open(document, name, &families::opened(&whole.program, &program)));
        }
    }
    if let Err(error) = Engine::new(program.clone()) {
        return Err(vec![told(error.to_string(), "shorten the pattern or split its rule".to_owned())]);
    }
    let bytes =
        postcard::to_allocvec(&program).map_err(|error| vec![told(error.to_string(), String::new())])?;
    Ok((bytes, findings))
}

fn fault_of(told: &impl Fn(String, String) -> Finding, fault: Fault) -> Finding {
    let place = if fault.line > 0 { format!("{}:{}", fault.file, fault.line) } else { fault.file };
    told(format!("{place}: {}", fault.what), fault.fix)
}

fn told_open(document: &Document, name: &str, opened: &[Opened]) -> Vec<Finding> {
    let one = |opened: &Opened| {
        let message = format!("firewall `{name}` leaves {opened}");
        let path =
            if document.value(&["waf", name, "exclusions"]).is_some() { "exclusions" } else { "overrides" };
        let finding =
            Finding::new(Code::OpenedFamily, message).at_key(document, &["waf", name, path], "by these");
        finding.help("leave out single rules for a single target, as `sluicegate waf tune` proposes them")
    };
    opened.iter().map(one).collect()
}

/// What a manifest says, in the compiler's own terms. Words that mean nothing were found by the checks.
pub(crate) fn settings(waf: &Waf) -> Settings {
    let mut settings = Settings {
        mode: Some(EngineMode::On),
        paranoia: Some(waf.paranoia.unwrap_or(1)),
        inbound_threshold: waf.thresholds.and_then(|thresholds| thresholds.inbound),
        outbound_threshold: waf.thresholds.and_then(|thresholds| thresholds.outbound),
        ..Settings::default()
    };
    for exclusion in waf.exclusions.values() {
        let ids: Vec<(u32, u32)> = exclusion.rules.0.iter().filter_map(|text| range(text)).collect();
        let tags: Vec<String> = exclusion.families.0.iter().map(|family| families::tag(family)).collect();
        match &exclusion.target {
            Some(target) => settings.exclusions.push(Exclusion { target: target.clone(), ids, tags }),
            None => {
                settings.remove_ids.extend(ids);
                settings.remove_tags.extend(tags);
            }
        }
    }
    let off = waf.overrides.iter().filter(|(_, action)| **action == RuleAction::Off);
    settings.remove_ids.extend(off.filter_map(|(id, _)| range(id)));
    settings
}

/// An id, or both ends of a range of them.
pub(crate) fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
    match text.split_once('-') {
        Some((from, to)) => Some((number(from)?, number(to)?)).filter(|(from, to)| from <= to),
        None => number(text).map(|id| (id, id)),
    }
}

/// Whether an exclusion says what it concerns.
pub(crate) fn is_said(exclusion: &WafExclusion) -> bool {
    !(exclusion.rules.is_empty() && exclusion.families.is_empty())
}

/// Rules that only tell, and rules that refuse by themselves.
fn amend(program: &mut Program, waf: &Waf) {
    for (id, action) in &waf.overrides {
        let Some((from, to)) = range(id) else { continue };
        for rule in program.rules.iter_mut().filter(|rule| (from..=to).contains(&rule.id)) {
            match action {
                RuleAction::Off => {}
                RuleAction::Log => {
                    rule.disruption = Disruption::Pass;
                    rule.logged = true;
                    rule.links.iter_mut().for_each(|link| link.effects.retain(|effect| !scores(effect)));
                }
                RuleAction::Block => rule.disruption = Disruption::Deny(403),
            }
        }
    }
}

fn scores(effect: &Effect) -> bool {
    matches!(effect, Effect::Set { collection: Collection::Tx, change: waf::program::Change::Add(_), .. })
}
