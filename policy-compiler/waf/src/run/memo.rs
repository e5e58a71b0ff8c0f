//! What pipelines made of values and which members of the gate may match it, each computed once a request. It owns
//! the results; it refuses values that change while rules run.

use smallvec::SmallVec;

use super::facts::{Facts, ValueId};
use super::plan::{PipelineId, Pipelines};
use crate::gate::Bits;
use crate::transform;

/// A place of the memo: not asked yet, the value itself, or a result's number and two.
type Known = u32;
const UNKNOWN: Known = 0;
const ITSELF: Known = 1;
const RESULTS: Known = 2;

/// Results of one request.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    of_value: Vec<OfValue>,
    results: Vec<Vec<u8>>,
    /// What was found in a result, by the pipeline whose members were asked for and the side.
    scanned: Vec<SmallVec<[(PipelineId, bool, Bits); 2]>>,
}

#[derive(Debug, Default)]
struct OfValue {
    classes: Option<u64>,
    known: Vec<Known>,
    scanned: [Option<Bits>; 2],
    /// What was found after a pipeline, as an earlier request had it.
    remembered: SmallVec<[(PipelineId, bool, Bits); 2]>,
}

/// What transforming needs to know of the program.
pub(crate) struct Context<'p> {
    pub(crate) pipelines: &'p Pipelines,
    pub(crate) unicode_map: &'p [(u32, u8)],
    /// Whether to leave out what cannot change a value.
    pub(crate) identity: bool,
}

impl Memo {
    /// The value after the pipeline.
    pub(crate) fn transformed<'a>(
        &'a mut self,
        facts: &'a Facts,
        value: ValueId,
        pipeline: PipelineId,
        context: &Context<'_>,
    ) -> &'a [u8] {
        let known = self.known(facts, value, pipeline, context);
        self.bytes(facts, value, known)
    }

    /// Whether [`Memo::scanned`] knows this already; `of` is the pipeline, or 0 where it leaves the value as it is.
    pub(crate) fn has_scanned(&self, value: ValueId, of: PipelineId, answer: bool) -> bool {
        let Some(of_value) = self.of_value.get(value as usize) else { return false };
        if of == 0 {
            return of_value.scanned.get(usize::from(answer)).is_some_and(Option::is_some);
        }
        let is_this = |one: &(PipelineId, bool, Bits)| one.0 == of && one.1 == answer;
        let known = of_value.known.get(of as usize).copied().unwrap_or(UNKNOWN);
        let result = known.checked_sub(RESULTS).and_then(|result| self.scanned.get(result as usize));
        of_value.remembered.iter().any(is_this) || result.is_some_and(|all| all.iter().any(is_this))
    }

    /// Takes over what an earlier request found in the same bytes; `of` is the pipeline, or 0 where it leaves them.
    pub(crate) fn remember(
        &mut self,
        value: ValueId,
        pipeline: PipelineId,
        of: PipelineId,
        answer: bool,
        bits: Bits,
    ) -> Option<&Bits> {
        let of_value = self.of_value.get_mut(value as usize)?;
        if of == 0 {
            return Some(of_value.scanned.get_mut(usize::from(answer))?.insert(bits));
        }
        of_value.remembered.push((pipeline, answer, bits));
        of_value.remembered.last().map(|(.., bits)| bits)
    }

    /// The members of a gate that may match the value after the pipeline: those of answers, or of requests.
    pub(crate) fn scanned(
        &mut self,
        facts: &Facts,
        value: ValueId,
        pipeline: PipelineId,
        context: &Context<'_>,
        answer: bool,
        scan: impl FnOnce(Option<PipelineId>, &[u8]) -> Bits,
    ) -> Option<&Bits> {
        self.grow(facts);
        let is_known = |one: &(PipelineId, bool, Bits)| one.0 == pipeline && one.1 == answer;
        if let Some(place) = self.of_value.get(value as usize)?.remembered.iter().position(is_known) {
            return self.of_value.get(value as usize)?.remembered.get(place).map(|(.., bits)| bits);
        }
        let known = self.known(facts, value, pipeline, context);
        let Some(result) = known.checked_sub(RESULTS) else {
            let side = usize::from(answer);
            if self.of_value.get(value as usize)?.scanned.get(side)?.is_none() {
                let bits = scan(None, self.bytes(facts, value, known));
                *self.of_value.get_mut(value as usize)?.scanned.get_mut(side)? = Some(bits);
            }
            return self.of_value.get(value as usize)?.scanned.get(side)?.as_ref();
        };
        let is_this = |one: &(PipelineId, bool, Bits)| one.0 == pipeline && one.1 == answer;
        if !self.scanned.get(result as usize)?.iter().any(is_this) {
            let bits = scan(Some(pipeline), self.bytes(facts, value, known));
            self.scanned.get_mut(result as usize)?.push((pipeline, answer, bits));
        }
        self.scanned.get(result as usize)?.iter().find(|one| is_this(one)).map(|(_, _, bits)| bits)
    }

    /// The classes of a value's bytes.
    pub(crate) fn classes(&mut self, facts: &Facts, value: ValueId, context: &Context<'_>) -> u64 {
        self.grow(facts);
        let bytes = facts.get(value).map_or(&[][..], |value| &value.bytes);
        self.of_value
            .get_mut(value as usize)
            .map_or(u64::MAX, |one| *one.classes.get_or_insert_with(|| context.pipelines.classes_of(bytes)))
    }

    fn grow(&mut self, facts: &Facts) {
        if self.of_value.len() < facts.len() {
            self.of_value.resize_with(facts.len(), OfValue::default);
        }
    }

    fn bytes<'a>(&'a self, facts: &'a Facts, value: ValueId, known: Known) -> &'a [u8] {
        match known.checked_sub(RESULTS) {
            Some(result) => self.results.get(result as usize).map_or(&[], Vec::as_slice),
            None => facts.get(value).map_or(&[], |value| value.bytes.as_slice()),
        }
    }

    fn known(&mut self, facts: &Facts, value: ValueId, pipeline: PipelineId, context: &Context<'_>) -> Known {
        self.grow(facts);
        let Some((before, last)) = context.pipelines.last(pipeline) else { return ITSELF };
        if context.identity {
            let classes = self.classes(facts, value, context);
            if context.pipelines.is_identity(pipeline, classes) {
                return ITSELF;
            }
        }
        let Some(of_value) = self.of_value.get_mut(value as usize) else { return ITSELF };
        if of_value.known.is_empty() {
            of_value.known.resize(context.pipelines.len(), UNKNOWN);
        }
        if let Some(known) = of_value.known.get(pipeline as usize).copied().filter(|known| *known != UNKNOWN)
        {
            return known;
        }
        let from = self.known(facts, value, before, context);
        let changed = transform::apply(last, self.bytes(facts, value, from), context.unicode_map);
        let known = changed.map_or(from, |bytes| self.push(bytes));
        if let Some(place) =
            self.of_value.get_mut(value as usize).and_then(|one| one.known.get_mut(pipeline as usize))
        {
            *place = known;
        }
        known
    }

    fn push(&mut self, bytes: Vec<u8>) -> Known {
        self.results.push(bytes);
        self.scanned.push(SmallVec::new());
        (self.results.len() as Known).saturating_sub(1).saturating_add(RESULTS)
    }
}
