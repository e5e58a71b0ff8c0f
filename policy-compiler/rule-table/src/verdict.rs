//! What the access control list and the routes say of a request. It owns the answers and the logic of what
//! cannot be told; it refuses to evaluate conditions.

use crate::acl::{AclAction, AclRule};
use crate::sections::{AclRuleId, Mode, OnFailure, RouteId};

/// The answer of the access control list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclVerdict {
    /// The rule that decided and what it does, never [`AclAction::Log`]; let through where there is none.
    pub decided: Option<(AclRuleId, AclAction)>,
    /// Enforced rules that only note, of those before the decision, in order.
    pub noted: Vec<AclRuleId>,
    /// Rules in shadow mode that would have applied before the decision, in order.
    pub shadowed: Vec<AclRuleId>,
    /// The first rule, before any decision, that cannot be told until the body is read. The question has to
    /// be asked again then; until then nothing is decided, noted or shadowed.
    pub undecided: Option<AclRuleId>,
}

/// The answer of the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// This route takes the request.
    Found(RouteId),
    /// Routes match but for the method; what they take, sorted, for the `Allow` header.
    MethodNotAllowed(Vec<String>),
    /// Routes match the head, but none takes this model.
    NoModel,
    /// No route matches.
    NoRoute,
}

/// Whether a condition holds, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    /// It does not.
    No,
    /// It is told once the body is read.
    Later,
    /// It cannot be told.
    Unknown,
    /// It does.
    Yes,
}

impl Truth {
    pub(crate) const fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// Both: one that fails settles it, whatever the other turns out to be.
    pub(crate) fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either: one that holds settles it, whatever the other turns out to be.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Later, _) | (_, Self::Later) => Self::Later,
            (one, other) => one.max(other),
        }
    }

    pub(crate) fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            other => other,
        }
    }
}

/// What a rule does, without its conditions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stance {
    pub(crate) action: AclAction,
    pub(crate) mode: Mode,
    on_failure: OnFailure,
}

impl AclRule {
    pub(crate) const fn stance(&self) -> Stance {
        Stance { action: self.action, mode: self.mode, on_failure: self.on_failure }
    }
}

impl Stance {
    /// What becomes of a rule whose conditions cannot be told: a rule that lets in applies where failing is
    /// open, one that refuses where it is closed, one that notes always.
    pub(crate) fn applies(self, truth: Truth) -> bool {
        match (truth, self.action) {
            (Truth::Yes, _) | (Truth::Unknown, AclAction::Log) => true,
            (Truth::No | Truth::Later, _) => false,
            (Truth::Unknown, AclAction::Allow) => self.on_failure == OnFailure::Open,
            (Truth::Unknown, AclAction::Block(_)) => self.on_failure == OnFailure::Closed,
        }
    }
}
