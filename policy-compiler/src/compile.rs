//! The whole way from text to bundle. It owns the order of the stages and when to stop; each stage's
//! work is its own module's.

use rule_table::Bundle;

use crate::check;
use crate::compose::compose;
use crate::diagnostics::{self, Code, Finding, Label, Levels};
use crate::lower::lower;
use crate::manifest::Manifest;
use crate::resolve::{self, Names};
use crate::ruleset::{self, Programs};
use crate::schema;
use crate::side_by_side;
use crate::source::{Document, Source};

/// What became of a source.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The bundle; absent when there is an error among the findings.
    pub bundle: Option<Bundle>,
    /// Everything found, in the order of the text.
    pub findings: Vec<Finding>,
    /// The manifest with every default written in, when its structure is sound and no secret in it.
    pub manifest: Option<Manifest>,
    /// The tree, when the text could be read.
    pub document: Option<Document>,
}

impl Outcome {
    /// Whether a bundle was made.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.bundle.is_some()
    }

    /// Gives findings about a compiled policy, which know their field only, their place in the text.
    #[must_use]
    pub fn locate(&self, mut findings: Vec<Finding>) -> Vec<Finding> {
        let Some(document) = &self.document else { return findings };
        for finding in &mut findings {
            if finding.primary.is_none() {
                let span = document.value_span(&finding.path);
                finding.primary = Some(Label { span, text: String::new() });
            }
        }
        findings
    }
}

/// Reads a source's files into one tree: the first stage of [`compile`], which tells what is wrong with them.
#[must_use]
pub fn read(source: &Source) -> Option<Document> {
    compose(source, &mut Vec::new())
}

/// Compiles a manifest. Total: any text whatever gives an outcome.
#[must_use]
pub fn compile(source: &Source) -> Outcome {
    compile_at(source, &Levels::default())
}

/// Compiles a manifest; what `levels` say of findings comes before what the manifest says.
#[must_use]
pub fn compile_at(source: &Source, levels: &Levels) -> Outcome {
    let mut findings = Vec::new();
    let document = compose(source, &mut findings);
    let mut outcome = Outcome { bundle: None, findings: Vec::new(), manifest: None, document: None };
    if let Some(document) = document {
        outcome.manifest = examine(&document, &mut findings);
        let programs = match &outcome.manifest {
            // Rules take their time: not where something else is wrong anyway.
            Some(manifest) if !findings.iter().any(Finding::is_error) => {
                let (programs, found) = ruleset::programs(&document, manifest);
                findings.extend(found);
                programs
            }
            _ => Programs::new(),
        };
        Levels::written(&document).under(levels).apply(&mut findings);
        if let Some(manifest) = &outcome.manifest
            && !findings.iter().any(Finding::is_error)
        {
            match lower(manifest, &Names::of(&document), programs) {
                Some(policy) => outcome.bundle = Some(Bundle::new(policy)),
                None => findings.push(internal(&document, "a checked manifest could not be compiled")),
            }
        }
        // What holds a secret goes no further, so that nothing prints it.
        if findings
            .iter()
            .any(|finding| matches!(finding.code, Code::InlineSecret | Code::RequiredCredential))
        {
            outcome.manifest = None;
        }
        outcome.document = Some(document);
    }
    diagnostics::settle(&mut findings);
    outcome.findings = findings;
    outcome
}

/// Checks a document, and types it when its structure is sound.
fn examine(document: &Document, findings: &mut Vec<Finding>) -> Option<Manifest> {
    // A key that is no name takes its whole subtree along; whatever is said of the rest would be noise.
    if findings.iter().any(|finding| finding.code == Code::KeyNotText) {
        return None;
    }
    let unread = findings.iter().any(Finding::is_error);
    let (violations, typed) = typed(document, !unread);
    findings.extend(violations);
    findings.extend(check::tree(document));
    match typed? {
        Ok(mut manifest) => {
            resolve::fill(&mut manifest, &Names::of(document));
            findings.extend(check::manifest(document, &manifest, findings));
            Some(manifest)
        }
        // The error itself may quote a value, which may be a secret.
        Err(_) => {
            findings.push(internal(document, "the schema accepts what the types refuse"));
            None
        }
    }
}

/// Validates a document and types it, piece by piece: a long one does not fit into memory many times over. No
/// manifest where there are violations, or where none is wanted.
fn typed(document: &Document, wanted: bool) -> (Vec<Finding>, Option<serde_json::Result<Manifest>>) {
    let numbers: Vec<usize> = (0..document.pieces()).collect();
    let pieces = side_by_side::map(&numbers, numbers.len() > 1, |number| {
        let json = document.piece(*number)?;
        let mut found = schema::violations(document, &json);
        // The rest of the document was in the first piece as well.
        found.retain(|finding| *number == 0 || finding.path.len() > 1 && document.is_long(&finding.path));
        let typed = (wanted && found.is_empty()).then(|| serde_json::from_value::<Manifest>(json));
        Some((found, typed))
    });
    let mut violations = Vec::new();
    let mut typed: Option<serde_json::Result<Manifest>> = None;
    for (found, piece) in pieces.into_iter().flatten() {
        violations.extend(found);
        typed = match (typed, piece) {
            (Some(Ok(mut whole)), Some(Ok(piece))) => {
                Manifest::absorb(&mut whole, piece);
                Some(Ok(whole))
            }
            (Some(Err(error)), _) => Some(Err(error)),
            (_, piece) => piece,
        };
    }
    if !violations.is_empty() {
        typed = None;
    }
    (violations, typed)
}

fn internal(document: &Document, message: &str) -> Finding {
    Finding::new(Code::Internal, message)
        .at_value::<&str>(document, &[], "")
        .help("this is a bug of the compiler; please report it")
}
