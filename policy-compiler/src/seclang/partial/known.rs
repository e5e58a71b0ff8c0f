//! What `TX` is known to hold at a place of the walk, and what rules before it read. It owns what is certain; a name
//! that a request can influence is unknown for good.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use waf::operator::{Prepared, Surroundings};
use waf::program::{
    Change, Collection, Effect, Macro, Operator, Piece, Rule, Selection, Target, Test, Text, Variable,
};

/// Whether a test holds, whatever the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Always,
    Never,
    Perhaps,
}

/// A value of `TX` at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// This, for every request that comes here.
    Is(Vec<u8>),
    /// Not set, for every request that comes here.
    Absent,
    /// It depends.
    Open,
}

/// Names are in lower case. What is not in `values` is absent, unless a rule may have set it under a computed name.
#[derive(Debug, Default)]
pub(super) struct Known {
    values: BTreeMap<Vec<u8>, Value>,
    /// Beginnings of names that rules computed.
    open: Vec<Vec<u8>>,
    read: BTreeSet<Vec<u8>>,
    /// Some rule read names that are not known.
    all_read: bool,
}

impl Known {
    fn value(&self, name: &[u8]) -> Value {
        if self.open.iter().any(|prefix| name.starts_with(prefix)) {
            return Value::Open;
        }
        self.values.get(name).cloned().unwrap_or(Value::Absent)
    }

    /// Constants, for a program's setup.
    pub(super) fn constants(self) -> Vec<(String, Vec<u8>)> {
        let constant = |(name, value)| match value {
            Value::Is(value) => String::from_utf8(name).ok().map(|name| (name, value)),
            Value::Absent | Value::Open => None,
        };
        self.values.into_iter().filter_map(constant).collect()
    }

    /// Takes over what another knows of a name.
    pub(super) fn copy(&mut self, name: &[u8], other: &Self) {
        self.values.insert(name.to_vec(), other.value(name));
    }

    pub(super) fn was_read(&self, name: &[u8]) -> bool {
        self.all_read || self.read.contains(name)
    }

    /// Whether the test holds for any value.
    pub(super) fn test(&self, test: &Test) -> Answer {
        let fixed = |target: &Target| {
            target.variable == Variable::Tx && matches!(target.selection, Selection::Name(_))
        };
        if test.capture || test.multi_match || !test.except.is_empty() || !test.targets.iter().all(fixed) {
            return Answer::Perhaps;
        }
        if test.operator.text().is_some_and(|text| self.expanded(text).is_none()) {
            return Answer::Perhaps;
        }
        let Ok(operator) = Prepared::new(&test.operator) else { return Answer::Perhaps };
        let mut answer = Answer::Never;
        for target in &test.targets {
            let Selection::Name(name) = &target.selection else { return Answer::Perhaps };
            let value = match (self.value(name.as_bytes()), target.count) {
                (Value::Open, _) => return Answer::Perhaps,
                (Value::Is(_), true) => b"1".to_vec(),
                (Value::Absent, true) => b"0".to_vec(),
                (Value::Is(value), false) => value,
                (Value::Absent, false) => continue,
            };
            let transformed = test
                .transformations
                .iter()
                .fold(value, |value, one| waf::transform::apply(*one, &value, &[]).unwrap_or(value));
            if operator.find(&transformed, self).is_some() != test.negated {
                answer = Answer::Always;
            }
        }
        answer
    }

    /// The text with its macros replaced, when all are known.
    fn expanded(&self, text: &Text) -> Option<Vec<u8>> {
        let mut expanded = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Literal(bytes) => expanded.extend_from_slice(bytes),
                Piece::Macro(Macro { variable: Variable::Tx, name: Some(name) }) => {
                    match self.value(name.as_bytes()) {
                        Value::Is(value) => expanded.extend_from_slice(&value),
                        Value::Absent => {}
                        Value::Open => return None,
                    }
                }
                Piece::Macro(_) => return None,
            }
        }
        Some(expanded)
    }

    /// What a name holds after the change, when that is certain.
    pub(super) fn after(&self, change: &Change, name: Option<&[u8]>) -> Option<Vec<u8>> {
        let old = || match self.value(name?) {
            Value::Is(value) => Some(number(&value)),
            Value::Absent => Some(0),
            Value::Open => None,
        };
        Some(match change {
            Change::Assign(text) => self.expanded(text)?,
            Change::Add(text) => {
                old()?.saturating_add(number(&self.expanded(text)?)).to_string().into_bytes()
            }
            Change::Subtract(text) => {
                old()?.saturating_sub(number(&self.expanded(text)?)).to_string().into_bytes()
            }
            Change::Unset => return None,
        })
    }

    /// A change that surely happens.
    pub(super) fn set(&mut self, name: &Text, change: &Change) {
        let Some(constant) = name.constant().map(<[u8]>::to_ascii_lowercase) else {
            self.opens(name);
            return;
        };
        let value = match (change, self.after(change, Some(&constant))) {
            (Change::Unset, _) => Value::Absent,
            (_, Some(value)) => Value::Is(value),
            (_, None) => Value::Open,
        };
        self.values.insert(constant, value);
    }

    /// A rule that perhaps runs: what it sets depends from here on.
    pub(super) fn may_run(&mut self, rule: &Rule) {
        for effect in rule.links.iter().flat_map(|link| &link.effects) {
            if let Effect::Set { collection: Collection::Tx, name, change } = effect {
                self.may_set(name, change);
            }
        }
        self.may_run_beside_sets(rule);
    }

    /// What a rule does to `TX` besides `setvar`: captures.
    pub(super) fn may_run_beside_sets(&mut self, rule: &Rule) {
        if rule.links.iter().filter_map(|link| link.test.as_ref()).any(|test| test.capture) {
            (b'0'..=b'9').for_each(|digit| {
                self.values.insert(vec![digit], Value::Open);
            });
        }
    }

    fn may_set(&mut self, name: &Text, change: &Change) {
        let Some(constant) = name.constant().map(<[u8]>::to_ascii_lowercase) else {
            self.opens(name);
            return;
        };
        let same = match (change, self.value(&constant)) {
            (Change::Assign(text), Value::Is(value)) => self.expanded(text).is_some_and(|new| new == value),
            (Change::Unset, Value::Absent) => true,
            _ => false,
        };
        if !same {
            self.values.insert(constant, Value::Open);
        }
    }

    /// A computed name: all that begin as it does depend.
    fn opens(&mut self, name: &Text) {
        let prefix = match name.0.first() {
            Some(Piece::Literal(bytes)) => bytes.to_ascii_lowercase(),
            _ => Vec::new(),
        };
        self.open.push(prefix);
    }

    /// Puts known values in the place of macros in what the rule compares with and sets.
    pub(super) fn fold(&self, rule: &mut Rule) {
        for link in &mut rule.links {
            // A link's own sets happen before those of the next, and for each value anew.
            let own: Vec<Vec<u8>> = link
                .effects
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Set { name, .. } => {
                        Some(name.constant().unwrap_or_default().to_ascii_lowercase())
                    }
                    _ => None,
                })
                .collect();
            if rule_texts_depend(&own) {
                return;
            }
            if let Some(text) = link.test.as_mut().and_then(|test| operator_text(&mut test.operator)) {
                self.fold_text(text, &own);
            }
            for effect in &mut link.effects {
                if let Effect::Set {
                    change: Change::Assign(text) | Change::Add(text) | Change::Subtract(text),
                    ..
                } = effect
                {
                    self.fold_text(text, &own);
                }
            }
            if !own.is_empty() {
                return;
            }
        }
    }

    fn fold_text(&self, text: &mut Text, own: &[Vec<u8>]) {
        let reads_own = text.0.iter().any(|piece| match piece {
            Piece::Macro(Macro { name: Some(name), .. }) => own.iter().any(|one| one == name.as_bytes()),
            _ => false,
        });
        if !reads_own && let Some(expanded) = self.expanded(text) {
            *text = Text::literal(expanded);
        }
    }

    /// Remembers what of `TX` a rule reads.
    pub(super) fn reads(&mut self, rule: &Rule) {
        let mut texts: Vec<&Text> = vec![&rule.message, &rule.log_data];
        for link in &rule.links {
            if let Some(test) = &link.test {
                texts.extend(test.operator.text());
                for target in
                    test.targets.iter().chain(&test.except).filter(|one| one.variable == Variable::Tx)
                {
                    match &target.selection {
                        Selection::Name(name) => {
                            self.read.insert(name.as_bytes().to_vec());
                        }
                        Selection::All | Selection::Names(_) => self.all_read = true,
                    }
                }
            }
            for effect in &link.effects {
                match effect {
                    Effect::Set { name, change, collection } => {
                        texts.push(name);
                        match change {
                            Change::Assign(text) => texts.push(text),
                            Change::Add(text) | Change::Subtract(text) => {
                                texts.push(text);
                                // Adding reads what was there.
                                let of = name.constant().filter(|_| *collection == Collection::Tx);
                                self.read.extend(of.map(<[u8]>::to_ascii_lowercase));
                            }
                            Change::Unset => {}
                        }
                    }
                    Effect::InitCollection { key, .. } => texts.push(key),
                    Effect::Expire { name, seconds, .. } => texts.extend([name, seconds]),
                    Effect::Ctl(_) | Effect::GoTo(_) => {}
                }
            }
        }
        let pieces = texts.into_iter().flat_map(|text| &text.0);
        for piece in pieces {
            if let Piece::Macro(Macro { variable: Variable::Tx, name }) = piece {
                match name {
                    Some(name) => {
                        self.read.insert(name.as_bytes().to_vec());
                    }
                    None => self.all_read = true,
                }
            }
        }
    }
}

/// Whether a link sets names nobody knows, which its own texts might read.
fn rule_texts_depend(own: &[Vec<u8>]) -> bool {
    own.iter().any(Vec::is_empty)
}

fn operator_text(operator: &mut Operator) -> Option<&mut Text> {
    match operator {
        Operator::Contains(text)
        | Operator::ContainsWord(text)
        | Operator::StrEq(text)
        | Operator::BeginsWith(text)
        | Operator::EndsWith(text)
        | Operator::Within(text)
        | Operator::Eq(text)
        | Operator::Ge(text)
        | Operator::Gt(text)
        | Operator::Le(text)
        | Operator::Lt(text) => Some(text),
        _ => None,
    }
}

impl Surroundings for Known {
    fn expand<'t>(&'t self, text: &'t Text) -> Cow<'t, [u8]> {
        Cow::Owned(self.expanded(text).unwrap_or_default())
    }

    fn country(&self, _: IpAddr) -> Option<String> {
        None
    }
}

/// Digits at the start as a number, as the engine counts.
fn number(text: &[u8]) -> i64 {
    waf::run::number(text)
}
