//! Who vouches for a bundle: Ed25519 signatures (RFC 8032) over its digest. It owns keys, signatures and whom
//! to trust; it refuses to know files (who calls it reads and writes them) and where randomness comes from.
//!
//! A signature in a file is the byte 1 for Ed25519, the public key (32 bytes) and the signature (64 bytes).

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::BundleError;
use super::frame::Cursor;
use crate::digest::Digest;

pub(super) const SIGNATURE_BYTES: usize = 1 + 32 + 64;

const ED25519_TAG: u8 = 1;
/// Keeps a signature of a bundle from being one of anything else.
const CONTEXT: &[u8] = b"sluicegate bundle signature v1\0";

fn message(digest: &Digest) -> Vec<u8> {
    [CONTEXT, digest.raw()].concat()
}

/// The public half of a key that signs bundles, spelt `ed25519:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A key by its 32 bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub const fn from_raw(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn raw(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ed25519:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A private key that signs bundles.
pub struct SigningKey(Ed25519KeyPair);

/// Bytes that are no private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 private key in PKCS#8 form")]
pub struct SigningKeyError;

impl SigningKey {
    /// A key in PKCS#8 form (RFC 5958), version 1 or 2, as `sluicegate keygen` and OpenSSL write it.
    ///
    /// # Errors
    /// When it is something else, or its halves do not fit.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self).map_err(|_| SigningKeyError)
    }

    /// A key from its seed (RFC 8032, section 5.1.5), which must be random and secret.
    ///
    /// # Errors
    /// None for 32 bytes; the library checks their number.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SigningKeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| SigningKeyError)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// A signature as a file has it.
pub(super) struct Signature {
    key: PublicKey,
    bytes: [u8; 64],
}

impl Signature {
    pub(super) fn make(key: &SigningKey, digest: &Digest) -> Self {
        let made = key.0.sign(&message(digest));
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(made.as_ref()) {
            *to = *from;
        }
        Self { key: key.public(), bytes }
    }

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(ED25519_TAG);
        bytes.extend_from_slice(&self.key.0);
        bytes.extend_from_slice(&self.bytes);
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let [ED25519_TAG] = cursor.take()? else { return None };
        Some(Self { key: PublicKey(cursor.take()?), bytes: cursor.take()? })
    }
}

/// Whose bundles are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's, signed or not.
    #[default]
    Anybody,
    /// Only what the holder of one of these keys signed.
    Signers(Vec<PublicKey>),
}

impl Trust {
    /// Only what one of `keys` signed; anybody's where there are none.
    #[must_use]
    pub fn in_keys(keys: Vec<PublicKey>) -> Self {
        if keys.is_empty() { Self::Anybody } else { Self::Signers(keys) }
    }

    /// Whether only signed bundles are wanted.
    #[must_use]
    pub const fn wants_signature(&self) -> bool {
        matches!(self, Self::Signers(_))
    }

    pub(super) fn judge(&self, digest: &Digest, signatures: &[Signature]) -> Result<(), BundleError> {
        let message = message(digest);
        for signature in signatures {
            UnparsedPublicKey::new(&ED25519, signature.key.0)
                .verify(&message, &signature.bytes)
                .map_err(|_| BundleError::BadSignature(signature.key))?;
        }
        match (self, signatures) {
            (Self::Anybody, _) => Ok(()),
            (Self::Signers(_), []) => Err(BundleError::Unsigned),
            (Self::Signers(trusted), [first, ..]) => {
                let known = signatures.iter().any(|signature| trusted.contains(&signature.key));
                if known { Ok(()) } else { Err(BundleError::UntrustedSigner(first.key)) }
            }
        }
    }
}
