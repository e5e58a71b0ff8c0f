//! Bearer tokens: JSON Web Tokens (RFC 7519) of the issuers the manifest believes, checked as RFC 8725 asks.
//! It owns verifying them against keys it is handed; it refuses to fetch keys, to read a clock, and to take a
//! token's own word for how it is to be verified.

use std::sync::Arc;

use rule_table::{Issuer, IssuerId};

mod cache;
mod claims;
mod compact;
mod fault;
mod keyset;
mod signature;

pub use claims::Claims;
pub(crate) use compact::looks_like_token;
pub use fault::TokenFault;
pub use keyset::{IssuerKeys, KeySetFault, PublicKeys};

pub(crate) use cache::{Cache, Cached};
use compact::Compact;
use signature::Algorithm;

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Who vouches.
    pub issuer: IssuerId,
    /// Value of the issuer's subject claim.
    pub subject: String,
    /// Unix seconds from which it is refused, leeway included.
    pub expires: u64,
    /// Which keys it was verified with.
    pub keys: u64,
    /// All of its claims.
    pub claims: Claims,
}

/// The issuers of a policy with their keys.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    all: Vec<Believed>,
}

#[derive(Debug)]
struct Believed {
    section: Issuer,
    algorithms: Vec<Algorithm>,
    keys: Arc<IssuerKeys>,
}

impl Issuers {
    /// The issuers of a policy. One that was believed before, and has its keys in the same place, keeps them.
    pub(crate) fn build(sections: &[Issuer], previous: Option<&Self>) -> Self {
        let kept = |section: &Issuer| {
            let before = previous.into_iter().flat_map(|issuers| &issuers.all);
            let same = |known: &&Believed| {
                known.section.issuer == section.issuer && known.section.keys == section.keys
            };
            before.into_iter().find(same).map(|known| Arc::clone(&known.keys))
        };
        let believed = |section: &Issuer| Believed {
            section: section.clone(),
            algorithms: section.algorithms.iter().filter_map(|name| Algorithm::named(name)).collect(),
            keys: kept(section).unwrap_or_default(),
        };
        Self { all: sections.iter().map(believed).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The keys of an issuer.
    pub(crate) fn keys(&self, id: IssuerId) -> Option<&Arc<IssuerKeys>> {
        self.all.get(id as usize).map(|believed| &believed.keys)
    }

    /// Verifies a token; `now` is in Unix seconds.
    pub(crate) fn verify(&self, token: &[u8], now: u64) -> Result<Verified, TokenFault> {
        let compact = Compact::parse(token)?;
        let claims = Claims::parse(&compact.payload)?;
        // Nothing of this is believed yet; it only says whose keys to try.
        let iss = claims.text("iss").ok_or(TokenFault::Malformed("it names no issuer"))?;
        let found = (0..).zip(&self.all).find(|(_, believed)| believed.section.issuer == iss);
        let (id, believed) = found.ok_or(TokenFault::UnknownIssuer)?;
        let keys = believed.signed(id, &compact)?;
        let section = &believed.section;
        let expires = claims.check_times(section.leeway, now)?;
        claims.check_audience(&section.audiences)?;
        claims.check_scopes(&section.scopes)?;
        let subject = claims.subject(&section.subject_claim)?.to_owned();
        Ok(Verified { issuer: id, subject, expires, keys, claims })
    }
}

impl Believed {
    /// Checks the signature, and says which generation of keys made it.
    fn signed(&self, id: IssuerId, compact: &Compact<'_>) -> Result<u64, TokenFault> {
        // The issuer's list decides: what the token says only picks from it.
        let algorithm = self.algorithms.iter().copied().find(|known| known.name() == compact.algorithm);
        let algorithm = algorithm.ok_or(TokenFault::Algorithm)?;
        let (generation, keys) = self.keys.current().ok_or(TokenFault::NoKeys(id))?;
        let mut candidates = keys.candidates(compact.key_id.as_deref(), algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(TokenFault::UnknownKey(id));
        }
        let good = candidates.any(|key| key.verify(algorithm, compact.signed, &compact.signature));
        if good { Ok(generation) } else { Err(TokenFault::Signature) }
    }
}
