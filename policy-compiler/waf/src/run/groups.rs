//! Which rules a request's values can match at all, found by the sets of automata before any rule is asked. It owns
//! rules grouped by what they look at; it refuses verdicts: a rule it lets through is asked as if it were not here.

use hashbrown::{Equivalent, HashMap};

use super::Engine;
use super::facts::{Aim, Facts, ValueId, is_fixed};
use super::memo::{Context, Memo};
use super::plan::{PipelineId, Pipelines};
use crate::gate::{self, Bits, Gate, Member};
use crate::operator::PrepareError;
use crate::program::{Operator, Phase, Program, Target, Test};

/// The gates of a program.
#[derive(Debug)]
pub(crate) struct Gates {
    request: Side,
    answer: Side,
    /// Distinct target lists.
    lists: Vec<Vec<Aim>>,
    /// Distinct pairs of a target list and a pipeline.
    groups: Vec<(usize, PipelineId)>,
    of_rule: Vec<Option<Gated>>,
}

/// Where a rule stands: its group, and its member of the gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gated {
    group: usize,
    pub(crate) member: u32,
    /// Whether every form counts that transformations give a value on their way.
    each_step: bool,
}

/// The gates of requests, or of answers. A value as it came is what most pipelines leave it, so one gate asks for the
/// members of all of them; what a pipeline made of a value concerns its own members alone.
#[derive(Debug)]
struct Side {
    untransformed: Gate,
    /// By pipeline, in order.
    transformed: Vec<(PipelineId, Gate)>,
}

/// What scanning writes to, for all gates.
#[derive(Debug)]
pub(crate) struct Cache {
    request: SideCache,
    answer: SideCache,
    /// What scanning said of short values of earlier requests: names of hosts, clients and paths come again and again.
    remembered: HashMap<Kept, Bits>,
}

/// Values up to so many bytes are remembered, and so many of them.
const SHORT: usize = 192;
const REMEMBERED: usize = 4_096;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kept {
    answer: bool,
    pipeline: PipelineId,
    bytes: Box<[u8]>,
}

#[derive(Hash)]
struct Asked<'a> {
    answer: bool,
    pipeline: PipelineId,
    bytes: &'a [u8],
}

impl Equivalent<Kept> for Asked<'_> {
    fn equivalent(&self, kept: &Kept) -> bool {
        (self.answer, self.pipeline) == (kept.answer, kept.pipeline) && *self.bytes == *kept.bytes
    }
}

#[derive(Debug)]
struct SideCache {
    untransformed: gate::Cache,
    transformed: Vec<gate::Cache>,
}

impl Side {
    fn new(members: &[(PipelineId, Member)]) -> Result<Self, PrepareError> {
        let numbered = |wanted: Option<PipelineId>| -> Vec<(u32, Member)> {
            (0u32..)
                .zip(members)
                .filter(|(_, (pipeline, _))| wanted.is_none_or(|wanted| wanted == *pipeline))
                .map(|(number, (_, member))| (number, member.clone()))
                .collect()
        };
        let mut pipelines: Vec<PipelineId> = members.iter().map(|(pipeline, _)| *pipeline).collect();
        pipelines.sort_unstable();
        pipelines.dedup();
        let transformed = pipelines
            .into_iter()
            .filter(|pipeline| *pipeline != 0)
            .map(|pipeline| Ok((pipeline, Gate::new(members.len(), &numbered(Some(pipeline)))?)))
            .collect::<Result<_, PrepareError>>()?;
        Ok(Self { untransformed: Gate::new(members.len(), &numbered(None))?, transformed })
    }

    fn cache(&self) -> SideCache {
        SideCache {
            untransformed: self.untransformed.cache(),
            transformed: self.transformed.iter().map(|(_, gate)| gate.cache()).collect(),
        }
    }

    fn scan(&self, pipeline: Option<PipelineId>, bytes: &[u8], cache: &mut SideCache) -> Bits {
        let own = pipeline.and_then(|pipeline| {
            let place = self.transformed.binary_search_by_key(&pipeline, |(known, _)| *known).ok()?;
            Some((self.transformed.get(place)?, cache.transformed.get_mut(place)?))
        });
        match own {
            Some(((_, gate), cache)) => gate.scan(bytes, cache),
            None => self.untransformed.scan(bytes, &mut cache.untransformed),
        }
    }
}

/// Answers of one phase of one request.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    lists: Vec<Option<Listed>>,
    groups: Vec<Option<Bits>>,
}

#[derive(Debug)]
struct Listed {
    values: Vec<ValueId>,
    classes: u64,
    untransformed: Option<Bits>,
}

type List<'p> = (&'p [Target], &'p [Target]);

impl Gates {
    pub(crate) fn new(program: &Program, pipelines: &mut Pipelines) -> Result<Self, PrepareError> {
        let mut lists: Vec<List<'_>> = Vec::new();
        let mut groups = Vec::new();
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        let mut of_rule = Vec::new();
        for rule in &program.rules {
            let member = rule.links.first().and_then(|link| link.test.as_ref()).and_then(|test| {
                let member = member_of(test)?;
                Some((member, test))
            });
            let Some((member, test)) = member else {
                of_rule.push(None);
                continue;
            };
            let list = place_of(&mut lists, (test.targets.as_slice(), test.except.as_slice()));
            let group = place_of(&mut groups, (list, pipelines.intern(&test.transformations)));
            let side = if rule.phase <= Phase::RequestBody { &mut request } else { &mut answer };
            of_rule.push(Some(Gated { group, member: side.len() as u32, each_step: test.multi_match }));
            side.push((pipelines.intern(&test.transformations), member));
        }
        let aims = |(targets, except): &List<'_>| {
            targets.iter().map(|target| Aim::new(target, except)).collect::<Vec<Aim>>()
        };
        Ok(Self {
            request: Side::new(&request)?,
            answer: Side::new(&answer)?,
            lists: lists.iter().map(aims).collect(),
            groups,
            of_rule,
        })
    }

    pub(crate) fn of(&self, rule: u32) -> Option<Gated> {
        self.of_rule.get(rule as usize).copied().flatten()
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache { request: self.request.cache(), answer: self.answer.cache(), remembered: HashMap::new() }
    }

    /// The members that may match these bytes: of all, or of those of a pipeline.
    fn scan(&self, phase: Phase, pipeline: Option<PipelineId>, bytes: &[u8], cache: &mut Cache) -> Bits {
        if phase <= Phase::RequestBody {
            self.request.scan(pipeline, bytes, &mut cache.request)
        } else {
            self.answer.scan(pipeline, bytes, &mut cache.answer)
        }
    }
}

fn place_of<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    match all.iter().position(|other| *other == one) {
        Some(place) => place,
        None => {
            all.push(one);
            all.len().saturating_sub(1)
        }
    }
}

/// What the gate is asked for a test; `None` where the gate cannot tell.
fn member_of(test: &Test) -> Option<Member> {
    let fixed = test.targets.iter().all(|target| is_fixed(target.variable) && !target.count);
    if !fixed || test.negated {
        return None;
    }
    match &test.operator {
        Operator::Rx(pattern) if !pattern.backtracks => Some(Member::Pattern(pattern.expression.clone())),
        Operator::Pm(phrases) => Some(Member::Phrases(phrases.clone())),
        _ => None,
    }
}

/// One phase being swept.
pub(crate) struct Sweep<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) facts: &'a Facts,
    pub(crate) phase: Phase,
    pub(crate) cache: &'a mut Cache,
    pub(crate) swept: &'a mut Swept,
}

impl Sweep<'_> {
    /// Whether any value the rule looks at may match.
    pub(crate) fn may_match(&mut self, gated: Gated, memo: &mut Memo, context: &Context<'_>) -> bool {
        let engine = self.engine;
        if self.swept.groups.is_empty() {
            self.swept.groups.resize_with(engine.gates.groups.len(), || None);
            self.swept.lists.resize_with(engine.gates.lists.len(), || None);
        }
        if gated.each_step {
            return self.any_form_may_match(gated, memo, context);
        }
        if let Some(bits) = self.swept.groups.get(gated.group).and_then(Option::as_ref) {
            return bits.has(gated.member);
        }
        let Some((list, pipeline)) = engine.gates.groups.get(gated.group).copied() else { return true };
        let bits = self.group(list, pipeline, memo, context);
        let has = bits.has(gated.member);
        if let Some(place) = self.swept.groups.get_mut(gated.group) {
            *place = Some(bits);
        }
        has
    }

    fn any_form_may_match(&mut self, gated: Gated, memo: &mut Memo, context: &Context<'_>) -> bool {
        let Some((list, _)) = self.engine.gates.groups.get(gated.group).copied() else { return true };
        let Some(listed) = self.take_list(list, memo, context) else { return true };
        let may = listed.values.iter().any(|id| self.form_may_match(gated, *id, memo, context));
        if let Some(place) = self.swept.lists.get_mut(list) {
            *place = Some(listed);
        }
        may
    }

    /// Whether a value may match in any of its forms: told only where it has one.
    pub(crate) fn form_may_match(
        &mut self,
        gated: Gated,
        value: ValueId,
        memo: &mut Memo,
        context: &Context<'_>,
    ) -> bool {
        let Some((_, pipeline)) = self.engine.gates.groups.get(gated.group).copied() else { return true };
        let classes = memo.classes(self.facts, value, context);
        if !context.identity || !context.pipelines.is_identity(pipeline, classes) {
            return true;
        }
        self.scanned(value, 0, memo, context).is_none_or(|members| members.has(gated.member))
    }

    fn group(&mut self, list: usize, pipeline: PipelineId, memo: &mut Memo, context: &Context<'_>) -> Bits {
        let facts = self.facts;
        let Some(mut listed) = self.take_list(list, memo, context) else { return Bits::default() };
        let bits = if context.identity && context.pipelines.is_identity(pipeline, listed.classes) {
            if listed.untransformed.is_none() {
                listed.untransformed = Some(self.union(&listed.values, 0, memo, context));
            }
            listed.untransformed.clone().unwrap_or_default()
        } else {
            self.union(&listed.values, pipeline, memo, context)
        };
        debug_assert!(listed.values.iter().all(|id| facts.get(*id).is_some()));
        if let Some(place) = self.swept.lists.get_mut(list) {
            *place = Some(listed);
        }
        bits
    }

    fn take_list(&mut self, list: usize, memo: &mut Memo, context: &Context<'_>) -> Option<Listed> {
        if let Some(listed) = self.swept.lists.get_mut(list).and_then(Option::take) {
            return Some(listed);
        }
        let aims = self.engine.gates.lists.get(list)?;
        let mut listed = Listed { values: Vec::new(), classes: 0, untransformed: None };
        for aim in aims {
            for id in self.facts.ids(aim.variable) {
                if self.facts.get(*id).is_some_and(|value| aim.takes(&value.name)) {
                    listed.values.push(*id);
                    listed.classes |= memo.classes(self.facts, *id, context);
                }
            }
        }
        Some(listed)
    }

    fn union(
        &mut self,
        values: &[ValueId],
        pipeline: PipelineId,
        memo: &mut Memo,
        context: &Context<'_>,
    ) -> Bits {
        let mut union = Bits::default();
        for id in values {
            let Some(bits) = self.scanned(*id, pipeline, memo, context) else { continue };
            if union == Bits::default() {
                union = bits.clone();
            } else {
                union.add(bits);
            }
        }
        union
    }

    /// The members that may match this value after this pipeline.
    pub(crate) fn scanned<'m>(
        &mut self,
        value: ValueId,
        pipeline: PipelineId,
        memo: &'m mut Memo,
        context: &Context<'_>,
    ) -> Option<&'m Bits> {
        let (gates, phase, cache) = (&self.engine.gates, self.phase, &mut *self.cache);
        let answer = phase > Phase::RequestBody;
        let bytes = self.facts.get(value).map_or(&[][..], |one| &one.bytes);
        let classes = memo.classes(self.facts, value, context);
        let of = if context.pipelines.is_identity(pipeline, classes) { 0 } else { pipeline };
        if !context.identity || bytes.len() > SHORT || memo.has_scanned(value, of, answer) {
            return memo.scanned(self.facts, value, pipeline, context, answer, |own, bytes| {
                gates.scan(phase, own, bytes, cache)
            });
        }
        if let Some(bits) = cache.remembered.get(&Asked { answer, pipeline: of, bytes }) {
            return memo.remember(value, pipeline, of, answer, bits.clone());
        }
        let found = memo.scanned(self.facts, value, pipeline, context, answer, |own, bytes| {
            gates.scan(phase, own, bytes, cache)
        });
        if let Some(bits) = found {
            if cache.remembered.len() >= REMEMBERED {
                cache.remembered.clear();
            }
            cache.remembered.insert(Kept { answer, pipeline: of, bytes: bytes.into() }, bits.clone());
        }
        found
    }
}
