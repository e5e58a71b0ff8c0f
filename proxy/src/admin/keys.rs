//! `/v1/keys`: issuing, listing, rotating and revoking API keys. It owns bodies and statuses; what a
//! key may be is the overlay's business.

use std::sync::Arc;

use http::StatusCode;
use serde::de::DeserializeOwned;
use vocabulary::admin::keys::{IssueKey, IssuedKeys, RotateKey};

use super::answer::{Answer, json, problem};
use super::authn::Principal;
use crate::clock::unix_nanos;
use crate::doors::{Overlay, OverlayError};
use crate::live::Live;

/// How long a rotated key stays good unless asked otherwise, and at most: an hour, a month.
const OVERLAP: (u64, u64) = (3600, 30 * 86_400);

/// Answers for issued keys.
#[derive(Debug)]
pub(crate) struct KeyDesk {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) live: Arc<Live>,
}

impl KeyDesk {
    /// Every issued key, without its value.
    pub(super) fn list(&self) -> Answer {
        let (version, keys) = self.overlay.list();
        json(&IssuedKeys { version, keys })
    }

    /// Issues a key. Gives its id beside the answer, as do the others.
    pub(super) fn issue(&self, principal: &Principal, body: &[u8]) -> Result<(String, Answer), Answer> {
        let asked: IssueKey = read(body, None)?;
        let gate = Arc::clone(&self.live.in_force().gate);
        let issued = self.overlay.issue(gate.policy(), asked, &principal.name, now()).map_err(refused)?;
        tracing::info!(id = %issued.known.id, consumer = %issued.known.consumer, by = %principal.name, "key issued");
        let mut answer = json(&issued);
        *answer.status_mut() = StatusCode::CREATED;
        Ok((issued.known.id, answer))
    }

    /// Issues a key in place of another, which stays good for a while.
    pub(super) fn rotate(
        &self,
        principal: &Principal,
        id: &str,
        body: &[u8],
    ) -> Result<(String, Answer), Answer> {
        let asked: RotateKey = read(body, Some(RotateKey::default()))?;
        let overlap = asked.overlap_s.unwrap_or(OVERLAP.0).min(OVERLAP.1);
        let gate = Arc::clone(&self.live.in_force().gate);
        let issued =
            self.overlay.rotate(gate.policy(), id, overlap, &principal.name, now()).map_err(refused)?;
        tracing::info!(old = %id, id = %issued.known.id, by = %principal.name, "key rotated");
        let mut answer = json(&issued);
        *answer.status_mut() = StatusCode::CREATED;
        Ok((issued.known.id, answer))
    }

    /// Revokes a key.
    pub(super) fn revoke(&self, principal: &Principal, id: &str) -> Result<(String, Answer), Answer> {
        let status = self.overlay.revoke(id, now()).map_err(refused)?;
        tracing::info!(%id, consumer = %status.consumer, by = %principal.name, "key revoked");
        Ok((id.to_owned(), json(&status)))
    }
}

/// Unix seconds.
fn now() -> u64 {
    unix_nanos() / 1_000_000_000
}

/// A body in JSON; `absent` stands for none.
fn read<T: DeserializeOwned>(body: &[u8], absent: Option<T>) -> Result<T, Answer> {
    match absent {
        Some(absent) if body.is_empty() => Ok(absent),
        _ => serde_json::from_slice(body).map_err(|error| {
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
