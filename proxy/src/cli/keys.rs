//! `sluicegate keys`: issued keys of a running gateway, over its admin API. It owns flags and what people
//! see; what a key may be is the gateway's to say.

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use serde_json::json;
use vocabulary::UnixTime;
use vocabulary::admin::keys::{IssueKey, IssuedKey, IssuedKeys, KeyStatus};

use super::remote::{Remote, RemoteError};
use super::{BAD_INPUT, FAILURE, Output, complain, say};

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
    admin: AdminArgs,
    /// How to write it
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,
    #[command(subcommand)]
    what: What,
}

/// Where the admin API is, and what to show there.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AdminArgs {
    /// Base URL of the admin API
    #[arg(long, env = "SLUICEGATE_ADMIN", default_value = "http://127.0.0.1:9901", global = true)]
    admin: String,
    /// File with the admin token; otherwise the environment variable SLUICEGATE_ADMIN_TOKEN
    #[arg(long, global = true)]
    token_file: Option<PathBuf>,
}

impl AdminArgs {
    /// The admin API.
    pub(super) fn remote(&self) -> Result<Remote, RemoteError> {
        Remote::new(&self.admin, self.token_file.as_deref())
    }
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
    let done = args.admin.remote().and_then(|remote| carry_out(&remote, &args.what, args.output));
    match done {
        Ok(text) => {
            say(&text);
            0
        }
        Err(error) => {
            complain(&format!("sluicegate: {error}\n"));
            if matches!(error, RemoteError::Refused { .. } | RemoteError::Input(_)) {
                BAD_INPUT
            } else {
                FAILURE
            }
        }
    }
}

fn carry_out(remote: &Remote, what: &What, output: Output) -> Result<String, RemoteError> {
    match what {
        What::Issue { consumer, name, expires, routes } => {
            let asked = IssueKey {
                consumer: consumer.clone(),
                name: name.clone(),
                expires: *expires,
                routes: routes.clone(),
            };
            let issued: IssuedKey = remote.call(&Method::POST, "/v1/keys", Some(json!(asked)))?;
            Ok(shown(&issued, output))
        }
        What::Rotate { id, overlap_seconds } => {
            let path = format!("/v1/keys/{id}/rotate");
            let asked = overlap_seconds.map(|seconds| json!({"overlap_s": seconds}));
            let issued: IssuedKey = remote.call(&Method::POST, &path, asked)?;
            Ok(shown(&issued, output))
        }
        What::Revoke { id } => {
            let status: KeyStatus = remote.call(&Method::DELETE, &format!("/v1/keys/{id}"), None)?;
            Ok(match output {
                Output::Json => format!("{}\n", json!(status)),
                Output::Text => format!("revoked {} of {}\n", status.id, status.consumer),
            })
        }
        What::List => {
            let keys: IssuedKeys = remote.call(&Method::GET, "/v1/keys", None)?;
            Ok(match output {
                Output::Json => format!("{}\n", json!(keys)),
                Output::Text => table(&keys),
            })
        }
    }
}

fn shown(issued: &IssuedKey, output: Output) -> String {
    match output {
        Output::Json => format!("{}\n", json!(issued)),
        Output::Text => format!(
            "key  {}\n     give it to the caller; it is shown only here\nid   {}\n     to rotate or revoke it\n",
            issued.key, issued.known.id
        ),
    }
}

fn table(keys: &IssuedKeys) -> String {
    let mut text = format!("overlay version {}\n", keys.version);
    for key in &keys.keys {
        let end = match (key.revoked, key.expires) {
            (Some(when), _) => format!("revoked {when}"),
            (None, Some(when)) => format!("expires {when}"),
            (None, None) => "no end".to_owned(),
        };
        text.push_str(&format!("{}  {}…  {}  {}  {end}\n", key.id, key.prefix, key.consumer, key.name));
    }
    text
}
