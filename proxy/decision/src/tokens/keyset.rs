//! An issuer's public keys: a JWK Set (RFC 7517 §5). It owns reading one within bounds and the set in use;
//! it refuses keys that are secrets, and to know where sets come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::signature::{Algorithm, Material};

/// The longest set that is read.
pub(crate) const LONGEST_SET: usize = 256 * 1024;
/// The most keys that are kept of a set.
const MOST_KEYS: usize = 64;
/// The most keys tried for a token that names none.
const MOST_TRIED: usize = 4;

/// Public keys of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys {
    keys: Vec<PublicKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    id: Option<String>,
    /// The only algorithm it is for, where the issuer says so.
    algorithm: Option<String>,
    material: Material,
}

/// Why a set is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// It is longer than 256 KiB.
    #[error("it is longer than 256 KiB")]
    TooLong,
    /// It is no JSON object with `keys`.
    #[error("it is not a JSON object with a list `keys`")]
    NotASet,
    /// No key of it is for verifying tokens.
    #[error("none of its keys is a public key for signatures of a kind that is known here")]
    NoKeys,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Of a key (RFC 7517 §4, RFC 7518 §6) only what is public: private parts and secrets are not read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublicKeys {
    /// Reads a set. Keys of kinds that are not known here are left out (RFC 7517 §5).
    ///
    /// # Errors
    /// See [`KeySetFault`].
    pub fn parse(json: &[u8]) -> Result<Self, KeySetFault> {
        if json.len() > LONGEST_SET {
            return Err(KeySetFault::TooLong);
        }
        let set: Set = serde_json::from_slice(json).map_err(|_| KeySetFault::NotASet)?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(key).take(MOST_KEYS).collect();
        if keys.is_empty() { Err(KeySetFault::NoKeys) } else { Ok(Self { keys }) }
    }

    /// The keys that may have signed a token which names this key, or none.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &PublicKey> {
        let named = move |key: &&PublicKey| id.is_none() || key.id.as_deref() == id;
        self.keys.iter().filter(named).filter(move |key| key.fits(algorithm)).take(MOST_TRIED)
    }
}

impl PublicKey {
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.material.fits(algorithm) && self.algorithm.as_ref().is_none_or(|only| only == algorithm.name())
    }

    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        self.material.verify(algorithm, signed, signature)
    }
}

fn key(json: Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    if jwk.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Material::Rsa { n: number(bytes(&jwk.n)?), e: number(bytes(&jwk.e)?) },
        ("EC", Some("P-256")) => Material::P256(point(&bytes(&jwk.x)?, &bytes(&jwk.y)?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(&bytes(&jwk.x)?, &bytes(&jwk.y)?, 48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(&jwk.x).filter(|x| x.len() == 32)?),
        _ => return None,
    };
    Some(PublicKey { id: jwk.kid, algorithm: jwk.alg, material })
}

/// Some issuers write a leading zero, which ring does not take.
fn number(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// The uncompressed form (SEC 1 §2.3.3).
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}

/// The keys of an issuer that are in use. Whoever fetches them puts them here; what was there stays until
/// then.
#[derive(Debug, Default)]
pub struct IssuerKeys {
    set: ArcSwapOption<PublicKeys>,
    generation: AtomicU64,
}

impl IssuerKeys {
    /// Puts another set in use. Tokens verified with keys of another set are verified anew. Says whether
    /// the set is another one.
    pub fn replace(&self, set: PublicKeys) -> bool {
        if self.set.load().as_deref() == Some(&set) {
            return false;
        }
        self.set.store(Some(Arc::new(set)));
        self.generation.fetch_add(1, Ordering::Release);
        true
    }

    /// Whether there were ever keys.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.set.load().is_some()
    }

    /// Counts sets that were in use.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The generation is read first: should the set change in between, a token verified with the new one
    /// is merely verified once more.
    pub(super) fn current(&self) -> Option<(u64, Arc<PublicKeys>)> {
        let generation = self.generation();
        self.set.load_full().map(|set| (generation, set))
    }
}
