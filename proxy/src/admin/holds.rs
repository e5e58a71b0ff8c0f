//! Holds over the admin API. It owns what an order must say and what is answered; holding is `policy`'s.

use http::StatusCode;
use vocabulary::admin::generations::ReasonOnly;
use vocabulary::admin::holds::{HoldPlaced, HoldRequest};

use super::answer::{Answer, json, problem};
use super::routes::{Desk, Order, bad, reason};
use crate::policy::HoldError;

impl Desk {
    pub(super) async fn hold(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: HoldRequest = order.json()?;
        if reason(Some(asked.reason.clone()))?.is_none() {
            return Err(bad("Reason missing", "say why in `reason`: whoever is on call next will ask"));
        }
        Ok(match self.keeper.holds().place(asked, order.actor()).await {
            Ok((hold, everywhere)) => json(&HoldPlaced { hold, everywhere }),
            Err(error) => refused(&error),
        })
    }

    pub(super) async fn release(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: ReasonOnly = order.json()?;
        let id = order.values.first().copied().unwrap_or_default();
        let released = self.keeper.holds().release(id, order.actor(), reason(asked.reason)?).await;
        Ok(released.map_or_else(|error| refused(&error), |hold| json(&hold)))
    }
}

fn refused(error: &HoldError) -> Answer {
    let status = match error {
        HoldError::Order(_) => StatusCode::BAD_REQUEST,
        HoldError::UnknownTarget(_) | HoldError::UnknownId(_) => StatusCode::NOT_FOUND,
        HoldError::Conflict(_) => StatusCode::CONFLICT,
        HoldError::Write(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, "Not held as asked", &error.to_string(), &[])
}
