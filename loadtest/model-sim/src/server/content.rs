//! What an answer says, token by token, before any dialect. It owns texts, tool calls and JSON cut into
//! tokens, and the counts that are reported; it refuses to encode them.

use crate::backend::Plan;
use crate::config::Flavour;
use crate::faults::FaultKind;
use crate::tokens::token_text;

/// Bytes of JSON that make one token.
const JSON_TOKEN: usize = 4;

/// Separates the text of the reasoning from that of the answer.
const REASONING: u64 = 0x7EA5_0217;

/// What an answer is made of after its reasoning.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Shape {
    /// Words, as many as there are tokens.
    #[default]
    Text,
    /// This JSON text.
    Json(Vec<String>),
    /// Calls of tools.
    Calls(Vec<Call>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// Its arguments as JSON text, cut into tokens: at least one.
    pub(super) arguments: Vec<String>,
}

impl Shape {
    /// The length of an answer of this shape by itself; a text has any.
    pub(super) fn natural_tokens(&self) -> Option<u64> {
        match self {
            Self::Text => None,
            Self::Json(pieces) => Some(pieces.len() as u64),
            Self::Calls(calls) => Some(calls.iter().map(|call| call.arguments.len() as u64).sum()),
        }
    }
}

/// JSON text as tokens.
pub(super) fn json_tokens(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in text.chars() {
        match pieces.last_mut() {
            Some(last) if last.len() < JSON_TOKEN => last.push(letter),
            _ => pieces.push(letter.to_string()),
        }
    }
    pieces
}

/// One token's worth of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Reasoning(String),
    Text(String),
    /// Part of the arguments of the `call`-th call; the first part begins the call.
    Argument {
        call: usize,
        begins: bool,
        text: String,
    },
}

/// What the events and the body of one answer have in common.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) flavour: Flavour,
    pub(super) model: String,
    pub(super) prompt_tokens: u64,
    pub(super) plan: Plan,
    pub(super) shape: Shape,
}

/// Counts as an answer reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) written_5m: u64,
    pub(super) written_1h: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

impl Reported {
    /// Prompt tokens the cache had nothing to do with.
    pub(super) const fn uncached(&self) -> u64 {
        self.prompt
            .saturating_sub(self.cached)
            .saturating_sub(self.written_5m)
            .saturating_sub(self.written_1h)
    }
}

impl Envelope {
    /// Letters of an id, the same for the same answer.
    pub(super) fn id(&self) -> String {
        format!("{:016x}{:08x}", self.plan.text_seed, self.plan.seq.0)
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.plan.output_tokens.saturating_mul(self.plan.choices)
    }

    pub(super) fn is_usage_missing(&self) -> bool {
        self.plan.fault == Some(FaultKind::MissingUsage)
    }

    /// What the answer says it used when `output` tokens are out.
    pub(super) fn reported(&self, output: u64) -> Reported {
        let reasoning = self.plan.reasoning_tokens.saturating_mul(self.plan.choices).min(output);
        let factor = match self.plan.fault {
            Some(FaultKind::WrongUsage { factor }) => factor,
            _ => 1.0,
        };
        let scaled = |count: u64| if factor == 1.0 { count } else { (count as f64 * factor) as u64 };
        let cache = &self.plan.cache;
        Reported {
            prompt: scaled(self.prompt_tokens),
            cached: scaled(cache.read),
            written_5m: scaled(cache.written_5m),
            written_1h: scaled(cache.written_1h),
            output: scaled(output),
            reasoning: scaled(reasoning),
        }
    }

    /// The `index`-th token of a choice.
    pub(super) fn piece(&self, choice: u64, index: u64) -> Piece {
        let seed = self.plan.text_seed.wrapping_add(choice);
        let Some(at) = index.checked_sub(self.plan.reasoning_tokens) else {
            return Piece::Reasoning(token_text(seed ^ REASONING, index));
        };
        match &self.shape {
            Shape::Text => match self.plan.fault {
                Some(FaultKind::HugeEvent { bytes }) if at == 0 => {
                    Piece::Text("x".repeat(usize::try_from(bytes).unwrap_or(0)))
                }
                _ => Piece::Text(token_text(seed, at)),
            },
            Shape::Json(pieces) => Piece::Text(
                usize::try_from(at).ok().and_then(|at| pieces.get(at)).cloned().unwrap_or_default(),
            ),
            Shape::Calls(calls) => argument(calls, usize::try_from(at).unwrap_or(usize::MAX)),
        }
    }

    /// Everything a choice says: its reasoning, its text, and the arguments of each call it came to.
    pub(super) fn spoken(&self, choice: u64) -> Spoken {
        let mut spoken = Spoken::default();
        for index in 0..self.plan.output_tokens {
            match self.piece(choice, index) {
                Piece::Reasoning(text) => spoken.reasoning.push_str(&text),
                Piece::Text(text) => spoken.text.push_str(&text),
                Piece::Argument { call, text, .. } => {
                    if spoken.calls.len() <= call {
                        spoken.calls.resize(call + 1, String::new());
                    }
                    if let Some(arguments) = spoken.calls.get_mut(call) {
                        arguments.push_str(&text);
                    }
                }
            }
        }
        spoken
    }

    /// The name of a call.
    pub(super) fn call_name(&self, call: usize) -> &str {
        match &self.shape {
            Shape::Calls(calls) => calls.get(call).map_or("", |call| call.name.as_str()),
            _ => "",
        }
    }

    pub(super) const fn is_calls(&self) -> bool {
        matches!(self.shape, Shape::Calls(_))
    }
}

/// All that a choice says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spoken {
    pub(super) reasoning: String,
    pub(super) text: String,
    pub(super) calls: Vec<String>,
}

fn argument(calls: &[Call], mut at: usize) -> Piece {
    for (index, call) in calls.iter().enumerate() {
        if let Some(text) = call.arguments.get(at) {
            return Piece::Argument { call: index, begins: at == 0, text: text.clone() };
        }
        at -= call.arguments.len();
    }
    Piece::Text(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_cut_into_tokens_is_the_same_json(text in "\\PC{0,200}") {
            let pieces = json_tokens(&text);
            prop_assert!(!pieces.is_empty());
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
