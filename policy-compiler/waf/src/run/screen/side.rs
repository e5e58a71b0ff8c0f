//! The questions of all rules that look at requests, or of all that look at answers, by the pipeline their values go
//! through. It owns how one value is asked all of them at once; it refuses to remember.

use super::super::Engine;
use super::super::facts::{Aim, Facts, Value, ValueId, bit, is_fixed};
use super::super::memo::{Context, Memo};
use super::super::plan::{PipelineId, Pipelines};
use crate::gate::{self, Bits, Gate, Member};
use crate::operator::PrepareError;
use crate::program::{Operator, Test};

/// What is asked of a value for a rule.
#[derive(Debug)]
pub(super) struct Question<'p> {
    test: &'p Test,
    asked: Asks<'p>,
}

#[derive(Debug)]
enum Asks<'p> {
    Pattern(&'p str),
    Phrases(&'p [Vec<u8>]),
    /// The operator itself: its answer depends on the value alone.
    Operator,
}

impl<'p> Question<'p> {
    /// `None` where the values alone do not tell.
    pub(super) fn of(test: &'p Test) -> Option<Self> {
        let fixed = test.targets.iter().all(|target| is_fixed(target.variable) && !target.count);
        let constant = test.operator.text().is_none_or(|text| text.constant().is_some());
        if !fixed || !constant {
            return None;
        }
        let asked = match &test.operator {
            Operator::GeoLookup | Operator::RxOf(_) => return None,
            Operator::Rx(pattern) if !pattern.backtracks && !test.negated => {
                Asks::Pattern(&pattern.expression)
            }
            Operator::Pm(phrases) if !test.negated => Asks::Phrases(phrases),
            _ => Asks::Operator,
        };
        Some(Self { test, asked })
    }
}

#[derive(Debug)]
pub(crate) struct Side {
    size: usize,
    /// By variable, who looks at it.
    looking: Vec<Vec<(u32, Aim)>>,
    /// Variables that anybody looks at, and those where a value's name decides who does.
    looked_at: u128,
    named: u128,
    /// A value as it came is what most pipelines leave it, so one gate asks for the rules of all of them.
    untransformed: Gate,
    of_pipelines: Vec<OfPipeline>,
}

#[derive(Debug)]
struct OfPipeline {
    pipeline: PipelineId,
    /// All rules whose values go through it.
    rules: Bits,
    /// Those a gate is asked for, of the value as it ends.
    gated: Bits,
    /// Those a gate is asked for, of each form the value has on its way.
    each_step: Bits,
    /// Those whose operator is asked itself.
    asked: Bits,
    /// What the pipeline made of a value concerns its own rules alone.
    gate: Option<Gate>,
}

/// What scanning writes to.
#[derive(Debug)]
pub(super) struct SideCache {
    untransformed: gate::Cache,
    transformed: Vec<Option<gate::Cache>>,
}

impl Side {
    pub(super) fn new(
        size: usize,
        questions: Vec<(u32, Question<'_>)>,
        pipelines: &mut Pipelines,
    ) -> Result<Self, PrepareError> {
        let mut side = Self {
            size,
            looking: Vec::new(),
            looked_at: 0,
            named: 0,
            untransformed: Gate::new(size, &[])?,
            of_pipelines: Vec::new(),
        };
        side.looking.resize_with(crate::program::Variable::ALL.len(), Vec::new);
        let mut untransformed = Vec::new();
        let mut transformed: Vec<Vec<(u32, Member)>> = Vec::new();
        for (rule, question) in questions {
            side.look(rule, question.test);
            let place = side.place(pipelines.intern(&question.test.transformations));
            transformed.resize_with(side.of_pipelines.len(), Vec::new);
            let (Some(of_pipeline), Some(members)) =
                (side.of_pipelines.get_mut(place), transformed.get_mut(place))
            else {
                continue;
            };
            of_pipeline.rules.set(rule);
            let lowers = pipelines.lowers(of_pipeline.pipeline) && !question.test.multi_match;
            let (own, shared) = match question.asked {
                Asks::Operator => {
                    of_pipeline.asked.set(rule);
                    continue;
                }
                Asks::Phrases(phrases) => {
                    (Member::Phrases(phrases.to_vec()), Member::Phrases(phrases.to_vec()))
                }
                Asks::Pattern(text) if lowers => {
                    (Member::Pattern(text.to_owned()), Member::OfLowercase(text.to_owned()))
                }
                Asks::Pattern(text) => (Member::Pattern(text.to_owned()), Member::Pattern(text.to_owned())),
            };
            if question.test.multi_match { &mut of_pipeline.each_step } else { &mut of_pipeline.gated }
                .set(rule);
            members.push((rule, own));
            untransformed.push((rule, shared));
        }
        side.untransformed = Gate::new(size, &untransformed)?;
        for (of_pipeline, members) in side.of_pipelines.iter_mut().zip(transformed) {
            if of_pipeline.pipeline != 0 && !members.is_empty() {
                of_pipeline.gate = Some(Gate::new(size, &members)?);
            }
        }
        Ok(side)
    }

    fn look(&mut self, rule: u32, test: &Test) {
        for target in &test.targets {
            let aim = Aim::new(target, &test.except);
            self.looked_at |= bit(target.variable);
            if aim.tells_names_apart() {
                self.named |= bit(target.variable);
            }
            if let Some(looking) = self.looking.get_mut(target.variable as usize) {
                looking.push((rule, aim));
            }
        }
    }

    fn place(&mut self, pipeline: PipelineId) -> usize {
        if let Some(place) = self.of_pipelines.iter().position(|one| one.pipeline == pipeline) {
            return place;
        }
        let none = || Bits::new(self.size);
        self.of_pipelines.push(OfPipeline {
            pipeline,
            rules: none(),
            gated: none(),
            each_step: none(),
            asked: none(),
            gate: None,
        });
        self.of_pipelines.len().saturating_sub(1)
    }

    pub(super) fn cache(&self) -> SideCache {
        SideCache {
            untransformed: self.untransformed.cache(),
            transformed: self.of_pipelines.iter().map(|one| one.gate.as_ref().map(Gate::cache)).collect(),
        }
    }

    pub(super) fn looks_at(&self, seen: u128) -> bool {
        self.looked_at & seen != 0
    }

    pub(super) fn tells_names_apart(&self, seen: u128) -> bool {
        self.named & seen != 0
    }

    /// The rules that look at a value of this name.
    pub(super) fn looking(&self, seen: u128, name: &[u8]) -> Bits {
        let mut rules = Bits::new(self.size);
        for variable in crate::program::Variable::ALL.iter().filter(|variable| seen & bit(**variable) != 0) {
            let looking = self.looking.get(*variable as usize).map_or(&[][..], Vec::as_slice);
            looking.iter().filter(|(_, aim)| aim.takes(name)).for_each(|(rule, _)| rules.set(*rule));
        }
        rules
    }
}

/// One side asking the values of one request.
pub(super) struct Asking<'a> {
    pub(super) engine: &'a Engine,
    pub(super) side: &'a Side,
    pub(super) facts: &'a Facts,
    pub(super) memo: &'a mut Memo,
    pub(super) context: Context<'a>,
    pub(super) cache: &'a mut SideCache,
}

impl Asking<'_> {
    /// Those of the rules looking at a value that it may match.
    pub(super) fn answer(&mut self, id: ValueId, value: &Value, looking: &Bits) -> Bits {
        let side = self.side;
        let mut found = Bits::new(side.size);
        let mut plain = Bits::new(side.size);
        let classes = self.context.pipelines.classes_of(&value.bytes);
        for (place, of_pipeline) in side.of_pipelines.iter().enumerate() {
            if !of_pipeline.rules.meets(looking) {
                continue;
            }
            let pipeline = of_pipeline.pipeline;
            let is_identity = pipeline == 0
                || self.context.identity && self.context.pipelines.is_identity(pipeline, classes);
            let only_lowers = self.context.identity && self.context.pipelines.only_lowers(pipeline, classes);
            if is_identity {
                plain.add(&of_pipeline.each_step.both(looking));
            } else {
                self.each_form(place, of_pipeline, &value.bytes, looking, &mut found);
            }
            if is_identity || only_lowers {
                plain.add(&of_pipeline.gated.both(looking));
            } else if of_pipeline.gated.meets(looking) {
                let bytes = self.memo.transformed(self.facts, id, pipeline, &self.context);
                let wanted = of_pipeline.gated.both(looking);
                if let (Some(gate), Some(cache)) = (&of_pipeline.gate, own(self.cache, place)) {
                    gate.scan(bytes, &wanted, cache, &mut found);
                }
            }
            if of_pipeline.asked.meets(looking) {
                self.ask(id, of_pipeline, value, looking, &mut found);
            }
        }
        if !plain.is_empty() {
            side.untransformed.scan(&value.bytes, &plain, &mut self.cache.untransformed, &mut found);
        }
        found.both(looking)
    }

    fn ask(
        &mut self,
        id: ValueId,
        of_pipeline: &OfPipeline,
        value: &Value,
        looking: &Bits,
        found: &mut Bits,
    ) {
        for rule in of_pipeline.asked.both(looking).iter() {
            let links = self.engine.plans.get(rule as usize);
            let Some(test) = links.and_then(|links| links.first()?.test.as_ref()) else { continue };
            let follows = if test.multi_match {
                let forms = self.context.forms(of_pipeline.pipeline, &value.bytes);
                forms.iter().any(|form| test.concerns(form))
            } else {
                test.concerns(self.memo.transformed(self.facts, id, of_pipeline.pipeline, &self.context))
            };
            if follows {
                found.set(rule);
            }
        }
    }

    fn each_form(
        &mut self,
        place: usize,
        of_pipeline: &OfPipeline,
        value: &[u8],
        looking: &Bits,
        found: &mut Bits,
    ) {
        let wanted = of_pipeline.each_step.both(looking);
        if wanted.is_empty() {
            return;
        }
        if let (Some(gate), Some(cache)) = (&of_pipeline.gate, own(self.cache, place)) {
            for form in self.context.forms(of_pipeline.pipeline, value) {
                gate.scan(&form, &wanted, cache, found);
            }
        }
    }
}

fn own(cache: &mut SideCache, place: usize) -> Option<&mut gate::Cache> {
    cache.transformed.get_mut(place).and_then(Option::as_mut)
}
