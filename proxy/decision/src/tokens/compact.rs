//! The compact form of a signed token (RFC 7515 §3.1). It owns cutting and decoding it within bounds; of the
//! header it reads the algorithm's name, the key's, and what must be understood. Keys that a token brings
//! along or points at (`jwk`, `jku`, `x5c`, `x5u`) are not even looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::fault::TokenFault;

/// Longer ones do not fit into a request's head anyway.
const LONGEST: usize = 16 * 1024;
/// The longest name of a key.
const LONGEST_KEY_ID: usize = 256;

/// A token, cut and decoded, and nothing of it verified.
#[derive(Debug)]
pub(super) struct Compact<'t> {
    /// What the signature is over.
    pub(super) signed: &'t [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    /// Name of the algorithm it claims.
    pub(super) algorithm: String,
    /// Name of the key it claims.
    pub(super) key_id: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    /// Whether extensions must be understood (RFC 7515 §4.1.11). None is.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// Whether this has the look of a signed token: two dots, and a JSON object in base64 at its beginning.
#[must_use]
pub(crate) fn looks_like_token(presented: &[u8]) -> bool {
    presented.starts_with(b"eyJ") && presented.iter().filter(|byte| **byte == b'.').count() == 2
}

impl<'t> Compact<'t> {
    pub(super) fn parse(token: &'t [u8]) -> Result<Self, TokenFault> {
        if token.len() > LONGEST {
            return Err(TokenFault::Malformed("it is longer than 16 KiB"));
        }
        let cut = token.iter().rposition(|byte| *byte == b'.');
        let (signed, signature) = cut.and_then(|at| token.split_at_checked(at)).ok_or(NOT_SIGNED)?;
        let signature = signature.strip_prefix(b".").ok_or(NOT_SIGNED)?;
        let mut parts = signed.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NOT_SIGNED);
        };
        let header: Header = serde_json::from_slice(&decoded(header)?)
            .map_err(|_| TokenFault::Malformed("its header is not a JSON object with `alg`"))?;
        if header.crit {
            return Err(TokenFault::Malformed("it wants extensions understood (`crit`), and none is here"));
        }
        if header.typ.is_some_and(|typ| !is_known(&typ)) {
            return Err(TokenFault::Malformed("its `typ` is neither `JWT` nor `at+jwt`"));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KEY_ID) {
            return Err(TokenFault::Malformed("its `kid` is longer than 256 bytes"));
        }
        let payload = decoded(payload)?;
        let signature = decoded(signature)?;
        Ok(Self { signed, payload, signature, algorithm: header.alg, key_id: header.kid })
    }
}

const NOT_SIGNED: TokenFault = TokenFault::Malformed("it is not three parts with dots between them");

/// Types of tokens that may stand for a caller (RFC 7519 §5.1, RFC 9068 §2.1).
fn is_known(typ: &str) -> bool {
    let typ = typ.strip_prefix("application/").unwrap_or(typ);
    typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")
}

fn decoded(part: &[u8]) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed("a part of it is not base64url"))
}
