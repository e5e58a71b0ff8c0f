//! One rule against the values there are: its links, what they set, and what follows when all held. It owns the
//! semantics of a match; it refuses the order of rules and phases.

use super::facts::{Aim, Facts, is_fixed};
use super::inspection::{Circumstances, Match, Refusal};
use super::memo::Memo;
use super::plan::TestPlan;
use super::screen::Screened;
use super::state::{Allowed, Matched, State, View, keep};
use super::vars::number;
use super::{Engine, Vars};
use crate::operator::{Found, Surroundings};
use crate::program::{Change, Ctl, Disruption, Effect, EngineMode, Link, Phase, Rule, Text, Variable};
use crate::transform;

/// What a rule runs on.
pub(crate) struct Run<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) phase: Phase,
    pub(crate) facts: &'a Facts,
    pub(crate) memo: &'a mut Memo,
    /// What values were found to be able to match.
    pub(crate) screened: &'a Screened,
    pub(crate) state: &'a mut State,
    pub(crate) circumstances: &'a Circumstances,
    /// Where the phase goes on.
    pub(crate) go_to: u32,
}

/// A rule while it runs.
#[derive(Clone, Copy)]
struct Running {
    place: u32,
    /// Which link, from 0.
    link: usize,
    /// Values were asked beforehand.
    screened: bool,
}

impl<'a> Run<'a> {
    /// Runs one rule, with its chain.
    pub(crate) fn rule(&mut self, place: u32) {
        let engine = self.engine;
        let screened = engine.shortcuts.gates && engine.screen.asks(place);
        let (Some(rule), Some(plans)) =
            (engine.program.rules.get(place as usize), engine.plans.get(place as usize))
        else {
            return;
        };
        self.state.matched.clear();
        let mut told = (Vec::new(), Vec::new());
        for (number, (link, plan)) in rule.links.iter().zip(plans).enumerate() {
            let running = Running { place, link: number, screened: screened && number == 0 };
            let held = match &plan.test {
                Some(test) => self.link(running, link, test),
                None => {
                    self.set_all(running, link);
                    true
                }
            };
            if !held {
                return;
            }
            if number == 0 && rule.logged {
                let view = self.view(place);
                told = (view.expand(&rule.message).into_owned(), view.expand(&rule.log_data).into_owned());
            }
        }
        for link in rule.links.iter().rev() {
            link.effects.iter().for_each(|effect| self.after_all(place, effect));
        }
        if let Some(severity) = rule.severity {
            self.state.highest_severity = self.state.highest_severity.min(severity);
        }
        self.tell(place, rule, told);
        self.disrupt(rule);
    }

    fn view(&self, rule: u32) -> View<'_> {
        View {
            engine: self.engine,
            facts: self.facts,
            state: self.state,
            circumstances: self.circumstances,
            rule,
        }
    }

    /// Whether the link holds for any value; its `setvar`s happen for each.
    fn link(&mut self, running: Running, link: &'a Link, test: &'a TestPlan) -> bool {
        let mut held = false;
        for aim in &test.aims {
            if aim.count {
                held |= self.count(running, link, test, aim);
            } else if is_fixed(aim.variable) {
                held |= self.fixed(running, link, test, aim);
            } else {
                held |= self.changing(running, link, test, aim);
            }
        }
        held
    }

    fn count(&mut self, running: Running, link: &'a Link, test: &'a TestPlan, aim: &'a Aim) -> bool {
        let count = if is_fixed(aim.variable) {
            let facts = self.facts;
            let named = |id: &&u32| facts.get(**id).is_some_and(|value| aim.takes(&value.name));
            facts.ids(aim.variable).iter().filter(named).count()
        } else {
            self.view(running.place).changing(aim).len()
        };
        let bytes = count.to_string().into_bytes();
        let found = test.operator.find(&bytes, &self.view(running.place));
        self.answer(running, link, test, found, || Matched { name: aim.told.clone(), bytes: bytes.clone() })
    }

    fn fixed(&mut self, running: Running, link: &'a Link, test: &'a TestPlan, aim: &'a Aim) -> bool {
        let facts = self.facts;
        let mut held = false;
        for id in facts.ids(aim.variable) {
            if running.screened && !self.screened.may_match(self.phase, *id, running.place) {
                continue;
            }
            let Some(value) = facts.get(*id) else { continue };
            if !aim.takes(&value.name) || self.is_hidden(running, aim.variable, &value.name) {
                continue;
            }
            if test.multi_match {
                held |= self.each_step(running, link, test, aim.variable, &value.name, &value.bytes);
                continue;
            }
            let engine = self.engine;
            let Self { memo, state, circumstances, .. } = self;
            let bytes = memo.transformed(facts, *id, test.pipeline, &engine.context());
            let view = View { engine, facts, state, circumstances, rule: running.place };
            let found = test.operator.find(bytes, &view);
            if found.is_none() && !test.negated {
                continue;
            }
            let bytes = bytes.to_vec();
            held |=
                self.answer(running, link, test, found, || Matched::of(aim.variable, &value.name, &bytes));
        }
        held
    }

    fn changing(&mut self, running: Running, link: &'a Link, test: &'a TestPlan, aim: &'a Aim) -> bool {
        let mut held = false;
        for (name, bytes) in self.view(running.place).changing(aim) {
            if self.is_hidden(running, aim.variable, &name) {
                continue;
            }
            if test.multi_match {
                held |= self.each_step(running, link, test, aim.variable, &name, &bytes);
                continue;
            }
            let context = self.engine.context();
            let mut bytes = bytes;
            for step in context.pipelines.steps(test.pipeline) {
                if let Some(changed) = transform::apply(step, &bytes, context.unicode_map) {
                    bytes = changed;
                }
            }
            let found = test.operator.find(&bytes, &self.view(running.place));
            held |= self.answer(running, link, test, found, || Matched::of(aim.variable, &name, &bytes));
        }
        held
    }

    /// `multiMatch`: the value, and what each transformation that changes it makes of it.
    fn each_step(
        &mut self,
        running: Running,
        link: &'a Link,
        test: &'a TestPlan,
        variable: Variable,
        name: &[u8],
        value: &[u8],
    ) -> bool {
        let context = self.engine.context();
        let mut held = false;
        for bytes in context.forms(test.pipeline, value) {
            let found = test.operator.find(&bytes, &self.view(running.place));
            held |= self.answer(running, link, test, found, || Matched::of(variable, name, &bytes));
        }
        held
    }

    fn is_hidden(&self, running: Running, variable: Variable, name: &[u8]) -> bool {
        running.link == 0
            && !self.state.hidden.is_empty()
            && self.state.is_hidden(running.place, variable, name)
    }

    /// What follows from the operator's answer for one value.
    fn answer(
        &mut self,
        running: Running,
        link: &'a Link,
        test: &TestPlan,
        found: Option<Found>,
        matched: impl FnOnce() -> Matched,
    ) -> bool {
        let holds = found.is_some() != test.negated;
        if !holds && found.is_none() {
            return false;
        }
        let matched = matched();
        if let Some(found) = &found {
            if test.capture {
                capture(&mut self.state.tx, found, &matched.bytes);
            }
            if let Some(country) = found.captured.as_deref().filter(|_| test.looks_up_country) {
                self.state.geo.set(b"COUNTRY_CODE", Some(country.to_vec()));
            }
        }
        if !holds {
            return false;
        }
        self.state.last = matched.clone();
        self.state.matched.push(matched);
        self.set_all(running, link);
        true
    }

    fn set_all(&mut self, running: Running, link: &'a Link) {
        for effect in &link.effects {
            if let Effect::Set { collection, name, change } = effect {
                let view = self.view(running.place);
                let name = view.expand(name).into_owned();
                let old = match collection {
                    crate::program::Collection::Tx => view.tx(&name),
                    other => view.state.collection(*other).and_then(|vars| vars.get(&name)),
                };
                let value = changed(&view, change, old);
                if let Some(vars) = self.state.collection_mut(*collection) {
                    vars.set(&name, value);
                }
            }
        }
    }

    fn after_all(&mut self, place: u32, effect: &Effect) {
        match effect {
            Effect::Set { .. } => {}
            Effect::GoTo(next) => self.go_to = self.go_to.max(*next),
            Effect::Ctl(ctl) => self.control(ctl),
            Effect::InitCollection { collection, key } => {
                let key = self.view(place).expand(key).into_owned();
                keep(self.state, &*self.circumstances.outside, *collection, key);
            }
            Effect::Expire { collection, name, seconds } => {
                let name = self.view(place).expand(name).to_ascii_lowercase();
                let seconds = number(&self.view(place).expand(seconds));
                let until = self.circumstances.epoch_seconds.saturating_add(seconds);
                if let Some(kept) = self.state.kept.iter_mut().find(|kept| kept.collection == *collection) {
                    kept.expiries.push((name, until));
                }
            }
        }
    }

    fn control(&mut self, ctl: &Ctl) {
        match ctl {
            Ctl::RuleEngine(mode) => self.state.mode = *mode,
            Ctl::RequestBodyAccess(on) => self.state.request_body = *on,
            Ctl::ResponseBodyAccess(on) => self.state.response_body = *on,
            Ctl::RequestBodyProcessor(processor) => self.state.processor = Some(*processor),
            Ctl::RemoveRules(rules) => self.state.removed.extend_from_slice(&rules.0),
            Ctl::RemoveTarget { rules, target } => self.state.hide(rules, target),
            Ctl::ForceRequestBodyVariable(on) => self.state.whole_body = *on,
            Ctl::Nothing => {}
        }
    }

    fn tell(&mut self, place: u32, rule: &Rule, (message, data): (Vec<u8>, Vec<u8>)) {
        if rule.logged {
            let target = self.state.last.name.clone();
            self.state.matches.push(Match { rule: place, id: rule.id, message, data, target });
        }
    }

    fn disrupt(&mut self, rule: &Rule) {
        let allowed = match rule.disruption {
            Disruption::Pass => return,
            Disruption::Deny(status) => {
                let refusal = Refusal { status, rule: rule.id };
                if self.state.mode == EngineMode::On {
                    self.state.refusal.get_or_insert(refusal);
                } else {
                    self.state.would_refuse.get_or_insert(refusal);
                }
                return;
            }
            Disruption::Allow => Allowed::All,
            Disruption::AllowPhase => Allowed::Phase,
            Disruption::AllowRequest => Allowed::Request,
        };
        self.state.allowed = allowed;
    }
}

fn changed(view: &View<'_>, change: &Change, old: Option<&[u8]>) -> Option<Vec<u8>> {
    let old = || number(old.unwrap_or_default());
    let by = |text: &Text| number(&view.expand(text));
    match change {
        Change::Assign(text) => Some(view.expand(text).into_owned()),
        Change::Add(text) => Some(old().saturating_add(by(text)).to_string().into_bytes()),
        Change::Subtract(text) => Some(old().saturating_sub(by(text)).to_string().into_bytes()),
        Change::Unset => None,
    }
}

/// `TX:0` to `TX:9`; groups that an earlier match filled and this one has not stay.
fn capture(tx: &mut Vars, found: &Found, value: &[u8]) {
    if let Some(captured) = &found.captured {
        tx.set(b"0", Some(captured.clone()));
        return;
    }
    for (digit, group) in (b'0'..=b'9').zip(&found.groups) {
        let bytes = group.clone().and_then(|range| value.get(range)).unwrap_or_default();
        tx.set(&[digit], Some(bytes.to_vec()));
    }
}
