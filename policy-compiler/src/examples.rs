//! An example of every code: the first manifest among the tests' mistakes that provokes it. It owns finding
//! and showing one; it refuses to make any up.

use crate::compile::compile;
use crate::diagnostics::render::masked;
use crate::diagnostics::{Code, Finding, Style, render};
use crate::source::Source;

/// Name and text of every mistake, in the order of names, which begin with a code.
const MISTAKES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// Longer examples are told by what is found in them alone.
const SHOWN: usize = 60;

/// A manifest that provokes a finding.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The code at its beginning, then what is wrong.
    pub name: &'static str,
    /// The manifest.
    pub text: &'static str,
}

/// An example of a code. What stands outside the text, such as a missing file, has none.
#[must_use]
pub fn example(code: Code) -> Option<Example> {
    let found = MISTAKES.iter().find(|(name, _)| name.starts_with(code.as_str()));
    found.map(|(name, text)| Example { name, text })
}

/// Every example, in the order of names.
pub(crate) fn examples() -> impl Iterator<Item = Example> {
    MISTAKES.iter().map(|(name, text)| Example { name, text })
}

impl Example {
    /// The code it is an example of.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.name.split('-').next().and_then(Code::find)
    }

    /// It, with secrets masked, and what the compiler says about its code in it.
    #[must_use]
    pub fn findings(&self) -> (Source, Vec<Finding>) {
        let source = Source::new("gateway.yaml", self.text);
        let mut findings = compile(&source).findings;
        let source = masked(&findings, &source).into_owned();
        findings.retain(|finding| Some(finding.code) == self.code());
        (source, findings)
    }
}

/// The long explanation of a code with an example of it and what to do, for `sluicegate explain`; `None`
/// when there is no such code.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    let code = Code::find(code)?;
    let (severity, title, text) = (code.severity().name(), code.title(), code.explanation());
    let mut page = format!("{code} ({severity}): {title}\n\n{text}\n");
    if let Some(example) = example(code) {
        let (source, findings) = example.findings();
        if source.text.lines().count() <= SHOWN {
            page.push_str("\nFor example:\n\n");
            for line in source.text.lines() {
                page.push_str(format!("    {line}").trim_end());
                page.push('\n');
            }
        }
        page.push_str("\nWhat is said of it:\n\n");
        page.push_str(&render(&findings, &source, Style::Plain));
    }
    Some(page)
}
