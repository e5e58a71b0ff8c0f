//! What a replica and the register say to each other. It owns the words; it refuses to act on them.

/// The largest amount a lease can hold. The script that keeps the register counts in IEEE 754 doubles,
/// which are exact up to here: 9 million dollars in nano-dollars.
pub const MAX_AMOUNT: u64 = (1 << 53) - 1;

/// A counter in one of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The counter.
    pub key: u64,
    /// Which window, counted from the origin of the ledger's time.
    pub window: u64,
}

/// A replica, in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// Its name: kept over restarts where it has a place to keep it, or else drawn anew.
    pub name: u64,
    /// Grows with every start under the same name.
    pub life: u64,
}

/// The time since which a register has kept everything it was told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Run id of the server that keeps it.
    pub run: String,
    /// When it began, in milliseconds of the server's clock.
    pub since_ms: u64,
}

/// What a replica states and wants, of one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// Who.
    pub replica: Replica,
    /// Of what.
    pub slot: Slot,
    /// The epoch it knows. Under any other, its statement counts and nothing is granted.
    pub epoch: Option<Epoch>,
    /// All it was granted in this slot and life, as far as it knows. At least what it spent.
    pub granted: u64,
    /// Of that, what it gave back.
    pub returned: u64,
    /// How much more it wants.
    pub want: u64,
    /// Less than this is of no use to it.
    pub least: u64,
    /// What all replicas together may spend in this slot.
    pub ceiling: u64,
}

/// What the register answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reply {
    /// All that was granted to the replica in this slot and life.
    pub granted: u64,
    /// Of that, what it gave back.
    pub returned: u64,
    /// What is left of the ceiling for anybody.
    pub room: u64,
    /// The register's epoch. Nothing was granted when the call named another.
    pub epoch: Epoch,
    /// Nothing is granted for now, whatever the room: replicas are still stating what they hold.
    pub grace: bool,
    /// The caller's name lives on in a later life, and this one must not spend.
    pub stale: bool,
}
