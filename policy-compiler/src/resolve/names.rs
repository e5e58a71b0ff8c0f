//! What names a document defines, and what a pool's member stands for. It owns that lookup, on the
//! tree, so that names are checked even where other fields are not sound.

use crate::diagnostics::suggest;
use crate::manifest::BackendKind;
use crate::source::{Document, Entry, Node};

/// The names of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'d> {
    root: &'d Node,
}

/// A deployment that a member stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deployed<'d> {
    pub(crate) backend: &'d str,
    /// None for a backend whose kind has no models.
    pub(crate) deployment: Option<&'d str>,
}

impl Deployed<'_> {
    /// `backend/deployment`, or the backend alone.
    pub(crate) fn name(&self) -> String {
        match self.deployment {
            Some(deployment) => format!("{}/{deployment}", self.backend),
            None => self.backend.to_owned(),
        }
    }
}

/// Why a member stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberFault {
    /// With the fix.
    Unknown(String),
    /// The backend has several deployments.
    Ambiguous(Vec<String>),
    /// The backend has none, which is reported there.
    Empty,
}

impl<'d> Names<'d> {
    pub(crate) fn of(document: &'d Document) -> Self {
        Self { root: &document.root }
    }

    /// The names that a section defines.
    pub(crate) fn section(&self, section: &str) -> Vec<&'d str> {
        self.root.get(section).into_iter().flat_map(Node::entries).map(|entry| entry.key.as_str()).collect()
    }

    fn backend(&self, name: &str) -> Option<&'d Entry> {
        self.root.get("backends").and_then(|all| all.entry(name))
    }

    /// Everything that may be a member.
    fn all_deployed(&self) -> Vec<String> {
        let of = |backend: &'d Entry| {
            let deployed = |deployment| Deployed { backend: &backend.key, deployment }.name();
            if piped_kind(&backend.value).is_some() {
                vec![deployed(None)]
            } else {
                deployments(&backend.value).map(|entry| deployed(Some(&entry.key))).collect()
            }
        };
        self.root.get("backends").into_iter().flat_map(Node::entries).flat_map(of).collect()
    }

    /// What a member stands for.
    pub(crate) fn member(&self, text: &str) -> Result<Deployed<'d>, MemberFault> {
        let (backend, wanted) = text.split_once('/').map_or((text, None), |(b, d)| (b, Some(d)));
        let Some(Entry { key: backend, value, .. }) = self.backend(backend) else {
            return Err(self.unknown(text));
        };
        let deployed = |deployment| Deployed { backend, deployment };
        if let Some(kind) = piped_kind(value) {
            return match wanted {
                None => Ok(deployed(None)),
                Some(_) => Err(MemberFault::Unknown(format!(
                    "a backend of kind `{}` stands alone: write `{backend}`",
                    kind.name()
                ))),
            };
        }
        if let Some(wanted) = wanted {
            let found = FIELDS.iter().find_map(|field| value.get(field)?.entry(wanted));
            return found.map(|entry| deployed(Some(&entry.key))).ok_or_else(|| self.unknown(text));
        }
        let mut there = deployments(value);
        match (there.next(), there.next()) {
            (None, _) => Err(MemberFault::Empty),
            (Some(only), None) => Ok(deployed(Some(&only.key))),
            (Some(_), Some(_)) => Err(MemberFault::Ambiguous(
                deployments(value).map(|entry| deployed(Some(&entry.key)).name()).collect(),
            )),
        }
    }

    fn unknown(&self, text: &str) -> MemberFault {
        let all = self.all_deployed();
        let known: Vec<&str> = all.iter().map(String::as_str).collect();
        MemberFault::Unknown(suggest::help(text, &known, "members"))
    }
}

/// The fields of a backend that hold what it serves.
const FIELDS: [&str; 2] = ["models", "deployments"];

/// The kind of a backend without models.
fn piped_kind(backend: &Node) -> Option<BackendKind> {
    backend.get("kind").and_then(Node::text).and_then(BackendKind::find).filter(|kind| !kind.has_models())
}

fn deployments(backend: &Node) -> impl Iterator<Item = &Entry> {
    FIELDS.iter().filter_map(|field| backend.get(field)).flat_map(Node::entries)
}
