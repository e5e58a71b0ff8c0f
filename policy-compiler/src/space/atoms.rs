//! The dimensions of a request and the values of each that some conditions tell apart. It owns what a single
//! condition means for a single value; the plain interpreter of the rule table is what it has to agree with.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rule_table::{BotClass, HostMatch};
use vocabulary::Operation;

use super::patterns::{self, Glob};
use super::{Clause, Exhausted, Side};
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
    Query(String),
    Consumer,
    Model,
    Time,
}

/// A value that stands for all that no condition tells from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// An index.
    Listener(u32),
    /// The caller's.
    Address(IpAddr),
    /// `None` where it is not known.
    Country(Option<String>),
    /// A method, host or path.
    Text(String),
    /// `None` for one that nobody names.
    Model(Option<String>),
    /// The value of a header or of a parameter of the query; `None` where it is not there.
    Header(Option<String>),
    /// `None` for none of them.
    Bot(Option<BotClass>),
    /// Bytes; `None` where nobody can tell.
    Body(Option<u64>),
    /// An index; `None` for somebody else.
    Consumer(Option<u32>),
    /// Seconds since 1970 in UTC.
    Time(u64),
}

/// A dimension and its values.
#[derive(Clone, Debug)]
pub(super) struct Dimension {
    pub(super) kind: Kind,
    pub(super) atoms: Vec<Atom>,
}

/// Beyond so many named countries there may be no other to stand for the rest.
const COUNTRIES: usize = 600;

/// What conditions look at, headers and parameters aside, in the order in which a search takes them.
const PLAIN: [Kind; 12] = [
    Kind::Path,
    Kind::Host,
    Kind::Method,
    Kind::Model,
    Kind::Consumer,
    Kind::Time,
    Kind::Address,
    Kind::Listener,
    Kind::Country,
    Kind::Bot,
    Kind::UserAgent,
    Kind::Body,
];

/// The dimensions of which there is always a value that none of these clauses names.
pub(super) fn unbounded(clauses: &[&Clause<'_>]) -> Vec<Kind> {
    let sides = || clauses.iter().map(|clause| &clause.when);
    // Requests without a body, user agent or kind of program are none that these conditions hold for.
    let mut kinds = vec![Kind::Method, Kind::Host, Kind::Path, Kind::Consumer, Kind::Model];
    kinds.extend([Kind::UserAgent, Kind::Bot, Kind::Body]);
    if leave_an_address(sides().flat_map(|side| &side.of.networks)) {
        kinds.push(Kind::Address);
    }
    let countries: BTreeSet<&String> = sides().flat_map(|side| &side.of.countries).collect();
    if countries.len() < COUNTRIES {
        kinds.push(Kind::Country);
    }
    let headers: BTreeSet<&String> =
        sides().flat_map(|side| &side.of.headers).map(|header| &header.name).collect();
    kinds.extend(headers.into_iter().map(|name| Kind::Header(name.clone())));
    let query: BTreeSet<&String> = sides().flat_map(|side| side.query).map(|query| &query.name).collect();
    kinds.extend(query.into_iter().map(|name| Kind::Query(name.clone())));
    kinds
}

/// Whether networks, even if none overlapped, are too small to hold every address.
fn leave_an_address<'n>(networks: impl Iterator<Item = &'n IpNet>) -> bool {
    let (mut v4, mut v6) = (0_u64, 0_u128);
    for network in networks {
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
            _ => false,
        }
    }

    /// Whether one side of a clause looks at it.
    pub(super) fn constrains(&self, side: &Side<'_>) -> bool {
        let of = &side.of;
        match self {
            Self::Listener => !of.listeners.is_empty(),
            Self::Address => !of.networks.is_empty(),
            Self::Country => !of.countries.is_empty(),
            Self::Method => !of.methods.is_empty(),
            Self::Host => !of.hosts.is_empty(),
            Self::Path => !of.paths.is_empty(),
            Self::Header(name) => of.headers.iter().any(|header| header.name == *name),
            Self::UserAgent => !of.user_agents.is_empty(),
            Self::Bot => !of.bots.is_empty(),
            Self::Body => of.body_over.is_some(),
            Self::Query(name) => side.query.iter().any(|query| query.name == *name),
            Self::Consumer => !side.consumers.is_empty(),
            Self::Model => side.model.is_some(),
            Self::Time => side.time.is_some(),
        }
    }

    /// Whether what a side says of it holds for a value; `None` where it says nothing.
    pub(super) fn truth(&self, side: &Side<'_>, atom: &Atom, exceptions: bool) -> Option<Truth> {
        if !self.constrains(side) {
            return None;
        }
        let of = &side.of;
        Some(match (self, atom) {
            (Self::Listener, Atom::Listener(listener)) => of.listeners.contains(listener).into(),
            (Self::Address, Atom::Address(ip)) => side.of.networks.iter().any(|net| net.contains(ip)).into(),
            (Self::Country, Atom::Country(None)) | (Self::Body, Atom::Body(None)) => Truth::Untold,
            (Self::Country, Atom::Country(Some(country))) => of.countries.contains(country).into(),
            (Self::Method, Atom::Text(method)) => of.methods.contains(method).into(),
            (Self::Host, Atom::Text(host)) => of.hosts.iter().any(|wanted| is_host(wanted, host)).into(),
            (Self::Path, Atom::Text(path)) => of.paths.iter().any(|wanted| wanted.takes(path)).into(),
            (Self::Header(name), Atom::Header(value)) => {
                let named = of.headers.iter().filter(|header| header.name == *name);
                let mut named = named.map(|header| is_sent(value.as_ref(), &header.values));
                // Every exception stands by itself.
                if exceptions { named.any(|sent| sent).into() } else { named.all(|sent| sent).into() }
            }
            (Self::Query(name), Atom::Header(value)) => {
                let mut named = side.query.iter().filter(|query| query.name == *name);
                named.all(|query| is_sent(value.as_ref(), query.value.as_slice())).into()
            }
            (Self::UserAgent, Atom::Header(agent)) => {
                let fits = |pattern: &String| agent.as_ref().is_some_and(|a| patterns::matches(pattern, a));
                of.user_agents.iter().any(fits).into()
            }
            (Self::Bot, Atom::Bot(class)) => class.is_some_and(|class| of.bots.contains(&class)).into(),
            (Self::Body, Atom::Body(Some(bytes))) => of.body_over.is_some_and(|over| *bytes > over).into(),
            (Self::Consumer, Atom::Consumer(consumer)) => {
                consumer.is_some_and(|consumer| side.consumers.contains(&consumer)).into()
            }
            (Self::Model, Atom::Model(model)) => (side.model == model.as_deref()).into(),
            (Self::Time, Atom::Time(at)) => side.time.is_some_and(|window| window.is_open(*at)).into(),
            _ => Truth::No,
        })
    }
}

/// Whether a value is one of those wanted, any where none is.
fn is_sent(value: Option<&String>, wanted: &[String]) -> bool {
    value.is_some_and(|value| wanted.is_empty() || wanted.contains(value))
}

fn is_host(wanted: &HostMatch, host: &str) -> bool {
    match wanted {
        HostMatch::Exact(exact) => exact == host,
        HostMatch::Suffix(suffix) => host.ends_with(suffix.as_str()),
        HostMatch::Any => true,
    }
}

/// What one side of a clause looks at.
pub(super) fn kinds(side: &Side<'_>) -> BTreeSet<Kind> {
    let headers = side.of.headers.iter().map(|header| Kind::Header(header.name.clone()));
    let parameters = side.query.iter().map(|query| Kind::Query(query.name.clone()));
    let plain = PLAIN.into_iter().filter(|kind| kind.constrains(side));
    plain.chain(headers).chain(parameters).collect()
}

/// The dimensions that some clauses look at, each cut into the values that they tell apart.
pub(super) fn cut(clauses: &[&Clause<'_>], listeners: u32) -> Result<Vec<Dimension>, Exhausted> {
    let sides: Vec<&Side<'_>> = clauses.iter().flat_map(|clause| [&clause.when, &clause.unless]).collect();
    let names = sides.iter().flat_map(|side| &side.of.headers).map(|header| header.name.clone());
    let headers: BTreeSet<String> = names.collect();
    let names = sides.iter().flat_map(|side| side.query).map(|query| query.name.clone());
    let parameters: BTreeSet<String> = names.collect();
    let kinds = PLAIN.into_iter().chain(headers.into_iter().map(Kind::Header));
    let kinds = kinds.chain(parameters.into_iter().map(Kind::Query));
    let used = kinds.filter(|kind| sides.iter().any(|side| kind.constrains(side)));
    used.map(|kind| Ok(Dimension { atoms: values(&kind, &sides, listeners)?, kind })).collect()
}

fn values(kind: &Kind, sides: &[&Side<'_>], listeners: u32) -> Result<Vec<Atom>, Exhausted> {
    let of = || sides.iter().map(|side| &*side.of);
    Ok(match kind {
        Kind::Listener => (0..listeners).map(Atom::Listener).collect(),
        Kind::Address => addresses(sides),
        Kind::Country => countries(sides),
        Kind::Method => {
            let named = of().flat_map(|side| side.methods.iter().cloned());
            with_another(named, |n| {
                ["GET", "POST", "PUT", "DELETE"].get(n).map_or(format!("X-{n}"), |m| (*m).to_owned())
            })
        }
        Kind::Host => hosts(sides),
        Kind::Path => {
            let found = patterns::paths(of().flat_map(|side| &side.paths))?;
            // People know these paths; the first of each kind is kept.
            let known = Operation::ALL.into_iter().map(|operation| operation.path().to_owned());
            let known = known.filter(|_| sides.iter().any(|side| side.is_route));
            known.chain(found).map(Atom::Text).collect()
        }
        Kind::Header(name) => {
            let named = of().flat_map(|side| side.headers.iter().filter(|header| header.name == *name));
            sent(named.flat_map(|header| header.values.clone()))
        }
        Kind::Query(name) => {
            let named = sides.iter().flat_map(|side| side.query.iter().filter(|query| query.name == *name));
            sent(named.filter_map(|query| query.value.clone()))
        }
        Kind::UserAgent => {
            let globs: BTreeSet<&String> = of().flat_map(|side| &side.user_agents).collect();
            let agents = patterns::agents(globs.into_iter().map(|glob| Glob::of(glob)).collect())?;
            [None].into_iter().chain(agents.into_iter().map(Some)).map(Atom::Header).collect()
        }
        Kind::Bot => {
            let named: BTreeSet<BotClass> = of().flat_map(|side| side.bots.iter().copied()).collect();
            [None].into_iter().chain(named.into_iter().map(Some)).map(Atom::Bot).collect()
        }
        Kind::Body => {
            let bounds: BTreeSet<u64> = of().filter_map(|side| side.body_over).collect();
            let above = bounds.iter().filter_map(|bound| bound.checked_add(1));
            [Some(0), None].into_iter().chain(above.map(Some)).map(Atom::Body).collect()
        }
        Kind::Consumer => {
            let named: BTreeSet<u32> = sides.iter().flat_map(|side| side.consumers).copied().collect();
            [None].into_iter().chain(named.into_iter().map(Some)).map(Atom::Consumer).collect()
        }
        Kind::Model => {
            let named: BTreeSet<&str> = sides.iter().filter_map(|side| side.model).collect();
            let named = named.into_iter().map(|model| Some(model.to_owned()));
            [None].into_iter().chain(named).map(Atom::Model).collect()
        }
        Kind::Time => times(sides),
    })
}

/// No value, each that is named, and another.
fn sent(named: impl Iterator<Item = String>) -> Vec<Atom> {
    let texts = with_another(named, |n| format!("v{n}")).into_iter();
    let text = |atom| match atom {
        Atom::Text(text) => Atom::Header(Some(text)),
        other => other,
    };
    [Atom::Header(None)].into_iter().chain(texts.map(text)).collect()
}

fn countries(sides: &[&Side<'_>]) -> Vec<Atom> {
    let named: BTreeSet<&String> = sides.iter().flat_map(|side| &side.of.countries).collect();
    let letters = || 'A'..='Z';
    let mut all = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}")));
    let other = all.find(|country| !named.contains(country));
    let known = named.iter().map(|country| (*country).clone()).chain(other).map(Some);
    known.chain([None]).map(Atom::Country).collect()
}

/// Every minute of two weeks at which some window may open or close, one in January and one in July, so that
/// clocks have been changed in one of them wherever they are.
fn times(sides: &[&Side<'_>]) -> Vec<Atom> {
    const DAY: u64 = 24 * 60;
    // Mondays.
    const WEEKS: [u64; 2] = [1_767_571_200, 1_783_296_000];
    let windows = || sides.iter().filter_map(|side| side.time);
    let edges: BTreeSet<u64> = windows().flat_map(|w| [w.from, w.until]).map(|m| u64::from(m) % 15).collect();
    let quarters = |week: u64| (0..7 * DAY / 15).map(move |quarter| week + quarter * 15 * 60);
    let minutes = WEEKS.into_iter().flat_map(quarters);
    minutes.flat_map(|at| edges.iter().map(move |edge| Atom::Time(at + edge * 60))).collect()
}

/// The named texts and one more.
fn with_another(named: impl Iterator<Item = String>, make: impl Fn(usize) -> String) -> Vec<Atom> {
    let named: BTreeSet<String> = named.collect();
    let other = (0..=named.len()).map(make).find(|text| !named.contains(text));
    other.into_iter().chain(named).map(Atom::Text).collect()
}

/// An address from every stretch between the ends of networks.
fn addresses(sides: &[&Side<'_>]) -> Vec<Atom> {
    let networks = sides.iter().flat_map(|side| &side.of.networks);
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
fn hosts(sides: &[&Side<'_>]) -> Vec<Atom> {
    let all: BTreeSet<&HostMatch> = sides.iter().flat_map(|side| &side.of.hosts).collect();
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
    pub(super) fn show(&self, atom: &Atom, listeners: &[&str], consumers: &[&str], request: &mut Request) {
        let named = |index: u32, names: &[&str]| {
            usize::try_from(index).ok().and_then(|index| names.get(index)).map(|name| (*name).to_owned())
        };
        match (&self.kind, atom) {
            (Kind::Listener, Atom::Listener(index)) => {
                request.listener = named(*index, listeners);
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
            (Kind::Query(name), Atom::Header(Some(value))) => {
                request.query.insert(name.clone(), value.clone());
            }
            (Kind::Consumer, Atom::Consumer(Some(index))) => request.consumer = named(*index, consumers),
            (Kind::Model, Atom::Model(model)) => request.model.clone_from(model),
            (Kind::Time, Atom::Time(at)) => request.at = Some(at.to_string()),
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
