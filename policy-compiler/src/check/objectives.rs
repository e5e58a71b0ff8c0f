//! An objective is one that some member can meet, by what is stated of them.

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::{Duration, Pool, Strategy};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    context.manifest.pools.iter().filter_map(|(name, pool)| out_of_reach(context, name, pool)).collect()
}

fn out_of_reach(context: &Context<'_>, name: &str, pool: &Pool) -> Option<Finding> {
    let objective = pool.objective.as_ref().filter(|_| pool.strategy == Some(Strategy::Adaptive))?;
    let members = context.members(pool);
    // A default says nothing of the member.
    let stated: Option<Vec<(Duration, &str)>> = members
        .iter()
        .map(|member| {
            let deployment = member.deployed.deployment?;
            let written = ["models", "deployments"].iter().any(|field| {
                let path = ["backends", member.deployed.backend, field, deployment, "expectedTtft"];
                context.document.value(&path).is_some()
            });
            member.serving.filter(|_| written).map(|serving| (serving.expected_ttft, member.name))
        })
        .collect();
    let (fastest, member) = stated?.into_iter().min_by_key(|(ttft, _)| ttft.0)?;
    if objective.ttft.0 >= fastest.0 {
        return None;
    }
    let message = format!(
        "pool `{name}` aims for a first token within {}, and its fastest member `{member}` is said to take {}",
        objective.ttft.0, fastest.0
    );
    let finding = Finding::new(Code::ObjectiveOutOfReach, message);
    let finding = finding.at_value(context.document, &["pools", name, "objective", "ttft"], "out of reach");
    let finding =
        finding.witness(Witness::values([(format!("first token of `{member}`"), fastest.0.to_string())]));
    Some(finding.help("aim for what a member can do, add a faster one, or correct its `expectedTtft`"))
}
