//! Where a request's data may be processed. It owns the one question every attempt has to pass, first ones,
//! fallbacks and continued responses alike; it refuses to know regions and SKUs (the compiler made places of
//! them).

use rule_table::{Deployment, DeploymentId, Geography, PoolId};
use vocabulary::Reason;

use crate::{Exchange, Refusal};

impl Exchange {
    /// The place that the caller's data must not leave.
    #[must_use]
    pub fn residency(&self) -> Option<&Geography> {
        self.gate.policy().teams.get(self.team? as usize)?.residency.as_ref()
    }

    /// Whether the caller's data may be processed where `deployment` does. Where nothing is known of that,
    /// it may not.
    #[must_use]
    pub fn may_process(&self, deployment: DeploymentId) -> bool {
        self.gate.deployment(deployment).is_some_and(|deployment| self.is_resident(deployment))
    }

    pub(crate) fn is_resident(&self, deployment: &Deployment) -> bool {
        self.residency().is_none_or(|wanted| {
            deployment.processing.as_ref().is_some_and(|processing| processing.within(wanted))
        })
    }

    /// Checks that a pool whose members are picked elsewhere has one within the caller's residency.
    ///
    /// # Errors
    /// [`Reason::Residency`].
    pub fn admit_residency(&self, pool: PoolId) -> Result<(), Refusal> {
        let section = self.gate.policy().pools.get(pool as usize);
        let mut members = section.into_iter().flat_map(|section| &section.members);
        if self.residency().is_none() || members.any(|member| self.may_process(member.deployment)) {
            return Ok(());
        }
        Err(self.outside())
    }

    /// The refusal when everything that could serve the request is outside.
    pub(crate) fn outside(&self) -> Refusal {
        let place = self.residency().map_or("global", Geography::name);
        Refusal::new(
            Reason::Residency,
            format!(
                "your team's data has to stay in `{place}`, and no backend that can serve this request is known to process it there; ask the operator"
            ),
        )
    }

    /// The classification of the caller's data.
    #[must_use]
    pub fn data_class(&self) -> Option<&str> {
        self.gate.policy().teams.get(self.team? as usize)?.data_class.as_deref()
    }
}
