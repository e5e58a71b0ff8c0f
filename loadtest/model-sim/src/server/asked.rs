//! A request to generate, read: what every dialect's reader hands over. It owns the `x-sim-…` headers and
//! what reasoning costs; it refuses the fields of any one dialect.

use bytes::Bytes;
use hyper::HeaderMap;
use vocabulary::Operation;

use super::content::Shape;
use super::errors::Complaint;
use super::responses::Response;
use crate::backend::Arrival;
use crate::cache::{CachePoint, Lifetime};
use crate::config::Flavour;

/// Most output tokens a header may ask for.
const MOST_OUTPUT: u64 = 1 << 20;

/// What a reader needs to know besides the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) flavour: Flavour,
    /// The model's name where the path has it.
    pub(super) deployment: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    /// Whether long prompts are cached unasked.
    pub(super) caches: bool,
}

/// A request, with what its answer is made of and how it is written down.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) arrival: Arrival,
    pub(super) shape: Shape,
    pub(super) form: Form,
}

/// How an answer is written down.
#[derive(Debug)]
pub(super) enum Form {
    /// OpenAI's chats and completions.
    Chat { operation: Operation, include_usage: bool, continuous_usage: bool },
    /// Vectors. Inputs are hashed: equal texts have equal vectors.
    Embeddings { inputs: Vec<u64>, base64: bool, dimensions: Option<usize> },
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Response(Box<Response>),
    /// What is known in full once the request is read.
    Said(Said),
}

/// An answer known in full.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    /// Further headers of the answer.
    pub(super) head: Vec<(&'static str, String)>,
}

impl Said {
    pub(super) const fn new(content_type: &'static str, body: Bytes) -> Self {
        Self { content_type, body, head: Vec::new() }
    }
}

impl Asked {
    /// A request whose answer is known in full once it is read: the engine only reads its prompt.
    pub(super) fn said(
        model: String,
        prompt_tokens: u64,
        headers: &HeaderMap,
        said: Said,
    ) -> Result<Self, Complaint> {
        let natural_output_tokens = Some(0);
        let mut arrival = Arrival { model, prompt_tokens, natural_output_tokens, ..Arrival::default() };
        read_headers(headers, &mut arrival)?;
        Ok(Self { arrival, shape: Shape::Text, form: Form::Said(said) })
    }
}

/// Reads what the simulator's own headers ask for.
pub(super) fn read_headers(headers: &HeaderMap, arrival: &mut Arrival) -> Result<(), Complaint> {
    let bad = |name: &str, message: String| Complaint::bad_request(message).about(name);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &'static str| {
        let wrong = || bad(name, format!("the header `{name}` must be a whole number"));
        text(name).map(|value| value.parse::<u64>().map_err(|_| wrong())).transpose()
    };
    arrival.request_id =
        text("x-request-id").filter(|id| !id.is_empty() && id.len() <= 200).map(str::to_owned);
    arrival.output_tokens = number("x-sim-output-tokens")?;
    if arrival.output_tokens.is_some_and(|tokens| tokens > MOST_OUTPUT) {
        return Err(bad(
            "x-sim-output-tokens",
            format!("at most {MOST_OUTPUT} output tokens can be asked for"),
        ));
    }
    arrival.key = number("x-sim-key")?;
    let fault = text("x-sim-fault").map(str::parse).transpose();
    arrival.fault = fault.map_err(|message: String| bad("x-sim-fault", message))?;
    Ok(())
}

/// Output tokens an effort at reasoning costs.
pub(super) fn reasoning_tokens(effort: Option<&str>) -> Result<u64, Complaint> {
    match effort {
        None | Some("none") => Ok(0),
        Some("minimal") => Ok(4),
        Some("low") => Ok(16),
        Some("medium") => Ok(64),
        Some("high") => Ok(256),
        Some("xhigh" | "max") => Ok(1_024),
        Some(other) => {
            let message = format!("`{other}` is none of none, minimal, low, medium, high and xhigh.");
            Err(Complaint::bad_request(message).about("reasoning_effort"))
        }
    }
}

/// FNV-1a: the same on every machine and in every version.
pub(super) fn hash(so_far: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(so_far ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Prefixes of a prompt that is cached unasked: one every 128 tokens, from 1,024 on.
#[derive(Clone, Debug)]
pub(super) struct Prefixes {
    so_far: u64,
    tokens: u64,
    points: Vec<CachePoint>,
}

impl Prefixes {
    const FIRST: u64 = 1_024;
    const STEP: u64 = 128;

    pub(super) fn new(model: &str) -> Self {
        Self { so_far: hash(0, model.as_bytes()), tokens: 0, points: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) {
        for word in text.split_whitespace() {
            self.so_far = hash(self.so_far, word.as_bytes());
            self.tokens += 1;
            if self.tokens >= Self::FIRST && self.tokens.is_multiple_of(Self::STEP) {
                let (prefix, tokens) = (self.so_far, self.tokens);
                self.points.push(CachePoint { prefix, tokens, lifetime: Lifetime::FiveMinutes });
            }
        }
    }

    pub(super) fn points(self) -> Vec<CachePoint> {
        self.points
    }
}
