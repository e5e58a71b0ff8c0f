//! A policy as it was handed in: a manifest to compile, or a bundle that was compiled elsewhere. It owns telling
//! the two apart and making one bundle of either; where it came from is its callers' business.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use policy_compiler::{Finding, Source, compile};
use rule_table::{Bundle, BundleError, Trust};

use super::missing_resources;
use crate::rule_files::Disk;

/// A manifest or a bundle.
#[derive(Clone, PartialEq, Eq)]
pub enum Written {
    /// Text in YAML or JSON, in one piece.
    Manifest(String),
    /// A bundle's file form.
    Bundle(Arc<[u8]>),
}

/// Bytes that are neither a bundle nor text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a manifest is UTF-8 text in YAML or JSON, and this is neither text nor a bundle")]
pub struct NotText;

/// What makes a manifest unfit where only signed bundles are taken.
pub(crate) const NOT_SIGNED: &str = "unsigned: this gateway has trusted keys and takes nothing but bundles signed with one of them; \
     make one with `sluicegate compile --bundle FILE --sign KEY`";

impl Written {
    /// What `bytes` are.
    ///
    /// # Errors
    /// When they are neither.
    pub fn read(bytes: Vec<u8>) -> Result<Self, NotText> {
        if Bundle::is_one(&bytes) {
            return Ok(Self::Bundle(bytes.into()));
        }
        String::from_utf8(bytes).map(Self::Manifest).map_err(|_| NotText)
    }

    /// The bytes that [`Written::read`] makes it of.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Manifest(text) => text.as_bytes(),
            Self::Bundle(bytes) => bytes,
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Manifest(_) => "application/yaml",
            Self::Bundle(_) => "application/octet-stream",
        }
    }

    /// The bundle, and warnings; or what is wrong with it, a line each.
    ///
    /// # Errors
    /// What the compiler finds, what the bundle's loader refuses, and files that are missing below `base`.
    pub fn compiled(&self, base: &Path, trust: &Trust) -> Result<(Bundle, Vec<String>), Vec<String>> {
        let (bundle, mut findings) = match self {
            Self::Manifest(_) if trust.wants_signature() => return Err(vec![NOT_SIGNED.to_owned()]),
            Self::Manifest(text) => {
                let source = Source::new("manifest", text.clone());
                let outcome = compile(&source.with_rules(Arc::new(Disk::below(base))));
                (outcome.bundle, outcome.findings)
            }
            Self::Bundle(bytes) => {
                (Some(Bundle::load(bytes, trust).map_err(|error| vec![refusal(&error)])?), Vec::new())
            }
        };
        if let Some(bundle) = &bundle {
            findings.extend(missing_resources(bundle.policy(), base));
        }
        let (errors, warnings): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::is_error);
        let lines = |findings: &[Finding]| findings.iter().map(Finding::one_line).collect();
        match bundle.filter(|_| errors.is_empty()) {
            Some(bundle) => Ok((bundle, lines(&warnings))),
            None => Err(lines(&errors)),
        }
    }
}

/// A line for a bundle that is not loaded: the cause's name first, for programs.
pub(crate) fn refusal(error: &BundleError) -> String {
    format!("{}: {error}", error.name())
}

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self::Manifest(text)
    }
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self::Manifest(text.to_owned())
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Manifest(_)) { "manifest" } else { "bundle" };
        write!(f, "{kind} of {} bytes", self.bytes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
apiVersion: sluicegate/v1
listeners: {gateway: {address: 127.0.0.1:8080}}
backends: {local: {kind: vllm, url: \"http://127.0.0.1:8000\", models: {m: {}}}}
pools: {p: {members: [local]}}
routes: {chat: {match: {path: /v1/*}, pool: p, public: true}}
";

    #[test]
    fn bytes_are_a_bundle_a_manifest_or_neither() {
        for bytes in [&b"apiVersion: sluicegate/v1\n"[..], b"sluicegate-bundle\0\x02\0"] {
            assert_eq!(Written::read(bytes.to_vec()).unwrap().bytes(), bytes);
        }
        assert!(matches!(Written::read(b"sluicegate-bundle 1 sha256:".to_vec()), Ok(Written::Bundle(_))));
        assert_eq!(Written::read(vec![0xff, 0xfe]), Err(NotText));
    }

    #[test]
    fn a_gateway_with_trusted_keys_takes_no_manifest_and_names_why_a_bundle_is_refused() {
        let key = rule_table::SigningKey::from_seed(&[1; 32]).unwrap();
        let trust = Trust::in_keys(vec![key.public()]);
        let manifest = Written::from(MANIFEST);
        let (bundle, _) = manifest.compiled(Path::new(""), &Trust::Anybody).unwrap();
        let signed = Written::read(bundle.to_signed_bytes(&[key])).unwrap();
        assert_eq!(signed.compiled(Path::new(""), &trust).unwrap().0, bundle);
        let unsigned = Written::read(bundle.to_bytes()).unwrap();
        for refused in [manifest, unsigned] {
            let lines = refused.compiled(Path::new(""), &trust).unwrap_err();
            assert!(lines.len() == 1 && lines[0].starts_with("unsigned: "), "{lines:?}");
        }
    }
}
