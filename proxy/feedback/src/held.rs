//! What operators hold of a pool: members that take nothing new, the one member to be used, weights that
//! stay. It owns how names become members, also after a reload; it refuses to know who holds or for how long.

use crate::MemberSet;
use crate::pool::Member;
use crate::standing::Standing;

/// Holds on one pool, by names. The default holds nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldSpec {
    /// Members that take no new requests.
    pub drained: Vec<String>,
    /// The only member to be used. One that is not in the pool is as good as none: a pin must not become an
    /// outage when its member leaves the manifest.
    pub pinned: Option<String>,
    /// Turns are given by these weights and not by the objective, and the price of a miss stays as it is.
    /// Members without a weight here take a turn only when nobody else may.
    pub frozen: Option<Vec<(String, u32)>>,
}

/// The same by index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    spec: HoldSpec,
    drained: MemberSet,
    pinned: Option<usize>,
    weights: Option<Vec<u32>>,
}

impl Held {
    pub(crate) fn new(spec: HoldSpec, members: &[Member]) -> Self {
        let index = |name: &String| members.iter().position(|member| member.spec.name == *name);
        let weight = |member: &Member, weights: &[(String, u32)]| {
            weights.iter().find(|(name, _)| *name == member.spec.name).map_or(0, |(_, weight)| *weight)
        };
        Self {
            drained: spec.drained.iter().filter_map(index).collect(),
            pinned: spec.pinned.as_ref().and_then(index),
            weights: spec
                .frozen
                .as_ref()
                .map(|weights| members.iter().map(|member| weight(member, weights)).collect()),
            spec,
        }
    }

    /// The same holds on other members.
    pub(crate) fn renumbered(&self, members: &[Member]) -> Self {
        Self::new(self.spec.clone(), members)
    }

    pub(crate) fn is(&self, spec: &HoldSpec) -> bool {
        self.spec == *spec
    }

    /// Why a member takes nothing, if it is held.
    pub(crate) fn standing(&self, member: usize) -> Option<Standing> {
        if self.drained.contains(member) {
            return Some(Standing::Drained);
        }
        self.pinned.filter(|pinned| *pinned != member).map(|_| Standing::PinnedOut)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.weights.is_some()
    }

    /// Weights of a frozen pool.
    pub(crate) fn weights(&self) -> Option<&[u32]> {
        self.weights.as_deref()
    }
}
