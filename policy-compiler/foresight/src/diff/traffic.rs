//! Recorded requests against a difference: how many of them each class touches. It owns what a line of the
//! access log can tell; what it leaves open is counted as undecided, never guessed.

use std::collections::BTreeMap;

use serde::Serialize;
use vocabulary::Reason;
use vocabulary::access_log::AccessLogRecord;

use super::{Class, Diff, Subject};

/// How much of recorded traffic a class touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Requests of which it is certain.
    pub touched: u64,
    /// Requests of which the log does not say enough: it has no addresses, headers, queries and paths.
    pub undecided: u64,
    /// Requests in the log.
    pub of: u64,
}

/// What counts of a line.
type Kind = (Option<String>, Option<String>, Option<Reason>);

/// Counts recorded requests and puts the classes that touch most of them first.
pub fn count(diff: &mut Diff, records: impl Iterator<Item = AccessLogRecord>) {
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    let mut of = 0;
    for record in records {
        of += 1;
        *kinds.entry((record.route, record.consumer, record.reason)).or_default() += 1;
    }
    for class in &mut diff.classes {
        let mut recorded = Recorded { of, ..Recorded::default() };
        for (kind, requests) in &kinds {
            match touches(class, kind) {
                Some(true) => recorded.touched += requests,
                Some(false) => {}
                None => recorded.undecided += requests,
            }
        }
        class.recorded = Some(recorded);
    }
    diff.classes.sort_by_key(|class| {
        std::cmp::Reverse(class.recorded.map(|recorded| (recorded.touched, recorded.undecided)))
    });
}

/// Whether requests of a kind are of a class; `None` where the log does not tell.
fn touches(class: &Class, (route, consumer, reason): &Kind) -> Option<bool> {
    let of_consumer = match (&class.reach.consumers, consumer) {
        (None, _) => Some(true),
        (Some(some), Some(consumer)) => Some(some.contains(consumer)),
        (Some(_), None) => Some(false),
    };
    // Refused before a route was found: which one it would have been is not in the log.
    let of_route = route.as_ref().map(|route| class.reach.routes.contains(route));
    if of_consumer == Some(false) || of_route == Some(false) {
        return Some(false);
    }
    // Conditions beyond route and consumer: the log has neither addresses nor headers nor paths.
    let told = match class.subject {
        Subject::Acl | Subject::Listener => false,
        Subject::Access => class.changes.iter().any(|change| matches!(&*change.what, "consumers" | "public")),
        Subject::Route => !class.changes.is_empty(),
        _ => true,
    };
    if *reason == Some(Reason::AclBlocked) && class.subject != Subject::Acl {
        return None;
    }
    if told && of_route == Some(true) { Some(true) } else { None }
}
