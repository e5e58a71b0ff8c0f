//! `sluicegate shadow`: a second policy compared with the one that serves, on live traffic. It owns flags
//! and what people see; the gateway compares.

use std::path::PathBuf;

use http::Method;
use vocabulary::admin::shadow::ShadowStatus;

use super::asking::{Asking, Question};
use super::output::{Overlays, read_joined};
use super::{BAD_INPUT, complain};
use crate::clock::wall_time;

const EXAMPLES: &str = "\
Examples:
  sluicegate shadow next.yaml --for 10m     begin
  sluicegate shadow                         what has been found
  sluicegate shadow --stop                  end it, and show what was found

Nothing changes for callers. Compared are route, caller, limits (counted apart, from zero) and the members
that could serve; at most 200 requests per second.";

/// Compare a second policy on live traffic.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The second manifest in YAML or JSON; without one, what was found is shown
    #[arg(requires = "length")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    overlays: Overlays,
    /// For how long, such as 10m; at most 24h
    #[arg(long = "for", id = "length", value_name = "TIME")]
    length: Option<String>,
    /// End the comparison
    #[arg(long, conflicts_with = "manifest")]
    stop: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args) -> u8 {
    match (&args.manifest, &args.length) {
        (Some(manifest), Some(length)) => {
            let manifest = match read_joined(manifest, &args.overlays) {
                Ok(manifest) => manifest,
                Err(code) => return code,
            };
            let path = format!("/v1/shadow?for={length}");
            let headers = vec![("content-type", manifest.media_type().to_owned())];
            let body = manifest.bytes().to_vec();
            args.asking.show(Question { method: Method::POST, path: &path, headers, body }, rendered)
        }
        (Some(_), None) | (None, Some(_)) => {
            complain("sluicegate: name a manifest and --for, or neither\n");
            BAD_INPUT
        }
        (None, None) if args.stop => {
            let question = Question { method: Method::DELETE, ..Question::get("/v1/shadow") };
            args.asking.show(question, rendered)
        }
        (None, None) => args.asking.show(Question::get("/v1/shadow"), rendered),
    }
}

fn rendered(status: &ShadowStatus) -> String {
    let state = if status.running { "until" } else { "over; it was to run until" };
    let mut text = format!(
        "{} compared with {}\n{state} {}, by {}\n{} requests compared, {} passed over\n",
        short(&status.digest),
        short(&status.serving),
        wall_time(status.until_ms),
        status.by,
        status.compared,
        status.passed_over
    );
    if status.differences.is_empty() {
        text.push_str("no difference\n");
    }
    for difference in &status.differences {
        let reason = difference.reason.map_or(String::new(), |reason| format!(" `{reason}`"));
        let sample = difference.samples.first().map_or("", String::as_str);
        text.push_str(&format!(
            "{:>8}  {}{reason}  such as {sample}\n",
            difference.count,
            difference.class.name()
        ));
    }
    text
}

fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
