//! The shared store can be reached, is not sent a password in the open, and shares what can be shared.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{SharedStore, WhenAway};
use crate::resolve::{Endpoint, UrlFault, endpoint, is_loopback};

const URL: [&str; 4] = ["store", "shared", "redis", "url"];

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let shared = context.manifest.store.shared.as_ref();
    let mut findings: Vec<Finding> = shared.into_iter().flat_map(|store| reached(context, store)).collect();
    for (name, limit) in &context.manifest.limits {
        match (shared, limit.shared) {
            (None, Some(true)) => findings.push(
                Finding::new(
                    Code::NothingShared,
                    format!("limit `{name}` is shared, but nothing to share it in is named"),
                )
                .at_value(context.document, &["limits", name, "shared"], "")
                .help("add `store: {shared: {redis: {url: ...}, replicas: 3}}`, or remove `shared`"),
            ),
            (Some(store), None | Some(true)) => findings.extend(no_share(context, name, store)),
            _ => {}
        }
    }
    findings
}

/// The URL of a store: an endpoint with a scheme of its own and at most a database number.
fn server(url: &str) -> Result<Endpoint, UrlFault> {
    const SCHEME: UrlFault = UrlFault::Malformed(
        "its scheme is neither `redis` nor `rediss`",
        "begin with `redis://`, or `rediss://` for TLS",
    );
    let (scheme, rest) = url.split_once("://").ok_or(SCHEME)?;
    let scheme = match scheme {
        "redis" => "http",
        "rediss" => "https",
        _ => return Err(SCHEME),
    };
    let server = endpoint(&format!("{scheme}://{rest}"))?;
    let database = server.base_path.strip_prefix('/').unwrap_or_default();
    if !database.bytes().all(|b| b.is_ascii_digit()) || database.len() > 4 {
        return Err(UrlFault::Malformed(
            "its path is not the number of a database",
            "end it after the port, or write for example `/2`",
        ));
    }
    Ok(server)
}

fn reached(context: &Context<'_>, store: &SharedStore) -> Vec<Finding> {
    let mut findings = Vec::new();
    match server(&store.redis.url) {
        Err(UrlFault::Malformed(what, help)) => findings.push(
            Finding::new(Code::MalformedStore, format!("the URL of the shared store cannot be used: {what}"))
                .at_value(context.document, &URL, "")
                .help(help),
        ),
        Err(UrlFault::Credentials) => findings.push(
            Finding::new(Code::InlineSecret, "the URL of the shared store carries credentials")
                .at_value(context.document, &URL, "not shown")
                .redacting(context.document.value_span(&URL))
                .help("remove them, and refer to them: `auth: {file: /run/secrets/redis}`"),
        ),
        Ok(server) if store.redis.auth.is_some() && !server.tls && !is_loopback(&server.host) => findings
            .push(
                Finding::new(Code::PlainStore, "the shared store is sent a password without TLS")
                    .at_value(context.document, &URL, "not encrypted")
                    .help("write `rediss://`"),
            ),
        Ok(_) => {}
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'));
    if store.prefix.contains(odd) {
        findings.push(
            Finding::new(
                Code::MalformedStore,
                "the prefix of the shared store has characters that keys of ours cannot have",
            )
            .at_value(context.document, &["store", "shared", "prefix"], "")
            .help("use letters, digits and `-`, `_`, `.`, `:`"),
        );
    }
    findings
}

/// An even share that is nothing refuses everything while the store is away.
fn no_share(context: &Context<'_>, name: &str, store: &SharedStore) -> Option<Finding> {
    let limit = context.manifest.limits.get(name)?;
    let replicas = u64::from(store.replicas);
    let smallest = limit.requests.map(|rate| rate.0.amount).into_iter().min()?;
    if store.when_away != WhenAway::LocalShare || smallest >= replicas {
        return None;
    }
    let message = format!("limit `{name}` allows {smallest} requests, fewer than there are replicas");
    let finding = Finding::new(Code::NoShare, message);
    let finding = finding.at_key(context.document, &["limits", name], "no share for each replica");
    Some(finding.help("its share is nothing while the store is away; write `whenAway: closed`, or raise it"))
}
