//! The dimensions of a request and the values of each that some conditions tell apart. It owns what a single
//! condition means for a single value; the plain interpreter of the rule table is what it has to agree with.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rule_table::{AclConditions, BotClass, HostMatch};

use super::patterns::{self, Glob};
use super::{Exhausted, Ready};
use crate::diagnostics::Request;

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Truth {
    No,
    Yes,
    /// It cannot be told.
    Untold,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Listener,
    Address,
    Country,
    Method,
    Host,
    Path,
    Header(String),
    UserAgent,
    Bot,
    Body,
}

/// A value that stands for all that no condition tells from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::check) enum Atom {
    Listener(u32),
    Address(IpAddr),
    /// `None` where it is not known.
    Country(Option<String>),
    /// A method, host or path.
    Text(String),
    /// A header's value; `None` where it is not there.
    Header(Option<String>),
    /// `None` for none of them.
    Bot(Option<BotClass>),
    /// Bytes; `None` where nobody can tell.
    Body(Option<u64>),
}

/// A dimension and its values.
#[derive(Clone, Debug)]
pub(super) struct Dimension {
    pub(super) kind: Kind,
    pub(super) atoms: Vec<Atom>,
}

/// Beyond so many named countries there may be no other to stand for the rest.
const COUNTRIES: usize = 600;

pub(super) fn exact_hosts(side: &AclConditions) -> bool {
    side.hosts.iter().all(|host| matches!(host, HostMatch::Exact(_)))
}

/// What conditions look at, headers aside, in the order in which a search takes them.
pub(super) const PLAIN: [Kind; 9] = [
    Kind::Path,
    Kind::Host,
    Kind::Method,
    Kind::Address,
    Kind::Listener,
    Kind::Country,
    Kind::Bot,
    Kind::UserAgent,
    Kind::Body,
];

/// The dimensions of which there is always a value that none of these rules names.
pub(super) fn unbounded(rules: &[&Ready<'_>]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Method, Kind::Host, Kind::Path, Kind::UserAgent];
    let countries: BTreeSet<&String> = rules.iter().flat_map(|rule| &rule.rule.when.countries).collect();
    if countries.len() < COUNTRIES {
        kinds.push(Kind::Country);
    }
    if leave_an_address(rules) {
        kinds.push(Kind::Address);
    }
    let names = rules.iter().flat_map(|rule| &rule.rule.when.headers).map(|header| &header.name);
    kinds.extend(names.collect::<BTreeSet<_>>().into_iter().map(|name| Kind::Header(name.clone())));
    kinds
}

/// Whether the networks of some rules, even if none overlapped, are too small to hold every address.
fn leave_an_address(rules: &[&Ready<'_>]) -> bool {
    let (mut v4, mut v6) = (0_u64, 0_u128);
    for network in rules.iter().flat_map(|rule| &rule.when.networks) {
        match network {
            IpNet::V4(network) => v4 = v4.saturating_add(1 << (32 - u32::from(network.prefix_len()))),
            // In pairs of addresses, so that the whole space can be counted.
            IpNet::V6(network) => {
                v6 = v6.saturating_add(1 << (127_u32.saturating_sub(network.prefix_len().into())));
            }
        }
    }
    v4 < 1 << 32 || v6 < 1 << 127
}

impl Kind {
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Address => name == "address",
            Self::Country => name == "country",
            Self::Host => name == "host header",
            Self::Header(header) => name == header,
            Self::UserAgent => name == "userAgent",
            Self::Bot => name == "bot",
            Self::Body => name == "bodyOver",
            Self::Listener | Self::Method | Self::Path => false,
        }
    }

    /// Whether one side of a rule looks at it.
    pub(super) fn constrains(&self, side: &AclConditions) -> bool {
        match self {
            Self::Listener => !side.listeners.is_empty(),
            Self::Address => !side.networks.is_empty(),
            Self::Country => !side.countries.is_empty(),
            Self::Method => !side.methods.is_empty(),
            Self::Host => !side.hosts.is_empty(),
            Self::Path => !side.paths.is_empty(),
            Self::Header(name) => side.headers.iter().any(|header| header.name == *name),
            Self::UserAgent => !side.user_agents.is_empty(),
            Self::Bot => !side.bots.is_empty(),
            Self::Body => side.body_over.is_some(),
        }
    }

    /// Whether what a side says of it holds for a value; `None` where it says nothing.
    pub(super) fn truth(
        &self,
        side: &AclConditions,
        networks: &[IpNet],
        atom: &Atom,
        exceptions: bool,
    ) -> Option<Truth> {
        if !self.constrains(side) {
            return None;
        }
        Some(match (self, atom) {
            (Self::Listener, Atom::Listener(listener)) => side.listeners.contains(listener).into(),
            (Self::Address, Atom::Address(ip)) => networks.iter().any(|net| net.contains(ip)).into(),
            (Self::Country, Atom::Country(None)) | (Self::Body, Atom::Body(None)) => Truth::Untold,
            (Self::Country, Atom::Country(Some(country))) => side.countries.contains(country).into(),
            (Self::Method, Atom::Text(method)) => side.methods.contains(method).into(),
            (Self::Host, Atom::Text(host)) => side.hosts.iter().any(|wanted| is_host(wanted, host)).into(),
            (Self::Path, Atom::Text(path)) => side.paths.iter().any(|wanted| wanted.takes(path)).into(),
            (Self::Header(name), Atom::Header(value)) => {
                let fits = |wanted: &Vec<String>| {
                    value.as_ref().is_some_and(|value| wanted.is_empty() || wanted.contains(value))
                };
                let named = side.headers.iter().filter(|header| header.name == *name);
                let mut named = named.map(|header| &header.values);
                // Every exception stands by itself.
                if exceptions { named.any(fits).into() } else { named.all(fits).into() }
            }
            (Self::UserAgent, Atom::Header(agent)) => {
                let fits = |pattern: &String| agent.as_ref().is_some_and(|a| patterns::matches(pattern, a));
                side.user_agents.iter().any(fits).into()
            }
            (Self::Bot, Atom::Bot(class)) => class.is_some_and(|class| side.bots.contains(&class)).into(),
            (Self::Body, Atom::Body(Some(bytes))) => side.body_over.is_some_and(|over| *bytes > over).into(),
            _ => Truth::No,
        })
    }
}

fn is_host(wanted: &HostMatch, host: &str) -> bool {
    match wanted {
        HostMatch::Exact(exact) => exact == host,
        HostMatch::Suffix(suffix) => host.ends_with(suffix.as_str()),
        HostMatch::Any => true,
    }
}

/// The dimensions that some rules look at, each cut into the values that they tell apart.
pub(super) fn cut(rules: &[&Ready<'_>], listeners: u32) -> Result<Vec<Dimension>, Exhausted> {
    let sides: Vec<&AclConditions> =
        rules.iter().flat_map(|rule| [&rule.rule.when, &rule.rule.unless]).collect();
    let names = sides.iter().flat_map(|side| &side.headers).map(|header| header.name.clone());
    let headers: BTreeSet<String> = names.collect();
    let kinds = PLAIN.into_iter().chain(headers.into_iter().map(Kind::Header));
    let used = kinds.filter(|kind| sides.iter().any(|side| kind.constrains(side)));
    used.map(|kind| Ok(Dimension { atoms: values(&kind, rules, &sides, listeners)?, kind })).collect()
}

fn values(
    kind: &Kind,
    rules: &[&Ready<'_>],
    sides: &[&AclConditions],
    listeners: u32,
) -> Result<Vec<Atom>, Exhausted> {
    Ok(match kind {
        Kind::Listener => (0..listeners).map(Atom::Listener).collect(),
        Kind::Address => addresses(rules),
        Kind::Country => {
            let named: BTreeSet<&String> = sides.iter().flat_map(|side| &side.countries).collect();
            let letters = || 'A'..='Z';
            let mut all = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}")));
            let other = all.find(|country| !named.contains(country));
            let known = named.iter().map(|country| (*country).clone()).chain(other).map(Some);
            known.chain([None]).map(Atom::Country).collect()
        }
        Kind::Method => {
            let named = sides.iter().flat_map(|side| side.methods.iter().cloned());
            with_another(named, |n| {
                ["GET", "POST", "PUT", "DELETE"].get(n).map_or(format!("X-{n}"), |m| (*m).to_owned())
            })
        }
        Kind::Host => hosts(sides),
        Kind::Path => {
            patterns::paths(sides.iter().flat_map(|side| &side.paths))?.into_iter().map(Atom::Text).collect()
        }
        Kind::Header(name) => {
            let of = |side: &&AclConditions| {
                side.headers
                    .iter()
                    .filter(|h| h.name == *name)
                    .flat_map(|h| h.values.clone())
                    .collect::<Vec<_>>()
            };
            let texts = with_another(sides.iter().flat_map(of), |n| format!("v{n}"));
            let text = |atom| match atom {
                Atom::Text(text) => Atom::Header(Some(text)),
                other => other,
            };
            [Atom::Header(None)].into_iter().chain(texts.into_iter().map(text)).collect()
        }
        Kind::UserAgent => {
            let globs: BTreeSet<&String> = sides.iter().flat_map(|side| &side.user_agents).collect();
            let agents = patterns::agents(globs.into_iter().map(|glob| Glob::of(glob)).collect())?;
            [None].into_iter().chain(agents.into_iter().map(Some)).map(Atom::Header).collect()
        }
        Kind::Bot => {
            let named: BTreeSet<BotClass> = sides.iter().flat_map(|side| side.bots.iter().copied()).collect();
            [None].into_iter().chain(named.into_iter().map(Some)).map(Atom::Bot).collect()
        }
        Kind::Body => {
            let bounds: BTreeSet<u64> = sides.iter().filter_map(|side| side.body_over).collect();
            let above = bounds.iter().filter_map(|bound| bound.checked_add(1));
            [Some(0), None].into_iter().chain(above.map(Some)).map(Atom::Body).collect()
        }
    })
}

/// The named texts and one more.
fn with_another(named: impl Iterator<Item = String>, make: impl Fn(usize) -> String) -> Vec<Atom> {
    let named: BTreeSet<String> = named.collect();
    let other = (0..=named.len()).map(make).find(|text| !named.contains(text));
    other.into_iter().chain(named).map(Atom::Text).collect()
}

/// An address from every stretch between the ends of networks.
fn addresses(rules: &[&Ready<'_>]) -> Vec<Atom> {
    let networks = rules.iter().flat_map(|rule| rule.when.networks.iter().chain(&rule.unless.networks));
    let mut starts = BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    for network in networks {
        starts.insert(network.network());
        starts.extend(match network.broadcast() {
            IpAddr::V4(last) => {
                last.to_bits().checked_add(1).map(|next| IpAddr::V4(Ipv4Addr::from_bits(next)))
            }
            IpAddr::V6(last) => {
                last.to_bits().checked_add(1).map(|next| IpAddr::V6(Ipv6Addr::from_bits(next)))
            }
        });
    }
    starts.into_iter().map(Atom::Address).collect()
}

/// Every exact host, one below every suffix that is in no longer one, and one that nobody names.
fn hosts(sides: &[&AclConditions]) -> Vec<Atom> {
    let all: BTreeSet<&HostMatch> = sides.iter().flat_map(|side| &side.hosts).collect();
    let exact = |host: &str| all.contains(&HostMatch::Exact(host.to_owned()));
    let fresh = |suffix: &str| {
        (0..=all.len()).map(|n| format!("host{n}{suffix}")).find(|host| {
            let longer = |other: &&HostMatch| {
                matches!(other, HostMatch::Suffix(other) if other.len() > suffix.len() && host.ends_with(other.as_str()))
            };
            !exact(host) && !all.iter().any(longer)
        })
    };
    let one = |host: &&HostMatch| match host {
        HostMatch::Exact(host) => Some(host.clone()),
        HostMatch::Suffix(suffix) => fresh(suffix),
        HostMatch::Any => None,
    };
    let named: BTreeSet<String> = all.iter().filter_map(one).collect();
    // `.invalid` is nobody's (RFC 2606); where it is named all the same, an empty host is left.
    let other = fresh(".elsewhere.invalid").filter(|host| !all.iter().any(|other| is_host(other, host)));
    [other.unwrap_or_default()].into_iter().chain(named).map(Atom::Text).collect()
}

impl Dimension {
    /// Writes a value into a request as people read it.
    pub(super) fn show(&self, atom: &Atom, listeners: &[&str], request: &mut Request) {
        match (&self.kind, atom) {
            (Kind::Listener, Atom::Listener(index)) => {
                let name = usize::try_from(*index).ok().and_then(|index| listeners.get(index));
                request.listener = name.map(|name| (*name).to_owned());
            }
            (Kind::Address, Atom::Address(ip)) => request.from = Some(ip.to_string()),
            (Kind::Country, Atom::Country(country)) => {
                request.country = Some(country.clone().unwrap_or_else(|| "an unknown country".to_owned()));
            }
            (Kind::Method, Atom::Text(method)) => request.method = Some(method.clone()),
            (Kind::Host, Atom::Text(host)) => request.host = Some(host.clone()),
            (Kind::Path, Atom::Text(path)) => request.path.clone_from(path),
            (Kind::Header(name), Atom::Header(Some(value))) => {
                request.headers.insert(name.clone(), value.clone());
            }
            (Kind::UserAgent, Atom::Header(Some(agent))) => {
                request.headers.insert("user-agent".to_owned(), agent.clone());
            }
            (Kind::Bot, Atom::Bot(class)) => {
                let agent = class.and_then(typical).map(|agent| ("user-agent".to_owned(), agent.to_owned()));
                request.headers.extend(agent);
            }
            (Kind::Body, Atom::Body(bytes)) => request.body = *bytes,
            _ => {}
        }
    }
}

/// A user agent that is of a class.
const fn typical(class: BotClass) -> Option<&'static str> {
    Some(match class {
        BotClass::SearchEngine => "Googlebot/2.1",
        BotClass::AiCrawler => "GPTBot/1.2",
        BotClass::Scraper => "Scrapy/2.11",
        BotClass::HeadlessBrowser => "HeadlessChrome/120.0",
        BotClass::HttpLibrary => "curl/8.5.0",
        BotClass::ModelClient => "OpenAI/Python 1.40.0",
        BotClass::Monitor => "UptimeRobot/2.0",
        BotClass::Unnamed => return None,
    })
}
