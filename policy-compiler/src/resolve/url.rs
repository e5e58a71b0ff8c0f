//! URLs of backends and collectors. It owns their accepted form (RFC 3986 without userinfo, query and
//! fragment); it refuses to resolve names.

use std::net::IpAddr;

/// The parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    /// Host name or address; an IPv6 literal is without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path without trailing slash; often empty.
    pub(crate) base_path: String,
    pub(crate) port_stated: bool,
}

/// Why a text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlFault {
    /// With what to do about it.
    Malformed(&'static str, &'static str),
    /// It carries `user:password@`.
    Credentials,
}

/// Reads a URL.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, UrlFault> {
    use UrlFault::{Credentials, Malformed};
    let (scheme, rest) =
        text.split_once("://").ok_or(Malformed("it has no scheme", "begin with `http://` or `https://`"))?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => {
            return Err(Malformed(
                "its scheme is neither `http` nor `https`",
                "begin with `http://` or `https://`",
            ));
        }
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Credentials);
    }
    if path.contains(['?', '#']) {
        return Err(Malformed("it has a query or fragment", "end it before the `?` or `#`"));
    }
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Malformed("its path has spaces or characters outside ASCII", "percent-encode them"));
    }
    let (host, port) = split_port(authority)?;
    let port_stated = port.is_some();
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(Endpoint { tls, host, port, base_path: path.trim_end_matches('/').to_owned(), port_stated })
}

fn split_port(authority: &str) -> Result<(String, Option<u16>), UrlFault> {
    const NO_HOST: UrlFault =
        UrlFault::Malformed("it has no valid host", "write a host name or IP address after `://`");
    const NO_PORT: UrlFault =
        UrlFault::Malformed("its port is not a number from 1 to 65535", "write a port, or leave out the `:`");
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(NO_HOST)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| NO_HOST)?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(NO_PORT)?) };
            (host.to_owned(), port)
        }
        None if is_bare_ipv6(authority) => {
            return Err(UrlFault::Malformed(
                "its IPv6 address has no brackets",
                "write the address in brackets, and the port after them: `http://[2001:db8::1]:8000`",
            ));
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
            if !is_host_name(host) {
                return Err(NO_HOST);
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    let port = port.map(|text| text.parse().ok().filter(|port| *port > 0).ok_or(NO_PORT)).transpose()?;
    Ok((host, port))
}

/// An IPv6 address without brackets, perhaps with a port at its end.
fn is_bare_ipv6(authority: &str) -> bool {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    authority.matches(':').count() > 1
        && (address(authority) || authority.rsplit_once(':').is_some_and(|(host, _)| address(host)))
}

/// Labels of letters, digits, `-` and `_` (RFC 1123, and what cluster DNS adds), at most 253 bytes.
pub(crate) fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let parts = |text| endpoint(text).map(|e| (e.tls, e.host, e.port, e.base_path)).unwrap();
        assert_eq!(
            parts("https://API.example.com"),
            (true, "api.example.com".to_owned(), 443, String::new())
        );
        assert_eq!(parts("http://[::1]:8000/base/"), (false, "::1".to_owned(), 8000, "/base".to_owned()));
        assert_eq!(parts("http://10.0.0.1:80/"), (false, "10.0.0.1".to_owned(), 80, String::new()));
    }

    #[test]
    fn what_a_backend_url_must_not_have_is_refused() {
        assert_eq!(endpoint("https://user:pass@host"), Err(UrlFault::Credentials));
        for text in [
            "",
            "host",
            "host:80",
            "ftp://host",
            "http://",
            "http://:80",
            "http://a b",
            "http://host:0",
            "http://host:x",
            "http://host:99999",
            "http://host/?a=b",
            "http://host#f",
            "http://[::1",
            "http://[::1]80",
            "http://ho..st",
            "http://-a",
            "http://host/a b",
        ] {
            assert!(matches!(endpoint(text), Err(UrlFault::Malformed(..))), "{text}");
        }
    }

    #[test]
    fn an_ipv6_address_without_brackets_is_told_so() {
        for text in ["http://::1", "http://2001:db8::1:8000", "https://fe80::1/base"] {
            let fault = endpoint(text).unwrap_err();
            assert!(matches!(fault, UrlFault::Malformed(what, _) if what.contains("brackets")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https?://)?\\PC*") {
            let _ = endpoint(&text);
        }
    }
}
