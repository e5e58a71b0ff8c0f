//! What pipelines made of values, each computed once a request. It owns the results; it refuses values that change
//! while rules run.

use super::facts::{Facts, ValueId};
use super::plan::{PipelineId, Pipelines};
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
    /// With the classes of their bytes.
    results: Vec<(Vec<u8>, u64)>,
}

#[derive(Debug, Default)]
struct OfValue {
    classes: Option<u64>,
    known: Vec<Known>,
}

/// What transforming needs to know of the program.
#[derive(Clone, Copy)]
pub(crate) struct Context<'p> {
    pub(crate) pipelines: &'p Pipelines,
    pub(crate) unicode_map: &'p [(u32, u8)],
    /// Whether to leave out what cannot change a value.
    pub(crate) identity: bool,
}

impl Context<'_> {
    /// The value, and what each transformation that changes it makes of it.
    pub(crate) fn forms(&self, pipeline: PipelineId, value: &[u8]) -> Vec<Vec<u8>> {
        let mut forms = vec![value.to_vec()];
        for step in self.pipelines.steps(pipeline) {
            let changed = forms.last().and_then(|last| transform::apply(step, last, self.unicode_map));
            forms.extend(changed);
        }
        forms
    }
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

    /// The classes of a value's bytes.
    fn classes(&mut self, facts: &Facts, value: ValueId, context: &Context<'_>) -> u64 {
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
            Some(result) => self.results.get(result as usize).map_or(&[], |(bytes, _)| bytes),
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
        let may_change = match from.checked_sub(RESULTS).and_then(|result| self.results.get(result as usize))
        {
            Some((_, classes)) if context.identity => context.pipelines.may_change(last, *classes),
            _ => true,
        };
        let changed = may_change
            .then(|| transform::apply(last, self.bytes(facts, value, from), context.unicode_map))
            .flatten();
        let known = changed.map_or(from, |bytes| self.push(bytes, context));
        if let Some(place) =
            self.of_value.get_mut(value as usize).and_then(|one| one.known.get_mut(pipeline as usize))
        {
            *place = known;
        }
        known
    }

    fn push(&mut self, bytes: Vec<u8>, context: &Context<'_>) -> Known {
        let classes = context.pipelines.classes_of(&bytes);
        self.results.push((bytes, classes));
        (self.results.len() as Known).saturating_sub(1).saturating_add(RESULTS)
    }
}
