//! Listeners and access rules.

use std::net::IpAddr;

use ipnet::IpNet;
use rule_table::{
    AccessRule, Authn, ClientCertificates, Forwarded, ForwardedHeader, Listener, ListenerTls,
    NamedCertificate, RequiredHeader, TlsVersion,
};

use super::{Ids, edge, ids, reference, references};
use crate::manifest::{self, CERTIFICATES, CountryCode, KEYS, Manifest};
use crate::resolve::{address, network};

pub(super) fn listeners(manifest: &Manifest) -> Option<Vec<Listener>> {
    let (access, issuers) = (ids(manifest.access.keys()), ids(manifest.issuers.keys()));
    let waf = ids(manifest.waf.keys());
    let one = |(name, written): (&String, &manifest::Listener)| {
        let waf = reference(written.waf.as_ref(), &waf)?;
        Some(Listener { waf, ..listener(name, written, &access, &issuers)? })
    };
    manifest.listeners.iter().map(one).collect()
}

fn listener(name: &str, written: &manifest::Listener, access: &Ids, issuers: &Ids) -> Option<Listener> {
    let forwarded = |forwarded: &manifest::Forwarded| {
        Some(Forwarded {
            header: match forwarded.header {
                manifest::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
                manifest::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
            },
            trusted: networks(&forwarded.trust)?,
        })
    };
    let balancers = written.proxy_protocol.as_ref().map_or(&[][..], |protocol| &protocol.from);
    Some(Listener {
        name: name.to_owned(),
        address: address(&written.address).ok()?.to_string(),
        tls: written.tls.as_ref().map(tls),
        http2: written.http2,
        max_body: written.max_body.0.0,
        head_timeout: written.head_timeout.0.0,
        body_timeout: written.body_timeout.0.0,
        private: written.private,
        proxy_protocol: networks(balancers)?,
        forwarded: match &written.forwarded {
            Some(written) => Some(forwarded(written)?),
            None => None,
        },
        max_connections: written.max_connections,
        access: references(&written.access, access)?,
        authn: match &written.authn {
            Some(ways) => Some(authn(ways, issuers)?),
            None => None,
        },
        waf: None,
    })
}

fn authn(ways: &[String], issuers: &Ids) -> Option<Authn> {
    let is_issuer = |way: &&String| !matches!(way.as_str(), KEYS | CERTIFICATES);
    let mut named: Vec<_> =
        ways.iter().filter(is_issuer).map(|name| issuers.get(name).copied()).collect::<Option<_>>()?;
    named.sort_unstable();
    named.dedup();
    let names = |word: &str| ways.iter().any(|way| way == word);
    Some(Authn { keys: names(KEYS), certificates: names(CERTIFICATES), issuers: named })
}

fn tls(written: &manifest::ListenerTls) -> ListenerTls {
    let named = |(host, files): (&String, &manifest::CertificateFiles)| NamedCertificate {
        host: host.clone(),
        certificate: files.certificate.file.clone(),
        key: files.key.file.clone(),
    };
    ListenerTls {
        certificate: written.certificate.file.clone(),
        key: written.key.file.clone(),
        names: written.names.iter().map(named).collect(),
        min_version: match written.min_version {
            manifest::TlsVersion::Tls12 => TlsVersion::Tls12,
            manifest::TlsVersion::Tls13 => TlsVersion::Tls13,
        },
        clients: written.clients.as_ref().map(|clients| ClientCertificates {
            authorities: clients.authorities.file.clone(),
            required: clients.required,
            crl: clients.crl.as_ref().map(|crl| crl.file.clone()),
        }),
    }
}

pub(super) fn access(manifest: &Manifest) -> Option<Vec<AccessRule>> {
    let one = |(name, rule): (&String, &manifest::AccessRule)| {
        let countries = rule.countries.as_ref();
        let header = |(name, values): (&String, &manifest::HeaderValues)| RequiredHeader {
            name: name.to_ascii_lowercase(),
            values: sorted(values.wanted().to_vec()),
        };
        let mut headers: Vec<_> = rule.headers.iter().map(header).collect();
        headers.sort_by(|a, b| a.name.cmp(&b.name));
        Some(AccessRule {
            name: name.clone(),
            allow: networks(&rule.allow)?,
            deny: networks(&rule.deny)?,
            allow_countries: countries.map(|rule| codes(&rule.allow)).unwrap_or_default(),
            deny_countries: countries.map(|rule| codes(&rule.deny)).unwrap_or_default(),
            headers,
            mode: edge::mode(rule.mode),
            unknown_country: edge::on_failure(rule.on_failure),
        })
    };
    manifest.access.iter().map(one).collect()
}

pub(super) fn codes(codes: &[CountryCode]) -> Vec<String> {
    sorted(codes.iter().map(|code| code.0.clone()).collect())
}

/// Each once, in order.
pub(super) fn sorted<T: Ord>(mut things: Vec<T>) -> Vec<T> {
    things.sort();
    things.dedup();
    things
}

/// Networks in order, without those that others contain.
pub(super) fn nets(texts: &[String]) -> Option<Vec<IpNet>> {
    let networks: Vec<IpNet> = texts.iter().map(|text| network(text).ok()).collect::<Option<_>>()?;
    let mut networks = IpNet::aggregate(&networks);
    networks.sort_by_key(|network: &IpNet| (matches!(network.addr(), IpAddr::V6(_)), *network));
    Some(networks)
}

/// The same, in canonical form.
pub(super) fn networks(texts: &[String]) -> Option<Vec<String>> {
    Some(nets(texts)?.iter().map(IpNet::to_string).collect())
}
