//! What is said of places is true and can be kept: regions and places exist, a statement does not contradict
//! what follows from a SKU, and a team's data has somewhere to go.

use std::collections::BTreeSet;

use rule_table::Geography;

use super::{Context, Standing};
use crate::diagnostics::{Code, Finding, Witness, suggest};
use crate::manifest::{
    Backend, BackendKind, Consumer, Credential, Fallback, Issuer, Place, Pool, Route, Sku, Team,
};
use crate::resolve::{derived, place, region, regions, stands_in_its_region};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, backend) in &context.manifest.backends {
        findings.extend(regions_of(context, name, backend));
        findings.extend(statements(context, name, backend));
    }
    for (name, team) in &context.manifest.teams {
        let path = ["teams", name, "residency"];
        let Some(stated) = &team.residency else { continue };
        match place(&stated.0) {
            None => findings.push(no_such_place(context, &path, &stated.0)),
            Some(residency) => {
                findings.extend(nowhere_to_go(context, name, &Wanted { team: name, of: team, residency }));
            }
        }
    }
    findings.extend(fallbacks(context));
    findings
}

fn no_such_place(context: &Context<'_>, path: &[&str], text: &str) -> Finding {
    let help = if text == "uk" {
        "ISO 3166-1 calls the United Kingdom `gb`"
    } else {
        "write `eu`, `us`, or a country by its two letters (ISO 3166-1), such as `de`"
    };
    Finding::new(Code::UnknownPlace, format!("`{text}` is neither a zone nor a country"))
        .at_value(context.document, path, "no such place")
        .help(help)
}

fn regions_of(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let text = backend.region.as_deref()?;
    let path = ["backends", name, "region"];
    if backend.kind != BackendKind::AzureOpenai && !stands_in_its_region(backend.kind) {
        let kind = backend.kind.name();
        let message =
            format!("the region of backend `{name}` does not tell where kind `{kind}` processes data");
        let finding = Finding::new(Code::UselessRegion, message);
        let finding = finding.at_value(context.document, &path, "has no effect");
        return Some(finding.help("state `processing` as its contract has it, such as `processing: eu`"));
    }
    if region(text).is_some() || all_stated(backend) {
        return None;
    }
    let known = regions();
    let finding = Finding::new(Code::UnknownRegion, format!("no Azure region is called `{text}`"));
    let finding = finding.at_value(context.document, &path, "not in the table");
    let help = match suggest::nearest(text, known) {
        Some(close) => format!("write `{close}`, or state `processing` yourself if it is a new region"),
        None => "write the region as Azure does, such as `swedencentral`, or state `processing` yourself"
            .to_owned(),
    };
    Some(finding.help(help))
}

/// Whether every deployment has a place although the region is not known.
fn all_stated(backend: &Backend) -> bool {
    backend.processing.is_some()
        || (!backend.deployments.is_empty() && backend.deployments.values().all(|d| d.processing.is_some()))
        || (!backend.models.is_empty() && backend.models.values().all(|m| m.processing.is_some()))
}

/// Stated places exist, and hold what follows from region and SKU.
fn statements(context: &Context<'_>, name: &str, backend: &Backend) -> Vec<Finding> {
    let on_backend = ["backends", name, "processing"];
    let mut stated: Vec<(Vec<&str>, &Place, Option<Sku>)> = Vec::new();
    if let Some(place) = &backend.processing {
        stated.push((on_backend.to_vec(), place, None));
    }
    for (model, of) in &backend.models {
        let path = vec!["backends", name, "models", model, "processing"];
        stated.extend(of.processing.as_ref().map(|place| (path, place, None)));
    }
    for (deployment, of) in &backend.deployments {
        let path = vec!["backends", name, "deployments", deployment, "processing"];
        stated.extend(of.processing.as_ref().map(|place| (path, place, of.sku)));
        // What the backend says holds for every deployment on it.
        stated.extend(backend.processing.as_ref().map(|place| (on_backend.to_vec(), place, of.sku)));
    }
    let mut findings = Vec::new();
    for (path, text, sku) in stated {
        if context.document.value(&path).is_none() {
            continue;
        }
        let Some(stated) = place(&text.0) else {
            findings.push(no_such_place(context, &path, &text.0));
            continue;
        };
        let Some(known) = derived(backend, sku).filter(|known| !known.within(&stated)) else { continue };
        let from = sku.map_or("its region".to_owned(), |sku| format!("the SKU `{sku:?}`"));
        let message =
            format!("backend `{name}` is said to process data in `{stated}`, but {from} means `{known}`");
        let finding = Finding::new(Code::ContradictoryProcessing, message);
        let finding = finding.at_value(context.document, &path, format!("is `{known}`"));
        findings.push(finding.help(format!("write `processing: {known}`, or leave it out")));
    }
    findings
}

/// A team and where its data has to stay.
struct Wanted<'a> {
    team: &'a str,
    of: &'a Team,
    residency: Geography,
}

impl Wanted<'_> {
    fn may_use(&self, context: &Context<'_>, route: &Route) -> bool {
        let of_team = |name: &String| {
            let consumer = context.manifest.consumers.get(name);
            consumer.is_some_and(|one| teams_of(context, one).contains(&Some(self.team)))
        };
        route.consumers.is_empty() || route.consumers.iter().any(of_team)
    }

    fn qualifies(&self, context: &Context<'_>, member: &Standing<'_>) -> bool {
        let stated = match &member.serving {
            Some(serving) => serving.processing,
            None => {
                context.manifest.backends.get(member.deployed.backend).and_then(|b| b.processing.as_ref())
            }
        };
        stated.and_then(|text| place(&text.0)).is_some_and(|place| place.within(&self.residency))
    }

    fn has_member(&self, context: &Context<'_>, pool: &Pool) -> bool {
        context.members(pool).iter().any(|member| self.qualifies(context, member))
    }

    fn may_take(&self, fallback: &Fallback) -> bool {
        let class = fallback.unless.as_ref().and_then(|unless| unless.data_class.as_ref());
        class.is_none() || class != self.of.data_class.as_ref()
    }

    /// Whether a request that begins in `pool` can be served at all.
    fn reaches_one(&self, context: &Context<'_>, pool: &str) -> bool {
        let (mut open, mut seen) = (vec![pool], BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(pool) = context.manifest.pools.get(name).filter(|_| seen.insert(name)) else { continue };
            if self.has_member(context, pool) {
                return true;
            }
            open.extend(pool.fallback.0.iter().filter(|f| self.may_take(f)).map(|f| f.to.as_str()));
        }
        false
    }
}

fn nowhere_to_go(context: &Context<'_>, name: &str, wanted: &Wanted<'_>) -> Option<Finding> {
    let mut allowed =
        context.manifest.routes.values().filter(|route| wanted.may_use(context, route)).peekable();
    allowed.peek()?;
    if allowed.any(|route| wanted.reaches_one(context, &route.pool)) {
        return None;
    }
    let residency = &wanted.residency;
    let message = format!("nothing that team `{name}` may use is known to process data in `{residency}`");
    let finding = Finding::new(Code::NoResidentMember, message);
    let finding =
        finding.at_value(context.document, &["teams", name, "residency"], "every request would be refused");
    let witness = Witness::values([("data of team", name), ("has to stay in", &residency.to_string())]);
    Some(finding.witness(witness).help(
        "add a member that does to a pool of its routes, or state `region` and `sku`, or `processing`, where it is true",
    ))
}

/// Fallbacks for which residency leaves nobody, and classes that no team has.
fn fallbacks(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, pool) in &context.manifest.pools {
        let callers = callers_of(context, name);
        for (index, fallback) in pool.fallback.0.iter().enumerate() {
            let path = context.fallback_path(name, index);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            findings.extend(unknown_class(context, fallback, &path));
            let Some(to) = context.manifest.pools.get(&fallback.to) else { continue };
            let all_kept_out = !callers.is_empty()
                && callers
                    .iter()
                    .all(|caller| caller.as_ref().is_some_and(|wanted| !wanted.has_member(context, to)));
            if all_kept_out {
                let message = format!(
                    "residency keeps everybody from the fallback of pool `{name}` to `{}`: no member of it is known to process data where they need it",
                    fallback.to
                );
                let finding = Finding::new(Code::FallbackOutsideResidency, message);
                let finding =
                    finding.at_value(context.document, &[&path[..], &["to"]].concat(), "never taken");
                let wanted = callers.iter().flatten().next();
                let finding = finding.witness(Witness::values(wanted.into_iter().flat_map(|wanted| {
                    [
                        ("data of team".to_owned(), wanted.team.to_owned()),
                        ("has to stay in".to_owned(), wanted.residency.to_string()),
                    ]
                })));
                findings.push(finding.help("lead to a pool within the same place, or remove the fallback"));
            }
        }
    }
    findings
}

/// Everybody who may begin in `pool`; `None` stands for those without a residency.
fn callers_of<'a>(context: &'a Context<'_>, pool: &str) -> Vec<Option<Wanted<'a>>> {
    let mut callers = Vec::new();
    let manifest = context.manifest;
    for route in manifest.routes.values().filter(|route| route.pool == pool) {
        let is_open = manifest.consumers.is_empty() && manifest.issuers.is_empty();
        if route.consumers.is_empty() && (route.public == Some(true) || is_open) {
            callers.push(None);
        }
        let listed = |name: &String| route.consumers.is_empty() || route.consumers.contains(name);
        for (_, consumer) in manifest.consumers.iter().filter(|(name, _)| listed(name)) {
            callers.extend(teams_of(context, consumer).into_iter().map(|team| wanted(context, team)));
        }
        if route.consumers.is_empty() {
            let bearers = manifest.issuers.values().flat_map(teams_by_token);
            callers.extend(bearers.map(|team| wanted(context, team)));
        }
    }
    callers
}

fn wanted<'a>(context: &'a Context<'_>, team: Option<&str>) -> Option<Wanted<'a>> {
    let (team, of) = context.manifest.teams.get_key_value(team?)?;
    let residency = place(&of.residency.as_ref()?.0)?;
    Some(Wanted { team, of, residency })
}

/// The teams a consumer may be of: its own, else, when it comes with a token, what that says; `None` for no team.
pub(super) fn teams_of<'a>(context: &'a Context<'_>, consumer: &'a Consumer) -> BTreeSet<Option<&'a str>> {
    if consumer.team.is_some() {
        return BTreeSet::from([consumer.team.as_deref()]);
    }
    let tokens = consumer.credentials.iter().filter_map(|credential| match credential {
        Credential::Token(token) => context.manifest.issuers.get(&token.issuer),
        Credential::Certificate(_) => None,
    });
    // With a key, or a token that says nothing of teams, it is of none.
    tokens.flat_map(teams_by_token).chain([None]).collect()
}

/// The teams of whoever comes with a token of `issuer`. Where it maps a claim to teams, a token without one of
/// them is refused.
fn teams_by_token(issuer: &Issuer) -> Vec<Option<&str>> {
    match &issuer.teams {
        Some(by_claim) => by_claim.values.values().map(|team| Some(team.as_str())).collect(),
        None => vec![None],
    }
}

fn unknown_class(context: &Context<'_>, fallback: &Fallback, path: &[&str]) -> Option<Finding> {
    let class = fallback.unless.as_ref()?.data_class.as_ref()?;
    let known: BTreeSet<&str> = context
        .manifest
        .teams
        .values()
        .filter_map(|team| team.data_class.as_ref())
        .map(|c| c.0.as_str())
        .collect();
    if known.contains(class.0.as_str()) {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let message = format!("no team has data of class `{}`, so this keeps nobody from the fallback", class.0);
    let finding = Finding::new(Code::UnknownDataClass, message);
    let finding =
        finding.at_value(context.document, &[path, &["unless", "dataClass"]].concat(), "no such class");
    Some(finding.help(suggest::help(&class.0, &known, "teams")))
}
