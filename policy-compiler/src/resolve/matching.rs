//! A route's conditions in compiled form. It owns the grammar of paths, hosts and header names; it
//! refuses to compare routes.

use rule_table::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteMatch, TimeWindow};

use super::url::is_host_name;
use crate::manifest::{self, Match};

/// What is wrong, and what to do about it.
pub(crate) type Fault = (&'static str, &'static str);

/// Reads a path condition.
pub(crate) fn path(text: &str) -> Result<PathMatch, Fault> {
    if !text.starts_with('/') {
        return Err(("it does not begin with `/`", "begin it with `/`"));
    }
    if text.contains(['?', '#']) {
        return Err((
            "it has a query or fragment",
            "end it before the `?` or `#`: paths are compared without them",
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(("it has spaces or characters outside ASCII", "percent-encode them, as callers do"));
    }
    let (path, prefix) = match text.strip_suffix("/*") {
        Some(prefix) => (prefix, true),
        None => (text, false),
    };
    if path.contains('*') {
        return Err((
            "it has a `*` that is not its last segment",
            "only `/*` at the end takes everything below",
        ));
    }
    if path.contains(['{', '}']) {
        return if prefix {
            Err(("it has both `{}` segments and `/*`", "write one of the two"))
        } else {
            template(path).map(PathMatch::Template)
        };
    }
    let path = path.to_owned();
    Ok(if prefix { PathMatch::Prefix(path.trim_end_matches('/').to_owned()) } else { PathMatch::Exact(path) })
}

/// Reads the segments of a path with `{name}` among them.
fn template(path: &str) -> Result<Vec<Option<String>>, Fault> {
    let fault =
        ("a `{}` in it is not a whole segment with a name", "write for example `/patients/{id}/summary`");
    let segment = |text: &str| match text.strip_prefix('{').map(|rest| rest.strip_suffix('}')) {
        Some(Some(name)) if !name.is_empty() && !name.contains(['{', '}']) => Ok(None),
        None if !text.contains(['{', '}']) => Ok(Some(text.to_owned())),
        _ => Err(fault),
    };
    path.split('/').skip(1).map(segment).collect()
}

/// The hours of a window, all days where none is written.
fn window(written: &manifest::TimeWindow) -> TimeWindow {
    let days = written.days.iter().fold(0, |days, day| days | 1 << (*day as u8));
    TimeWindow {
        days: if days == 0 { 0b111_1111 } else { days },
        from: written.from.minute,
        until: written.until.minute,
        zone: written.zone.clone().unwrap_or_else(|| "UTC".to_owned()),
    }
}

/// Reads a host condition.
pub(crate) fn host(text: &str) -> Result<HostMatch, Fault> {
    if matches!(text, "" | "*") {
        return Err(("it names no host", "leave `host` out to match any host"));
    }
    if text.contains("://") || text.contains('/') {
        return Err(("it is a URL", "write the host name alone"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some(below) = lower.strip_prefix("*.") {
        return if is_host_name(below) {
            Ok(HostMatch::Suffix(format!(".{below}")))
        } else {
            Err(("what follows `*.` is not a host name", "write for example `*.llm.corp`"))
        };
    }
    if lower.contains('*') {
        return Err((
            "a `*` can only stand for whole labels at its beginning",
            "write for example `*.llm.corp`",
        ));
    }
    let literal = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if literal.is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()) || is_host_name(&lower) {
        return Ok(HostMatch::Exact(lower));
    }
    if lower.rsplit_once(':').is_some_and(|(name, _)| is_host_name(name)) {
        return Err(("it has a port", "leave out the port: hosts are compared without it"));
    }
    Err(("it is not a host name", "write for example `api.llm.corp` or `*.llm.corp`"))
}

/// What is wrong with a header's name or value, if anything.
pub(crate) fn header_fault(name: &str, value: &str) -> Option<Fault> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Some(("its name is not a header name", "use letters, digits and `-`"));
    }
    let visible = value.bytes().all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\t');
    if !visible || value.trim() != value || value.is_empty() {
        return Some(("its value could never be sent", "use visible ASCII characters, or `*` for any value"));
    }
    None
}

/// The compiled conditions, without the consumers, whose ids are not known here; `None` when one of them is
/// malformed.
pub(crate) fn matching(written: &Match) -> Option<RouteMatch> {
    let mut methods = written.method.0.clone();
    methods.sort();
    methods.dedup();
    let header = |(name, value): (&String, &String)| HeaderMatch {
        name: name.to_ascii_lowercase(),
        value: (value != "*").then(|| value.clone()),
    };
    let mut headers: Vec<_> = written.header.iter().map(header).collect();
    headers.sort();
    let parameter = |(name, value): (&String, &String)| QueryMatch {
        name: name.clone(),
        value: (value != "*").then(|| value.clone()),
    };
    Some(RouteMatch {
        host: written.host.as_deref().map_or(Ok(HostMatch::Any), host).ok()?,
        path: path(&written.path).ok()?,
        methods,
        headers,
        query: written.query.iter().map(parameter).collect(),
        consumers: Vec::new(),
        time: written.time.as_ref().map(window),
        model: written.model.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_everything_below_a_segment() {
        assert_eq!(path("/tools/*"), Ok(PathMatch::Prefix("/tools".to_owned())));
        assert_eq!(path("/*"), Ok(PathMatch::Prefix(String::new())));
        assert_eq!(path("/a/"), Ok(PathMatch::Exact("/a/".to_owned())));
        for text in ["", "a", "/a?b", "/a#b", "/a b", "/a*", "/*/b", "/é", "/a/*/*"] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_are_names_addresses_or_suffixes() {
        assert_eq!(host("API.Corp"), Ok(HostMatch::Exact("api.corp".to_owned())));
        assert_eq!(host("*.corp"), Ok(HostMatch::Suffix(".corp".to_owned())));
        assert_eq!(host("[::1]"), Ok(HostMatch::Exact("[::1]".to_owned())));
        assert_eq!(host("127.0.0.1"), Ok(HostMatch::Exact("127.0.0.1".to_owned())));
        for text in ["", "*", "a.*", "*corp", "corp:80", "http://corp", "a b", "*.", "a/b", ".corp"] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
