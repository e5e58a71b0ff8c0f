//! A pool's strategy has what it needs, and nothing it ignores.

use super::{Context, Standing};
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Pool, Strategy};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let one = |(name, pool): (&String, _)| match strategy_of(pool) {
        Strategy::Adaptive => adaptive(context, name, pool),
        Strategy::Weighted => weighted(context, name, pool),
        Strategy::RoundRobin => Vec::new(),
    };
    let mut findings: Vec<Finding> = context.manifest.pools.iter().flat_map(one).collect();
    for (name, pool) in &context.manifest.pools {
        findings.extend(ignored(context, name, pool));
    }
    findings
}

fn strategy_of(pool: &Pool) -> Strategy {
    pool.strategy.unwrap_or(Strategy::RoundRobin)
}

fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::RoundRobin => "round-robin",
        Strategy::Weighted => "weighted",
        Strategy::Adaptive => "adaptive",
    }
}

fn adaptive<'a>(context: &Context<'a>, name: &str, pool: &'a Pool) -> Vec<Finding> {
    let members = context.members(pool);
    if !members.is_empty() && members.iter().all(|member| member.serving.is_none()) {
        let finding =
            Finding::new(Code::AdaptivePiped, format!("pool `{name}` of HTTP members cannot be adaptive"));
        let finding = finding.at_value(context.document, &["pools", name, "strategy"], "needs AI members");
        return vec![finding.help("write `strategy: round-robin` or `strategy: weighted`")];
    }
    let unpriced = |member: &&Standing<'_>| {
        member.serving.as_ref().is_some_and(|serving| serving.price.is_none() && serving.cost.is_none())
    };
    let report = |member: &Standing<'_>| {
        let deployed = member.deployed.name();
        let message = format!("the adaptive pool `{name}` does not know what its member `{deployed}` costs");
        let finding = Finding::new(Code::MemberWithoutPrice, message);
        let finding =
            finding.at_key(context.document, &["pools", name, "members", member.name], "no price, no cost");
        let definition = member.deployed.deployment.unwrap_or_default();
        let field = ["models", "deployments"].into_iter().find(|field| {
            context.document.value(&["backends", member.deployed.backend, field, definition]).is_some()
        });
        let span = context.document.key_span(&[
            "backends",
            member.deployed.backend,
            field.unwrap_or_default(),
            definition,
        ]);
        finding.also(span, "defined here").help(
            "add `price: {input: 2.50 USD/1M, output: 10 USD/1M}` or `cost: 9.80 USD/hour` there, or choose another strategy",
        )
    };
    members.iter().filter(unpriced).map(report).collect()
}

fn weighted(context: &Context<'_>, name: &str, pool: &Pool) -> Vec<Finding> {
    let members = &pool.members.0;
    if members.is_empty() || members.values().any(|member| member.weight != Some(0)) {
        return Vec::new();
    }
    let finding =
        Finding::new(Code::NoWeight, format!("no member of the weighted pool `{name}` gets any traffic"));
    let finding = finding.at_key(context.document, &["pools", name, "members"], "every weight is 0");
    vec![finding.help("give at least one member a weight above 0")]
}

/// Fields that the strategy does not look at.
fn ignored(context: &Context<'_>, name: &str, pool: &Pool) -> Vec<Finding> {
    let strategy = strategy_of(pool);
    let spelt = strategy_name(strategy);
    let mut findings = Vec::new();
    let objective = ["pools", name, "objective"];
    if strategy != Strategy::Adaptive && context.document.value(&objective).is_some() {
        findings.push(
            Finding::new(Code::ObjectiveUnused, format!("the objective of pool `{name}` has no effect"))
                .at_key(context.document, &objective, format!("ignored by strategy `{spelt}`"))
                .help(
                    "write `strategy: adaptive` and state what every member costs, or remove the objective",
                ),
        );
    }
    if strategy != Strategy::Weighted
        && let Some((member, _)) = pool.members.0.iter().find(|(_, member)| member.weight.is_some())
    {
        findings.push(
            Finding::new(Code::WeightUnused, format!("weights of pool `{name}` have no effect"))
                .at_key(
                    context.document,
                    &["pools", name, "members", member, "weight"],
                    format!("ignored by strategy `{spelt}`"),
                )
                .help("write `strategy: weighted`, or remove the weights"),
        );
    }
    findings
}
