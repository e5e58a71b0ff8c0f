//! Which rules a request's values can match at all, found before any rule is asked. It owns what every value is asked
//! once for all rules that look at it, and remembering the answers for short values of later requests; it refuses
//! verdicts: a rule it lets through is asked as if it were not here.

mod remembered;
mod side;

use super::Engine;
use super::facts::{Facts, Value, ValueId};
use super::memo::{Context, Memo};
use super::plan::Pipelines;
use crate::gate::Bits;
use crate::operator::PrepareError;
use crate::program::{Phase, Program};
use remembered::Remembered;
use side::{Side, SideCache};

/// The rules of a program as questions to values. Rules are numbered by their places in the program.
#[derive(Debug)]
pub(crate) struct Screen {
    request: Side,
    answer: Side,
    phases: [Bits; 5],
    /// Rules that are asked whatever the values are.
    always: Bits,
}

/// What screening writes to, kept from one request to the next.
#[derive(Debug)]
pub(crate) struct Cache {
    request: SideCache,
    answer: SideCache,
    remembered: Remembered,
}

/// What the values of one request were found to be able to match.
#[derive(Debug, Default)]
pub(crate) struct Screened {
    request: Found,
    answer: Found,
}

#[derive(Debug, Default)]
struct Found {
    /// By value.
    of_value: Vec<Bits>,
    of_any: Bits,
}

impl Screened {
    /// Whether the value may match the rule's first link.
    pub(crate) fn may_match(&self, phase: Phase, value: ValueId, rule: u32) -> bool {
        let found = if is_request(phase) { &self.request } else { &self.answer };
        found.of_value.get(value as usize).is_none_or(|bits| bits.has(rule))
    }
}

impl Screen {
    pub(crate) fn new(program: &Program, pipelines: &mut Pipelines) -> Result<Self, PrepareError> {
        let size = program.rules.len();
        let mut phases: [Bits; 5] = std::array::from_fn(|_| Bits::new(size));
        let mut always = Bits::new(size);
        let mut sides = [Vec::new(), Vec::new()];
        for (place, rule) in (0u32..).zip(&program.rules) {
            if let Some(phase) = phases.get_mut(rule.phase as usize) {
                phase.set(place);
            }
            let first = rule.links.first().and_then(|link| link.test.as_ref());
            match (first.and_then(side::Question::of), &mut sides) {
                (Some(question), [request, answer]) => {
                    let side = if is_request(rule.phase) { request } else { answer };
                    side.push((place, question));
                }
                (None, _) => always.set(place),
            }
        }
        let [request, answer] = sides;
        let (request, answer) = (Side::new(size, request, pipelines)?, Side::new(size, answer, pipelines)?);
        Ok(Self { request, answer, phases, always })
    }

    /// Whether the rule was left to the values.
    pub(crate) fn asks(&self, rule: u32) -> bool {
        !self.always.has(rule)
    }

    /// All rules of a phase.
    pub(crate) fn all(&self, phase: Phase) -> Bits {
        self.phases.get(phase as usize).cloned().unwrap_or_default()
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache {
            request: self.request.cache(),
            answer: self.answer.cache(),
            remembered: Remembered::default(),
        }
    }
}

fn is_request(phase: Phase) -> bool {
    phase <= Phase::RequestBody
}

/// The rules of the phase that the values, and what was not asked of values, leave to be run.
pub(crate) fn rules(
    engine: &Engine,
    phase: Phase,
    facts: &Facts,
    memo: &mut Memo,
    screened: &mut Screened,
    cache: &mut Cache,
) -> Bits {
    let screen = &engine.screen;
    let request = is_request(phase);
    let (side, found, side_cache) = if request {
        (&screen.request, &mut screened.request, &mut cache.request)
    } else {
        (&screen.answer, &mut screened.answer, &mut cache.answer)
    };
    let mut asking = side::Asking { engine, side, facts, memo, context: engine.context(), cache: side_cache };
    if found.of_any == Bits::default() {
        found.of_any = Bits::new(engine.program.rules.len());
    }
    for id in (found.of_value.len() as ValueId)..(facts.len() as ValueId) {
        let bits = facts.get(id).map_or_else(Bits::default, |value| {
            of_value(&mut asking, request, id, value, &mut cache.remembered)
        });
        found.of_any.add(&bits);
        found.of_value.push(bits);
    }
    let mut rules = found.of_any.clone();
    rules.add(&screen.always);
    rules.both(&screen.all(phase))
}

fn of_value(
    asking: &mut side::Asking<'_>,
    request: bool,
    id: ValueId,
    value: &Value,
    remembered: &mut Remembered,
) -> Bits {
    if !asking.side.looks_at(value.seen) {
        return Bits::default();
    }
    let name = if asking.side.tells_names_apart(value.seen) { value.name.as_slice() } else { &[] };
    let asked = remembered::Asked { request, seen: value.seen, name, bytes: &value.bytes };
    let worth = asking.context.identity && asked.is_short();
    if let Some(bits) = worth.then(|| remembered.verdict(&asked)).flatten() {
        return bits.clone();
    }
    let looking = remembered.looking(&asked, || asking.side.looking(value.seen, &value.name));
    let bits = asking.answer(id, value, &looking);
    if worth {
        remembered.keep(&asked, bits.clone());
    }
    bits
}

impl Engine {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            pipelines: &self.pipelines,
            unicode_map: &self.program.reading.unicode_map,
            identity: self.shortcuts.identity,
        }
    }
}
