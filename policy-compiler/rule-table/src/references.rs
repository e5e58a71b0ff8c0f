//! Whether every id in a policy points at something. It owns that one check, so that whoever holds a
//! loaded bundle may follow ids without fear; it refuses to judge what is pointed at.

use crate::sections::{Credentials, Policy};

/// An id that points outside its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{holder} refers to {list} number {id}, but there are only {len}")]
pub struct DanglingId {
    /// Where the id stands, such as ``route `chat` ``.
    pub holder: String,
    /// The list it points into, such as `pool`.
    pub list: &'static str,
    /// The id.
    pub id: u32,
    /// Length of that list.
    pub len: usize,
}

fn resolve(
    holder: impl FnOnce() -> String,
    list: &'static str,
    id: u32,
    len: usize,
) -> Result<(), DanglingId> {
    if usize::try_from(id).is_ok_and(|index| index < len) {
        return Ok(());
    }
    Err(DanglingId { holder: holder(), list, id, len })
}

fn resolve_all(
    holder: impl Fn() -> String,
    list: &'static str,
    ids: &[u32],
    len: usize,
) -> Result<(), DanglingId> {
    ids.iter().try_for_each(|id| resolve(&holder, list, *id, len))
}

impl Policy {
    /// Checks that every id resolves.
    ///
    /// # Errors
    /// The first id that does not.
    pub fn check_references(&self) -> Result<(), DanglingId> {
        for deployment in &self.deployments {
            let holder = || format!("deployment `{}`", deployment.name);
            resolve(holder, "backend", deployment.backend, self.backends.len())?;
        }
        for pool in &self.pools {
            for member in &pool.members {
                let holder = || format!("pool `{}`", pool.name);
                resolve(holder, "deployment", member.deployment, self.deployments.len())?;
            }
            for fallback in &pool.fallback {
                let holder = || format!("fallback of pool `{}`", pool.name);
                resolve(holder, "pool", fallback.pool, self.pools.len())?;
                for &consumer in &fallback.unless_consumers {
                    resolve(holder, "consumer", consumer, self.consumers.len())?;
                }
            }
        }
        self.check_callers()?;
        for rule in &self.acl {
            let holder = || format!("rule `{}` of the access control list", rule.name);
            resolve_all(holder, "listener", &rule.when.listeners, self.listeners.len())?;
            resolve_all(holder, "listener", &rule.unless.listeners, self.listeners.len())?;
        }
        for route in &self.routes {
            let holder = || format!("route `{}`", route.name);
            resolve(holder, "pool", route.pool, self.pools.len())?;
            resolve_all(holder, "limit", &route.limits, self.limits.len())?;
            resolve_all(holder, "access rule", &route.access, self.access.len())?;
            resolve_all(holder, "hook", route.hook.as_slice(), self.hooks.len())?;
            resolve_all(holder, "firewall", route.waf.as_slice(), self.waf.len())?;
            for &consumer in route.consumers.iter().chain(&route.matching.consumers) {
                resolve(holder, "consumer", consumer, self.consumers.len())?;
            }
        }
        Ok(())
    }
    /// Ids that consumers, teams, models, issuers, listeners and administrators hold.
    fn check_callers(&self) -> Result<(), DanglingId> {
        for consumer in &self.consumers {
            let holder = || format!("consumer `{}`", consumer.name);
            resolve_all(holder, "limit", &consumer.limits, self.limits.len())?;
            resolve_all(holder, "team", consumer.team.as_slice(), self.teams.len())?;
            for credentials in &consumer.credentials {
                if let Credentials::Subject { issuer, .. } = credentials {
                    resolve(holder, "issuer", *issuer, self.issuers.len())?;
                }
            }
        }
        for team in &self.teams {
            let holder = || format!("team `{}`", team.name);
            resolve_all(holder, "limit", &team.limits, self.limits.len())?;
            resolve_all(holder, "limit", &team.each, self.limits.len())?;
        }
        for terms in &self.models {
            let holder = || format!("model `{}`", terms.model);
            resolve_all(holder, "limit", &terms.limits, self.limits.len())?;
        }
        for issuer in &self.issuers {
            for (_, team) in &issuer.teams {
                resolve(|| format!("issuer `{}`", issuer.name), "team", *team, self.teams.len())?;
            }
        }
        for listener in &self.listeners {
            let holder = || format!("listener `{}`", listener.name);
            resolve_all(holder, "access rule", &listener.access, self.access.len())?;
            resolve_all(holder, "firewall", listener.waf.as_slice(), self.waf.len())?;
        }
        if let Some(oidc) = self.admin.as_ref().and_then(|admin| admin.oidc.as_ref()) {
            resolve(|| "the admin API".to_owned(), "issuer", oidc.issuer, self.issuers.len())?;
        }
        Ok(())
    }
}
