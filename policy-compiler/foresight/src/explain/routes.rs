//! Which routes nearly took a request. It owns the order of nearness; whether a condition holds is the plain
//! interpreter's to say.

use std::cmp::Reverse;

use rule_table::Specificity;
use rule_table::plain::route_conditions;

use super::Walk;
use super::access::Sent;
use crate::explanation::NearRoute;

/// As many as people read.
const NEAR: usize = 5;

impl Walk<'_> {
    pub(super) fn tell_routes(&mut self) {
        self.told.route = self.exchange.route().map(|route| route.name.clone());
        let sent = Sent(&self.request.headers);
        let facts = self.facts(&sent);
        let mut near = Vec::new();
        for (id, route) in (0_u32..).zip(&self.gate.policy().routes) {
            if self.exchange.route == Some(id) {
                continue;
            }
            let conditions = route_conditions(&route.matching, &facts);
            let failed = |field: &str| conditions.iter().any(|(name, holds)| name == field && !holds);
            // Another path or host altogether is near only where nothing else is amiss.
            let apart = usize::from(failed("path")).saturating_add(usize::from(failed("host")));
            let missed: Vec<String> =
                conditions.iter().filter(|(_, holds)| !holds).map(|(name, _)| name.clone()).collect();
            if apart > 1 || (apart == 1 && missed.len() > 1) {
                continue;
            }
            let rank = (apart, missed.len(), Reverse(Specificity::of(&route.matching)), id);
            near.push((rank, NearRoute { route: route.name.clone(), missed }));
        }
        near.sort_by_key(|(rank, _)| *rank);
        // Where a route is found or others are nearer, other paths tell nobody anything.
        let others = self.told.route.is_some() || near.first().is_some_and(|((apart, ..), _)| *apart == 0);
        near.retain(|((apart, ..), _)| *apart == 0 || !others);
        self.told.near_routes = near.into_iter().take(NEAR).map(|(_, route)| route).collect();
    }
}
