//! `sluicegate publish`, `promote`, `rollback` and `generations`: policy on a running gateway. It owns flags
//! and what people see; checking and swapping are the gateway's.

use std::path::PathBuf;

use http::Method;
use vocabulary::admin::Accepted;
use vocabulary::admin::generations::{Generations, ReasonOnly, RollbackRequest};

use super::asking::{Asking, Question};
use super::output::{Overlays, read_joined};
use crate::clock::wall_time;

const PUBLISH: &str = "\
Examples:
  sluicegate publish gateway.yaml --reason \"raise the team's budget\"
  sluicegate publish gateway.yaml --canary 10m     this replica alone, and back again afterwards

Refused when somebody published since it was read: `--if-match` names the generation your change is based
on, as `sluicegate generations` shows it. Exit codes: 0 in force, 1 not reachable, 2 refused.";
const PROMOTE: &str = "\
Examples:
  sluicegate promote --reason \"ten minutes without a difference\"";
const ROLLBACK: &str = "\
Examples:
  sluicegate rollback --reason \"429s since the last change\"
  sluicegate rollback --to 41

No request fails. With a manifest file as source the rollback stands until that file changes; the status
says so.";
const GENERATIONS: &str = "\
Examples:
  sluicegate generations
  sluicegate generations --output json | jq '.generations[0].digest'";

#[derive(Debug, clap::Args)]
#[command(after_help = PUBLISH)]
pub(super) struct PublishArgs {
    /// Manifest in YAML or JSON, or a bundle; `-` reads a manifest from standard input
    manifest: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// Serve it on this replica alone for a time such as 10m, then go back
    #[arg(long, value_name = "TIME")]
    canary: Option<String>,
    /// The generation that the change is based on; the one in force now unless stated
    #[arg(long, value_name = "GENERATION")]
    if_match: Option<u64>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PROMOTE)]
pub(super) struct PromoteArgs {
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = ROLLBACK)]
pub(super) struct RollbackArgs {
    /// The generation to put in force again; the one before unless stated
    #[arg(long, value_name = "GENERATION")]
    to: Option<u64>,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = GENERATIONS)]
pub(super) struct GenerationsArgs {
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn publish(args: &PublishArgs) -> u8 {
    let manifest = match read_joined(&args.manifest, &args.overlays) {
        Ok(manifest) => manifest,
        Err(code) => return code,
    };
    let tag = match args.if_match {
        Some(generation) => format!("\"{generation}\""),
        None => match args.asking.ask(Question::get("/v1/manifest")) {
            Ok(reply) => reply.etag.unwrap_or_else(|| "*".to_owned()),
            Err(code) => return code,
        },
    };
    let path = match &args.canary {
        Some(time) => format!("/v1/manifest?canary={time}"),
        None => "/v1/manifest".to_owned(),
    };
    let mut headers = vec![("if-match", tag), ("content-type", manifest.media_type().to_owned())];
    headers.extend(args.reason.clone().map(|reason| ("x-sluicegate-reason", reason)));
    let body = manifest.bytes().to_vec();
    args.asking.show(Question { method: Method::PUT, path: &path, headers, body }, |accepted: &Accepted| {
        match &args.canary {
            Some(time) => format!("on trial on this replica for {time}\n{}", in_force(accepted)),
            None => in_force(accepted),
        }
    })
}

pub(super) fn promote(args: &PromoteArgs) -> u8 {
    let reason = ReasonOnly { reason: args.reason.clone() };
    args.asking.show(Question::json(Method::POST, "/v1/canary/promote", &reason), in_force)
}

pub(super) fn roll_back(args: &RollbackArgs) -> u8 {
    let order = RollbackRequest { to: args.to, reason: args.reason.clone() };
    args.asking.show(Question::json(Method::POST, "/v1/rollback", &order), in_force)
}

pub(super) fn generations(args: &GenerationsArgs) -> u8 {
    args.asking.show(Question::get("/v1/generations"), |kept: &Generations| {
        let line = |one: &vocabulary::admin::generations::Generation| {
            let now = if one.generation == kept.in_force { "*" } else { " " };
            let restores = one.restores.map_or(String::new(), |number| format!("  as generation {number}"));
            let digest = one.digest.get(..19).unwrap_or(&one.digest);
            let (at, action, actor) = (wall_time(one.at_ms), &one.action, &one.actor);
            format!("{now}{:>5}  {at}  {digest}  {action} by {actor}{restores}\n", one.generation)
        };
        kept.generations.iter().map(line).collect()
    })
}

fn in_force(accepted: &Accepted) -> String {
    let mut text = format!("generation {} is in force\n{}\n", accepted.generation, accepted.digest);
    for warning in &accepted.warnings {
        text.push_str(&format!("{warning}\n"));
    }
    text
}
