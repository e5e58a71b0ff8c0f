//! A set of a pool's members, by index. It owns the limit on how many a pool may have; it refuses to know
//! anything about them.

/// Most members of one pool.
pub const MAX_MEMBERS: usize = 64;

/// A set of member indices below [`MAX_MEMBERS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemberSet(u64);

impl MemberSet {
    /// No member.
    pub const EMPTY: Self = Self(0);
    /// Every member there could be.
    pub const ALL: Self = Self(u64::MAX);

    /// The members whose bit is set; the lowest bit is member 0.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit per member; the lowest is member 0.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// This set and `member`. An index of [`MAX_MEMBERS`] or more changes nothing.
    #[must_use]
    pub fn with(self, member: usize) -> Self {
        Self(self.0 | Self::bit(member))
    }

    /// This set without `member`.
    #[must_use]
    pub fn without(self, member: usize) -> Self {
        Self(self.0 & !Self::bit(member))
    }

    /// Whether `member` is in it.
    #[must_use]
    pub fn contains(self, member: usize) -> bool {
        self.0 & Self::bit(member) != 0
    }

    /// Whether no member is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many members are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    fn bit(member: usize) -> u64 {
        u32::try_from(member).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or(0)
    }
}

impl FromIterator<usize> for MemberSet {
    fn from_iter<I: IntoIterator<Item = usize>>(members: I) -> Self {
        members.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let set: MemberSet = [0, 5, 63].into_iter().collect();
        assert_eq!((set.len(), set.contains(5), set.contains(6)), (3, true, false));
        assert!(!set.without(5).contains(5));
        assert!(!MemberSet::ALL.without(0).contains(0));
    }

    #[test]
    fn an_index_out_of_range_is_in_no_set() {
        assert!(!MemberSet::ALL.contains(MAX_MEMBERS));
        assert!(!MemberSet::ALL.contains(usize::MAX));
        assert_eq!(MemberSet::EMPTY.with(MAX_MEMBERS), MemberSet::EMPTY);
    }
}
