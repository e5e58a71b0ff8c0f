//! What names a document defines, and what a pool's member stands for. It owns that lookup, on the
//! tree, so that names are checked even where other fields are not sound.

use crate::diagnostics::suggest;
use crate::source::{Document, Node};

/// The names of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'d> {
    root: &'d Node,
}

/// A deployment that a member stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deployed<'d> {
    pub(crate) backend: &'d str,
    /// None for a backend of kind `http`.
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

    /// Whether a backend is of kind `http`.
    pub(crate) fn is_http(&self, backend: &str) -> bool {
        let backend = self.root.get("backends").and_then(|all| all.get(backend));
        backend.and_then(|b| b.get("kind")).and_then(Node::text) == Some("http")
    }

    /// The models or deployments of a backend.
    fn deployments(&self, backend: &str) -> Vec<&'d str> {
        let backend = self.root.get("backends").and_then(|all| all.get(backend));
        let maps =
            ["models", "deployments"].into_iter().filter_map(|field| backend.and_then(|b| b.get(field)));
        maps.flat_map(Node::entries).map(|entry| entry.key.as_str()).collect()
    }

    /// Everything that may be a member.
    fn all_deployed(&self) -> Vec<String> {
        let of = |backend: &'d str| {
            let deployed = |deployment| Deployed { backend, deployment }.name();
            if self.is_http(backend) {
                vec![deployed(None)]
            } else {
                self.deployments(backend).into_iter().map(|name| deployed(Some(name))).collect()
            }
        };
        self.section("backends").into_iter().flat_map(of).collect()
    }

    /// What a member stands for.
    pub(crate) fn member(&self, text: &str) -> Result<Deployed<'d>, MemberFault> {
        let (backend, deployment) = text.split_once('/').map_or((text, None), |(b, d)| (b, Some(d)));
        let found = self.section("backends").into_iter().find(|name| *name == backend);
        let Some(backend) = found else { return Err(self.unknown(text)) };
        let there = self.deployments(backend);
        match (deployment, self.is_http(backend)) {
            (None, true) => Ok(Deployed { backend, deployment: None }),
            (Some(_), true) => {
                Err(MemberFault::Unknown(format!("a backend of kind `http` stands alone: write `{backend}`")))
            }
            (Some(wanted), false) => match there.into_iter().find(|name| *name == wanted) {
                Some(name) => Ok(Deployed { backend, deployment: Some(name) }),
                None => Err(self.unknown(text)),
            },
            (None, false) => match there.as_slice() {
                [] => Err(MemberFault::Empty),
                [only] => Ok(Deployed { backend, deployment: Some(*only) }),
                several => Err(MemberFault::Ambiguous(
                    several.iter().map(|name| Deployed { backend, deployment: Some(*name) }.name()).collect(),
                )),
            },
        }
    }

    fn unknown(&self, text: &str) -> MemberFault {
        let all = self.all_deployed();
        let known: Vec<&str> = all.iter().map(String::as_str).collect();
        MemberFault::Unknown(suggest::help(text, &known, "members"))
    }
}
