//! A concrete case that shows what a finding says: a request, or a choice of values. It owns how one is
//! written; it refuses to find one, which is each proof's work.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A case in which what a finding says can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Witness {
    /// A request.
    Request(Box<Request>),
    /// Quantities or names, by what they are.
    Values(BTreeMap<String, String>),
}

/// As much of a request as matters; anything goes for what is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Method; `GET` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Host without port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path without query.
    pub path: String,
    /// Parameters of the query, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Headers, by lower-case name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The listener it comes in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
    /// The address it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Who calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The model in its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Bytes of its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
    /// Day, hour and zone, such as `Mon 08:30 UTC`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Witness {
    /// Values by what they are.
    pub fn values<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Values(values.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl From<Request> for Witness {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => request.fmt(f),
            Self::Values(values) => {
                let each: Vec<String> =
                    values.iter().map(|(name, value)| format!("{name} {value}")).collect();
                f.write_str(&each.join(", "))
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_ref().map(|host| format!("http://{host}")).unwrap_or_default();
        write!(f, "{} {host}{}", self.method.as_deref().unwrap_or("GET"), self.path)?;
        for (place, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if place == 0 { '?' } else { '&' })?;
        }
        for (name, value) in &self.headers {
            write!(f, ", {name}: {value}")?;
        }
        let rest = [
            (" by listener ", self.listener.as_ref()),
            (" from ", self.from.as_ref()),
            (" in ", self.country.as_ref()),
            (" as ", self.consumer.as_ref()),
            (" for model ", self.model.as_ref()),
            (" at ", self.at.as_ref()),
        ];
        for (word, value) in rest.iter().filter_map(|(word, value)| value.map(|value| (word, value))) {
            write!(f, "{word}{value}")?;
        }
        self.body.map_or(Ok(()), |bytes| write!(f, " with a body of {bytes} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_as_one_line() {
        let request = Request {
            method: Some("POST".to_owned()),
            host: Some("api.corp".to_owned()),
            path: "/v1/files".to_owned(),
            query: BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]),
            headers: BTreeMap::from([("x-tier".to_owned(), "gold".to_owned())]),
            from: Some("10.0.0.1".to_owned()),
            body: Some(7),
            ..Request::default()
        };
        let text = "POST http://api.corp/v1/files?a=1&b=2, x-tier: gold from 10.0.0.1 with a body of 7 bytes";
        assert_eq!(Witness::from(request).to_string(), text);
        assert_eq!(Witness::values([("b", "2"), ("a", "1")]).to_string(), "a 1, b 2");
    }
}
