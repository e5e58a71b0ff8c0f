//! Conditions, each kept once. It owns whether one of them holds for a request; it refuses to know which
//! rules state it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::{DefaultHashBuilder, HashTable};
use ipnet::IpNet;

use crate::acl::AclConditions;
use crate::bots::wild;
use crate::facts::{Body, Facts, normal_host};
use crate::sections::{BotClass, HeaderCondition, HostMatch, PathMatch};
use crate::verdict::Truth;

pub(super) type PredicateId = u32;

/// A request, with what several conditions read worked out once, and only if one does.
pub(super) struct Request<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) host: Cow<'a, str>,
    pub(super) address: Option<Place>,
    agent: OnceCell<Option<String>>,
    bot: OnceCell<Option<BotClass>>,
}

impl<'a> Request<'a> {
    pub(super) fn of(facts: &'a Facts<'a>) -> Self {
        Self {
            facts,
            host: normal_host(facts.host),
            // A mapped address (RFC 4291 §2.5.5.2) is the IPv4 address.
            address: facts.address.map(|address| place(address.to_canonical())),
            agent: OnceCell::new(),
            bot: OnceCell::new(),
        }
    }

    fn agent(&self) -> Option<&str> {
        self.agent.get_or_init(|| self.facts.user_agent()).as_deref()
    }

    pub(super) fn bot(&self) -> Option<BotClass> {
        *self.bot.get_or_init(|| BotClass::of(self.agent()))
    }
}

/// Family and bits, so that one order holds both families apart.
pub(super) type Place = (u8, u128);

pub(super) const fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) => (4, v4.to_bits() as u128),
        IpAddr::V6(v6) => (6, v6.to_bits()),
    }
}

/// What one condition asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Predicate {
    Listeners(Vec<u32>),
    /// First and last addresses, sorted, apart.
    Networks(Vec<(Place, Place)>),
    Countries(Vec<[u8; 2]>),
    Methods(Vec<String>),
    Hosts(Vec<HostMatch>),
    Paths {
        exact: Vec<String>,
        others: Vec<PathMatch>,
    },
    Header(HeaderCondition),
    Agents(Vec<String>),
    Bots(Vec<BotClass>),
    BodyOver(u64),
}

/// All conditions of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Predicates {
    all: Vec<Predicate>,
    /// Their ids by content.
    places: HashTable<PredicateId>,
    hasher: DefaultHashBuilder,
}

impl Predicates {
    /// The ids of conditions, sorted.
    pub(super) fn intern(&mut self, conditions: &AclConditions) -> Vec<PredicateId> {
        let mut ids = Vec::new();
        for predicate in stated(conditions) {
            let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
            let hash = self.hasher.hash_one(&predicate);
            let known = |id: &PredicateId| self.all.get(*id as usize) == Some(&predicate);
            let again = |id: &PredicateId| self.hasher.hash_one(self.all.get(*id as usize));
            match self.places.find(hash, known) {
                Some(id) => ids.push(*id),
                None => {
                    self.places.insert_unique(hash, next, again);
                    self.all.push(predicate);
                    ids.push(next);
                }
            }
        }
        ids.sort_unstable();
        ids
    }

    /// Once all are there, nobody looks for them by content.
    pub(super) fn forget_places(&mut self) {
        self.places = HashTable::new();
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether it never hangs on what nobody can tell.
    pub(super) fn is_always_told(&self, id: PredicateId) -> bool {
        !matches!(self.all.get(id as usize), Some(Predicate::Countries(_) | Predicate::BodyOver(_)))
    }

    pub(super) fn holds(&self, id: PredicateId, request: &Request<'_>) -> Truth {
        self.all.get(id as usize).map_or(Truth::No, |predicate| predicate.holds(request))
    }
}

impl Predicate {
    fn holds(&self, request: &Request<'_>) -> Truth {
        let facts = request.facts;
        match self {
            Self::Listeners(ids) => Truth::of(ids.contains(&facts.listener)),
            Self::Networks(ranges) => Truth::of(request.address.is_some_and(|at| within(ranges, at))),
            Self::Countries(codes) => match facts.country {
                Some(country) => Truth::of(codes.contains(&country)),
                None => Truth::Unknown,
            },
            Self::Methods(methods) => Truth::of(methods.iter().any(|method| method == facts.method)),
            Self::Hosts(hosts) => Truth::of(hosts.iter().any(|host| match host {
                HostMatch::Exact(host) => *host == *request.host,
                HostMatch::Suffix(suffix) => request.host.ends_with(suffix.as_str()),
                HostMatch::Any => true,
            })),
            Self::Paths { exact, others } => Truth::of(
                exact.binary_search_by(|known| known.as_str().cmp(facts.path)).is_ok()
                    || others.iter().any(|path| path.takes(facts.path)),
            ),
            Self::Header(header) => Truth::of(facts.has_header(&header.name, &header.values)),
            Self::Agents(patterns) => Truth::of(
                request.agent().is_some_and(|agent| patterns.iter().any(|pattern| wild(pattern, agent))),
            ),
            Self::Bots(classes) => Truth::of(request.bot().is_some_and(|bot| classes.contains(&bot))),
            Self::BodyOver(most) => match facts.body {
                Body::Bytes(bytes) => Truth::of(bytes > *most),
                Body::Unread => Truth::Later,
                Body::Untold => Truth::Unknown,
            },
        }
    }
}

fn within(ranges: &[(Place, Place)], address: Place) -> bool {
    let after = ranges.partition_point(|range| range.0 <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| address <= range.1)
}

/// The networks of both families as ranges. A network that is none, which the compiler refuses, holds nobody.
fn ranges(networks: &[IpNet]) -> Vec<(Place, Place)> {
    let ends = |network: &IpNet| (place(network.network()), place(network.broadcast()));
    let mut all: Vec<(Place, Place)> = networks.iter().map(ends).collect();
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut apart: Vec<(Place, Place)> = Vec::with_capacity(all.len());
    for range in all {
        if apart.last().is_none_or(|last| last.1 < range.0) {
            apart.push(range);
        }
    }
    apart
}

fn stated(conditions: &AclConditions) -> Vec<Predicate> {
    let c = conditions;
    let mut all = Vec::new();
    let mut state = |stated: bool, predicate: &dyn Fn() -> Predicate| {
        if stated {
            all.push(predicate());
        }
    };
    state(!c.listeners.is_empty(), &|| Predicate::Listeners(c.listeners.clone()));
    state(!c.networks.is_empty(), &|| Predicate::Networks(ranges(&c.networks)));
    state(!c.countries.is_empty(), &|| {
        Predicate::Countries(c.countries.iter().filter_map(|code| code.as_bytes().try_into().ok()).collect())
    });
    state(!c.methods.is_empty(), &|| Predicate::Methods(c.methods.clone()));
    state(!c.hosts.is_empty(), &|| Predicate::Hosts(c.hosts.clone()));
    state(!c.paths.is_empty(), &|| {
        let exact = |path: &PathMatch| match path {
            PathMatch::Exact(path) => Ok(path.clone()),
            other => Err(other.clone()),
        };
        let mut plain: Vec<String> = c.paths.iter().filter_map(|path| exact(path).ok()).collect();
        plain.sort_unstable();
        Predicate::Paths {
            exact: plain,
            others: c.paths.iter().filter_map(|path| exact(path).err()).collect(),
        }
    });
    for header in &c.headers {
        state(true, &|| Predicate::Header(header.clone()));
    }
    state(!c.user_agents.is_empty(), &|| Predicate::Agents(c.user_agents.clone()));
    state(!c.bots.is_empty(), &|| Predicate::Bots(c.bots.clone()));
    if let Some(most) = c.body_over {
        state(true, &|| Predicate::BodyOver(most));
    }
    all
}
