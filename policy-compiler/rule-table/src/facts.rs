//! What policy reads of a request, in one borrowed value. It owns the shape that the engines and the plain
//! interpreter share; it refuses to find any of it out: address, country, caller and clock are handed in.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::sections::ConsumerId;

/// The headers of a request, by lower-case name.
pub trait Headers {
    /// Shows every value sent under `name`, in order, until `seen` has seen enough and says `true`.
    /// Says whether it did.
    fn any(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// No headers at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// Headers as a list of pairs; names in lower case.
impl Headers for &[(&str, &str)] {
    fn any(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.iter().filter(|(known, _)| *known == name).any(|(_, value)| seen(value.as_bytes()))
    }
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn any(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        (&self.as_slice()).any(name, seen)
    }
}

/// How much is known of a body's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Body {
    /// This many bytes; a request without a body has none.
    Bytes(u64),
    /// Not known yet: the body will be read, and the question asked again.
    Unread,
    /// Not known, and it will not be: the body is passed on as it comes.
    #[default]
    Untold,
}

/// A request as policy sees it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The listener it came in by, an index into `Policy::listeners`.
    pub listener: u32,
    /// Where it comes from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The address's country, two capitals (ISO 3166-1 alpha-2), where known.
    pub country: Option<[u8; 2]>,
    /// Method, compared exactly.
    pub method: &'a str,
    /// `Host` or `:authority`, compared without port, case and trailing dot.
    pub host: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Query without its question mark, as it was sent; empty when there is none.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a dyn Headers,
    /// The body's size.
    pub body: Body,
    /// The caller, where known.
    pub consumer: Option<ConsumerId>,
    /// When it arrived, in seconds since 1970 in UTC.
    pub unix_seconds: u64,
    /// The model its body names, where it has been read.
    pub model: Option<&'a str>,
}

impl Facts<'_> {
    /// A `GET /` about which nothing else is known: a place to start from.
    pub const EMPTY: Facts<'static> = Facts {
        listener: 0,
        address: None,
        country: None,
        method: "GET",
        host: "",
        path: "/",
        query: "",
        headers: &NoHeaders,
        body: Body::Bytes(0),
        consumer: None,
        unix_seconds: 0,
        model: None,
    };

    /// Whether a header was sent with one of `values`, or at all where there are none. Sent more than once,
    /// one of them suffices: whoever adds a second could have sent that one alone.
    pub(crate) fn has_header(&self, name: &str, values: &[String]) -> bool {
        let mut fits =
            |sent: &[u8]| values.is_empty() || values.iter().any(|wanted| wanted.as_bytes() == sent);
        self.headers.any(name, &mut fits)
    }

    /// Reads the first value of a header, if there is one.
    pub(crate) fn first_header<T>(&self, name: &str, mut read: impl FnMut(&[u8]) -> T) -> Option<T> {
        let mut first = None;
        self.headers.any(name, &mut |sent| {
            first = Some(read(sent));
            true
        });
        first
    }

    /// Whether the first value of a header is `value`, or whether there is one at all.
    pub(crate) fn first_header_is(&self, name: &str, value: Option<&str>) -> bool {
        let equal = |sent: &[u8]| value.is_none_or(|wanted| wanted.as_bytes() == sent);
        self.first_header(name, equal).unwrap_or_default()
    }

    /// The value of a parameter's first occurrence. Nothing is decoded; without `=` it is empty.
    pub(crate) fn first_parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether the first occurrence of a parameter has `value`, or whether there is one at all.
    pub(crate) fn first_parameter_is(&self, name: &str, value: Option<&str>) -> bool {
        self.first_parameter(name).is_some_and(|sent| value.is_none_or(|wanted| wanted == sent))
    }

    /// What the request says of the program that sent it, in lower case; nothing where it says nothing.
    pub(crate) fn user_agent(&self) -> Option<String> {
        let lower = |sent: &[u8]| String::from_utf8_lossy(sent).to_ascii_lowercase();
        self.first_header("user-agent", lower).filter(|agent| !agent.trim().is_empty())
    }
}

/// Says nothing of queries and headers, which may hold what is nobody's business.
impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("listener", &self.listener)
            .field("address", &self.address)
            .field("country", &self.country.map(|code| String::from_utf8_lossy(&code).into_owned()))
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("body", &self.body)
            .field("consumer", &self.consumer)
            .field("unix_seconds", &self.unix_seconds)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A host without port and trailing dot, in lower case. An IPv6 literal keeps its brackets.
pub(crate) fn normal_host(host: &str) -> Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
