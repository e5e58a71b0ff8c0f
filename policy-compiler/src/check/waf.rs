//! A firewall's words mean something, and each part has what it needs. What rules say is compiled elsewhere
//! (`ruleset`).

use ::waf::fields::{Class, Schema};
use ::waf::leak::Kind;

use super::Context;
use crate::diagnostics::{Code, Finding, suggest};
use crate::manifest::{BodySchema, FieldClass, Leaks, Waf};
use crate::ruleset;
use crate::seclang;

/// Classes that people read and programs do not.
const READ_BY_PEOPLE: [FieldClass; 3] = [FieldClass::Prose, FieldClass::Code, FieldClass::Media];

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, waf) in &context.manifest.waf {
        let one = One { context, name, waf };
        findings.extend(one.exclusions());
        findings.extend(one.overrides());
        findings.extend(one.paths());
        findings.extend(one.kinds());
        findings.extend(one.without_effect());
        findings.extend(one.exempted());
    }
    findings
}

struct One<'c> {
    context: &'c Context<'c>,
    name: &'c str,
    waf: &'c Waf,
}

impl One<'_> {
    fn malformed(&self, below: &[&str], message: String, help: impl Into<String>) -> Finding {
        let path = [&["waf", self.name], below].concat();
        Finding::new(Code::MalformedWaf, message).at_value(self.context.document, &path, "").help(help)
    }

    fn exclusions(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (exclusion, written) in &self.waf.exclusions {
            let at = ["exclusions", exclusion.as_str()];
            if !ruleset::is_said(written) {
                let message = format!("exclusion `{exclusion}` names neither rules nor families");
                let help = "say what it concerns: `rules: 942100`, or `families: sqli`";
                findings.push(self.malformed(&at, message, help));
            }
            for text in written.rules.0.iter().filter(|text| ruleset::range(text).is_none()) {
                let message = format!("`{text}` is no rule's id");
                findings.push(self.malformed(
                    &at,
                    message,
                    "write an id, `\"942100\"`, or a range, `942100-942190`",
                ));
            }
            if let Some(target) = &written.target
                && let Some((what, fix)) = seclang::target_fault(target)
            {
                let at = ["exclusions", exclusion, "target"];
                findings.push(self.malformed(&at, format!("`{target}` is no target: {what}"), fix));
            }
        }
        findings
    }

    fn overrides(&self) -> Vec<Finding> {
        let wrong = self.waf.overrides.keys().filter(|id| ruleset::range(id).is_none());
        let one = |id: &String| {
            let message = format!("`{id}` is no rule's id");
            self.malformed(
                &["overrides", id],
                message,
                "write an id, `\"942100\"`, or a range, `942100-942190`",
            )
        };
        wrong.map(one).collect()
    }

    fn paths(&self) -> Vec<Finding> {
        let one = |path: &String| {
            let fault = Schema::new([(path.as_str(), Class::Unknown)]).err()?;
            Some(self.malformed(
                &["fields", path],
                fault.to_string(),
                "steps are names or `*`, with dots between",
            ))
        };
        self.waf.fields.keys().filter_map(one).collect()
    }

    fn kinds(&self) -> Vec<Finding> {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        let leaks = |leaks: Option<&Leaks>, at: &[&str]| -> Vec<Finding> {
            let unknown = leaks.into_iter().flat_map(|leaks| leaks.kinds.keys());
            let unknown = unknown.filter(|kind| Kind::from_name(kind).is_none());
            let one = |kind: &String| {
                let path = [at, &["kinds", kind]].concat();
                self.malformed(
                    &path,
                    format!("there is no kind of leak `{kind}`"),
                    suggest::help(kind, &known, "kinds"),
                )
            };
            unknown.map(one).collect()
        };
        let answers = self.waf.answers.as_ref().and_then(|answers| answers.leaks.as_ref());
        let mut findings = leaks(self.waf.prompts.as_ref(), &["prompts"]);
        findings.extend(leaks(answers, &["answers", "leaks"]));
        findings
    }

    fn without_effect(&self) -> Vec<Finding> {
        let waf = self.waf;
        let rules = waf.ruleset.is_some();
        let custom = waf.schema == Some(BodySchema::Custom) && waf.fields.is_empty();
        let schema = waf.schema.is_some() && !custom;
        let needs = [
            ("paranoia", "ruleset", waf.paranoia.is_some() && !rules),
            ("thresholds", "ruleset", waf.thresholds.is_some() && !rules),
            ("exclusions", "ruleset", !waf.exclusions.is_empty() && !rules),
            ("overrides", "ruleset", !waf.overrides.is_empty() && !rules),
            ("schema", "fields", custom),
            ("fields", "schema", !waf.fields.is_empty() && waf.schema.is_none()),
            ("exempt", "schema", waf.exempt.is_some() && !schema),
            ("prompts", "schema", waf.prompts.is_some() && !schema),
            ("jailbreak", "schema", waf.jailbreak.is_some() && !schema),
        ];
        let mut findings: Vec<Finding> = needs
            .into_iter()
            .filter(|(.., useless)| *useless)
            .map(|(part, lacks, _)| {
                let message = format!("`{part}` of firewall `{}` does nothing without `{lacks}`", self.name);
                self.useless(part, message, format!("add `{lacks}`, or remove `{part}`"))
            })
            .collect();
        let listened = self
            .context
            .manifest
            .listeners
            .values()
            .any(|listener| listener.waf.as_deref() == Some(self.name));
        if waf.key_failures.is_some() && !listened {
            let message =
                format!("no listener names firewall `{}`, so its `keyFailures` counts nothing", self.name);
            findings.push(self.useless(
                "keyFailures",
                message,
                format!("add `waf: {}` to a listener", self.name),
            ));
        }
        findings
    }

    fn useless(&self, part: &str, message: String, help: String) -> Finding {
        let path = ["waf", self.name, part];
        Finding::new(Code::UselessWaf, message)
            .at_key(self.context.document, &path, "without effect")
            .help(help)
    }

    fn exempted(&self) -> Option<Finding> {
        let out = self.waf.exempt.as_ref()?;
        let read: Vec<String> = out
            .iter()
            .filter(|class| !READ_BY_PEOPLE.contains(class))
            .map(|class| format!("{class:?}").to_lowercase())
            .collect();
        if read.is_empty() || self.waf.ruleset.is_none() {
            return None;
        }
        let message =
            format!("rules of firewall `{}` do not look at fields of class {}", self.name, read.join(", "));
        let path = ["waf", self.name, "exempt"];
        let finding = Finding::new(Code::ExemptedClass, message).at_value(
            self.context.document,
            &path,
            "programs read these",
        );
        Some(finding.help("leave single paths out with `fields`, or single rules with `exclusions`"))
    }
}
