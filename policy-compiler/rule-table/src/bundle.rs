//! The bundle: a policy, its digest, and its file form. It owns the order in which a file is judged and the
//! names of what can be wrong with it; it refuses to load anything in part.
//!
//! A file is a header, a body, and signatures; all numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 18 | `sluicegate-bundle` and a zero byte |
//! | 2 | version, here 2 |
//! | 32 | digest: BLAKE3 of the body |
//! | 8 | length of the body |
//! | 1 | number of signatures |
//! | … | body: the table of sections, then the sections (`sections` module) |
//! | … | signatures over the digest (`signature` module) |
//!
//! The body is canonical: the policy's lists are sorted and every field has one form, so two manifests that
//! mean the same have one digest.

mod frame;
mod sections;
mod signature;

use crate::digest::Digest;
use crate::references::DanglingId;
use crate::sections::Policy;

pub use sections::SectionSize;
pub use signature::{PublicKey, SigningKey, SigningKeyError, Trust};

/// The version of the file form that this build writes and reads.
pub const BUNDLE_VERSION: u16 = 2;

/// The largest file that is read, in bytes: twice the largest that is foreseen.
pub const MAX_BUNDLE_BYTES: usize = 128 << 20;

/// A policy with the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    policy: Policy,
    digest: Digest,
}

/// Why bytes are not a bundle, or not one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It does not begin as a bundle does.
    #[error("not a bundle: it must begin with `sluicegate-bundle`; `sluicegate compile --bundle` writes one")]
    NotABundle,
    /// Written by a build with another file form.
    #[error(
        "bundle version {0} is not supported by this build, which reads version {BUNDLE_VERSION}: compile the manifest again"
    )]
    UnsupportedVersion(u32),
    /// More than is read.
    #[error("the bundle has {0} bytes; at most {MAX_BUNDLE_BYTES} are read")]
    TooLarge(usize),
    /// The end is missing.
    #[error("the bundle is cut short: {0} bytes and more are missing; copy it again")]
    Truncated(u64),
    /// Something follows the end.
    #[error("{0} bytes follow the bundle's end; copy it again")]
    TrailingBytes(usize),
    /// The content is not what was written.
    #[error("the bundle is damaged: its header says {stated}, its content has {actual}; copy it again")]
    ChecksumMismatch {
        /// Digest in the header.
        stated: Digest,
        /// Digest of the content.
        actual: Digest,
    },
    /// A signature of a kind that this build does not know.
    #[error("the bundle has a signature of an unknown kind; this build knows Ed25519")]
    UnknownSignature,
    /// A signature was not made by the key it names.
    #[error("the bundle is wrongly signed: the signature that names {0} was not made with its private key")]
    BadSignature(PublicKey),
    /// Nobody signed it, and only signed bundles are wanted.
    #[error(
        "the bundle is not signed, and only bundles signed with a trusted key are accepted: compile it with `--sign`"
    )]
    Unsigned,
    /// Only others signed it.
    #[error("the bundle is signed by {0}, which is not among the trusted keys")]
    UntrustedSigner(PublicKey),
    /// The table of sections contradicts itself or the body.
    #[error("the bundle's table of sections is wrong: {0}")]
    SectionTable(&'static str),
    /// A section that this build does not know and may not skip.
    #[error(
        "the bundle needs section {id} in version {version}, which this build does not know: use a newer build, or compile with this one"
    )]
    UnknownSection {
        /// Its number.
        id: u16,
        /// Its version.
        version: u8,
    },
    /// A section has the right checksum but is not what it should be.
    #[error("the bundle's section `{section}` is malformed: {why}")]
    Malformed {
        /// Its name.
        section: &'static str,
        /// What reading it met with.
        why: String,
    },
    /// An id points at nothing.
    #[error("the bundle is inconsistent: {0}")]
    DanglingId(#[from] DanglingId),
}

impl BundleError {
    /// The cause in one word or two, for logs and programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotABundle => "not-a-bundle",
            Self::UnsupportedVersion(_) => "unsupported-version",
            Self::TooLarge(_) => "too-large",
            Self::Truncated(_) => "truncated",
            Self::TrailingBytes(_) => "trailing-bytes",
            Self::ChecksumMismatch { .. } => "damaged",
            Self::UnknownSignature => "unknown-signature",
            Self::BadSignature(_) => "wrongly-signed",
            Self::Unsigned => "unsigned",
            Self::UntrustedSigner(_) => "untrusted-signer",
            Self::SectionTable(_) => "wrong-sections",
            Self::UnknownSection { .. } => "unknown-section",
            Self::Malformed { .. } => "malformed",
            Self::DanglingId(_) => "dangling-id",
        }
    }
}

impl Bundle {
    /// Seals a policy. Whether its ids resolve is the caller's business here
    /// ([`Policy::check_references`]) and this type's when it loads one.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let digest = Digest::of(&sections::write(&policy));
        Self { policy, digest }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn policy_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }

    /// The digest of the policy's content.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Gives the policy away.
    #[must_use]
    pub fn into_policy(self) -> Policy {
        self.policy
    }

    /// Whether `bytes` begin as a bundle of any version does.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(frame::NAME)
    }

    /// The file form, signed by nobody.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        frame::write(&sections::write(&self.policy), &[])
    }

    /// The file form, signed by all of `keys`, of which there may be 255.
    #[must_use]
    pub fn to_signed_bytes(&self, keys: &[SigningKey]) -> Vec<u8> {
        frame::write(&sections::write(&self.policy), keys)
    }

    /// What each section takes in the file form.
    #[must_use]
    pub fn section_sizes(&self) -> Vec<SectionSize> {
        sections::sizes(&self.policy)
    }

    /// Loads the file form, whoever signed it. A signature that does not fit is refused all the same.
    ///
    /// # Errors
    /// See [`BundleError`]; nothing is ever loaded in part.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::load(bytes, &Trust::Anybody)
    }

    /// Loads the file form if `trust` allows it. Nothing of the policy is read before that is known.
    ///
    /// # Errors
    /// See [`BundleError`]; nothing is ever loaded in part.
    pub fn load(bytes: &[u8], trust: &Trust) -> Result<Self, BundleError> {
        let frame = frame::read(bytes)?;
        trust.judge(&frame.digest, &frame.signatures)?;
        let policy = sections::read(frame.body)?;
        policy.check_references()?;
        Ok(Self { policy, digest: frame.digest })
    }
}
