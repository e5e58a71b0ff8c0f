//! Stage 3, as far as it needs no body: from where and with which headers a request may come. It owns the
//! verdict of access rules; it refuses to find out addresses and countries (the edge does).

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use rule_table::{AccessRuleId, Mode, OnFailure, Policy, Route};
use vocabulary::Reason;

use crate::identify::{Head, candidates};
use crate::{Exchange, Networks, Refusal};

/// A country's two capitals (ISO 3166-1 alpha-2).
pub type Country = [u8; 2];

/// The access rules of a policy, made ready to look up.
#[derive(Debug)]
pub(crate) struct AccessRules {
    rules: Vec<Rule>,
    by_country: bool,
}

#[derive(Debug)]
struct Rule {
    allow: Networks,
    deny: Networks,
    allow_countries: Vec<Country>,
    deny_countries: Vec<Country>,
    headers: Vec<(HeaderName, Vec<String>)>,
    mode: Mode,
    unknown_country: OnFailure,
}

/// What a rule looks at.
#[derive(Clone, Copy)]
struct Asking<'a> {
    address: Option<IpAddr>,
    country: Option<Country>,
    headers: &'a HeaderMap,
}

impl AccessRules {
    pub(crate) fn build(policy: &Policy) -> Self {
        let texts = |texts: &[String]| Networks::new(texts.iter().map(String::as_str));
        let countries = |codes: &[String]| -> Vec<Country> {
            codes.iter().filter_map(|code| code.as_bytes().try_into().ok()).collect()
        };
        let one = |rule: &rule_table::AccessRule| Rule {
            allow: texts(&rule.allow),
            deny: texts(&rule.deny),
            allow_countries: countries(&rule.allow_countries),
            deny_countries: countries(&rule.deny_countries),
            headers: rule
                .headers
                .iter()
                .filter_map(|header| Some((header.name.parse().ok()?, header.values.clone())))
                .collect(),
            mode: rule.mode,
            unknown_country: rule.unknown_country,
        };
        let rules: Vec<Rule> = policy.access.iter().map(one).collect();
        let by_country = rules.iter().any(Rule::by_country);
        Self { rules, by_country }
    }

    /// Whether any rule looks at countries.
    pub(crate) fn by_country(&self) -> bool {
        self.by_country
    }
}

impl Rule {
    fn by_country(&self) -> bool {
        !self.allow_countries.is_empty() || !self.deny_countries.is_empty()
    }

    /// Why the request may not come in, if it may not. A connection without an address is in no network.
    fn objection(&self, asking: Asking<'_>) -> Option<Reason> {
        let within = |networks: &Networks| asking.address.is_some_and(|address| networks.contains(address));
        if within(&self.deny) || (!self.allow.is_empty() && !within(&self.allow)) {
            return Some(Reason::AddressForbidden);
        }
        if self.by_country() && !self.welcomes(asking.country) {
            return Some(Reason::CountryForbidden);
        }
        let lacking = self.headers.iter().any(|(name, values)| !carries(asking.headers, name, values));
        lacking.then_some(Reason::HeaderRequired)
    }

    fn welcomes(&self, country: Option<Country>) -> bool {
        let Some(country) = country else { return self.unknown_country == OnFailure::Open };
        !self.deny_countries.contains(&country)
            && (self.allow_countries.is_empty() || self.allow_countries.contains(&country))
    }
}

/// Whether the header is there with a value that will do. Sent twice, each has to: which of them is read
/// further on is not known here.
fn carries(headers: &HeaderMap, name: &HeaderName, values: &[String]) -> bool {
    let mut sent = headers.get_all(name).iter().peekable();
    let fits = |value: &http::HeaderValue| {
        values.is_empty() || values.iter().any(|wanted| wanted.as_bytes() == value.as_bytes())
    };
    sent.peek().is_some() && sent.all(fits)
}

impl Exchange {
    /// The first question of all: whether the listener takes requests from this peer, whoever sends them.
    /// `country` is asked only where some rule names countries.
    ///
    /// # Errors
    /// [`Reason::AddressForbidden`], [`Reason::CountryForbidden`], [`Reason::HeaderRequired`].
    pub fn admit_peer(
        &mut self,
        headers: &HeaderMap,
        country: impl FnOnce(IpAddr) -> Option<Country>,
    ) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        if gate.access().by_country() && self.country.is_none() {
            self.country = self.peer.address.and_then(country);
        }
        let Some(listener) = gate.policy().listeners.get(self.peer.listener as usize) else { return Ok(()) };
        // A private listener is for private networks in whatever mode other rules are.
        if listener.private && !self.peer.address.is_some_and(vocabulary::is_private) {
            return Err(refusal(Reason::AddressForbidden));
        }
        self.admit_by(&listener.access, headers)
    }

    /// Whether the settled route takes the request from here.
    ///
    /// # Errors
    /// As [`Self::admit_peer`].
    pub fn admit_route(&mut self, headers: &HeaderMap) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        let route = self.route.and_then(|id| gate.policy().routes.get(id as usize));
        route.map_or(Ok(()), |route| self.admit_by(&route.access, headers))
    }

    /// Before a body is read: refuses a request that no route with this head would take from here, whatever
    /// model the body names.
    ///
    /// # Errors
    /// As [`Self::admit_peer`], of the most specific of those routes.
    pub fn admit_head(&self, head: &Head<'_>) -> Result<(), Refusal> {
        let gate = &self.gate;
        if gate.access().rules.is_empty() {
            return Ok(());
        }
        // What finds no route is told so where routes are looked for.
        let Ok(candidates) = candidates(gate, self, head) else { return Ok(()) };
        let mut first = None;
        for id in candidates.ids() {
            let route = gate.policy().routes.get(id as usize);
            match route.and_then(|route| self.first_objection(&route.access, head.headers)) {
                Some(reason) => first.get_or_insert(reason),
                None => return Ok(()),
            };
        }
        first.map_or(Ok(()), |reason| Err(refusal(reason)))
    }

    /// Whether rules by address and country would let this caller use `route`, for lists of what there is.
    #[must_use]
    pub fn is_welcome(&self, route: &Route, headers: &HeaderMap) -> bool {
        self.first_objection(&route.access, headers).is_none()
    }

    /// Which of these rules object to the request, and why, whatever their mode.
    #[must_use]
    pub fn objections(&self, ids: &[AccessRuleId], headers: &HeaderMap) -> Vec<(AccessRuleId, Reason)> {
        let asking = Asking { address: self.peer.address, country: self.country, headers };
        let objection =
            |id: &AccessRuleId| Some((*id, self.gate.access().rules.get(*id as usize)?.objection(asking)?));
        ids.iter().filter_map(objection).collect()
    }

    /// What the first enforced rule objects to.
    fn first_objection(&self, ids: &[AccessRuleId], headers: &HeaderMap) -> Option<Reason> {
        let asking = Asking { address: self.peer.address, country: self.country, headers };
        let rules = ids.iter().filter_map(|&id| self.gate.access().rules.get(id as usize));
        rules.filter(|rule| rule.mode == Mode::Enforce).find_map(|rule| rule.objection(asking))
    }

    /// Asks each rule; those in shadow mode leave a note.
    fn admit_by(&mut self, ids: &[AccessRuleId], headers: &HeaderMap) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        let asking = Asking { address: self.peer.address, country: self.country, headers };
        let mut refused = None;
        for rule in ids.iter().filter_map(|&id| gate.access().rules.get(id as usize)) {
            match (rule.objection(asking), rule.mode) {
                (None, _) => {}
                (Some(reason), Mode::Enforce) => refused = refused.or(Some(reason)),
                (Some(reason), Mode::Shadow) => {
                    if !self.would_refuse.contains(&reason) {
                        self.would_refuse.push(reason);
                    }
                }
            }
        }
        refused.map_or(Ok(()), |reason| Err(refusal(reason)))
    }
}

/// Says what is wrong, never what would be right: the lists are nobody's business outside.
fn refusal(reason: Reason) -> Refusal {
    Refusal::new(
        reason,
        match reason {
            Reason::CountryForbidden => {
                "requests from your country, or from an address of unknown country, are not served here; the operator's access rules decide"
            }
            Reason::HeaderRequired => {
                "a header that the operator requires is missing or has another value; ask the operator which"
            }
            _ => "requests from your address are not served here; the operator's access rules decide",
        },
    )
}
