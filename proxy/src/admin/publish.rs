//! Putting policy in force over the admin API: publish, trial, rollback. It owns preconditions and what is
//! answered; the checks of a policy are the keeper's.

use http::StatusCode;
use http::header::IF_MATCH;
use vocabulary::Span;
use vocabulary::admin::Accepted;
use vocabulary::admin::audit::AuditAction;
use vocabulary::admin::generations::{ReasonOnly, RollbackRequest};

use super::answer::{Answer, entity_tag, json, problem, tagged, with};
use super::routes::{Desk, Order, bad, reason};
use crate::clock::unix_nanos;
use crate::policy::{Cause, NoReturn, Offer, Source};

/// A trial lasts at most this long, in milliseconds: beyond it nobody watches any more.
const LONGEST_CANARY: u128 = 24 * 60 * 60 * 1000;

impl Desk {
    pub(super) async fn publish(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let canary = order.query("canary").map(|text| time("canary", text)).transpose()?;
        if canary.is_none() && self.keeper.source() != Source::Api {
            let how = "this gateway reads its manifest from a file; start it with `--source api` to publish over the network, or try it for a time with ?canary=10m";
            return Ok(problem(StatusCode::CONFLICT, "Another source of policy is in force", how, &[]));
        }
        let Some(expected) = order.parts.headers.get(IF_MATCH) else {
            let how = "send If-Match with the ETag of GET /v1/manifest, so that nobody's change is lost";
            return Ok(problem(StatusCode::PRECONDITION_REQUIRED, "If-Match is missing", how, &[]));
        };
        let given = order.parts.headers.get("x-sluicegate-reason").map(|value| value.as_bytes().to_vec());
        let given = given
            .map(String::from_utf8)
            .transpose()
            .map_err(|_| bad("Reason not taken", "a reason is UTF-8 text"))?;
        let action = if canary.is_some() { AuditAction::Canary } else { AuditAction::Publish };
        let now_ms = unix_nanos() / 1_000_000;
        let cause = Cause {
            reason: reason(given)?,
            until_ms: canary.map(|length| now_ms.saturating_add(length)),
            ..Cause::new(order.actor(), action)
        };
        let matches = |generation: u64| {
            expected.as_bytes() == b"*" || expected.as_bytes() == entity_tag(generation).as_bytes()
        };
        Ok(told(self.keeper.offer(order.written()?, cause, &matches).await))
    }

    pub(super) async fn roll_back(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: RollbackRequest = order.json()?;
        let offer = self.keeper.roll_back(asked.to, order.actor(), reason(asked.reason)?).await;
        Ok(offer.map_or_else(|error| no_return(&error), told))
    }

    pub(super) fn canary(&self) -> Result<Answer, Box<Answer>> {
        let canary = self.keeper.canary().ok_or_else(|| Box::new(no_return(&NoReturn::NoCanary)))?;
        Ok(json(&canary))
    }

    pub(super) async fn end_canary(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: ReasonOnly = order.json()?;
        let offer = self.keeper.end_canary(order.actor(), reason(asked.reason)?).await;
        Ok(offer.map_or_else(|error| no_return(&error), told))
    }

    pub(super) async fn promote(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let asked: ReasonOnly = order.json()?;
        Ok(match self.keeper.promote(order.actor(), reason(asked.reason)?).await {
            Ok(generation) => {
                let digest = self.keeper.live().in_force().gate.digest().to_owned();
                tagged(json(&Accepted { generation, digest, warnings: Vec::new() }), generation)
            }
            Err(error) => no_return(&error),
        })
    }

    pub(super) fn generation(&self, order: &Order<'_>) -> Result<Answer, Box<Answer>> {
        let number = order.values.first().and_then(|value| value.parse().ok());
        let number: u64 = number.ok_or_else(|| bad("Bad path", "a generation is a number"))?;
        Ok(match self.keeper.history().manifest(number) {
            Ok(Some(written)) => with(StatusCode::OK, written.media_type(), written.bytes().to_vec()),
            Ok(None) => no_return(&NoReturn::Unknown(number)),
            Err(error) => no_return(&NoReturn::Unreadable(error)),
        })
    }
}

/// A query parameter that is a time such as `10m`, in milliseconds.
pub(super) fn time(name: &str, text: &str) -> Result<u64, Box<Answer>> {
    let span = text.parse::<Span>().ok().map(|span| span.0.as_millis());
    match span {
        Some(length @ 1..=LONGEST_CANARY) => Ok(u64::try_from(length).unwrap_or(u64::MAX)),
        _ => Err(bad("Bad query", &format!("{name} must be a time of at most 24h, such as ?{name}=10m"))),
    }
}

fn told(offer: Offer) -> Answer {
    match offer {
        Offer::Accepted(accepted) => {
            let generation = accepted.generation;
            tagged(json(&accepted), generation)
        }
        Offer::Stale { generation } => {
            let how =
                "somebody published since you read it; read it again, apply your change there, and retry";
            tagged(problem(StatusCode::PRECONDITION_FAILED, "The manifest has changed", how, &[]), generation)
        }
        Offer::Rejected(findings) => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The manifest was rejected",
            "nothing has changed; mend the findings and send it again",
            &findings,
        ),
    }
}

fn no_return(error: &NoReturn) -> Answer {
    let status = match error {
        NoReturn::NothingBefore | NoReturn::FileRules => StatusCode::CONFLICT,
        NoReturn::Unknown(_) | NoReturn::NoCanary => StatusCode::NOT_FOUND,
        NoReturn::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    problem(status, "Nothing to put in force", &error.to_string(), &[])
}
