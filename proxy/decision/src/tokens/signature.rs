//! Signatures (RFC 7518 §3, RFC 8037 §3.1), verified with ring. It owns which algorithm goes with which kind
//! of key. Those with a shared secret and `none` have no name here, so nothing can ask for them.

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

/// How a token is signed: always with a private key that only the issuer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
    /// An uncompressed point on P-384.
    P384(Vec<u8>),
    /// An Ed25519 point.
    Ed25519(Vec<u8>),
}

impl Material {
    /// Whether `algorithm` signs with this kind of key.
    pub(crate) const fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => matches!(algorithm, Es256),
            Self::P384(_) => matches!(algorithm, Es384),
            Self::Ed25519(_) => matches!(algorithm, EdDsa),
        }
    }

    /// Whether `signature` over `signed` is of this key.
    pub(crate) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let of_point = |how: &'static dyn signature::VerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(how, point).verify(signed, signature).is_ok()
        };
        match (self, algorithm) {
            (Self::Rsa { n, e }, _) => rsa(algorithm)
                .is_some_and(|how| RsaPublicKeyComponents { n, e }.verify(how, signed, signature).is_ok()),
            (Self::P256(point), Algorithm::Es256) => of_point(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Self::P384(point), Algorithm::Es384) => of_point(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Self::Ed25519(point), Algorithm::EdDsa) => of_point(&signature::ED25519, point),
            _ => false,
        }
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}
