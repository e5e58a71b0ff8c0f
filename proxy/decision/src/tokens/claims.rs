//! What a token says of its bearer (RFC 7519 §4). It owns the checks of time, audience and scope, and the
//! ways issuers write lists; it refuses to judge who the bearer is.

use serde_json::{Map, Value};

use super::fault::TokenFault;

/// The longest name of a bearer.
const LONGEST_SUBJECT: usize = 256;

/// The claims of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They may hold names and addresses of people.
        f.debug_tuple("Claims").field(&self.0.len()).finish()
    }
}

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, TokenFault> {
        serde_json::from_slice(payload)
            .map(Self)
            .map_err(|_| TokenFault::Malformed("its payload is not a JSON object"))
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// The values of a claim that is text or a list of texts.
    #[must_use]
    pub fn values(&self, claim: &str) -> Vec<&str> {
        match self.0.get(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the issuer left a claim out because it is too large, as Microsoft Entra ID does with more
    /// than 200 groups: it names a source instead (OpenID Connect Core 1.0 §5.6.2), or says `hasgroups`.
    #[must_use]
    pub fn left_out(&self, claim: &str) -> bool {
        let elsewhere = self.0.get("_claim_names").and_then(|names| names.get(claim)).is_some();
        let implicit = claim == "groups" && self.0.get("hasgroups").is_some();
        !self.0.contains_key(claim) && (elsewhere || implicit)
    }

    /// The second from which it is refused: `exp` and the leeway.
    pub(super) fn check_times(&self, leeway: u64, now: u64) -> Result<u64, TokenFault> {
        const NO_END: TokenFault = TokenFault::Malformed("it has no end (`exp`)");
        let end = seconds(self.0.get("exp").ok_or(NO_END)?).ok_or(NO_END)?;
        let expires = end.saturating_add(leeway);
        if now >= expires {
            return Err(TokenFault::Expired);
        }
        match self.0.get("nbf").map(seconds) {
            None => Ok(expires),
            Some(None) => Err(TokenFault::Malformed("its beginning (`nbf`) is no number")),
            Some(Some(begins)) if begins > now.saturating_add(leeway) => Err(TokenFault::NotYet),
            Some(Some(_)) => Ok(expires),
        }
    }

    pub(super) fn check_audience(&self, audiences: &[String]) -> Result<(), TokenFault> {
        let meant = self.values("aud");
        let ours = audiences.iter().any(|audience| meant.contains(&audience.as_str()));
        if ours { Ok(()) } else { Err(TokenFault::Audience) }
    }

    /// Scopes come separated by spaces (RFC 8693 §4.2) or as a list, under either name; roles as a list.
    pub(super) fn check_scopes(&self, wanted: &[String]) -> Result<(), TokenFault> {
        let held = |scope: &&String| {
            let scopes = ["scp", "scope"].into_iter().flat_map(|claim| self.values(claim));
            scopes.flat_map(str::split_whitespace).chain(self.values("roles")).any(|held| held == *scope)
        };
        match wanted.iter().find(|scope| !held(scope)) {
            None => Ok(()),
            Some(lacking) => Err(TokenFault::Scope(lacking.clone())),
        }
    }

    pub(super) fn subject(&self, claim: &str) -> Result<&str, TokenFault> {
        let subject = self.text(claim).filter(|subject| {
            !subject.is_empty() && subject.len() <= LONGEST_SUBJECT && !subject.chars().any(char::is_control)
        });
        subject.ok_or(TokenFault::Malformed("the claim that names its bearer is missing or unusable"))
    }
}

/// Seconds since 1970, whole or not (RFC 7519 §2, NumericDate). What lies before is at its beginning.
fn seconds(value: &Value) -> Option<u64> {
    // A float that exceeds the range is at its end, which is what is meant.
    value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds.max(0.0) as u64))
}
