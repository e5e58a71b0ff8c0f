//! Tests made ready: targets with their exclusions, operators built, pipelines of transformations shared by their
//! prefixes. It owns what is computed once for a program; it refuses values of a request.

use std::borrow::Cow;
use std::net::IpAddr;

use super::facts::Aim;
use super::vars::Vars;
use crate::operator::{PrepareError, Prepared, Surroundings};
use crate::program::{Link, Macro, Operator, Piece, Program, Test, Text, Transformation, Variable};
use crate::transform;

/// A pipeline's place among those of the program; 0 is the empty one.
pub(crate) type PipelineId = u32;

/// One link, ready to be asked. Without a test it always holds.
#[derive(Debug)]
pub(crate) struct LinkPlan {
    pub(crate) test: Option<TestPlan>,
}

#[derive(Debug)]
pub(crate) struct TestPlan {
    pub(crate) aims: Vec<Aim>,
    pub(crate) pipeline: PipelineId,
    pub(crate) multi_match: bool,
    pub(crate) operator: Prepared,
    pub(crate) looks_up_country: bool,
    pub(crate) negated: bool,
    pub(crate) capture: bool,
}

impl LinkPlan {
    pub(crate) fn new(link: &Link, pipelines: &mut Pipelines, setup: &Vars) -> Result<Self, PrepareError> {
        let test = link.test.as_ref().map(|test| TestPlan::new(test, pipelines, setup)).transpose()?;
        Ok(Self { test })
    }
}

impl TestPlan {
    fn new(test: &Test, pipelines: &mut Pipelines, setup: &Vars) -> Result<Self, PrepareError> {
        Ok(Self {
            aims: test
                .targets
                .iter()
                .map(|target| Aim::new(target, &test.except).with_setup(setup))
                .collect(),
            pipeline: pipelines.intern(&test.transformations),
            multi_match: test.multi_match,
            operator: Prepared::new(&test.operator)?,
            looks_up_country: matches!(test.operator, Operator::GeoLookup),
            negated: test.negated,
            capture: test.capture,
        })
    }
}

impl TestPlan {
    /// Whether anything follows from this value, for an operator that needs to know nothing else.
    pub(crate) fn concerns(&self, value: &[u8]) -> bool {
        match self.operator.find(value, &Constants) {
            Some(_) => !self.negated || self.capture,
            None => self.negated,
        }
    }
}

/// Texts without macros are all there is.
struct Constants;

impl Surroundings for Constants {
    fn expand<'t>(&'t self, text: &'t Text) -> Cow<'t, [u8]> {
        Cow::Borrowed(text.constant().unwrap_or_default())
    }

    fn country(&self, _: IpAddr) -> Option<String> {
        None
    }
}

/// Distinct pipelines, each the one before it and one more transformation.
#[derive(Debug)]
pub(crate) struct Pipelines {
    all: Vec<Pipeline>,
    /// For each byte, the classes it is of: bit `n` when it can make the transformation numbered `n` change
    /// something.
    classes: Box<[u64; 256]>,
}

#[derive(Debug)]
struct Pipeline {
    before: PipelineId,
    last: Option<Transformation>,
    /// Classes of bytes that keep it from being the identity.
    touched_by: u64,
    always: bool,
    /// Whether it puts values in lower case, among other things.
    lowers: bool,
}

impl Pipelines {
    pub(crate) fn new() -> Self {
        Self {
            all: vec![Pipeline { before: 0, last: None, touched_by: 0, always: false, lowers: false }],
            classes: Box::new([0; 256]),
        }
    }

    pub(crate) fn intern(&mut self, transformations: &[Transformation]) -> PipelineId {
        let mut at = 0;
        for transformation in transformations {
            let known = (0u32..)
                .zip(&self.all)
                .find(|(_, one)| one.before == at && one.last == Some(*transformation))
                .map(|(id, _)| id);
            at = known.unwrap_or_else(|| {
                let before = self.all.get(at as usize);
                let touches = transform::touches(*transformation);
                let pipeline = Pipeline {
                    before: at,
                    last: Some(*transformation),
                    touched_by: before.map_or(0, |one| one.touched_by) | class(*transformation),
                    always: before.is_some_and(|one| one.always) || touches.always,
                    lowers: before.is_some_and(|one| one.lowers) || lowers(*transformation),
                };
                self.all.push(pipeline);
                (self.all.len() as u32).saturating_sub(1)
            });
        }
        at
    }

    /// Fills the table of classes, once all pipelines are known.
    pub(crate) fn close(&mut self) {
        let mut used: Vec<Transformation> = self.all.iter().filter_map(|one| one.last).collect();
        used.sort_unstable();
        used.dedup();
        for transformation in used {
            let touches = transform::touches(transformation);
            for (byte, classes) in (0u8..=255).zip(self.classes.iter_mut()) {
                // What is done to capitals beside their case is done to what they become, too.
                let capital = byte.is_ascii_uppercase();
                if !(lowers(transformation) && capital)
                    && (touches.has(byte) || capital && touches.has(byte.to_ascii_lowercase()))
                {
                    *classes |= class(transformation);
                }
                if capital {
                    *classes |= class(Transformation::Lowercase);
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The classes of the bytes of a value.
    pub(crate) fn classes_of(&self, value: &[u8]) -> u64 {
        value.iter().fold(0, |classes, byte| {
            classes | self.classes.get(usize::from(*byte)).copied().unwrap_or(u64::MAX)
        })
    }

    /// Whether no byte of these classes can make the pipeline change a value.
    pub(crate) fn is_identity(&self, pipeline: PipelineId, classes: u64) -> bool {
        self.all.get(pipeline as usize).is_some_and(|one| !one.always && one.touched_by & classes == 0)
    }

    /// Whether a byte of these classes can make the transformation change a value.
    pub(crate) fn may_change(&self, transformation: Transformation, classes: u64) -> bool {
        transform::touches(transformation).always || class(transformation) & classes != 0
    }

    /// Whether the pipeline makes of a value of these classes its lower case and nothing else.
    pub(crate) fn only_lowers(&self, pipeline: PipelineId, classes: u64) -> bool {
        let case = class(Transformation::Lowercase);
        self.all
            .get(pipeline as usize)
            .is_some_and(|one| one.lowers && !one.always && one.touched_by & classes & !case == 0)
    }

    /// Whether the pipeline puts values in lower case, among other things.
    pub(crate) fn lowers(&self, pipeline: PipelineId) -> bool {
        self.all.get(pipeline as usize).is_some_and(|one| one.lowers)
    }

    /// The pipeline without its last transformation, and that.
    pub(crate) fn last(&self, pipeline: PipelineId) -> Option<(PipelineId, Transformation)> {
        let one = self.all.get(pipeline as usize)?;
        Some((one.before, one.last?))
    }

    /// All its transformations, first to last.
    pub(crate) fn steps(&self, pipeline: PipelineId) -> Vec<Transformation> {
        let mut steps = Vec::new();
        let mut at = pipeline;
        while let Some((before, last)) = self.last(at) {
            steps.push(last);
            at = before;
        }
        steps.reverse();
        steps
    }
}

/// One bit per transformation: there are fewer than 64. What puts values in lower case has capitals' bit too.
fn class(transformation: Transformation) -> u64 {
    let case = if lowers(transformation) { 1u64.wrapping_shl(Transformation::Lowercase as u32) } else { 0 };
    1u64.wrapping_shl(transformation as u32) | case
}

fn lowers(transformation: Transformation) -> bool {
    matches!(transformation, Transformation::Lowercase | Transformation::CmdLine)
}

/// Which variables a program reads, by their number, in tests or in texts.
pub(crate) fn uses(program: &Program) -> Vec<bool> {
    let mut uses = vec![false; Variable::ALL.len()];
    let mut mark = |variable: Variable| {
        if let Some(used) = uses.get_mut(variable as usize) {
            *used = true;
        }
    };
    for rule in &program.rules {
        texts_of(rule, &mut |text| {
            for piece in &text.0 {
                if let Piece::Macro(Macro { variable, .. }) = piece {
                    mark(*variable);
                }
            }
        });
        for test in rule.links.iter().filter_map(|link| link.test.as_ref()) {
            test.targets.iter().for_each(|target| mark(target.variable));
        }
    }
    uses
}

/// Every text of a rule.
fn texts_of(rule: &crate::program::Rule, visit: &mut dyn FnMut(&Text)) {
    use crate::program::{Change, Effect};
    visit(&rule.message);
    visit(&rule.log_data);
    for link in &rule.links {
        if let Some(text) = link.test.as_ref().and_then(|test| test.operator.text()) {
            visit(text);
        }
        for effect in &link.effects {
            match effect {
                Effect::Set { name, change, .. } => {
                    visit(name);
                    if let Change::Assign(text) | Change::Add(text) | Change::Subtract(text) = change {
                        visit(text);
                    }
                }
                Effect::InitCollection { key, .. } => visit(key),
                Effect::Expire { name, seconds, .. } => {
                    visit(name);
                    visit(seconds);
                }
                Effect::Ctl(_) | Effect::GoTo(_) => {}
            }
        }
    }
}
