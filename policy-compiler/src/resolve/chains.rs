//! How pools lead to each other by their fallbacks. It owns walking those ways, in time linear in their
//! number even where they go in circles; it refuses to report on what it meets.

use std::collections::BTreeMap;

use super::defaults::MAX_ATTEMPTS;
use crate::manifest::Manifest;

/// The ways between pools.
pub(crate) struct Chains<'m> {
    manifest: &'m Manifest,
}

impl<'m> Chains<'m> {
    pub(crate) fn of(manifest: &'m Manifest) -> Self {
        Self { manifest }
    }

    /// By pool that a request beginning in `pool` may go on to: the members that may have been tried before
    /// it, at most. Looks no further than where every attempt is spent.
    pub(crate) fn tried_before(&self, pool: &'m str) -> BTreeMap<&'m str, usize> {
        let most = usize::try_from(MAX_ATTEMPTS).unwrap_or(usize::MAX);
        let members = |pool: &str| self.manifest.pools.get(pool).map_or(0, |pool| pool.members.0.len());
        // A pool without members is an error elsewhere; counted as one, it ends circles as well.
        let along = |tried: usize, from: &str| {
            (tried < most).then(|| tried.saturating_add(members(from).max(1)).min(most))
        };
        let mut before = self.carry([(pool, 0)], along, usize::max);
        before.remove(pool);
        before
    }

    /// By pool: every bit of the pools that lead there, and its own.
    pub(crate) fn spread(&self, own: BTreeMap<&'m str, u16>) -> BTreeMap<&'m str, u16> {
        self.carry(own, |bits, _| Some(bits), |a, b| a | b)
    }

    /// Carries values along every way until none grows any more. `along` gives what arrives at the end of a
    /// way that begins at a pool; `merge` only ever grows, within bounds.
    fn carry<T: Copy + PartialEq>(
        &self,
        begin: impl IntoIterator<Item = (&'m str, T)>,
        along: impl Fn(T, &str) -> Option<T>,
        merge: impl Fn(T, T) -> T,
    ) -> BTreeMap<&'m str, T> {
        let mut values: BTreeMap<&str, T> = begin.into_iter().collect();
        let mut changed: Vec<&str> = values.keys().copied().collect();
        while let Some(pool) = changed.pop() {
            let Some(arriving) = values.get(pool).and_then(|value| along(*value, pool)) else { continue };
            for next in self.next(pool) {
                let known = values.get(next).copied();
                let merged = known.map_or(arriving, |known| merge(known, arriving));
                if known != Some(merged) {
                    values.insert(next, merged);
                    changed.push(next);
                }
            }
        }
        values
    }

    /// Cycles, each with its first pool at both ends; at least one of every knot of them.
    pub(crate) fn cycles(&self) -> Vec<Vec<&'m str>> {
        let mut cycles = Vec::new();
        // Whether all that a pool leads to has been seen.
        let mut done: BTreeMap<&str, bool> = BTreeMap::new();
        for start in self.manifest.pools.keys() {
            let mut way: Vec<(&str, Vec<&str>)> = Vec::new();
            self.enter(start, &mut way, &mut done);
            while let Some((pool, rest)) = way.last_mut() {
                let Some(next) = rest.pop() else {
                    done.insert(*pool, true);
                    way.pop();
                    continue;
                };
                if done.get(next) == Some(&false) {
                    let circle = way.iter().map(|(pool, _)| *pool).skip_while(|pool| *pool != next);
                    cycles.push(circle.chain([next]).collect());
                } else {
                    self.enter(next, &mut way, &mut done);
                }
            }
        }
        cycles
    }

    fn enter(
        &self,
        pool: &'m str,
        way: &mut Vec<(&'m str, Vec<&'m str>)>,
        done: &mut BTreeMap<&'m str, bool>,
    ) {
        if !done.contains_key(pool) {
            done.insert(pool, false);
            let mut next: Vec<_> = self.next(pool).collect();
            next.reverse();
            way.push((pool, next));
        }
    }

    fn next(&self, pool: &str) -> impl Iterator<Item = &'m str> + use<'m> {
        let pool = self.manifest.pools.get(pool);
        pool.map_or(&[][..], |pool| &pool.fallback.0).iter().map(|fallback| fallback.to.as_str())
    }
}
