//! The values of one request and its answer, each once, with the variables they are seen through. It owns where
//! a value is found; it refuses how it came to be and what is asked of it.

use smallvec::SmallVec;

use super::vars::Vars;
use crate::program::{Selection, Target, Variable};

/// A value's place among the request's values.
pub(crate) type ValueId = u32;

/// One value. `name` is empty for a variable that is no collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Value {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    /// The variables it is seen through, a [`bit`] each.
    pub(crate) seen: u128,
}

/// A variable as a bit: there are fewer than 128.
pub(crate) fn bit(variable: Variable) -> u128 {
    1u128.wrapping_shl(variable as u32)
}

/// All values read so far.
#[derive(Debug)]
pub(crate) struct Facts {
    values: Vec<Value>,
    seen_through: Vec<SmallVec<[ValueId; 2]>>,
}

impl Facts {
    pub(crate) fn new() -> Self {
        Self { values: Vec::with_capacity(64), seen_through: vec![SmallVec::new(); Variable::ALL.len()] }
    }

    /// Adds a value seen through several variables (`ARGS` and `ARGS_GET`).
    pub(crate) fn add(&mut self, variables: &[Variable], name: Vec<u8>, bytes: Vec<u8>) {
        let id = self.values.len() as ValueId;
        let seen = variables.iter().fold(0, |seen, variable| seen | bit(*variable));
        self.values.push(Value { name, bytes, seen });
        for variable in variables {
            if let Some(ids) = self.seen_through.get_mut(*variable as usize) {
                ids.push(id);
            }
        }
    }

    /// Makes this the only value of the variable.
    pub(crate) fn set(&mut self, variable: Variable, bytes: impl Into<Vec<u8>>) {
        if let Some(ids) = self.seen_through.get_mut(variable as usize) {
            ids.clear();
        }
        self.add(&[variable], Vec::new(), bytes.into());
    }

    pub(crate) fn ids(&self, variable: Variable) -> &[ValueId] {
        self.seen_through.get(variable as usize).map_or(&[], SmallVec::as_slice)
    }

    pub(crate) fn get(&self, id: ValueId) -> Option<&Value> {
        self.values.get(id as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The first value of that name, or the first at all.
    pub(crate) fn first(&self, variable: Variable, name: Option<&str>) -> Option<&[u8]> {
        self.ids(variable)
            .iter()
            .filter_map(|id| self.get(*id))
            .find(|value| name.is_none_or(|name| value.name.eq_ignore_ascii_case(name.as_bytes())))
            .map(|value| value.bytes.as_slice())
    }
}

/// Whether a variable's values stand in [`Facts`]. The others change while rules run, or are few and computed.
pub(crate) fn is_fixed(variable: Variable) -> bool {
    use Variable as V;
    !matches!(
        variable,
        V::Tx
            | V::Ip
            | V::Global
            | V::Session
            | V::User
            | V::Resource
            | V::Geo
            | V::Env
            | V::Rule
            | V::Duration
            | V::HighestSeverity
            | V::MatchedVar
            | V::MatchedVarName
            | V::MatchedVars
            | V::MatchedVarsNames
            | V::Time
            | V::TimeDay
            | V::TimeEpoch
            | V::TimeHour
            | V::TimeMin
            | V::TimeMon
            | V::TimeSec
            | V::TimeWday
            | V::TimeYear
    )
}

/// How a variable and a name are told: `ARGS:id`, `REQUEST_URI`.
pub(crate) fn told(variable: Variable, name: &[u8]) -> Vec<u8> {
    let mut told = variable.name().as_bytes().to_vec();
    if !name.is_empty() {
        told.push(b':');
        told.extend_from_slice(name);
    }
    told
}

/// A selection whose pattern is built.
#[derive(Debug)]
pub(crate) enum Selected {
    All,
    Name(String),
    Names(Box<regex_automata::meta::Regex>),
    /// A pattern that does not build selects nothing; the compiler refuses such a pattern.
    Nothing,
}

impl Selected {
    pub(crate) fn new(selection: &Selection) -> Self {
        match selection {
            Selection::All => Self::All,
            Selection::Name(name) => Self::Name(name.to_ascii_lowercase()),
            Selection::Names(pattern) => crate::operator::automaton(&pattern.expression)
                .map_or(Self::Nothing, |built| Self::Names(Box::new(built))),
        }
    }

    pub(crate) fn takes(&self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Name(wanted) => name.eq_ignore_ascii_case(wanted.as_bytes()),
            Self::Names(pattern) => pattern.is_match(name),
            Self::Nothing => false,
        }
    }
}

/// A target with the exclusions that concern it.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) variable: Variable,
    pub(crate) selected: Selected,
    pub(crate) count: bool,
    pub(crate) except: Vec<Selected>,
    /// What [`Variable`] and name are told as when they are counted.
    pub(crate) told: Vec<u8>,
    /// Names of the setup that it takes, where it takes several of `TX`.
    pub(crate) of_setup: Vec<Vec<u8>>,
}

impl Aim {
    pub(crate) fn new(target: &Target, except: &[Target]) -> Self {
        let name = match &target.selection {
            Selection::Name(name) => name.as_bytes(),
            _ => b"",
        };
        Self {
            variable: target.variable,
            selected: Selected::new(&target.selection),
            count: target.count,
            except: except
                .iter()
                .filter(|one| one.variable == target.variable)
                .map(|one| Selected::new(&one.selection))
                .collect(),
            told: told(target.variable, name),
            of_setup: Vec::new(),
        }
    }

    /// With what it takes of the setup.
    pub(crate) fn with_setup(mut self, setup: &Vars) -> Self {
        if self.variable == Variable::Tx {
            let names = setup.iter().map(|(name, _)| name).filter(|name| self.takes(name));
            self.of_setup = names.map(<[u8]>::to_vec).collect();
        }
        self
    }

    /// Whether it depends on a value's name if it is looked at.
    pub(crate) fn tells_names_apart(&self) -> bool {
        !matches!(self.selected, Selected::All) || !self.except.is_empty()
    }

    /// Whether a value of this name is looked at.
    pub(crate) fn takes(&self, name: &[u8]) -> bool {
        self.selected.takes(name) && !self.except.iter().any(|except| except.takes(name))
    }
}
