//! Comparing policies over the admin API. It owns what is asked and answered; comparing is `policy`'s.

use http::StatusCode;
use vocabulary::admin::audit::AuditAction;

use super::answer::{Answer, json, problem};
use super::publish::time;
use super::routes::{Desk, Order, bad};
use crate::audit::Entry;
use crate::clock::unix_nanos;
use crate::policy::version;

impl Desk {
    pub(super) fn shadow(&self) -> Result<Answer, Box<Answer>> {
        let live = self.keeper.live();
        let status = live.shadow.status(live.in_force().gate.digest(), unix_nanos() / 1_000_000);
        status.map(|status| json(&status)).ok_or_else(none)
    }

    pub(super) async fn begin_shadow(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let Some(length) = order.query("for") else {
            return Err(bad("Bad query", "say for how long, such as ?for=10m"));
        };
        let length = time("for", length)?;
        let begun = self.keeper.begin_shadow(order.written()?, length, order.actor()).await;
        match begun {
            Ok(()) => self.shadow(),
            Err(findings) => Err(Box::new(problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The manifest was rejected",
                "nothing is compared; mend the findings and send it again",
                &findings,
            ))),
        }
    }

    pub(super) async fn end_shadow(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let last = self.shadow()?;
        let live = self.keeper.live();
        let entry = Entry::done(order.actor(), AuditAction::ShadowEnd, version(&live.in_force().gate));
        self.keeper.tell(entry).await;
        live.shadow.end();
        Ok(last)
    }
}

fn none() -> Box<Answer> {
    let how = "no policy is compared; POST a manifest to /v1/shadow?for=10m";
    Box::new(problem(StatusCode::NOT_FOUND, "Nothing is compared", how, &[]))
}
