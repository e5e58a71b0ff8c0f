//! `sluicegate keys`: issued keys of a running gateway, over its admin API. It owns flags and what people
//! see; what a key may be is the gateway's to say.

use clap::Subcommand;
use http::Method;
use serde_json::json;
use vocabulary::admin::keys::{IssueKey, IssuedKey, IssuedKeys, KeyLimits, KeyStatus};
use vocabulary::{Rate, SpendRate, UnixTime};

use super::asking::{Asking, Question};

const EXAMPLES: &str = "\
Examples:
  sluicegate keys issue --consumer batch --name nightly --expires 2027-01-31
  sluicegate keys list
  sluicegate keys rotate 1f0c2b7a9d3e4856 --overlap-seconds 86400
  sluicegate keys revoke 1f0c2b7a9d3e4856";

/// Issue, list, rotate and revoke API keys of a running gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    asking: Asking,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Issue a key; it is shown this once
    Issue {
        /// The consumer of the manifest it stands for
        #[arg(long)]
        consumer: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// When it expires, such as 2027-01-31 or 2027-01-31T12:00:00Z
        #[arg(long)]
        expires: Option<UnixTime>,
        /// A route it may be used on; several times for several, all of its consumer's unless stated
        #[arg(long = "route")]
        routes: Vec<String>,
        /// Requests it may make, such as "60 requests/min", within its consumer's limits
        #[arg(long)]
        requests: Option<Rate>,
        /// Tokens it may take, such as "20k tokens/min"
        #[arg(long)]
        tokens: Option<Rate>,
        /// Money it may spend, such as "40 USD/month"
        #[arg(long)]
        budget: Option<SpendRate>,
    },
    /// List issued keys
    List,
    /// Issue a key in the place of another
    Rotate {
        /// Its id
        id: String,
        /// How long the old key is still good
        #[arg(long)]
        overlap_seconds: Option<u64>,
    },
    /// End a key at once
    Revoke {
        /// Its id
        id: String,
    },
}

pub(super) fn run(args: &Args) -> u8 {
    let asking = &args.asking;
    match &args.what {
        What::Issue { consumer, name, expires, routes, requests, tokens, budget } => {
            let asked = IssueKey {
                consumer: consumer.clone(),
                name: name.clone(),
                expires: *expires,
                routes: routes.clone(),
                limits: KeyLimits { requests: *requests, tokens: *tokens, budget: *budget },
            };
            asking.show(Question::json(Method::POST, "/v1/keys", &asked), shown)
        }
        What::Rotate { id, overlap_seconds } => {
            let path = format!("/v1/keys/{id}/rotate");
            let asked = overlap_seconds.map_or_else(|| json!({}), |seconds| json!({"overlap_s": seconds}));
            asking.show(Question::json(Method::POST, &path, &asked), shown)
        }
        What::Revoke { id } => {
            let path = format!("/v1/keys/{id}");
            asking.show(Question::json(Method::DELETE, &path, &json!({})), |status: &KeyStatus| {
                format!("revoked {} of {}\n", status.id, status.consumer)
            })
        }
        What::List => asking.show(Question::get("/v1/keys"), table),
    }
}

fn shown(issued: &IssuedKey) -> String {
    format!(
        "key  {}\n     give it to the caller; it is shown only here\nid   {}\n     to rotate or revoke it\n",
        issued.key, issued.known.id
    )
}

fn table(keys: &IssuedKeys) -> String {
    let mut text = format!("overlay version {}\n", keys.version);
    for key in &keys.keys {
        let end = match (key.revoked, key.expires) {
            (Some(when), _) => format!("revoked {when}"),
            (None, Some(when)) => format!("expires {when}"),
            (None, None) => "no end".to_owned(),
        };
        let limits = if key.limits.is_empty() { String::new() } else { format!("  {}", key.limits) };
        text.push_str(&format!(
            "{}  {}…  {}  {}  {end}{limits}\n",
            key.id, key.prefix, key.consumer, key.name
        ));
    }
    text
}
