//! Somebody gets through: the access rules of a listener and a route, all of which a request has to satisfy,
//! leave an address, a country and a value of each header. It owns this proof; `access` looks at single rules.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use super::overlaps::path_of;
use super::ranges::Addresses;
use crate::diagnostics::{Code, Finding, Request, Witness};
use crate::manifest::{AccessRule, Listener, Mode, OnFailure, Route};
use crate::resolve::network;

/// What nobody can have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Address,
    Country,
    Header(String),
}

/// Who is let through by everything looked at so far. Its parts are independent but for the country of an
/// address, which no manifest tells: that a part is empty is a proof, that none is says that some may come.
#[derive(Clone, Debug)]
struct Admitted<'m> {
    addresses: Addresses,
    /// Any where nothing is stated.
    countries: Option<BTreeSet<&'m str>>,
    denied: BTreeSet<&'m str>,
    /// Whether one whose country is not known is let through.
    unknown_country: bool,
    /// The values that are left of each, any where nothing is stated.
    headers: BTreeMap<String, Option<BTreeSet<&'m str>>>,
}

impl<'m> Admitted<'m> {
    fn everybody() -> Self {
        Self {
            addresses: Addresses::all(),
            countries: None,
            denied: BTreeSet::new(),
            unknown_country: true,
            headers: BTreeMap::new(),
        }
    }

    fn by_listener(listener: &Listener) -> Self {
        let everybody = Self::everybody();
        let addresses = if listener.private { Addresses::private() } else { everybody.addresses };
        Self { addresses, ..everybody }
    }

    fn require(&mut self, header: &str, values: impl Iterator<Item = &'m str>) {
        let values: BTreeSet<&str> = values.collect();
        let left = self.headers.entry(header.to_ascii_lowercase()).or_default();
        if !values.is_empty() {
            *left = Some(left.as_ref().map_or_else(|| values.clone(), |left| left & &values));
        }
    }

    /// What is left by the headers that a route matches.
    fn meet(&mut self, route: &'m Route) {
        for (header, value) in &route.matching.header {
            self.require(header, std::iter::once(value.as_str()).filter(|value| *value != "*"));
        }
    }

    /// What is left by one more rule. Rules that only count let everybody through.
    fn by(&mut self, rule: &'m AccessRule) {
        if rule.mode != Mode::Enforce {
            return;
        }
        let networks =
            |texts: &[String]| -> Option<Vec<_>> { texts.iter().map(|t| network(t).ok()).collect() };
        // What cannot be read is said elsewhere, and would let in nobody.
        if let (Some(allow), Some(deny)) = (networks(&rule.allow), networks(&rule.deny)) {
            if !allow.is_empty() {
                self.addresses = self.addresses.and(&Addresses::of(&allow));
            }
            self.addresses = self.addresses.less(&Addresses::of(&deny));
        }
        if let Some(countries) = &rule.countries {
            let codes = |codes: &'m [crate::manifest::CountryCode]| codes.iter().map(|code| code.0.as_str());
            if !countries.allow.is_empty() {
                let own: BTreeSet<&str> = codes(&countries.allow).collect();
                self.countries =
                    Some(self.countries.as_ref().map_or_else(|| own.clone(), |left| left & &own));
            }
            self.denied.extend(codes(&countries.deny));
            let silent = countries.allow.is_empty() && countries.deny.is_empty();
            self.unknown_country &= silent || rule.on_failure == OnFailure::Open;
        }
        for (header, values) in &rule.headers {
            self.require(header, values.wanted().iter().map(String::as_str));
        }
    }

    fn lack(&self) -> Option<Lack> {
        if self.addresses.is_empty() {
            return Some(Lack::Address);
        }
        let known = self.countries.as_ref().is_none_or(|left| left.iter().any(|c| !self.denied.contains(c)));
        if !known && !self.unknown_country {
            return Some(Lack::Country);
        }
        let empty = |(name, left): (&String, &Option<BTreeSet<&str>>)| {
            left.as_ref().is_some_and(BTreeSet::is_empty).then(|| Lack::Header(name.clone()))
        };
        self.headers.iter().find_map(empty)
    }

    /// Takes rule after rule; the place of the one that leaves nobody, what is lacking, and who was left.
    fn by_all(mut self, rules: impl Iterator<Item = (usize, &'m AccessRule)>) -> Result<Self, Refused<'m>> {
        for (index, rule) in rules {
            let before = Box::new(self.clone());
            self.by(rule);
            if let Some(lack) = self.lack() {
                return Err(Refused { index, lack, before });
            }
        }
        Ok(self)
    }

    /// One who gets as far as this.
    fn request(&self, path: String, listener: &str) -> Request {
        let known = self.countries.as_ref().and_then(|left| left.iter().find(|c| !self.denied.contains(*c)));
        let value = |left: &Option<BTreeSet<&'m str>>| {
            left.as_ref().and_then(|left| left.first().copied()).unwrap_or("x").to_owned()
        };
        Request {
            path,
            listener: Some(listener.to_owned()),
            from: (self.addresses != Addresses::all())
                .then(|| self.addresses.some().map(|address| address.to_string()))
                .flatten(),
            country: known.map(|country| (*country).to_owned()),
            headers: self.headers.iter().map(|(name, left)| (name.clone(), value(left))).collect(),
            ..Request::default()
        }
    }
}

/// A rule that nobody satisfies who has satisfied those before it.
#[derive(Clone, Debug)]
struct Refused<'m> {
    index: usize,
    lack: Lack,
    before: Box<Admitted<'m>>,
}

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Vec<(&str, Admitted<'_>)> = Vec::new();
    for (name, listener) in &context.manifest.listeners {
        match Admitted::by_listener(listener).by_all(rules(context, &listener.access)) {
            Ok(admitted) => open.push((name, admitted)),
            Err(refused) if is_void(context, &listener.access, refused.index) => {}
            Err(refused) => {
                findings.push(report(context, ["listeners", name], "/".to_owned(), name, &refused))
            }
        }
    }
    let mut known = BTreeMap::new();
    for (name, route) in &context.manifest.routes {
        // Many routes have the same rules.
        let key = (&route.access, &route.matching.header);
        let verdict = known.entry(key).or_insert_with(|| refused(context, &open, route));
        if let Some((listener, refused)) = verdict {
            findings.push(report(context, ["routes", name], path_of(route), listener, refused));
        }
    }
    findings
}

/// The access rules of these names, as far as there are such, each with its place.
fn rules<'m>(context: &'m Context<'_>, names: &'m [String]) -> impl Iterator<Item = (usize, &'m AccessRule)> {
    names.iter().enumerate().filter_map(|(at, name)| Some((at, context.manifest.access.get(name)?)))
}

/// Whether a rule leaves nobody by itself, which `access` says of it.
fn is_void(context: &Context<'_>, names: &[String], index: usize) -> bool {
    let mut alone = Admitted::everybody();
    let rule = names.get(index).and_then(|name| context.manifest.access.get(name));
    rule.is_some_and(|rule| {
        alone.by(rule);
        alone.lack().is_some()
    })
}

/// What refuses everybody on a route, whatever listener they came by; the first listener's as an example.
fn refused<'m>(
    context: &'m Context<'_>,
    open: &[(&'m str, Admitted<'m>)],
    route: &'m Route,
) -> Option<(&'m str, Refused<'m>)> {
    let mut alone = Admitted::everybody();
    alone.meet(route);
    // Conditions that contradict each other are said to do so.
    if alone.lack().is_some() {
        return None;
    }
    let mut first = None;
    for (listener, admitted) in open {
        let mut admitted = admitted.clone();
        admitted.meet(route);
        // The route's conditions alone leave nobody: there is no rule of its own to name.
        let refused = match admitted.lack() {
            Some(lack) => Refused { index: usize::MAX, lack, before: Box::new(admitted) },
            None => admitted.by_all(rules(context, &route.access)).err()?,
        };
        if is_void(context, &route.access, refused.index) {
            return None;
        }
        first.get_or_insert((*listener, refused));
    }
    first
}

fn report(
    context: &Context<'_>,
    [section, name]: [&str; 2],
    path: String,
    listener: &str,
    refused: &Refused<'_>,
) -> Finding {
    let lacking = match &refused.lack {
        Lack::Address => "no address satisfies them all".to_owned(),
        Lack::Country => "no country satisfies them all".to_owned(),
        Lack::Header(header) => format!("no value of the header `{header}` satisfies them all"),
    };
    let kind = section.trim_end_matches('s');
    let message = format!("access rules let nobody through to the {kind} `{name}`: {lacking}");
    let own = [section, name, "access"];
    let index = refused.index.to_string();
    let finding = Finding::new(Code::NobodyAdmitted, message);
    let place = [&own[..], &[index.as_str()]].concat();
    let finding = if context.document.value(&place).is_some() {
        finding.at_value(context.document, &place, "refuses whom those before it let in")
    } else {
        finding.at_key(context.document, &[section, name], "nobody gets here")
    };
    let witness = Witness::from(refused.before.request(path, listener));
    let finding = finding.witness(witness);
    let listens = ["listeners", listener, "access"];
    let finding = match section == "routes" && context.document.value(&listens).is_some() {
        true => finding.also(context.document.key_span(&listens), "applies before"),
        false => finding,
    };
    finding.help("a request has to satisfy each of its rules: put what may come in into one rule")
}

#[cfg(test)]
mod tests;
