//! Edits of requests and answers touch only what may be edited, and do not contradict each other.

use std::collections::BTreeMap;

use serde_json::Number;

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{BodyEdits, BodyField, Clamp, HeaderEdits, PathRewrite, Rewrite};
use crate::resolve::{self, header_fault, reserved};

/// Fields of a body that are read before any edit, and decide what becomes of the request.
const ROUTED: [&str; 6] = ["model", "stream", "stream_options", "messages", "input", "prompt"];

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, route) in &context.manifest.routes {
        let Some(rewrite) = &route.rewrite else { continue };
        let members = context.manifest.pools.get(&route.pool).map(|pool| context.members(pool));
        let piped = members.filter(|members| !members.is_empty());
        let piped = piped.map(|members| members.iter().all(|member| member.serving.is_none()));
        let holder = Holder { context, section: "routes", name, kind: "route", piped };
        findings.extend(holder.check(rewrite));
    }
    for (name, backend) in &context.manifest.backends {
        let Some(rewrite) = &backend.rewrite else { continue };
        let piped = Some(!backend.kind.has_models());
        let holder = Holder { context, section: "backends", name, kind: "backend", piped };
        findings.extend(holder.check(rewrite));
    }
    findings
}

/// A route or backend with edits.
struct Holder<'c, 'a> {
    context: &'c Context<'a>,
    section: &'static str,
    name: &'a str,
    kind: &'static str,
    /// Whether requests are passed through unread; unknown where the pool has no sound member.
    piped: Option<bool>,
}

impl Holder<'_, '_> {
    fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        [&[self.section, self.name, "rewrite"], rest].concat()
    }

    fn at(&self, code: Code, message: String, rest: &[&str], label: &str) -> Finding {
        Finding::new(code, message).at_key(self.context.document, &self.path(rest), label)
    }

    fn check(&self, rewrite: &Rewrite) -> Vec<Finding> {
        let mut findings = self.headers(&rewrite.request.headers, "request");
        findings.extend(self.headers(&rewrite.response.headers, "response"));
        findings.extend(self.unread(rewrite));
        if let Some(path) = &rewrite.request.path {
            findings.extend(self.check_path(path));
        }
        findings.extend(self.routed(&rewrite.request.body));
        findings.extend(self.contradictions(&rewrite.request.body));
        for (field, clamp) in &rewrite.request.body.clamp {
            findings.extend(self.clamp(field, clamp, &rewrite.request.body));
        }
        findings
    }

    fn headers(&self, edits: &HeaderEdits, side: &str) -> Vec<Finding> {
        let (kind, holder) = (self.kind, self.name);
        let set = edits.set.iter().map(|(name, value)| ("set", name, value.as_str()));
        let removed = edits.remove.iter().map(|name| ("remove", name, "*"));
        let mut findings = Vec::new();
        let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for (edit, name, value) in set.chain(removed) {
            let place = [side, "headers", edit, name];
            if let Some((what, help)) = header_fault(name, value) {
                let message = format!("a header that {kind} `{holder}` edits is malformed: {what}");
                findings.push(self.at(Code::MalformedHeader, message, &place, "").help(help));
                continue;
            }
            if let Some(reserved) = reserved(name) {
                let message = format!(
                    "{kind} `{holder}` cannot edit the header `{name}`, which {}",
                    reserved.because()
                );
                let finding = self.at(Code::ReservedHeader, message, &place, "not for the manifest to edit");
                findings.push(finding.help("remove it; a backend's credential is stated by its `auth`"));
                continue;
            }
            if let Some((first_edit, first)) = seen.insert(name.to_ascii_lowercase(), (edit, name)) {
                let message = format!("{kind} `{holder}` edits the header `{name}` twice");
                let finding = self.at(Code::ContradictoryEdits, message, &place, "again here");
                let first = self.context.document.key_span(&self.path(&[side, "headers", first_edit, first]));
                findings.push(finding.also(first, "first here").help(
                    "keep one of the two: setting a header replaces what the caller sent, no removal is needed",
                ));
            }
        }
        findings
    }

    /// Edits of a body that nobody reads, and of a path that is an operation.
    fn unread(&self, rewrite: &Rewrite) -> Vec<Finding> {
        let (kind, name) = (self.kind, self.name);
        let mut findings = Vec::new();
        let request = &rewrite.request;
        if self.piped == Some(true) {
            let edits = [
                ("body", request.body != BodyEdits::default()),
                ("systemPrefix", request.system_prefix.is_some()),
            ];
            for (field, _) in edits.iter().filter(|(_, edited)| *edited) {
                let message = format!(
                    "`{field}` of {kind} `{name}` has nothing to edit: requests are passed through unread"
                );
                let finding = self.at(Code::UnreadBody, message, &["request", field], "not read");
                findings.push(finding.help("remove it, or lead to AI backends"));
            }
        }
        if self.piped == Some(false) && request.path.is_some() {
            let message = format!("{kind} `{name}` cannot rewrite the path, which names the operation");
            let finding = self.at(Code::PathOfOperation, message, &["request", "path"], "of AI requests");
            findings.push(finding.help("remove it; a path prefix of a backend stands in its `url`"));
        }
        findings
    }

    fn check_path(&self, path: &PathRewrite) -> Vec<Finding> {
        let fields = [("prefix", path.prefix.as_str()), ("replacement", path.replacement.as_str())];
        let mut findings = Vec::new();
        for (field, text) in fields {
            let nothing = field == "replacement" && text.is_empty();
            if !nothing && !matches!(resolve::path(text), Ok(rule_table::PathMatch::Exact(_))) {
                let message =
                    format!("the `{field}` of {} `{}` is not the beginning of a path", self.kind, self.name);
                let place = ["request", "path", field];
                findings.push(
                    Finding::new(Code::MalformedPath, message)
                        .at_value(self.context.document, &self.path(&place), "")
                        .help("begin it with `/`, without query and `*`"),
                );
            }
        }
        findings
    }

    fn routed(&self, edits: &BodyEdits) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (edit, field) in fields(edits) {
            let keys = BodyField::keys(field);
            let Some(first) = keys.first().filter(|first| ROUTED.contains(&first.as_str())) else { continue };
            let message =
                format!("{} `{}` cannot edit `{first}`, which is read before any edit", self.kind, self.name);
            let finding = self.at(
                Code::RoutedField,
                message,
                &["request", "body", edit, field],
                "decides what becomes of the request",
            );
            findings.push(finding.help(match first.as_str() {
                "model" => "match on `model` in a route, or state the model's `upstreamName`",
                "stream" | "stream_options" => "remove it: the caller decides whether its answer is streamed",
                _ => "remove it; `systemPrefix` puts text before the caller's own",
            }));
        }
        findings
    }

    fn contradictions(&self, edits: &BodyEdits) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen: BTreeMap<Vec<String>, (&str, &str)> = BTreeMap::new();
        for (edit, field) in fields(edits) {
            let Some((first_edit, first)) = seen.insert(BodyField::keys(field), (edit, field)) else {
                continue;
            };
            // A default or a clamp after another edit than a removal has work left to do.
            if edit == "clamp" && first_edit != "remove" {
                continue;
            }
            let message =
                format!("{} `{}` edits `{field}` by both `{first_edit}` and `{edit}`", self.kind, self.name);
            let place = ["request", "body", edit, field];
            let finding = self.at(Code::ContradictoryEdits, message, &place, "again here");
            let span = self.context.document.key_span(&self.path(&["request", "body", first_edit, first]));
            findings.push(finding.also(span, "first here").help("keep one of the two"));
        }
        findings
    }

    fn clamp(&self, field: &str, clamp: &Clamp, edits: &BodyEdits) -> Option<Finding> {
        let number = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        let (kind, name) = (self.kind, self.name);
        let place = ["request", "body", "clamp", field];
        let useless = |why: String, help: &str| {
            let message = format!("the clamp of `{field}` in {kind} `{name}` has no effect: {why}");
            Some(self.at(Code::UselessClamp, message, &place, "").help(help))
        };
        match (number(&clamp.min), number(&clamp.max)) {
            (None, None) => return useless("it has no bounds".to_owned(), "add `min`, `max` or both"),
            (Some(min), Some(max)) if min > max => {
                let (min, max) = (clamp.min.as_ref()?, clamp.max.as_ref()?);
                return useless(
                    format!("`min` {min} is above `max` {max}"),
                    "exchange the two, or correct one",
                );
            }
            _ => {}
        }
        let keys = BodyField::keys(field);
        let given = edits.set.iter().chain(&edits.default).find(|(other, _)| BodyField::keys(other) == keys);
        let (_, value) = given.filter(|(_, value)| !value.is_number())?;
        let kind_of = if value.is_string() { "text" } else { "no number" };
        useless(format!("the field is given {kind_of}"), "remove the clamp, or give the field a number")
    }
}

/// Every field that is edited, with the name of its edit, in the order in which they apply.
fn fields(edits: &BodyEdits) -> impl Iterator<Item = (&'static str, &str)> {
    let removed = edits.remove.iter().map(|field| ("remove", field.as_str()));
    let set = edits.set.keys().map(|field| ("set", field.as_str()));
    let default = edits.default.keys().map(|field| ("default", field.as_str()));
    removed.chain(set).chain(default).chain(edits.clamp.keys().map(|field| ("clamp", field.as_str())))
}
