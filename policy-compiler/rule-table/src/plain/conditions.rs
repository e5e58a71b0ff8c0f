//! Conditions one by one, for those who explain: which of a rule's or a route's hold for a request. It owns how
//! a rule is taken apart; it refuses to evaluate (the interpreter does, on a rule with that condition alone).

use super::{each, host};
use crate::acl::{AclConditions, AclRule};
use crate::facts::{Facts, normal_host};
use crate::sections::RouteMatch;
use crate::verdict::Truth;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
    /// It is told once the body is read.
    Later,
}

/// A condition of a rule of the access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclCondition {
    /// What it reads, as the manifest names it; a header as `header x-name`.
    pub field: String,
    /// Whether it is an exception.
    pub exception: bool,
    /// Whether it holds.
    pub held: Held,
}

impl AclCondition {
    /// Whether it is what keeps the rule from applying.
    #[must_use]
    pub fn keeps_out(&self) -> bool {
        self.held == if self.exception { Held::Yes } else { Held::No }
    }
}

impl From<Truth> for Held {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::Yes => Self::Yes,
            Truth::No => Self::No,
            Truth::Unknown => Self::Unknown,
            Truth::Later => Self::Later,
        }
    }
}

/// The conditions that a rule states, first those that must hold, then its exceptions.
#[must_use]
pub fn acl_conditions(rule: &AclRule, facts: &Facts<'_>) -> Vec<AclCondition> {
    let told = |conditions: &AclConditions, exception: bool| {
        let one = |(field, alone): (String, AclConditions)| {
            let truth = each(&alone, facts).into_iter().next()?;
            Some(AclCondition { field, exception, held: truth.into() })
        };
        singles(conditions).into_iter().filter_map(one).collect::<Vec<_>>()
    };
    let mut all = told(&rule.when, false);
    all.extend(told(&rule.unless, true));
    all
}

/// Conditions with one field each; those not stated are left out by [`each`].
fn singles(c: &AclConditions) -> Vec<(String, AclConditions)> {
    let none = AclConditions::default;
    let mut all = vec![
        ("listener".to_owned(), AclConditions { listeners: c.listeners.clone(), ..none() }),
        ("address".to_owned(), AclConditions { networks: c.networks.clone(), ..none() }),
        ("country".to_owned(), AclConditions { countries: c.countries.clone(), ..none() }),
        ("method".to_owned(), AclConditions { methods: c.methods.clone(), ..none() }),
        ("host".to_owned(), AclConditions { hosts: c.hosts.clone(), ..none() }),
        ("path".to_owned(), AclConditions { paths: c.paths.clone(), ..none() }),
    ];
    all.extend(c.headers.iter().map(|header| {
        (format!("header {}", header.name), AclConditions { headers: vec![header.clone()], ..none() })
    }));
    all.extend([
        ("userAgent".to_owned(), AclConditions { user_agents: c.user_agents.clone(), ..none() }),
        ("bot".to_owned(), AclConditions { bots: c.bots.clone(), ..none() }),
        ("bodyOver".to_owned(), AclConditions { body_over: c.body_over, ..none() }),
    ]);
    all
}

/// Every condition that a route states, as the manifest names it, and whether it holds. The model's is left
/// out while no model is known.
#[must_use]
pub fn route_conditions(matching: &RouteMatch, facts: &Facts<'_>) -> Vec<(String, bool)> {
    let m = matching;
    let mut all = vec![
        ("host".to_owned(), host(&m.host, &normal_host(facts.host))),
        ("path".to_owned(), m.path.takes(facts.path)),
    ];
    if !m.methods.is_empty() {
        all.push(("method".to_owned(), m.methods.iter().any(|method| method == facts.method)));
    }
    all.extend(
        m.headers
            .iter()
            .map(|h| (format!("header {}", h.name), facts.first_header_is(&h.name, h.value.as_deref()))),
    );
    all.extend(
        m.query
            .iter()
            .map(|q| (format!("query {}", q.name), facts.first_parameter_is(&q.name, q.value.as_deref()))),
    );
    if !m.consumers.is_empty() {
        all.push(("consumer".to_owned(), facts.consumer.is_some_and(|c| m.consumers.contains(&c))));
    }
    if let Some(window) = &m.time {
        all.push(("time".to_owned(), window.is_open(facts.unix_seconds)));
    }
    if let (Some(wanted), Some(model)) = (m.model.as_deref(), facts.model) {
        all.push(("model".to_owned(), wanted == model));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::HeaderCondition;
    use crate::sections::{AclAction, HostMatch, Mode, OnFailure, PathMatch};

    #[test]
    fn the_conditions_of_a_rule_are_told_one_by_one() {
        let debug = HeaderCondition { name: "x-debug".to_owned(), values: Vec::new() };
        let rule = AclRule {
            name: "rule".to_owned(),
            priority: 1,
            when: AclConditions {
                countries: vec!["SE".to_owned()],
                methods: vec!["POST".to_owned()],
                headers: vec![debug],
                ..AclConditions::default()
            },
            unless: AclConditions {
                paths: vec![PathMatch::Prefix("/v1".to_owned())],
                ..AclConditions::default()
            }
            .into(),
            action: AclAction::Block(403),
            mode: Mode::Enforce,
            on_failure: OnFailure::Closed,
        };
        let facts = Facts { method: "POST", path: "/v1/models", ..Facts::EMPTY };
        let told: Vec<_> = acl_conditions(&rule, &facts)
            .into_iter()
            .map(|c| (c.field.clone(), c.held, c.keeps_out()))
            .collect();
        let expected = [
            ("country", Held::Unknown, false),
            ("method", Held::Yes, false),
            ("header x-debug", Held::No, true),
            ("path", Held::Yes, true),
        ];
        assert_eq!(told, expected.map(|(field, held, out)| (field.to_owned(), held, out)));
    }

    #[test]
    fn the_conditions_of_a_route_all_hold_where_it_is_found_and_not_elsewhere() {
        let matching = RouteMatch {
            host: HostMatch::Exact("a.example".to_owned()),
            path: PathMatch::Exact("/v1/models".to_owned()),
            methods: vec!["GET".to_owned()],
            headers: Vec::new(),
            query: Vec::new(),
            consumers: vec![3],
            time: None,
            model: Some("m".to_owned()),
        };
        let policy = crate::sample::policy(vec![matching.clone()]);
        for (consumer, method, model) in
            [(3, "GET", Some("m")), (2, "GET", Some("m")), (3, "PUT", Some("m")), (3, "GET", Some("n"))]
        {
            let facts = Facts {
                host: "A.example:80",
                path: "/v1/models",
                method,
                consumer: Some(consumer),
                model,
                ..Facts::EMPTY
            };
            let all = route_conditions(&matching, &facts).iter().all(|(_, holds)| *holds);
            let found = super::super::route(&policy, &facts) == crate::Routed::Found(0);
            assert_eq!(all, found, "{facts:?}");
        }
    }
}
