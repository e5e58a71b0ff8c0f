//! Whose request it is, by address. It owns choosing between the connection's own peer and what a trusted
//! proxy says, and which headers say such things at all; it refuses to judge addresses.

use std::net::IpAddr;

use decision::Networks;
use http::HeaderMap;
use rule_table::{Forwarded, ForwardedHeader};
use wire::forwarded::{by_forwarded, by_x_forwarded_for};

/// Headers that state a client's address. Backends get the gateway's own statement instead, whoever sent
/// these: a backend that believes the gateway must not be made to believe its callers.
pub(super) const STATEMENTS: [&str; 3] = ["x-forwarded-for", "forwarded", "x-real-ip"];

/// Whom a listener believes.
#[derive(Debug, Default)]
pub(super) struct Belief {
    header: Option<ForwardedHeader>,
    proxies: Networks,
}

impl Belief {
    pub(super) fn new(section: Option<&Forwarded>) -> Self {
        section.map_or_else(Self::default, |section| Self {
            header: Some(section.header),
            proxies: Networks::new(section.trusted.iter().map(String::as_str)),
        })
    }

    /// The client's address, for a request that `peer` sent.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        let trusted = |address| self.proxies.contains(address);
        let lines = |name: &str| {
            let lines: Vec<_> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            lines.into_iter()
        };
        match self.header {
            Some(ForwardedHeader::XForwardedFor) if trusted(peer) => {
                by_x_forwarded_for(peer, lines("x-forwarded-for"), trusted)
            }
            Some(ForwardedHeader::Forwarded) if trusted(peer) => {
                by_forwarded(peer, lines("forwarded"), trusted)
            }
            _ => peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: Option<ForwardedHeader>, peer: &str, sent: &[(&'static str, &str)]) -> String {
        let section = header.map(|header| Forwarded { header, trusted: vec!["10.0.0.0/8".to_owned()] });
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().unwrap());
        }
        Belief::new(section.as_ref()).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_the_named_header_of_a_trusted_peer_is_believed() {
        let said = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.8")];
        assert_eq!(client(Some(ForwardedHeader::XForwardedFor), "10.0.0.1", &said), "192.0.2.7");
        assert_eq!(client(Some(ForwardedHeader::Forwarded), "10.0.0.1", &said), "192.0.2.8");
        assert_eq!(client(Some(ForwardedHeader::XForwardedFor), "192.0.2.1", &said), "192.0.2.1");
        assert_eq!(client(None, "10.0.0.1", &said), "10.0.0.1");
        assert_eq!(client(Some(ForwardedHeader::Forwarded), "::ffff:10.0.0.1", &said), "192.0.2.8");
    }

    #[test]
    fn lines_are_one_list_in_the_order_they_were_sent() {
        let said = [("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "192.0.2.7, 10.0.0.2")];
        assert_eq!(client(Some(ForwardedHeader::XForwardedFor), "10.0.0.1", &said), "192.0.2.7");
    }
}
