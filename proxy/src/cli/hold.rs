//! `sluicegate drain`, `pin`, `freeze`, `holds` and `release`: what operators hold for a time. It owns flags
//! and what people see; the gateway holds.

use http::Method;
use vocabulary::admin::generations::ReasonOnly;
use vocabulary::admin::holds::{Hold, HoldKind, HoldPlaced, HoldRequest, Holds};

use super::asking::{Asking, Question};
use crate::clock::wall_time;

const DRAIN: &str = "\
Examples:
  sluicegate drain eastus --for 30m --reason \"browns out, ticket 4711\"
  sluicegate drain eastus/gpt-4o --for 2h --reason \"new version\"

Requests in flight end as they would. All replicas hear of it within two seconds, and a restart keeps it.
Refused where it would leave requests without a member, unless --force.";
const PIN: &str = "\
Examples:
  sluicegate pin chat westeurope/gpt-4o --for 1h --reason \"compare the two by hand\"";
const FREEZE: &str = "\
Examples:
  sluicegate freeze chat --for 30m --reason \"no moves during the launch\"

The shares of the last ten seconds become fixed weights. Members that fail still leave.";
const LIST: &str = "\
Examples:
  sluicegate holds
  sluicegate holds --output json | jq -r '.holds[].id'";
const RELEASE: &str = "\
Examples:
  sluicegate release 1f0c9a2e --reason \"recovered\"";

/// How long and why.
#[derive(Debug, clap::Args)]
struct Terms {
    /// For how long, such as 30m; at most 7d
    #[arg(long = "for", value_name = "TIME")]
    length: String,
    /// Why: for the audit log, and for whoever is on call next
    #[arg(long)]
    reason: String,
    /// Hold even where it leaves requests without a member
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = DRAIN)]
pub(super) struct DrainArgs {
    /// A backend, or one of its deployments as `backend/deployment`
    target: String,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PIN)]
pub(super) struct PinArgs {
    /// The pool
    pool: String,
    /// The member to use, as `backend/deployment`
    member: String,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FREEZE)]
pub(super) struct FreezeArgs {
    /// The pool
    pool: String,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LIST)]
pub(super) struct ListArgs {
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(after_help = RELEASE)]
pub(super) struct ReleaseArgs {
    /// The hold's id
    id: String,
    /// Why, for the audit log
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn drain(args: &DrainArgs) -> u8 {
    place(HoldKind::Drain, &args.target, None, &args.terms)
}

pub(super) fn pin(args: &PinArgs) -> u8 {
    place(HoldKind::Pin, &args.pool, Some(args.member.clone()), &args.terms)
}

pub(super) fn freeze(args: &FreezeArgs) -> u8 {
    place(HoldKind::Freeze, &args.pool, None, &args.terms)
}

fn place(kind: HoldKind, target: &str, member: Option<String>, terms: &Terms) -> u8 {
    let order = HoldRequest {
        kind,
        target: target.to_owned(),
        member,
        for_: terms.length.clone(),
        reason: terms.reason.clone(),
        force: terms.force,
    };
    terms.asking.show(Question::json(Method::POST, "/v1/holds", &order), |placed: &HoldPlaced| {
        let mut text = rendered(&placed.hold);
        if !placed.everywhere {
            text.push_str(
                "the shared store is away: this replica holds, others will when it is back; ask each of them\n",
            );
        }
        text
    })
}

pub(super) fn list(args: &ListArgs) -> u8 {
    args.asking.show(Question::get("/v1/holds"), |holds: &Holds| match holds.holds.as_slice() {
        [] => "nothing is held\n".to_owned(),
        holds => holds.iter().map(rendered).collect(),
    })
}

pub(super) fn release(args: &ReleaseArgs) -> u8 {
    let path = format!("/v1/holds/{}", args.id);
    let reason = ReasonOnly { reason: args.reason.clone() };
    args.asking.show(Question::json(Method::DELETE, &path, &reason), |hold: &Hold| {
        format!("released {}: {} {}\n", hold.id, hold.kind.name(), hold.target)
    })
}

fn rendered(hold: &Hold) -> String {
    let member = hold.member.as_ref().map_or(String::new(), |member| format!(" to {member}"));
    let until = wall_time(hold.until_ms);
    let Hold { id, kind, target, reason, by, .. } = hold;
    format!("{id}  {} {target}{member}  until {until}  by {by}  \"{reason}\"\n", kind.name())
}
