//! `/v1/keys`: issuing, listing, rotating and revoking API keys. It owns roles, bodies and statuses; what a
//! key may be is the overlay's business.

use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use rule_table::Role;
use serde::de::DeserializeOwned;
use vocabulary::admin::keys::{IssueKey, IssuedKeys, RotateKey};

use super::answer::{Answer, json, not_allowed, problem};
use super::authn::Principal;
use crate::clock::unix_nanos;
use crate::doors::{Overlay, OverlayError};
use crate::live::Live;

/// The longest body of these calls.
const LONGEST_BODY: usize = 64 * 1024;
/// How long a rotated key stays good unless asked otherwise, and at most: an hour, a month.
const OVERLAP: (u64, u64) = (3600, 30 * 86_400);

/// Answers for issued keys.
#[derive(Debug)]
pub(crate) struct KeyDesk {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) live: Arc<Live>,
}

impl KeyDesk {
    /// Answers a path at or below `/v1/keys`; `below` is what follows.
    pub(super) async fn handle(
        &self,
        principal: &Principal,
        method: &Method,
        below: &str,
        body: Incoming,
    ) -> Answer {
        let needs = if *method == Method::GET { Role::Viewer } else { Role::Operator };
        if let Err(denied) = principal.require(needs) {
            return denied.answer();
        }
        let segments: Vec<&str> = below.split('/').filter(|segment| !segment.is_empty()).collect();
        let answer = match (segments.as_slice(), method) {
            ([], &Method::GET) => {
                let (version, keys) = self.overlay.list();
                return json(&IssuedKeys { version, keys });
            }
            ([], &Method::POST) => self.issue(principal, body).await,
            ([id], &Method::DELETE) => self.revoke(id),
            ([id, "rotate"], &Method::POST) => self.rotate(principal, id, body).await,
            ([], _) => return not_allowed("GET, POST"),
            ([_], _) => return not_allowed("DELETE"),
            ([_, "rotate"], _) => return not_allowed("POST"),
            _ => {
                let how = "there are /v1/keys, /v1/keys/{id} and /v1/keys/{id}/rotate";
                return problem(StatusCode::NOT_FOUND, "Not found", how, &[]);
            }
        };
        match answer {
            Ok(answer) => {
                self.overlay.share().await;
                answer
            }
            Err(answer) => answer,
        }
    }

    async fn issue(&self, principal: &Principal, body: Incoming) -> Result<Answer, Answer> {
        let asked: IssueKey = read(body, None).await?;
        let gate = Arc::clone(&self.live.in_force().gate);
        let issued = self.overlay.issue(gate.policy(), asked, &principal.name, now()).map_err(refused)?;
        tracing::info!(id = %issued.known.id, consumer = %issued.known.consumer, by = %principal.name, "key issued");
        let mut answer = json(&issued);
        *answer.status_mut() = StatusCode::CREATED;
        Ok(answer)
    }

    async fn rotate(&self, principal: &Principal, id: &str, body: Incoming) -> Result<Answer, Answer> {
        let asked: RotateKey = read(body, Some(RotateKey::default())).await?;
        let overlap = asked.overlap_s.unwrap_or(OVERLAP.0).min(OVERLAP.1);
        let gate = Arc::clone(&self.live.in_force().gate);
        let issued =
            self.overlay.rotate(gate.policy(), id, overlap, &principal.name, now()).map_err(refused)?;
        tracing::info!(old = %id, id = %issued.known.id, by = %principal.name, "key rotated");
        let mut answer = json(&issued);
        *answer.status_mut() = StatusCode::CREATED;
        Ok(answer)
    }

    fn revoke(&self, id: &str) -> Result<Answer, Answer> {
        let status = self.overlay.revoke(id, now()).map_err(refused)?;
        tracing::info!(%id, consumer = %status.consumer, "key revoked");
        Ok(json(&status))
    }
}

/// Unix seconds.
fn now() -> u64 {
    unix_nanos() / 1_000_000_000
}

/// A body in JSON; `absent` stands for none.
async fn read<T: DeserializeOwned>(body: Incoming, absent: Option<T>) -> Result<T, Answer> {
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        let how = "the body is longer than 64 KiB or did not arrive whole";
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "Body not read", how, &[]));
    };
    let body = body.to_bytes();
    match absent {
        Some(absent) if body.is_empty() => Ok(absent),
        _ => serde_json::from_slice(&body).map_err(|error| {
            // Of the error only the place: its words may quote a value.
            let how = format!(
                "the body is not the JSON this call takes, see line {}, column {}; `sluicegate keys --help` shows what it is",
                error.line(),
                error.column()
            );
            problem(StatusCode::BAD_REQUEST, "Bad body", &how, &[])
        }),
    }
}

fn refused(error: OverlayError) -> Answer {
    let (status, title) = match &error {
        OverlayError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The key was not issued"),
        OverlayError::Unknown(_) => (StatusCode::NOT_FOUND, "No such key"),
        OverlayError::NoPlace => (StatusCode::CONFLICT, "No place to keep keys"),
        OverlayError::NotKept(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Not kept"),
    };
    problem(status, title, &error.to_string(), &[])
}
