//! API keys over the admin API: issuing, listing, rotating and revoking. It owns what is answered and that each
//! change is audited before it is made; what a key may be is the overlay's business.

use std::sync::Arc;

use http::StatusCode;
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::keys::{IssueKey, IssuedKey, IssuedKeys, RotateKey};

use super::answer::{Answer, json, problem};
use super::routes::{Desk, Order};
use crate::audit::Entry;
use crate::clock::unix_nanos;
use crate::doors::{Overlay, OverlayError, narrows};
use crate::policy::version;

/// How long a rotated key stays good unless asked otherwise, and at most: an hour, a month.
const OVERLAP: (u64, u64) = (3600, 30 * 86_400);

/// The issued keys.
#[derive(Debug)]
pub(crate) struct KeyDesk {
    pub(crate) overlay: Arc<Overlay>,
}

impl KeyDesk {
    /// Every issued key, without its secret.
    pub(super) fn list(&self) -> Answer {
        let (version, keys) = self.overlay.list();
        json(&IssuedKeys { version, keys })
    }
}

impl Desk {
    pub(super) async fn issue_key(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: IssueKey = order.json()?;
        let gate = Arc::clone(&self.keeper.live().in_force().gate);
        let mut entry = self.key_entry(order, "issued");
        // Somebody will paste a key where a name belongs. Only what is a name is written down.
        if narrows(gate.policy(), &asked, now()).is_ok() {
            entry = entry.to(format!("{}/{}", asked.consumer, asked.name));
        }
        self.audited(&entry).await?;
        match self.keys.overlay.issue(gate.policy(), asked, &order.principal.name, now()) {
            Ok(issued) => Ok(self.created(&issued).await),
            Err(error) => Err(self.not_done(entry, &error).await),
        }
    }

    pub(super) async fn rotate_key(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: RotateKey = order.json()?;
        let overlap = asked.overlap_s.unwrap_or(OVERLAP.0).min(OVERLAP.1);
        let id = order.values.first().copied().unwrap_or_default();
        let entry = about(self.key_entry(order, "rotated"), id);
        self.audited(&entry).await?;
        let gate = Arc::clone(&self.keeper.live().in_force().gate);
        match self.keys.overlay.rotate(gate.policy(), id, overlap, &order.principal.name, now()) {
            Ok(issued) => Ok(self.created(&issued).await),
            Err(error) => Err(self.not_done(entry, &error).await),
        }
    }

    pub(super) async fn revoke_key(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let id = order.values.first().copied().unwrap_or_default();
        let entry = about(self.key_entry(order, "revoked"), id);
        self.audited(&entry).await?;
        match self.keys.overlay.revoke(id, now()) {
            Ok(status) => {
                self.keys.overlay.share().await;
                Ok(json(&status))
            }
            Err(error) => Err(self.not_done(entry, &error).await),
        }
    }

    fn key_entry(&self, order: &Order<'_>, what: &str) -> Entry {
        let policy = version(&self.keeper.live().in_force().gate);
        Entry { detail: Some(what.to_owned()), ..Entry::done(order.actor(), AuditAction::Key, policy) }
    }

    /// What cannot be written down is not done.
    async fn audited(&self, entry: &Entry) -> Result<(), Box<Answer>> {
        self.keeper.audit().record(entry.clone()).await.map_err(|error| {
            let how = format!("the audit log cannot be written, so nothing was changed: {error}");
            Box::new(problem(StatusCode::INTERNAL_SERVER_ERROR, "Not kept", &how, &[]))
        })
    }

    async fn created(&self, issued: &IssuedKey) -> Answer {
        self.keys.overlay.share().await;
        let mut answer = json(issued);
        *answer.status_mut() = StatusCode::CREATED;
        answer
    }

    /// The line before says that it was done; this one takes it back.
    async fn not_done(&self, entry: Entry, error: &OverlayError) -> Box<Answer> {
        // What the administrator is told may repeat what they wrote, which may be a secret; this may not.
        let why = match error {
            OverlayError::Refused(_) => "it is not what the manifest allows".to_owned(),
            OverlayError::Unknown(_) => "no such key".to_owned(),
            OverlayError::NoPlace | OverlayError::NotKept(_) => error.to_string(),
        };
        if let Err(error) = self.keeper.audit().record(entry.refused(why)).await {
            tracing::error!(%error, "the audit log cannot be written");
        }
        let (status, title) = match error {
            OverlayError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The key was not issued"),
            OverlayError::Unknown(_) => (StatusCode::NOT_FOUND, "No such key"),
            OverlayError::NoPlace => (StatusCode::CONFLICT, "No place to keep keys"),
            OverlayError::NotKept(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Not kept"),
        };
        Box::new(problem(status, title, &error.to_string(), &[]))
    }
}

/// Names the key, where that is an id and no more: a key itself is easily put in its place.
fn about(entry: Entry, id: &str) -> Entry {
    let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { entry.to(id) } else { entry }
}

/// Unix seconds.
fn now() -> u64 {
    unix_nanos() / 1_000_000_000
}
