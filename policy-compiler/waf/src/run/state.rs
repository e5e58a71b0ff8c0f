//! What changes while rules run: variables they write, what matched last, what is switched off. It owns that and
//! the expansion of macros; it refuses the rules themselves.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::facts::{Aim, Facts, Selected, is_fixed, told};
use super::inspection::{Circumstances, Outside};
use super::vars::Vars;
use super::{Engine, Match, Refusal};
use crate::operator::Surroundings;
use crate::program::{Collection, EngineMode, Macro, Piece, Removal, Target, Text, Variable};

/// A value that matched, and how it is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// A collection that outlives the request.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) collection: Collection,
    pub(crate) key: Vec<u8>,
    pub(crate) vars: Vars,
    pub(crate) expiries: Vec<(Vec<u8>, i64)>,
}

/// Where rules of the phase go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Allowed {
    #[default]
    Nothing,
    Phase,
    Request,
    All,
}

/// Everything rules can change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mode: EngineMode,
    pub(crate) tx: Vars,
    pub(crate) geo: Vars,
    pub(crate) kept: Vec<Kept>,
    pub(crate) last: Matched,
    pub(crate) matched: Vec<Matched>,
    pub(crate) highest_severity: u8,
    pub(crate) removed: Vec<(u32, u32)>,
    pub(crate) hidden: Vec<Hidden>,
    pub(crate) allowed: Allowed,
    pub(crate) request_body: bool,
    pub(crate) response_body: bool,
    /// `REQUEST_BODY` is filled whoever takes the body apart.
    pub(crate) whole_body: bool,
    pub(crate) processor: Option<crate::program::BodyProcessor>,
    pub(crate) matches: Vec<Match>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) would_refuse: Option<Refusal>,
}

/// A target that some rules do not see.
#[derive(Debug)]
pub(crate) struct Hidden {
    rules: Arc<[(u32, u32)]>,
    variable: Variable,
    selected: Selected,
}

impl State {
    pub(crate) fn new(engine: &Engine) -> Self {
        let program = engine.program();
        Self {
            mode: program.mode,
            tx: Vars::default(),
            geo: Vars::default(),
            kept: Vec::new(),
            last: Matched::default(),
            matched: Vec::new(),
            highest_severity: u8::MAX,
            removed: Vec::new(),
            hidden: Vec::new(),
            allowed: Allowed::Nothing,
            request_body: program.reading.request_body,
            response_body: program.reading.response_body,
            whole_body: false,
            processor: None,
            matches: Vec::new(),
            refusal: None,
            would_refuse: None,
        }
    }

    pub(crate) fn is_removed(&self, rule: u32) -> bool {
        within(&self.removed, rule)
    }

    pub(crate) fn hide(&mut self, rules: &Removal, target: &Target) {
        self.hidden.push(Hidden {
            rules: rules.0.as_slice().into(),
            variable: target.variable,
            selected: Selected::new(&target.selection),
        });
    }

    /// Whether the rule does not see this value any more.
    pub(crate) fn is_hidden(&self, rule: u32, variable: Variable, name: &[u8]) -> bool {
        self.hidden
            .iter()
            .any(|one| one.variable == variable && within(&one.rules, rule) && one.selected.takes(name))
    }

    pub(crate) fn collection(&self, collection: Collection) -> Option<&Vars> {
        match collection {
            Collection::Tx => Some(&self.tx),
            other => self.kept.iter().find(|kept| kept.collection == other).map(|kept| &kept.vars),
        }
    }

    pub(crate) fn collection_mut(&mut self, collection: Collection) -> Option<&mut Vars> {
        match collection {
            Collection::Tx => Some(&mut self.tx),
            other => self.kept.iter_mut().find(|kept| kept.collection == other).map(|kept| &mut kept.vars),
        }
    }
}

fn within(ranges: &[(u32, u32)], rule: u32) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&rule))
}

/// The collection behind a variable.
pub(crate) fn collection_of(variable: Variable) -> Option<Collection> {
    Some(match variable {
        Variable::Tx => Collection::Tx,
        Variable::Ip => Collection::Ip,
        Variable::Global => Collection::Global,
        Variable::Session => Collection::Session,
        Variable::User => Collection::User,
        Variable::Resource => Collection::Resource,
        _ => return None,
    })
}

/// Everything a rule can read while it runs.
pub(crate) struct View<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) facts: &'a Facts,
    pub(crate) state: &'a State,
    pub(crate) circumstances: &'a Circumstances,
    /// The rule that runs, for `%{rule.id}`.
    pub(crate) rule: u32,
}

impl View<'_> {
    /// `TX`, the setup's where the request did not write it.
    pub(crate) fn tx(&self, name: &[u8]) -> Option<&[u8]> {
        match self.state.tx.lookup(name) {
            Some(value) => value,
            None => self.engine.of_setup(name),
        }
    }

    /// The values an aim takes of a variable that changes while rules run: names and bytes, copied.
    pub(crate) fn changing(&self, aim: &Aim) -> Vec<(Vec<u8>, Vec<u8>)> {
        if let (Variable::Tx, Selected::Name(name)) = (aim.variable, &aim.selected) {
            let spelled = || self.state.tx.spelled(name.as_bytes()).unwrap_or(name.as_bytes()).to_vec();
            let value = self.tx(name.as_bytes()).map(<[u8]>::to_vec);
            return value
                .map(|value| (spelled(), value))
                .filter(|(name, _)| aim.takes(name))
                .into_iter()
                .collect();
        }
        if aim.variable == Variable::Tx {
            let unwritten = aim.of_setup.iter().filter(|name| self.state.tx.lookup(name).is_none());
            let of_setup =
                unwritten.filter_map(|name| Some((name.clone(), self.engine.of_setup(name)?.to_vec())));
            let written = self.state.tx.iter().filter(|(name, _)| aim.takes(name));
            let written = written.map(|(name, value)| (name.to_vec(), value.to_vec()));
            return of_setup.chain(written).collect();
        }
        let mut values = self.all(aim.variable);
        values.retain(|(name, _)| aim.takes(name));
        values
    }

    fn all(&self, variable: Variable) -> Vec<(Vec<u8>, Vec<u8>)> {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        match variable {
            Variable::Geo => self.state.geo.iter().map(owned).collect(),
            Variable::MatchedVars => {
                self.state.matched.iter().map(|one| (one.name.clone(), one.bytes.clone())).collect()
            }
            Variable::MatchedVarsNames => {
                self.state.matched.iter().map(|one| (one.name.clone(), one.name.clone())).collect()
            }
            other => match collection_of(other).map(|collection| self.state.collection(collection)) {
                Some(vars) => vars.into_iter().flat_map(Vars::iter).map(owned).collect(),
                None => self.computed(other, None).into_iter().map(|value| (Vec::new(), value)).collect(),
            },
        }
    }

    /// The one value of a variable that is no collection, or of a collection by name.
    fn computed(&self, variable: Variable, name: Option<&str>) -> Option<Vec<u8>> {
        let name_bytes = name.unwrap_or_default().as_bytes();
        match variable {
            Variable::Tx => self.tx(name_bytes).map(<[u8]>::to_vec),
            Variable::Geo => self.state.geo.get(name_bytes).map(<[u8]>::to_vec),
            Variable::MatchedVar => Some(self.state.last.bytes.clone()),
            Variable::MatchedVarName => Some(self.state.last.name.clone()),
            Variable::MatchedVars => self.state.matched.last().map(|one| one.bytes.clone()),
            Variable::MatchedVarsNames => self.state.matched.last().map(|one| one.name.clone()),
            Variable::HighestSeverity => Some(self.state.highest_severity.to_string().into_bytes()),
            Variable::Duration => Some(b"0".to_vec()),
            Variable::Rule => self.of_rule(name.unwrap_or_default()),
            Variable::Ip | Variable::Global | Variable::Session | Variable::User | Variable::Resource => {
                collection_of(variable)
                    .and_then(|collection| self.state.collection(collection))
                    .and_then(|vars| vars.get(name_bytes))
                    .map(<[u8]>::to_vec)
            }
            fixed if is_fixed(fixed) => self.facts.first(fixed, name).map(<[u8]>::to_vec),
            time => self.circumstances.time(time),
        }
    }

    fn of_rule(&self, name: &str) -> Option<Vec<u8>> {
        let rule = self.engine.program().rules.get(self.rule as usize)?;
        Some(match name {
            "id" => rule.id.to_string().into_bytes(),
            "severity" => rule.severity?.to_string().into_bytes(),
            "msg" => self.expand(&rule.message).into_owned(),
            "logdata" => self.expand(&rule.log_data).into_owned(),
            _ => return None,
        })
    }

    fn macro_value(&self, wanted: &Macro) -> Option<Vec<u8>> {
        self.computed(wanted.variable, wanted.name.as_deref())
    }
}

impl Surroundings for View<'_> {
    fn expand<'t>(&'t self, text: &'t Text) -> Cow<'t, [u8]> {
        if let Some(constant) = text.constant() {
            return Cow::Borrowed(constant);
        }
        let mut expanded = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Literal(bytes) => expanded.extend_from_slice(bytes),
                Piece::Macro(wanted) => {
                    if let Some(value) = self.macro_value(wanted) {
                        expanded.extend_from_slice(&value);
                    }
                }
            }
        }
        Cow::Owned(expanded)
    }

    fn country(&self, address: IpAddr) -> Option<String> {
        self.circumstances.outside.country(address)
    }
}

impl Matched {
    pub(crate) fn of(variable: Variable, name: &[u8], bytes: &[u8]) -> Self {
        Self { name: told(variable, name), bytes: bytes.to_vec() }
    }
}

/// Loads a collection unless it is there.
pub(crate) fn keep(state: &mut State, outside: &dyn Outside, collection: Collection, key: Vec<u8>) {
    if state.kept.iter().any(|kept| kept.collection == collection) {
        return;
    }
    let vars = outside.load(collection, &key);
    state.kept.push(Kept { collection, key, vars, expiries: Vec::new() });
}
