//! `GET /v1/models`: what this caller may use, answered from the table. It refuses to ask any backend.

use std::collections::BTreeMap;

use decision::Exchange;
use http::HeaderMap;
use pingora_error::Result;
use pingora_proxy::Session;
use vocabulary::facts::Dialect;
use wire::ModelCard;

use super::respond;

/// Writes the list.
pub(super) async fn answer(session: &mut Session, exchange: &Exchange) -> Result<()> {
    let cards = cards(exchange, &session.req_header().headers);
    // Anthropic's clients always name the version of the API they speak.
    let anthropic = session.req_header().headers.contains_key("anthropic-version");
    let dialect = if anthropic { Dialect::Anthropic } else { Dialect::Openai };
    let body = wire::models_body(dialect, &cards.into_values().collect::<Vec<_>>());
    respond::json(session, exchange, 200, body).await
}

/// Every model that some route of this caller leads to, by name.
fn cards<'e>(exchange: &'e Exchange, headers: &HeaderMap) -> BTreeMap<&'e str, ModelCard<'e>> {
    let policy = exchange.gate.policy();
    let mut cards = BTreeMap::new();
    for route in &policy.routes {
        let allowed = exchange.may_use(route) && exchange.is_welcome(route, headers);
        let Some(pool) = policy.pools.get(route.pool as usize).filter(|pool| allowed && !pool.piped) else {
            continue;
        };
        let deployments =
            pool.members.iter().filter_map(|member| policy.deployments.get(member.deployment as usize));
        for deployment in deployments {
            let Some(name) = route.matching.model.as_ref().or(deployment.model.as_ref()) else { continue };
            let card = cards.entry(name.as_str()).or_insert_with(|| ModelCard {
                id: name,
                // No backend is asked, so there is no date to tell.
                created: 0,
                owned_by: "sluicegate",
                context_window: None,
                pricing: None,
            });
            // The window every member is sure to hold, and the dearest price: no promise is broken by a pick.
            card.context_window = match (card.context_window, deployment.context_window) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            card.pricing = match (card.pricing, deployment.prices) {
                (Some(a), Some(b)) => Some(if b.output > a.output { b } else { a }),
                (a, b) => a.or(b),
            };
        }
    }
    cards
}
