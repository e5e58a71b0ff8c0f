//! A price is stated for every time: none changes twice at once, none ends before the next begins, and one that
//! may be out of date is looked up again.

use rule_table::{BackendKind, Policy};
use vocabulary::UnixTime;

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::Price;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (backend, written) in &context.manifest.backends {
        let models = written.models.iter().map(|(name, model)| ("models", name, &model.price));
        let deployments =
            written.deployments.iter().map(|(name, deployment)| ("deployments", name, &deployment.price));
        for (field, name, price) in models.chain(deployments) {
            if let Some(price) = price {
                let path = ["backends", backend, field, name, "price"];
                findings.extend(twice(context, &path, price));
                findings.extend(beyond_end(context, &path, price));
            }
        }
    }
    findings
}

fn twice(context: &Context<'_>, path: &[&str], price: &Price) -> Option<Finding> {
    let mut times: Vec<(UnixTime, usize)> =
        price.changes.iter().enumerate().map(|(at, change)| (change.from.0, at)).collect();
    times.sort_unstable();
    let (first, second) = times.iter().zip(times.iter().skip(1)).find(|(one, other)| one.0 == other.0)?;
    let place = |at: usize| {
        let parts = path.iter().map(|part| (*part).to_owned());
        parts.chain(["changes".to_owned(), at.to_string(), "from".to_owned()]).collect::<Vec<String>>()
    };
    let message = format!("two prices of `{}` begin at {}", owner(path), first.0);
    Some(
        Finding::new(Code::PriceTwice, message)
            .at_value(context.document, &place(second.1), "begins")
            .also(context.document.value_span(&place(first.1)), "begins too")
            .help("remove one of them, or let it begin another day"),
    )
}

fn beyond_end(context: &Context<'_>, path: &[&str], price: &Price) -> Option<Finding> {
    let until = price.until?.0;
    let next = price.changes.iter().map(|change| change.from.0).filter(|from| *from > until).min()?;
    let message = format!("nobody says what `{}` costs from {until} to {next}", owner(path));
    Some(
        Finding::new(Code::PriceBeyondEnd, message)
            .at_value(context.document, &[path, &["until"]].concat(), "ends before the last change")
            .witness(Witness::values([("a request at", until.to_string()), ("next price", next.to_string())]))
            .help("let `until` be later than every change, or leave it out"),
    )
}

/// Backend and model, from the path of a price.
fn owner(path: &[&str]) -> String {
    let part = |at: usize| path.get(at).copied().unwrap_or_default();
    format!("{}/{}", part(1), part(3))
}

/// What `policy` counts with at `now` although nobody knows whether it still holds.
#[must_use]
pub fn expired_prices(policy: &Policy, now: UnixTime) -> Vec<Finding> {
    let one = |deployment: &rule_table::Deployment| {
        let until = deployment.prices_until.filter(|until| *until <= now)?;
        let (backend, name) = deployment.name.split_once('/')?;
        let azure = policy.backends.get(deployment.backend as usize);
        let azure = azure.is_some_and(|backend| backend.kind == BackendKind::AzureOpenai);
        let field = if azure { "deployments" } else { "models" };
        let message = format!("the price of `{}` was known to hold until {until}", deployment.name);
        Some(
            Finding::new(Code::PriceExpired, message)
                .about(&["backends", backend, field, name, "price", "until"])
                .help("look up what the provider takes now, and state a later `until`"),
        )
    };
    policy.deployments.iter().filter_map(one).collect()
}
