//! `sluicegate keygen`: a fresh pair of keys to sign bundles with. It refuses to show the private one.

use std::path::PathBuf;

use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::policy::{public_file, write_keys};

const EXAMPLES: &str = "\
Examples:
  sluicegate keygen signing.pem
  sluicegate compile gateway.yaml --bundle gateway.bundle --sign signing.pem
  sluicegate run --manifest gateway.bundle --trusted-key signing.pem.pub";

/// Make a pair of keys.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where the private key goes, readable for its owner alone; the public one goes beside it, ending in `.pub`
    file: PathBuf,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let key = match write_keys(&args.file, &rand::random()) {
        Ok(key) => key,
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be written: {error}\n", args.file.display()));
            let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
            return if exists { BAD_INPUT } else { FAILURE };
        }
    };
    let public = public_file(&args.file);
    say(&match args.output {
        Output::Json => format!(
            "{}\n",
            serde_json::json!({"private": args.file, "public": public, "key": key.to_string()})
        ),
        Output::Text => format!(
            "private  {}\n         keep it where bundles are made: `sluicegate compile --sign`\n\
             public   {}\n         give it to gateways: `sluicegate run --trusted-key`\n{key}\n",
            args.file.display(),
            public.display()
        ),
    });
    0
}
