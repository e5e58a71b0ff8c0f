//! What the access control list and the doors' rules said. It owns which rules nearly applied; their meaning is
//! the plain interpreter's and `decision`'s.

use http::HeaderMap;
use http::header::TRANSFER_ENCODING;
use rule_table::plain::{Held, acl_conditions};
use rule_table::{AccessRuleId, AclAction, AclRule, AclRuleId, Body, Facts, Headers, Mode, plain};

use super::Walk;
use crate::explanation::{Acl, NearRule, Objection, RuleTold};

/// As many as people read.
const NEAR: usize = 5;

/// Headers as policy reads them.
pub(super) struct Sent<'a>(pub(super) &'a HeaderMap);

impl Headers for Sent<'_> {
    fn any(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.get_all(name).iter().any(|value| seen(value.as_bytes()))
    }
}

fn told(rule: &AclRule) -> RuleTold {
    let action = match rule.action {
        AclAction::Allow => "allow".to_owned(),
        AclAction::Block(status) => format!("block {status}"),
        AclAction::Log => "log".to_owned(),
    };
    RuleTold { rule: rule.name.clone(), priority: rule.priority, action }
}

impl Walk<'_> {
    /// The request as rules see it, with all that is known by now.
    pub(super) fn facts<'f>(&'f self, headers: &'f Sent<'f>) -> Facts<'f> {
        // A body of stated length is judged by it; one in chunks only once it is read, if it ever is.
        let untold = self.piped && self.request.headers.contains_key(TRANSFER_ENCODING);
        Facts {
            listener: self.exchange.peer.listener,
            address: self.exchange.peer.address,
            country: self.how.country,
            method: self.request.method.as_str(),
            host: &self.request.host,
            path: &self.request.path,
            query: &self.request.query,
            headers,
            body: if untold { Body::Untold } else { Body::Bytes(self.request.body.len() as u64) },
            consumer: self.exchange.consumer,
            unix_seconds: self.how.unix_nanos / 1_000_000_000,
            model: self.exchange.facts.as_ref().map(|facts| facts.model.as_str()),
        }
    }

    pub(super) fn tell_acl(&mut self) {
        let rules = &self.gate.policy().acl;
        if rules.is_empty() {
            return;
        }
        let sent = Sent(&self.request.headers);
        let facts = self.facts(&sent);
        let verdict = plain::acl(self.gate.policy(), &facts);
        let rule = |id: &AclRuleId| rules.get(*id as usize);
        let names = |ids: &[AclRuleId]| ids.iter().filter_map(rule).map(|rule| rule.name.clone()).collect();
        let decided = verdict.decided.map(|(id, _)| id);
        let asked = decided.map_or(rules.len(), |id| id as usize);
        let mut near: Vec<(usize, NearRule)> = Vec::new();
        let mut unknown_country = false;
        for rule in rules.iter().take(asked.saturating_add(1)) {
            let conditions = acl_conditions(rule, &facts);
            unknown_country |=
                conditions.iter().any(|one| one.field == "country" && one.held == Held::Unknown);
            let mut missed = conditions.iter().filter(|one| one.keeps_out());
            if let Some(first) = missed.next() {
                let because = match first.exception {
                    true => format!("its exception `{}` holds", first.field),
                    false => format!("`{}` does not hold", first.field),
                };
                near.push((missed.count(), NearRule { rule: told(rule), because }));
            }
        }
        // The sort is stable: of those equally near, the one asked first comes first.
        near.sort_by_key(|(others, _)| *others);
        let acl = Acl {
            rules: rules.len(),
            decided: decided.and_then(|id| rule(&id)).map(told),
            noted: names(&verdict.noted),
            shadowed: names(&verdict.shadowed),
            near: near.into_iter().take(NEAR).map(|(_, rule)| rule).collect(),
        };
        self.told.acl = acl;
        if unknown_country {
            self.note("rules ask for the country, which is not known; say it with --country");
        }
    }

    pub(super) fn tell_objections(&mut self) {
        let policy = self.gate.policy();
        let listener = self.listener().map(|listener| listener.access.clone()).unwrap_or_default();
        let route = self.exchange.route().map(|route| route.access.clone()).unwrap_or_default();
        let found = |of: &'static str, ids: &[AccessRuleId]| {
            let objections = self.exchange.objections(ids, &self.request.headers);
            let objection = |(id, reason): (AccessRuleId, _)| {
                let rule = policy.access.get(id as usize)?;
                Some(Objection { rule: rule.name.clone(), of, reason, shadow: rule.mode == Mode::Shadow })
            };
            objections.into_iter().filter_map(objection).collect::<Vec<_>>()
        };
        let mut objections = found("listener", &listener);
        objections.extend(found("route", &route));
        self.told.objections = objections;
        let reads_country = |id: &AccessRuleId| {
            policy
                .access
                .get(*id as usize)
                .is_some_and(|rule| !rule.allow_countries.is_empty() || !rule.deny_countries.is_empty())
        };
        if self.how.country.is_none() && listener.iter().chain(&route).any(reads_country) {
            self.note("access rules ask for the country, which is not known; say it with --country");
        }
    }
}
