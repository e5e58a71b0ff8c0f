//! Who calls, by what a request and its connection show. It owns the order in which that is asked: a key
//! first, then a token, then a certificate; it refuses to say what the caller may do.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use rule_table::{Authn, ConsumerId, Credentials, IssuerId, Policy, TeamId};

use crate::keys::{self, Found, IssuedKeys, KeyHash, KeyIndex, Owner, Terms};
use crate::peer::Peer;
use crate::tokens::{self, Cache, Cached, Issuers, TokenFault, Verified};

/// Everything callers of a policy are known by.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    keys: KeyIndex,
    issued: Arc<IssuedKeys>,
    issuers: Issuers,
    tokens: Cache,
    by_name: HashMap<String, ConsumerId>,
    by_certificate: HashMap<String, ConsumerId>,
    by_subject: HashMap<(IssuerId, String), ConsumerId>,
}

/// What a request shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    UnknownKey,
    ExpiredKey,
    UnknownCertificate,
    Token(TokenFault),
    Known,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) presented: Presented,
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) team: Option<TeamId>,
    pub(crate) subject: Option<Arc<str>>,
    pub(crate) terms: Option<Arc<Terms>>,
}

impl Who {
    const fn unknown(presented: Presented) -> Self {
        Self { presented, consumer: None, team: None, subject: None, terms: None }
    }

    pub(crate) fn consumer(policy: &Policy, id: ConsumerId) -> Self {
        let team = policy.consumers.get(id as usize).and_then(|consumer| consumer.team);
        Self { presented: Presented::Known, consumer: Some(id), team, subject: None, terms: None }
    }
}

impl Callers {
    /// Issued keys and the keys of issuers outlive a policy; tokens are verified anew under each.
    pub(crate) fn build(policy: &Policy, previous: Option<&Self>) -> Self {
        let mut callers = Self {
            keys: KeyIndex::of_consumers(&policy.consumers),
            issued: previous.map_or_else(Arc::default, |callers| Arc::clone(&callers.issued)),
            issuers: Issuers::build(&policy.issuers, previous.map(|callers| &callers.issuers)),
            ..Self::default()
        };
        for (id, consumer) in (0..).zip(&policy.consumers) {
            callers.by_name.insert(consumer.name.clone(), id);
            for credential in &consumer.credentials {
                match credential {
                    Credentials::Certificate(name) => callers.by_certificate.insert(name.clone(), id),
                    Credentials::Subject { issuer, subject } => {
                        callers.by_subject.insert((*issuer, subject.clone()), id)
                    }
                };
            }
        }
        callers
    }

    pub(crate) fn issued(&self) -> &Arc<IssuedKeys> {
        &self.issued
    }

    pub(crate) fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// Who sends a request; `now` is in Unix seconds.
    pub(crate) fn who(&self, policy: &Policy, headers: &HeaderMap, peer: &Peer, now: u64) -> Who {
        let listener = policy.listeners.get(peer.listener as usize);
        let taken = listener.and_then(|listener| listener.authn.as_ref());
        match keys::presented(headers) {
            Some(presented) => {
                let hash = keys::hash(presented);
                let by_key = taken.is_none_or(|taken| taken.keys).then(|| self.by_key(policy, &hash, now));
                by_key.flatten().unwrap_or_else(|| self.by_token(policy, presented, hash, now, taken))
            }
            None if taken.is_none_or(|taken| taken.certificates) => self.by_certificate(policy, peer),
            None => Who::unknown(Presented::Nothing),
        }
    }

    /// `None` when it is no key, whatever else it may be.
    fn by_key(&self, policy: &Policy, hash: &KeyHash, now: u64) -> Option<Who> {
        match self.keys.find(hash, now) {
            Found::Good(known) => return Some(Who::consumer(policy, known.owner)),
            Found::Expired => return Some(Who::unknown(Presented::ExpiredKey)),
            Found::Unknown => {}
        }
        match self.issued.find(hash, now) {
            // A key of a consumer that the manifest no longer has is nobody's.
            Owner::Good(name, terms) => Some(match self.by_name.get(&*name) {
                Some(id) => Who { terms: Some(terms), ..Who::consumer(policy, *id) },
                None => Who::unknown(Presented::UnknownKey),
            }),
            Owner::Expired => Some(Who::unknown(Presented::ExpiredKey)),
            Owner::Unknown => None,
        }
    }

    /// A token of an issuer that is not taken here is verified all the same: it is told no more than one of an
    /// issuer nobody knows.
    fn by_token(
        &self,
        policy: &Policy,
        presented: &[u8],
        hash: KeyHash,
        now: u64,
        taken: Option<&Authn>,
    ) -> Who {
        if self.issuers.is_empty() || !tokens::looks_like_token(presented) {
            return Who::unknown(Presented::UnknownKey);
        }
        let generation = |id| self.issuers.keys(id).map(|keys| keys.generation());
        let judged = |known: Cached| match taken {
            Some(taken) if !taken.issuers.contains(&known.issuer) => {
                Who::unknown(Presented::Token(TokenFault::UnknownIssuer))
            }
            _ => bearer(policy, known),
        };
        if let Some(known) = self.tokens.get(&hash, now, generation) {
            return judged(known);
        }
        match self.issuers.verify(presented, now).and_then(|verified| self.bearer_of(policy, &verified)) {
            Ok(known) => {
                self.tokens.put(hash, known.clone(), now);
                judged(known)
            }
            Err(fault) => Who::unknown(Presented::Token(fault)),
        }
    }

    /// A consumer's own team comes before what a token says.
    fn bearer_of(&self, policy: &Policy, verified: &Verified) -> Result<Cached, TokenFault> {
        let issuer = policy.issuers.get(verified.issuer as usize).ok_or(TokenFault::UnknownIssuer)?;
        let consumer = self.by_subject.get(&(verified.issuer, verified.subject.clone())).copied();
        let own = consumer.and_then(|id| policy.consumers.get(id as usize)).and_then(|found| found.team);
        let team = match (own, &issuer.team_claim) {
            (Some(team), _) => Some(team),
            (None, None) => None,
            (None, Some(claim)) => {
                let values = verified.claims.values(claim);
                let held =
                    |(value, team): &(String, TeamId)| values.contains(&value.as_str()).then_some(*team);
                match issuer.teams.iter().find_map(held) {
                    Some(team) => Some(team),
                    None if consumer.is_some() => None,
                    None if verified.claims.left_out(claim) => return Err(TokenFault::TooManyGroups),
                    None => return Err(TokenFault::NoTeam),
                }
            }
        };
        Ok(Cached {
            consumer,
            team,
            subject: format!("{}/{}", issuer.name, verified.subject).into(),
            issuer: verified.issuer,
            expires: verified.expires,
            keys: verified.keys,
        })
    }

    /// Where no consumer is known by a certificate, one opens the door and says nothing more.
    fn by_certificate(&self, policy: &Policy, peer: &Peer) -> Who {
        let Some(certificate) = peer.certificate.as_ref().filter(|_| !self.by_certificate.is_empty()) else {
            return Who::unknown(Presented::Nothing);
        };
        match certificate.names.iter().find_map(|name| self.by_certificate.get(name)) {
            Some(id) => Who::consumer(policy, *id),
            None => Who::unknown(Presented::UnknownCertificate),
        }
    }
}

fn bearer(policy: &Policy, known: Cached) -> Who {
    match known.consumer {
        Some(id) => Who { team: known.team, ..Who::consumer(policy, id) },
        None => Who {
            presented: Presented::Known,
            consumer: None,
            team: known.team,
            subject: Some(known.subject),
            terms: None,
        },
    }
}
