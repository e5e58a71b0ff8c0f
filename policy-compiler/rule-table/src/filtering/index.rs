//! Which rules a request can meet at all. It owns the choice of the condition a rule is entered under and
//! the walk over a request's own values; it refuses to verify what it finds.

use hashbrown::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::predicate::{Place, Request, place};
use crate::acl::{AclAction, AclConditions, AclRule};
use crate::buckets::{Buckets, Fnv, ReadyState};
use crate::sections::{AclRuleId, HostMatch, OnFailure, PathMatch};

/// What rules can be entered under. Of two that are equally selective the first is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Path,
    Network,
    Host,
    Header,
    Country,
    Bot,
    Listener,
    Method,
}

/// Kinds of keys; those of one dimension can differ.
mod kind {
    pub(super) const PATH: u8 = 1;
    pub(super) const BELOW: u8 = 2;
    pub(super) const TEMPLATE: u8 = 3;
    pub(super) const NETWORK: u8 = 4;
    pub(super) const HOST: u8 = 5;
    pub(super) const DOMAIN: u8 = 6;
    pub(super) const HEADER: u8 = 7;
    pub(super) const COUNTRY: u8 = 8;
    pub(super) const BOT: u8 = 9;
    pub(super) const LISTENER: u8 = 10;
    pub(super) const METHOD: u8 = 11;
    pub(super) const NO_COUNTRY: u8 = 12;
}

/// Rules by their most selective conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    buckets: Buckets,
    /// Rules that no dimension narrows down, in order.
    always: Vec<AclRuleId>,
    /// Dimensions in use, one bit each.
    used: u16,
    /// Families and lengths of the networks in use.
    lengths: Vec<(u8, u8)>,
    /// Names of the headers in use.
    names: Vec<String>,
    /// Which segments templates state, with how many there are.
    masks: Vec<(usize, u64)>,
}

type Alternative = (Dimension, Vec<u64>);

impl Index {
    pub(super) fn build(rules: &[(AclRuleId, &AclRule)]) -> Self {
        let mut index = Self::default();
        let ways: Vec<Vec<Alternative>> = rules.iter().map(|(_, rule)| alternatives(&rule.when)).collect();
        let mut counts: HashMap<u64, usize, ReadyState> = HashMap::default();
        for key in ways.iter().flatten().flat_map(|(_, keys)| keys) {
            let count = counts.entry(*key).or_default();
            *count = count.saturating_add(1);
        }
        let crowd = |keys: &[u64]| keys.iter().filter_map(|key| counts.get(key)).max().copied();
        let mut pairs = Vec::new();
        for ((id, rule), ways) in rules.iter().zip(&ways) {
            let Some((dimension, keys)) = ways.iter().min_by_key(|(_, keys)| crowd(keys)) else {
                index.always.push(*id);
                continue;
            };
            index.note(*dimension, &rule.when);
            pairs.extend(keys.iter().map(|key| (*key, *id)));
            if *dimension == Dimension::Country && may_apply_unknown(rule) {
                pairs.push((Fnv::new(kind::NO_COUNTRY).key(), *id));
            }
        }
        index.buckets = Buckets::build(pairs);
        index
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0 && self.always.is_empty()
    }

    pub(super) fn always(&self) -> usize {
        self.always.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.buckets.bytes().saturating_add(size_of_val(self.always.as_slice()))
    }

    fn note(&mut self, dimension: Dimension, when: &AclConditions) {
        self.used |= 1 << dimension as u16;
        match dimension {
            Dimension::Network => {
                let networks = when.networks.iter().map(network);
                self.lengths.extend(networks.map(|((family, _), length)| (family, length)));
                self.lengths.sort_unstable();
                self.lengths.dedup();
            }
            Dimension::Header => {
                if let Some(header) = indexed_header(when)
                    && !self.names.contains(&header.name)
                {
                    self.names.push(header.name.clone());
                }
            }
            Dimension::Path => {
                for path in &when.paths {
                    if let PathMatch::Template(segments) = path
                        && let mask = (segments.len(), stated(segments))
                        && !self.masks.contains(&mask)
                    {
                        self.masks.push(mask);
                    }
                }
            }
            _ => {}
        }
    }

    fn uses(&self, dimension: Dimension) -> bool {
        self.used >> dimension as u16 & 1 == 1
    }

    /// Shows every list of rules that the request can meet; each is in order.
    pub(super) fn visit(&self, request: &Request<'_>, seen: &mut dyn FnMut(&[AclRuleId])) {
        if !self.always.is_empty() {
            seen(&self.always);
        }
        if self.uses(Dimension::Path) {
            self.visit_path(request.facts.path, seen);
        }
        if let (true, Some(address)) = (self.uses(Dimension::Network), request.address) {
            for &(_, length) in self.lengths.iter().filter(|(family, _)| *family == address.0) {
                seen(self.buckets.get(network_key(address, length)));
            }
        }
        if self.uses(Dimension::Host) {
            self.visit_host(&request.host, seen);
        }
        if self.uses(Dimension::Header) {
            self.visit_headers(request, seen);
        }
        if self.uses(Dimension::Country) {
            let country = request.facts.country;
            let unknown = Fnv::new(kind::NO_COUNTRY).key();
            seen(
                self.buckets.get(country.map_or(unknown, |code| Fnv::new(kind::COUNTRY).bytes(&code).key())),
            );
        }
        if self.uses(Dimension::Bot)
            && let Some(bot) = request.bot()
        {
            seen(self.buckets.get(Fnv::new(kind::BOT).byte(bot as u8).key()));
        }
        if self.uses(Dimension::Listener) {
            seen(self.buckets.get(listener_key(request.facts.listener)));
        }
        if self.uses(Dimension::Method) {
            seen(self.buckets.get(Fnv::new(kind::METHOD).bytes(request.facts.method.as_bytes()).key()));
        }
    }

    /// One pass over the path: at each segment's end it may be below a prefix.
    fn visit_path(&self, path: &str, seen: &mut dyn FnMut(&[AclRuleId])) {
        let (mut whole, mut below) = (Fnv::new(kind::PATH), Fnv::new(kind::BELOW));
        for byte in path.bytes() {
            if byte == b'/' {
                seen(self.buckets.get(below.key()));
            }
            whole = whole.byte(byte);
            below = below.byte(byte);
        }
        seen(self.buckets.get(below.key()));
        seen(self.buckets.get(whole.key()));
        if self.masks.is_empty() {
            return;
        }
        let count = path.bytes().filter(|byte| *byte == b'/').count();
        for &(_, mask) in self.masks.iter().filter(|(segments, _)| *segments == count) {
            seen(self.buckets.get(template_key(count, mask, path.split('/').skip(1))));
        }
    }

    fn visit_host(&self, host: &str, seen: &mut dyn FnMut(&[AclRuleId])) {
        seen(self.buckets.get(Fnv::new(kind::HOST).bytes(host.as_bytes()).key()));
        // From the end, so that every suffix is hashed on the way.
        let mut domain = Fnv::new(kind::DOMAIN);
        for byte in host.bytes().rev() {
            domain = domain.byte(byte);
            if byte == b'.' {
                seen(self.buckets.get(domain.key()));
            }
        }
    }

    fn visit_headers(&self, request: &Request<'_>, seen: &mut dyn FnMut(&[AclRuleId])) {
        for name in &self.names {
            let named = Fnv::new(kind::HEADER).bytes(name.as_bytes());
            let mut there = false;
            request.facts.headers.any(name, &mut |value| {
                there = true;
                seen(self.buckets.get(named.byte(0).bytes(value).key()));
                false
            });
            if there {
                seen(self.buckets.get(named.key()));
            }
        }
    }
}

/// Whether a rule can apply to an address whose country nobody knows, or has to be waited for.
fn may_apply_unknown(rule: &AclRule) -> bool {
    let waits = rule.when.body_over.is_some() || rule.unless.body_over.is_some();
    waits
        || match rule.action {
            AclAction::Log => true,
            AclAction::Allow => rule.on_failure == OnFailure::Open,
            AclAction::Block(_) => rule.on_failure == OnFailure::Closed,
        }
}

/// The dimensions a rule can be entered under, with its keys there: a request that it applies to has one of
/// the keys of each.
fn alternatives(when: &AclConditions) -> Vec<Alternative> {
    let mut ways = Vec::new();
    let mut offer = |dimension: Dimension, keys: Vec<u64>| {
        if !keys.is_empty() {
            ways.push((dimension, keys));
        }
    };
    offer(Dimension::Path, when.paths.iter().map(path_key).collect());
    let networks = when.networks.iter().map(network);
    offer(Dimension::Network, networks.map(|(address, length)| network_key(address, length)).collect());
    if !when.hosts.contains(&HostMatch::Any) {
        offer(Dimension::Host, when.hosts.iter().map(host_key).collect());
    }
    if let Some(header) = indexed_header(when) {
        let named = Fnv::new(kind::HEADER).bytes(header.name.as_bytes());
        let mut keys: Vec<u64> =
            header.values.iter().map(|value| named.byte(0).bytes(value.as_bytes()).key()).collect();
        if keys.is_empty() {
            keys.push(named.key());
        }
        offer(Dimension::Header, keys);
    }
    let countries = when.countries.iter();
    offer(
        Dimension::Country,
        countries.map(|code| Fnv::new(kind::COUNTRY).bytes(code.as_bytes()).key()).collect(),
    );
    offer(Dimension::Bot, when.bots.iter().map(|bot| Fnv::new(kind::BOT).byte(*bot as u8).key()).collect());
    offer(Dimension::Listener, when.listeners.iter().copied().map(listener_key).collect());
    let methods = when.methods.iter();
    offer(
        Dimension::Method,
        methods.map(|method| Fnv::new(kind::METHOD).bytes(method.as_bytes()).key()).collect(),
    );
    ways
}

/// Of several headers the first that names values.
fn indexed_header(when: &AclConditions) -> Option<&crate::HeaderCondition> {
    when.headers.iter().find(|header| !header.values.is_empty()).or(when.headers.first())
}

fn path_key(path: &PathMatch) -> u64 {
    match path {
        PathMatch::Exact(path) => Fnv::new(kind::PATH).bytes(path.as_bytes()).key(),
        PathMatch::Prefix(path) => Fnv::new(kind::BELOW).bytes(path.as_bytes()).key(),
        PathMatch::Template(segments) => {
            let texts = segments.iter().map(|segment| segment.as_deref().unwrap_or_default());
            template_key(segments.len(), stated(segments), texts)
        }
    }
}

/// Which of a template's segments are stated, a bit each; those beyond 64 count for open.
fn stated(segments: &[Option<String>]) -> u64 {
    let bits = segments.iter().take(64).zip(0..64);
    bits.fold(0, |mask, (segment, at)| mask | u64::from(segment.is_some()) << at)
}

fn template_key<'a>(count: usize, mask: u64, segments: impl Iterator<Item = &'a str>) -> u64 {
    let shape = Fnv::new(kind::TEMPLATE).bytes(&count.to_le_bytes()).bytes(&mask.to_le_bytes());
    let stated = segments.take(64).zip(0..64).filter(|(_, at)| mask >> at & 1 == 1);
    stated.fold(shape, |hash, (segment, _)| hash.bytes(segment.as_bytes()).byte(b'/')).key()
}

fn host_key(host: &HostMatch) -> u64 {
    match host {
        HostMatch::Exact(host) => Fnv::new(kind::HOST).bytes(host.as_bytes()).key(),
        HostMatch::Suffix(suffix) => {
            suffix.bytes().rev().fold(Fnv::new(kind::DOMAIN), |hash, byte| hash.byte(byte)).key()
        }
        HostMatch::Any => Fnv::new(kind::DOMAIN).key(),
    }
}

fn listener_key(listener: u32) -> u64 {
    Fnv::new(kind::LISTENER).bytes(&listener.to_le_bytes()).key()
}

/// A network's first address, and its length counted on 128 bits.
fn network(network: &IpNet) -> (Place, u8) {
    let address = network.network();
    let shift = if matches!(address, IpAddr::V4(_)) { 96 } else { 0 };
    (place(address), network.prefix_len().saturating_add(shift))
}

fn network_key((family, bits): Place, length: u8) -> u64 {
    let kept = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or_default();
    Fnv::new(kind::NETWORK).byte(family).byte(length).bytes(&(bits & kept).to_be_bytes()).key()
}
