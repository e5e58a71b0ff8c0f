//! How what counts are kept in is doing, and what that means under the policy in force. It owns the judgement;
//! it refuses to try anything: journal and leases are looked at as they stand.

use std::sync::Arc;

use rule_table::{Limit, Mode, OnFailure, WhenAway};
use vocabulary::admin::stores::{Impact, Journal, Shared, SharedStanding, Stores};

use super::Counts;
use super::refill::{Leases, Standing};

/// What counts are kept in.
#[derive(Clone, Debug, Default)]
pub struct Health {
    counts: Option<Arc<Counts>>,
    leases: Option<Arc<Leases>>,
}

/// What one thing that is not as it should be means.
type Trouble = (Impact, &'static str);

impl Health {
    /// Of a journal and of leases, as far as there are any.
    #[must_use]
    pub fn new(counts: Option<Arc<Counts>>, leases: Option<Arc<Leases>>) -> Self {
        Self { counts, leases }
    }

    /// This replica's leases of shared limits; nothing when each replica counts for itself.
    #[must_use]
    pub fn leases(&self) -> Option<&Arc<Leases>> {
        self.leases.as_ref()
    }

    /// How all stands under these limits.
    #[must_use]
    pub fn look(&self, limits: &[Limit]) -> Stores {
        let journal = self.counts.as_ref().map(|counts| counts.health());
        let shared = self.leases.as_ref().map(|leases| (leases.standing(), leases.when_away()));
        let closed = |limit: &&Limit| limit.mode == Mode::Enforce && limit.on_failure == OnFailure::Closed;
        let refuses = limits.iter().filter(closed).any(counts_amounts);
        let refuses_shared = limits.iter().filter(closed).any(|limit| limit.shared && counts_amounts(limit));
        let troubles = [
            journal.as_ref().and_then(|journal| of_journal(journal, refuses)),
            shared.as_ref().and_then(|(standing, when_away)| of_shared(standing, *when_away, refuses_shared)),
        ];
        let troubles = || troubles.iter().flatten();
        Stores {
            impact: troubles().map(|(impact, _)| *impact).max().unwrap_or_default(),
            troubles: troubles().map(|(_, what)| (*what).to_owned()).collect(),
            journal,
            shared: self.leases.as_ref().map(|leases| told(leases)),
        }
    }
}

/// Whether it has anything that a journal records and a lease covers: streams are counted in memory.
fn counts_amounts(limit: &Limit) -> bool {
    limit.requests.is_some() || limit.tokens.is_some() || limit.budget.is_some()
}

fn of_journal(journal: &Journal, refuses: bool) -> Option<Trouble> {
    if !journal.failing {
        return None;
    }
    Some(if refuses {
        (
            Impact::Refusing,
            "the journal of limits cannot be written, and limits with `onFailure: closed` refuse until it can; is the disk full?",
        )
    } else {
        (
            Impact::Degraded,
            "the journal of limits cannot be written: what is counted now does not survive this process; is the disk full?",
        )
    })
}

fn of_shared(standing: &Standing, when_away: WhenAway, refuses: bool) -> Option<Trouble> {
    Some(match standing {
        Standing::Ready => return None,
        Standing::Grace => (
            Impact::Degraded,
            "the shared store began anew and grants nothing for two seconds; leases that are held go on",
        ),
        Standing::Replaced => (
            if refuses { Impact::Refusing } else { Impact::Degraded },
            "another process goes by this replica's name, and nothing shared is spent here until this one is started again; give each its own --state-dir",
        ),
        Standing::Away(_) if !refuses => (
            Impact::Degraded,
            "the shared store is away: limits go on with what this replica counts, and orders of other replicas do not arrive",
        ),
        Standing::Away(_) => match when_away {
            WhenAway::LocalShare => (
                Impact::Degraded,
                "the shared store is away: this replica allows its share of every limit (`whenAway: local-share`)",
            ),
            WhenAway::Closed => (
                Impact::Refusing,
                "the shared store is away, and limits refuse what their leases do not cover (`whenAway: closed`)",
            ),
        },
    })
}

fn told(leases: &Leases) -> Shared {
    let (standing, why) = match leases.standing() {
        Standing::Ready => (SharedStanding::Ready, None),
        Standing::Grace => (SharedStanding::Grace, None),
        Standing::Away(why) => (SharedStanding::Away, Some(why)),
        Standing::Replaced => (SharedStanding::Replaced, None),
    };
    Shared { standing, why, round_trips: leases.rounds() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_limit_makes_the_difference_between_degraded_and_refusing() {
        let failing = Journal { failing: true, failures: 1 };
        let impact = |refuses| of_journal(&failing, refuses).map(|(impact, _)| impact);
        assert_eq!((impact(true), impact(false)), (Some(Impact::Refusing), Some(Impact::Degraded)));
        assert_eq!(of_journal(&Journal { failing: false, failures: 1 }, true), None);
    }

    #[test]
    fn a_store_that_is_away_refuses_only_where_the_manifest_says_closed() {
        let away = Standing::Away("it does not take connections".to_owned());
        let impact = |standing: &Standing, when_away, refuses| {
            of_shared(standing, when_away, refuses).map_or(Impact::None, |(impact, _)| impact)
        };
        assert_eq!(impact(&away, WhenAway::Closed, true), Impact::Refusing);
        assert_eq!(impact(&away, WhenAway::Closed, false), Impact::Degraded);
        assert_eq!(impact(&away, WhenAway::LocalShare, true), Impact::Degraded);
        assert_eq!(impact(&Standing::Grace, WhenAway::Closed, true), Impact::Degraded);
        assert_eq!(impact(&Standing::Replaced, WhenAway::LocalShare, true), Impact::Refusing);
        assert_eq!(impact(&Standing::Ready, WhenAway::Closed, true), Impact::None);
    }
}
