//! Whether every id in a policy points at something. It owns that one check, so that whoever holds a
//! loaded bundle may follow ids without fear; it refuses to judge what is pointed at.

use crate::sections::Policy;

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
        for consumer in &self.consumers {
            if let Some(limit) = consumer.limit {
                resolve(|| format!("consumer `{}`", consumer.name), "limit", limit, self.limits.len())?;
            }
        }
        for route in &self.routes {
            let holder = || format!("route `{}`", route.name);
            resolve(holder, "pool", route.pool, self.pools.len())?;
            if let Some(limit) = route.limit {
                resolve(holder, "limit", limit, self.limits.len())?;
            }
            for &consumer in &route.consumers {
                resolve(holder, "consumer", consumer, self.consumers.len())?;
            }
        }
        Ok(())
    }
}
