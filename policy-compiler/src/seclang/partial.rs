//! What can be known of a rule set before any request: constants of its setup, gates that never open, rules that
//! always or never hold. It owns that it changes nothing a request can see; in doubt a rule stays as it is.
//!
//! Rules are walked in the order they run, with what `TX` is known to hold at each. A rule that holds for every
//! request and only sets constants becomes part of the setup, unless a rule before it that stays reads what it sets.

mod known;

use waf::program::{Change, Collection, Ctl, Disruption, Effect, Phase, Program, Removal, Rule};

use super::amend::drop_rules;
use known::{Answer, Known};

/// Computes what can be known.
pub(super) fn evaluate(program: &mut Program) {
    let mut walk = Walk {
        known: Known::default(),
        dropped: vec![false; program.rules.len()],
        setup: Known::default(),
        removable: Vec::new(),
        may_have_ended: false,
    };
    for phase in [
        Phase::RequestHeaders,
        Phase::RequestBody,
        Phase::ResponseHeaders,
        Phase::ResponseBody,
        Phase::Logging,
    ] {
        walk.phase(phase, &mut program.rules);
    }
    program.setup = walk.setup.constants();
    drop_rules(program, &walk.dropped);
}

/// Rules that this one may take out for a request.
fn removes(rule: &Rule) -> Vec<(u32, u32)> {
    let effects = rule.links.iter().flat_map(|link| &link.effects);
    effects
        .filter_map(|effect| match effect {
            Effect::Ctl(
                Ctl::RemoveRules(Removal(ranges)) | Ctl::RemoveTarget { rules: Removal(ranges), .. },
            ) => Some(ranges),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}

struct Walk {
    known: Known,
    dropped: Vec<bool>,
    setup: Known,
    /// Rules that one before may have taken out.
    removable: Vec<(u32, u32)>,
    /// A rule before may have refused or let through the request.
    may_have_ended: bool,
}

impl Walk {
    fn phase(&mut self, phase: Phase, rules: &mut [Rule]) {
        // Rules before this place are surely, or perhaps, passed over.
        let (mut surely, mut perhaps) = (0u32, 0u32);
        for (place, rule) in (0u32..).zip(rules.iter_mut()).filter(|(_, rule)| rule.phase == phase) {
            if place < surely {
                self.drop(place);
                continue;
            }
            // Where the request has ended, neither this rule runs nor those it passes over: skips stay certain.
            let certain =
                place >= perhaps && !self.removable.iter().any(|(from, to)| (*from..=*to).contains(&place));
            match self.answer(rule) {
                Answer::Never => {
                    self.drop(place);
                    continue;
                }
                Answer::Always if certain => {
                    let target = goes_to(rule);
                    if self.settle(rule) {
                        self.drop(place);
                    }
                    surely = surely.max(target.unwrap_or(0));
                }
                Answer::Always | Answer::Perhaps => {
                    self.known.fold(rule);
                    self.known.reads(rule);
                    self.known.may_run(rule);
                    perhaps = perhaps.max(goes_to(rule).unwrap_or(0));
                }
            }
            self.removable.extend(removes(rule));
            self.may_have_ended |= ends(rule);
        }
    }

    fn drop(&mut self, place: u32) {
        if let Some(dropped) = self.dropped.get_mut(place as usize) {
            *dropped = true;
        }
    }

    /// Whether the first link holds; a chain is never certain, its links are not followed.
    fn answer(&self, rule: &Rule) -> Answer {
        let Some(first) = rule.links.first() else { return Answer::Perhaps };
        let answer = first.test.as_ref().map_or(Answer::Always, |test| self.known.test(test));
        if answer == Answer::Always && rule.links.len() > 1 { Answer::Perhaps } else { answer }
    }

    /// A rule that runs for every request: what it sets is known after it. Whether nothing else is left of it.
    fn settle(&mut self, rule: &mut Rule) -> bool {
        self.known.fold(rule);
        if self.may_have_ended && sets(rule) {
            self.known.reads(rule);
            self.known.may_run(rule);
            return false;
        }
        let mut silent = !rule.logged && rule.disruption == Disruption::Pass;
        let effects = rule.links.iter().flat_map(|link| &link.effects);
        for effect in effects.clone() {
            silent &= match effect {
                Effect::GoTo(_) => true,
                Effect::Set { collection: Collection::Tx, name, change } => {
                    let name = name.constant().map(<[u8]>::to_ascii_lowercase);
                    let constant = match change {
                        Change::Unset => false,
                        _ => self.known.after(change, name.as_deref()).is_some(),
                    };
                    constant && name.is_some_and(|name| !self.known.was_read(&name))
                }
                _ => false,
            };
        }
        // All or nothing: a rule of which one effect stays keeps the others too.
        for effect in effects {
            if let Effect::Set { collection: Collection::Tx, name, change } = effect {
                self.known.set(name, change);
                if let (true, Some(name)) = (silent, name.constant()) {
                    self.setup.copy(&name.to_ascii_lowercase(), &self.known);
                }
            }
        }
        if !silent {
            self.known.reads(rule);
            self.known.may_run_beside_sets(rule);
        }
        silent
    }
}

fn sets(rule: &Rule) -> bool {
    rule.links.iter().flat_map(|link| &link.effects).any(|effect| matches!(effect, Effect::Set { .. }))
}

fn goes_to(rule: &Rule) -> Option<u32> {
    let effects = rule.links.iter().flat_map(|link| &link.effects);
    effects.filter_map(|effect| if let Effect::GoTo(place) = effect { Some(*place) } else { None }).max()
}

/// Whether later rules may not run once this one matched.
fn ends(rule: &Rule) -> bool {
    let mode = |effect: &Effect| matches!(effect, Effect::Ctl(Ctl::RuleEngine(_)));
    rule.disruption != Disruption::Pass || rule.links.iter().flat_map(|link| &link.effects).any(mode)
}
