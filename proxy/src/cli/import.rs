//! `sluicegate import`: a manifest from another gateway's configuration. It owns what is printed where: the
//! manifest on standard output, what was left out on standard error.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use policy_compiler::{Finding, Imported, Source, azure_waf, litellm};

use super::output::show_findings;
use super::{BAD_INPUT, Output, complain, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate import litellm config.yaml > gateway.yaml
  az network application-gateway waf-policy show -g web -n site | sluicegate import azure-waf - > gateway.yaml

What has no exact counterpart is left out, and listed on standard error and at the manifest's head.";

/// Make a manifest from another gateway's configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// LiteLLM's config.yaml
    Litellm(FileArgs),
    /// A web application firewall policy of Azure, in JSON
    AzureWaf(FileArgs),
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The file; `-` reads standard input
    file: PathBuf,
    /// How to write the result; `json` is one object with `manifest` and `left`
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    match &args.from {
        From::Litellm(args) => imported(args, litellm),
        From::AzureWaf(args) => imported(args, azure_waf),
    }
}

fn imported(args: &FileArgs, import: impl Fn(&Source) -> Result<Imported, Vec<Finding>>) -> u8 {
    let read = if args.file == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(&args.file)
    };
    let source = match read {
        Ok(text) => Source::new(args.file.display().to_string(), text),
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", args.file.display()));
            return BAD_INPUT;
        }
    };
    match import(&source) {
        Ok(Imported { manifest, left }) if args.output == Output::Json => {
            say(&format!("{}\n", serde_json::json!({"manifest": manifest, "left": left})));
            0
        }
        Ok(Imported { manifest, left }) => {
            say(&manifest);
            for line in left {
                complain(&format!("not carried over: {line}\n"));
            }
            0
        }
        Err(findings) => {
            show_findings(&findings, &source, args.output);
            BAD_INPUT
        }
    }
}
