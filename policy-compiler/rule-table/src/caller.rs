//! Who calls: consumers, teams, and the issuers whose tokens are believed. It owns the plain data of it; it
//! refuses to verify anything.

use serde::{Deserialize, Serialize};

use crate::sections::{IssuerId, LimitId, TeamId};

/// Who waits first when there is not room for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Shed first.
    Batch,
    /// Shed next.
    #[default]
    Standard,
    /// Shed last.
    Critical,
}

/// Where data may be processed, from the narrowest place that is known to the widest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Geography {
    /// A group of countries with one law, such as `eu` or `us`.
    Zone(String),
    /// One country, two lower-case letters (ISO 3166-1), and the zone it lies in, if any.
    Country {
        /// Its code.
        code: String,
        /// Its zone.
        zone: Option<String>,
    },
    /// Anywhere.
    Global,
}

impl Geography {
    /// Whether all of this place lies in `other`. A zone is never within a country, even one that is the
    /// whole of it under another name: what is stated of the zone may grow.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Global) => true,
            (Self::Zone(zone) | Self::Country { zone: Some(zone), .. }, Self::Zone(wanted)) => zone == wanted,
            (Self::Country { code, .. }, Self::Country { code: wanted, .. }) => code == wanted,
            _ => false,
        }
    }

    /// As a manifest writes it: a zone, a country's two letters, or `global`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Zone(zone) => zone,
            Self::Country { code, .. } => code,
            Self::Global => "global",
        }
    }
}

impl std::fmt::Display for Geography {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// An accepted API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Name in the manifest.
    pub name: String,
    /// Lower-case hex SHA-256 of the key.
    pub sha256: String,
    /// The key's first characters, so that people can tell keys apart.
    pub prefix: Option<String>,
    /// Unix seconds from which it is refused.
    pub expires: Option<u64>,
}

/// A token's or a certificate's claim on being a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// A token of this issuer with this subject.
    Subject {
        /// Who vouches.
        issuer: IssuerId,
        /// Value of the issuer's subject claim.
        subject: String,
    },
    /// A client certificate with this name: a DNS or URI subject alternative name, or the common name.
    Certificate(String),
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// Name in the manifest.
    pub name: String,
    /// Accepted keys, by name.
    pub keys: Vec<Key>,
    /// Other ways to show who it is.
    pub credentials: Vec<Credentials>,
    /// The team it belongs to.
    pub team: Option<TeamId>,
    /// Limits counted per consumer.
    pub limits: Vec<LimitId>,
    /// Its place when there is not room for all; the team's unless stated.
    pub priority: Option<Priority>,
}

/// Consumers that share terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Name in the manifest.
    pub name: String,
    /// Limits counted for the whole team.
    pub limits: Vec<LimitId>,
    /// Limits counted for each of its consumers, and for each subject of a token.
    pub each: Vec<LimitId>,
    /// Where its data may be processed; anywhere when absent.
    pub residency: Option<Geography>,
    /// Classification of its data, for fallbacks and hooks.
    pub data_class: Option<String>,
    /// Its place when there is not room for all; the route's unless stated.
    pub priority: Option<Priority>,
}

/// A model's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelTerms {
    /// The model's public name.
    pub model: String,
    /// Limits counted per model, over all callers.
    pub limits: Vec<LimitId>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySet {
    /// `<issuer>/.well-known/openid-configuration` says where (OpenID Connect Discovery 1.0 §4).
    Discovery,
    /// A JWK Set (RFC 7517 §5) at this URL.
    Url(String),
    /// A JWK Set in this file.
    File(String),
}

/// Who signs tokens that are believed (RFC 7519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Name in the manifest.
    pub name: String,
    /// Value of `iss`, exactly.
    pub issuer: String,
    /// Its keys.
    pub keys: KeySet,
    /// Values of `aud`, any of which must be there.
    pub audiences: Vec<String>,
    /// Accepted algorithms, such as `RS256`; asymmetric only.
    pub algorithms: Vec<String>,
    /// Scopes (`scp` or `scope`) or application roles (`roles`), all of which must be there.
    pub scopes: Vec<String>,
    /// The claim that names the caller.
    pub subject_claim: String,
    /// The claim whose values name teams.
    pub team_claim: Option<String>,
    /// Team by value of that claim, sorted by value. The first team in this order that the token has is its.
    pub teams: Vec<(String, TeamId)>,
    /// Clock difference that is tolerated, in seconds.
    pub leeway: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str, zone: Option<&str>) -> Geography {
        Geography::Country { code: code.to_owned(), zone: zone.map(str::to_owned) }
    }

    #[test]
    fn a_place_lies_in_itself_in_its_zone_and_in_the_world() {
        let (eu, sweden) = (Geography::Zone("eu".to_owned()), country("se", Some("eu")));
        for wider in [&sweden, &eu, &Geography::Global] {
            assert!(sweden.within(wider), "{wider}");
        }
        for elsewhere in [&country("de", Some("eu")), &country("no", None), &Geography::Zone("us".to_owned())]
        {
            assert!(!sweden.within(elsewhere), "{elsewhere}");
        }
        assert!(!eu.within(&sweden) && !Geography::Global.within(&eu));
        assert!(!country("ch", None).within(&eu), "a country outside every zone");
    }
}
