//! Section `findings` names codes that there are, and lowers none that has to stay.

use super::Context;
use crate::diagnostics::{Code, Finding, LevelFault, Levels};
use crate::manifest::FindingLevel;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let one = |(code, level): (&String, &FindingLevel)| {
        let finding = match Levels::default().set(code, *level).err()? {
            LevelFault::Unknown => Finding::new(Code::UnknownCode, format!("there is no finding `{code}`"))
                .help("`sluicegate explain` and docs/findings.md know every code"),
            LevelFault::Fixed(_) => {
                let message = format!("`{code}` is an error of the language, which cannot be lowered");
                Finding::new(Code::FixedLevel, message).help(
                    "remove it here, and mend what it is about: no bundle can be made of such a manifest",
                )
            }
        };
        Some(finding.at_key(context.document, &["findings", code], "cannot be set"))
    };
    context.manifest.findings.iter().filter_map(one).collect()
}
