//! `sluicegate migrate`: a manifest of an older version of the language in the current one.

use std::path::PathBuf;

use policy_compiler::{CURRENT, NotMigrated, Source, migrate};

use super::output::show_findings;
use super::{BAD_INPUT, Output, complain, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate migrate draft.yaml > gateway.yaml

Each change is named on standard error; comments and order stay. A manifest that is current is printed as it is.";

/// Bring a manifest to the current version of the language.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON
    manifest: PathBuf,
}

pub(super) fn run(args: &Args) -> u8 {
    let name = args.manifest.display().to_string();
    let source = match std::fs::read_to_string(&args.manifest) {
        Ok(text) => Source::new(name.clone(), text),
        Err(error) => {
            complain(&format!("sluicegate: {name} cannot be read: {error}\n"));
            return BAD_INPUT;
        }
    };
    match migrate(&source) {
        Ok(migrated) => {
            say(&migrated.manifest);
            for change in migrated.changes {
                complain(&format!("{change}\n"));
            }
            0
        }
        Err(NotMigrated::Unreadable(findings)) => {
            show_findings(&findings, &source, Output::Text);
            BAD_INPUT
        }
        Err(NotMigrated::Unknown(version)) => {
            let what = version
                .map_or_else(|| "no `apiVersion`".to_owned(), |version| format!("`apiVersion: {version}`"));
            complain(&format!(
                "sluicegate: {name} has {what}; this build knows how to get to `{CURRENT}` from older versions only\n"
            ));
            BAD_INPUT
        }
    }
}
