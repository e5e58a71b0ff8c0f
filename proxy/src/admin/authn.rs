//! Who asks the admin API, and what they may do. It owns the ways in (named tokens, the token of the
//! manifest, tokens of an issuer, client certificates) and the order of the roles; it refuses to know routes.

use std::sync::Arc;

use decision::{ClientCertificate, Gate, TokenFault};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use rule_table::{Admin, AdminOidc, AdminToken, Role};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::answer::{Answer, problem};
use crate::clock::unix_nanos;
use crate::live::Live;
use crate::upstream::Secret;

/// How somebody showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Not at all: nothing is configured, and the address is all that keeps strangers out.
    Open,
    /// By a bearer token of the manifest.
    Token,
    /// By a token of an issuer.
    Oidc,
    /// By a client certificate.
    Certificate,
}

impl How {
    /// As the audit log writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Oidc => "oidc",
            Self::Certificate => "certificate",
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Name of the token or the certificate.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// How that is known.
    pub(crate) how: How,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No credential was sent, and one is needed.
    Missing,
    /// The credential is nobody's.
    Unknown,
    /// The token has expired.
    Expired,
    /// The token is good, and says nothing that gives a role.
    NoRole,
    /// The keys of the token's issuer cannot be had.
    Unavailable,
    /// The role does not suffice.
    Role {
        /// What they have.
        has: Role,
        /// What it takes.
        needs: Role,
    },
    /// It takes a credential, and none is configured.
    Unconfigured,
}

impl Principal {
    /// Whether they may do what takes `needs`.
    ///
    /// # Errors
    /// [`Denied::Role`], or [`Denied::Unconfigured`] where nobody could show anything.
    pub(crate) fn require(&self, needs: Role) -> Result<(), Denied> {
        if self.role >= needs {
            return Ok(());
        }
        match self.how {
            How::Open => Err(Denied::Unconfigured),
            _ => Err(Denied::Role { has: self.role, needs }),
        }
    }
}

/// Name of a role, as in the manifest.
pub(crate) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Publisher => "publisher",
    }
}

impl Denied {
    /// As the API answers it.
    pub(crate) fn answer(self) -> Answer {
        let (status, title, how) = match self {
            Self::Missing | Self::Unknown => (
                StatusCode::UNAUTHORIZED,
                "The admin token is missing or wrong",
                "send the header `Authorization: Bearer <admin token>`".to_owned(),
            ),
            Self::Expired => (
                StatusCode::UNAUTHORIZED,
                "The admin token has expired",
                "ask for a new one; `admin.tokens.<name>.expires` says until when each is good".to_owned(),
            ),
            Self::NoRole => (
                StatusCode::FORBIDDEN,
                "Your token gives no role",
                "`admin.oidc.roles` in the manifest says which values of its claim do".to_owned(),
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The issuer's keys cannot be had",
                "use a named token of the manifest meanwhile, or try again shortly".to_owned(),
            ),
            Self::Role { has, needs } => (
                StatusCode::FORBIDDEN,
                "Your role does not suffice",
                format!("this takes the role `{}`, and yours is `{}`", role_name(needs), role_name(has)),
            ),
            Self::Unconfigured => (
                StatusCode::FORBIDDEN,
                "No admin token is configured",
                "changing anything needs a token: set `admin.token` or `admin.tokens` in the manifest and send it as a bearer token".to_owned(),
            ),
        };
        problem(status, title, &how, &[])
    }
}

/// Tells who asks.
#[derive(Debug)]
pub(crate) struct Authn {
    live: Arc<Live>,
    /// Value of `admin.token`.
    token: Option<Secret>,
}

impl Authn {
    /// Reads the policy in force at each question, so that a token taken out of the manifest is refused
    /// as soon as that manifest is.
    pub(crate) fn new(live: Arc<Live>, token: Option<Secret>) -> Self {
        Self { live, token }
    }

    /// Who asks, by the request's headers and its connection's verified certificate.
    ///
    /// # Errors
    /// [`Denied::Missing`], [`Denied::Unknown`], [`Denied::Expired`].
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Principal, Denied> {
        let in_force = self.live.in_force();
        let section = in_force.gate.policy().admin.as_ref();
        let presented = match headers.get(AUTHORIZATION) {
            Some(value) => Some(bearer(value.as_bytes()).ok_or(Denied::Unknown)?),
            None => None,
        };
        match presented {
            Some(token) => {
                let now = unix_nanos() / 1_000_000_000;
                match (self.by_token(section, token, now), section.and_then(|section| section.oidc.as_ref()))
                {
                    (Err(Denied::Unknown), Some(oidc)) => {
                        self.by_issuer(&in_force.gate, oidc, token, now).await
                    }
                    (known, _) => known,
                }
            }
            None => self.without_token(section, certificate),
        }
    }

    fn by_token(&self, section: Option<&Admin>, token: &[u8], now: u64) -> Result<Principal, Denied> {
        if let Some(own) = &self.token
            && bool::from(token.ct_eq(own.expose().as_bytes()))
        {
            return Ok(Principal { name: "admin".to_owned(), role: Role::Publisher, how: How::Token });
        }
        let tokens = section.map_or(&[][..], |section| &section.tokens);
        if let Some(found) = named(tokens, token) {
            let expired = found.expires.is_some_and(|expires| now >= expires);
            let principal = Principal { name: found.name.clone(), role: found.role, how: How::Token };
            return if expired { Err(Denied::Expired) } else { Ok(principal) };
        }
        Err(Denied::Unknown)
    }

    async fn by_issuer(
        &self,
        gate: &Gate,
        oidc: &AdminOidc,
        token: &[u8],
        now: u64,
    ) -> Result<Principal, Denied> {
        let mut verified = gate.verify_token(token, now);
        if let Some(issuer) = verified.as_ref().err().and_then(TokenFault::wants_keys_of) {
            self.live.key_sets.missed(gate, issuer).await;
            verified = gate.verify_token(token, now);
        }
        let verified = verified.map_err(|fault| match fault {
            TokenFault::Expired | TokenFault::NotYet => Denied::Expired,
            TokenFault::Scope(_) => Denied::NoRole,
            TokenFault::NoKeys(_) => Denied::Unavailable,
            _ => Denied::Unknown,
        })?;
        if verified.issuer != oidc.issuer {
            return Err(Denied::Unknown);
        }
        let values = verified.claims.values(&oidc.claim);
        let granted = oidc.roles.iter().filter(|(value, _)| values.contains(&value.as_str()));
        let role = granted.map(|(_, role)| *role).max().ok_or(Denied::NoRole)?;
        Ok(Principal { name: verified.subject, role, how: How::Oidc })
    }

    fn without_token(
        &self,
        section: Option<&Admin>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Principal, Denied> {
        let roles = section.map_or(&[][..], |section| &section.certificates);
        let known = certificate.into_iter().flat_map(|certificate| &certificate.names).find_map(|name| {
            roles.iter().find(|(role_of, _)| role_of == name).map(|(name, role)| (name.clone(), *role))
        });
        if let Some((name, role)) = known {
            return Ok(Principal { name, role, how: How::Certificate });
        }
        if certificate.is_some() && !roles.is_empty() {
            return Err(Denied::Unknown);
        }
        if self.token.is_some() || section.is_some_and(asks_for_credentials) {
            return Err(Denied::Missing);
        }
        Ok(Principal { name: "anonymous".to_owned(), role: Role::Viewer, how: How::Open })
    }
}

/// Whether anything but `admin.token` says who may come.
fn asks_for_credentials(section: &Admin) -> bool {
    !section.tokens.is_empty() || section.oidc.is_some() || !section.certificates.is_empty()
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then(|| token.trim_ascii())
}

/// The token with this value. What is compared are hashes, so timing tells nothing of any token.
fn named<'t>(tokens: &'t [AdminToken], presented: &[u8]) -> Option<&'t AdminToken> {
    let hash: String = Sha256::digest(presented).iter().map(|byte| format!("{byte:02x}")).collect();
    tokens.iter().find(|token| token.sha256 == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: Role, how: How) -> Principal {
        Principal { name: "x".to_owned(), role, how }
    }

    #[test]
    fn a_role_may_do_what_those_before_it_may_and_a_wrong_role_is_told_which_it_takes() {
        let operator = principal(Role::Operator, How::Token);
        assert_eq!(operator.require(Role::Viewer), Ok(()));
        assert_eq!(operator.require(Role::Operator), Ok(()));
        let denied = operator.require(Role::Publisher).unwrap_err();
        assert_eq!(denied, Denied::Role { has: Role::Operator, needs: Role::Publisher });
        assert_eq!(denied.answer().status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn where_nothing_is_configured_strangers_see_and_change_nothing() {
        let stranger = principal(Role::Viewer, How::Open);
        assert_eq!(stranger.require(Role::Viewer), Ok(()));
        assert_eq!(stranger.require(Role::Operator), Err(Denied::Unconfigured));
    }

    #[test]
    fn a_named_token_is_found_by_its_hash_alone() {
        let hash: String = Sha256::digest(b"good").iter().map(|byte| format!("{byte:02x}")).collect();
        let tokens =
            [AdminToken { name: "night".into(), sha256: hash, role: Role::Operator, expires: Some(5) }];
        assert_eq!(named(&tokens, b"good").map(|token| token.name.as_str()), Some("night"));
        assert!(named(&tokens, b"bad").is_none());
    }

    #[test]
    fn only_a_bearer_scheme_carries_a_token() {
        assert_eq!(bearer(b"bearer  a"), Some(&b"a"[..]));
        assert_eq!(bearer(b"Basic YQ=="), None);
        assert_eq!(bearer(b"Bearer "), None);
    }
}
