//! `sluicegate fmt`: manifests in their usual form. It owns reading and writing the files.

use std::path::{Path, PathBuf};

use policy_compiler::{Source, format};

use super::output::show_findings;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::policy::write_whole;

const EXAMPLES: &str = "\
Examples:
  sluicegate fmt gateway.yaml teams/*.yaml
  sluicegate fmt --check gateway.yaml            in a pipeline: changes nothing, exit code 1 if it would
  cat gateway.yaml | sluicegate fmt -";

/// Format manifests, comments included.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files in YAML; `-` formats standard input to standard output
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing and name the files that are not formatted
    #[arg(long)]
    check: bool,
}

pub(super) fn run(args: &Args) -> u8 {
    args.files.iter().map(|file| one(file, args.check)).max().unwrap_or_default()
}

fn one(file: &Path, check: bool) -> u8 {
    let piped = file == Path::new("-");
    let read = if piped { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = match read {
        Ok(text) => text,
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
            return BAD_INPUT;
        }
    };
    let source = Source::new(file.display().to_string(), text);
    let formatted = match format(&source) {
        Ok(formatted) => formatted,
        Err(findings) => {
            show_findings(&findings, &source, Output::Text);
            return BAD_INPUT;
        }
    };
    let changed = formatted != source.text;
    if check {
        if changed {
            complain(&format!("{} is not formatted\n", file.display()));
        }
        return u8::from(changed);
    }
    if piped {
        say(&formatted);
    } else if changed && let Err(error) = replace(file, &formatted) {
        complain(&format!("sluicegate: {} cannot be written: {error}\n", file.display()));
        return FAILURE;
    }
    0
}

/// Leaves either the old file or the new one, whatever happens on the way.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A link stays one: what it leads to is written.
    if file.is_symlink() {
        return std::fs::write(file, text);
    }
    write_whole(folder, &name, text.as_bytes())
}
