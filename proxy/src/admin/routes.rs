//! What each admin path answers. It owns authorization and preconditions; it refuses to hold state: the
//! keeper has the policy, `live` the traffic.

use std::sync::Arc;

use http::header::IF_MATCH;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use rule_table::Role;
use vocabulary::admin::{Decisions, Status};

use super::answer::{Answer, entity_tag, json, not_allowed, problem, tagged, text, with};
use super::authn::{Authn, Principal};
use super::keys::KeyDesk;
use crate::policy::{Keeper, Offer, Source};

/// The largest manifest taken over the network.
const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;
/// Decisions shown unless asked otherwise, and at most.
const DECISIONS: (usize, usize) = (50, 1000);

/// What the admin API answers from.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) authn: Authn,
    pub(crate) keys: KeyDesk,
}

impl Desk {
    /// Answers one request.
    pub(super) async fn handle(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        match path {
            "/livez" => return text(StatusCode::OK, "ok"),
            "/readyz" => return self.ready(),
            _ => {}
        }
        let principal = match self.authn.authenticate(&parts.headers, None).await {
            Ok(principal) => principal,
            Err(denied) => return denied.answer(),
        };
        tracing::debug!(who = %principal.name, how = principal.how.name(), path, "asked the admin API");
        if let Some(below) =
            path.strip_prefix("/v1/keys").filter(|below| below.is_empty() || below.starts_with('/'))
        {
            return self.keys.handle(&principal, &parts.method, below, body).await;
        }
        match (path, &parts.method) {
            ("/v1/status", &Method::GET) => json(&self.status()),
            ("/v1/decisions", &Method::GET) => self.decisions(parts.uri.query()),
            ("/v1/shares", &Method::GET) => json(&self.keeper.share_changes()),
            ("/v1/manifest", &Method::GET) => self.manifest(),
            ("/v1/manifest", &Method::PUT) => self.replace(&principal, &parts.headers, body).await,
            ("/v1/status" | "/v1/decisions" | "/v1/shares", _) => not_allowed("GET"),
            ("/v1/manifest", _) => not_allowed("GET, PUT"),
            _ => problem(
                StatusCode::NOT_FOUND,
                "Not found",
                "the admin API has /livez, /readyz, /v1/status, /v1/decisions, /v1/shares, /v1/keys and /v1/manifest",
                &[],
            ),
        }
    }

    fn status(&self) -> Status {
        Status { overlay_version: self.keys.overlay.version(), ..self.keeper.status() }
    }

    fn ready(&self) -> Answer {
        if self.keeper.live().draining() {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else {
            text(StatusCode::OK, "ready")
        }
    }

    fn decisions(&self, query: Option<&str>) -> Answer {
        let asked =
            query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("limit="));
        let limit = match asked.map(str::parse::<usize>) {
            None => DECISIONS.0,
            Some(Ok(limit)) => limit.min(DECISIONS.1),
            Some(Err(_)) => {
                return problem(
                    StatusCode::BAD_REQUEST,
                    "Bad query",
                    "limit must be a number, such as ?limit=50",
                    &[],
                );
            }
        };
        let gate = &self.keeper.live().in_force().gate;
        json(&Decisions { decisions: gate.decisions(limit), total: gate.decisions_made() })
    }

    fn manifest(&self) -> Answer {
        let (text, generation) = self.keeper.manifest();
        tagged(with(StatusCode::OK, "application/yaml", text.into_bytes()), generation)
    }

    async fn replace(&self, principal: &Principal, headers: &HeaderMap, body: Incoming) -> Answer {
        if let Err(denied) = principal.require(Role::Publisher) {
            return denied.answer();
        }
        if self.keeper.source() != Source::Api {
            let how = "this gateway reads its manifest from a file; start it with `--source api` to publish over the network";
            return problem(StatusCode::CONFLICT, "Another source of policy is in force", how, &[]);
        }
        let Some(expected) = headers.get(IF_MATCH) else {
            let how = "send If-Match with the ETag of GET /v1/manifest, so that nobody's change is lost";
            return problem(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing", how, &[]);
        };
        let Ok(body) = Limited::new(body, LARGEST_MANIFEST).collect().await else {
            let how = "the manifest is larger than 4 MiB or did not arrive whole";
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "Manifest not read", how, &[]);
        };
        let Ok(manifest) = String::from_utf8(body.to_bytes().to_vec()) else {
            return problem(
                StatusCode::BAD_REQUEST,
                "Not text",
                "a manifest is UTF-8 text in YAML or JSON",
                &[],
            );
        };
        let matches = |generation: u64| {
            expected.as_bytes() == b"*" || expected.as_bytes() == entity_tag(generation).as_bytes()
        };
        match self.keeper.offer(manifest, &matches).await {
            Offer::Accepted(accepted) => {
                let generation = accepted.generation;
                tagged(json(&accepted), generation)
            }
            Offer::Stale { generation } => {
                let how =
                    "somebody published since you read it; read it again, apply your change there, and retry";
                tagged(
                    problem(StatusCode::PRECONDITION_FAILED, "The manifest has changed", how, &[]),
                    generation,
                )
            }
            Offer::Rejected(findings) => problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The manifest was rejected",
                "nothing has changed; mend the findings and send it again",
                &findings,
            ),
        }
    }
}
