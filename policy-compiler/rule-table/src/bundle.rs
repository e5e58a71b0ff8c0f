//! The bundle: a policy, its digest, and its file form. It owns the canonical bytes, the version and
//! the checksum; it refuses to load anything it did not write itself, down to a single flipped bit.
//!
//! A file is one header line, `sluicegate-bundle 1 sha256:<64 hex>`, then the policy as JSON. The
//! digest is taken over exactly those JSON bytes. They are canonical because the policy's lists are
//! sorted and its fields have a fixed order, so two manifests that mean the same have one digest.

use crate::digest::Digest;
use crate::references::DanglingId;
use crate::sections::Policy;

/// The version of the file form that this build writes and reads.
pub const BUNDLE_VERSION: u32 = 1;

const MAGIC: &str = "sluicegate-bundle";
/// Longer than any header line of any version.
const HEADER_BYTES: usize = 128;

/// A policy with the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    policy: Policy,
    digest: Digest,
}

/// Why bytes are not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The header line is missing or is not ours.
    #[error("not a bundle: it must begin with the line `{MAGIC} {BUNDLE_VERSION} sha256:…`")]
    NotABundle,
    /// Written by a build with another file form.
    #[error(
        "bundle version {0} is not supported by this build, which reads version {BUNDLE_VERSION}: compile the manifest again"
    )]
    UnsupportedVersion(u32),
    /// The content is not what was written.
    #[error("the bundle is damaged: its header says {stated}, its content has {actual}")]
    ChecksumMismatch {
        /// Digest in the header.
        stated: Digest,
        /// Digest of the content.
        actual: Digest,
    },
    /// The content has the right checksum but is not a policy in canonical form.
    #[error("the bundle's content is malformed: {0}")]
    Malformed(String),
    /// An id points at nothing.
    #[error("the bundle is inconsistent: {0}")]
    DanglingId(#[from] DanglingId),
}

/// The bytes a digest is taken over.
fn canonical_json(policy: &Policy) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "plain data with string keys: serde_json has no way to fail on it"
    )]
    serde_json::to_vec(policy).expect("a policy is plain data")
}

impl Bundle {
    /// Seals a policy. Whether its ids resolve is the caller's business here
    /// ([`Policy::check_references`]) and this type's when it loads one.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let digest = Digest::of(&canonical_json(&policy));
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

    /// The file form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{MAGIC} {BUNDLE_VERSION} {}\n", self.digest).into_bytes();
        bytes.extend(canonical_json(&self.policy));
        bytes
    }

    /// Loads the file form.
    ///
    /// # Errors
    /// See [`BundleError`]; nothing is ever loaded in part.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        let (stated, content) = header(bytes)?;
        let actual = Digest::of(content);
        if actual != stated {
            return Err(BundleError::ChecksumMismatch { stated, actual });
        }
        let policy: Policy =
            serde_json::from_slice(content).map_err(|error| BundleError::Malformed(error.to_string()))?;
        if canonical_json(&policy) != content {
            return Err(BundleError::Malformed("not in canonical form, or with unknown fields".to_owned()));
        }
        policy.check_references()?;
        Ok(Self { policy, digest: actual })
    }
}

/// Splits the header line off and reads it.
fn header(bytes: &[u8]) -> Result<(Digest, &[u8]), BundleError> {
    let end = bytes.iter().take(HEADER_BYTES).position(|b| *b == b'\n').ok_or(BundleError::NotABundle)?;
    let (line, rest) = bytes.split_at_checked(end).ok_or(BundleError::NotABundle)?;
    let line = std::str::from_utf8(line).map_err(|_| BundleError::NotABundle)?;
    let (magic, line) = line.split_once(' ').ok_or(BundleError::NotABundle)?;
    if magic != MAGIC {
        return Err(BundleError::NotABundle);
    }
    let (version, line) = line.split_once(' ').ok_or(BundleError::NotABundle)?;
    let number = version.parse().map_err(|_| BundleError::NotABundle)?;
    if number != BUNDLE_VERSION {
        return Err(BundleError::UnsupportedVersion(number));
    }
    // `+1` and `01` parse as 1 as well; only one spelling is ours.
    if version != BUNDLE_VERSION.to_string() {
        return Err(BundleError::NotABundle);
    }
    let digest = line.parse().map_err(|_| BundleError::NotABundle)?;
    Ok((digest, rest.strip_prefix(b"\n").unwrap_or(rest)))
}
