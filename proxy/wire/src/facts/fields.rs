//! The fields of each operation's body. It owns which are read, what makes each valid and which must
//! be there; it refuses to look into the prompt itself.

use vocabulary::{Operation, RequestFacts};

use super::fault::{BodyFault, Problem};
use super::place::Place;
use super::prompt::Prompt;
use super::source::Source;
use crate::answer::response_key;
use crate::edit::{Inside, Layout, Options};
use crate::json::Kind;

/// Longest model name, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;
/// Most choices per prompt (`n`, `best_of`).
pub const MAX_CHOICES: u64 = 128;

const CHAT: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "best_of",
    "tools",
    "functions",
    "response_format",
];
const TEXT_COMPLETION: &[&str] =
    &["model", "prompt", "stream", "stream_options", "max_tokens", "n", "best_of", "response_format"];
const EMBEDDINGS: &[&str] = &["model", "input"];
const RESPONSES: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "max_output_tokens",
    "tools",
    "text",
    "previous_response_id",
    "conversation",
    "prompt",
];
const MESSAGES: &[&str] =
    &["model", "messages", "system", "stream", "max_tokens", "tools", "output_config", "output_format"];
const COUNT_TOKENS: &[&str] = &["model", "messages", "system", "tools", "output_config", "output_format"];

/// The fields that are read of a body of this operation.
pub(super) const fn read_by(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Chat => CHAT,
        Operation::TextCompletion => TEXT_COMPLETION,
        Operation::Embeddings => EMBEDDINGS,
        Operation::Responses => RESPONSES,
        Operation::Messages => MESSAGES,
        Operation::CountTokens => COUNT_TOKENS,
        Operation::ListModels => &[],
    }
}

/// The field that holds the prompt.
const fn prompt_of(operation: Operation) -> &'static str {
    match operation {
        Operation::TextCompletion => "prompt",
        Operation::Embeddings | Operation::Responses => "input",
        _ => "messages",
    }
}

/// The fields as far as they have been read.
pub(super) struct Fields {
    operation: Operation,
    layout: Layout,
    model: Option<String>,
    stream: bool,
    include_usage: bool,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    best_of: Option<u64>,
    prompt: Option<Prompt>,
    /// The system prompt where it stands beside the messages.
    system: Option<Prompt>,
    previous_response: Option<u64>,
    /// The prompt may be missing, because the backend holds one.
    stored_prompt: bool,
    /// Bytes of JSON that the backend turns into prompt.
    schema_bytes: u64,
}

impl Fields {
    /// No fields yet of a body whose members begin at `open`.
    pub(super) fn new(operation: Operation, open: usize) -> Self {
        Self {
            operation,
            layout: Layout::new(operation, open),
            model: None,
            stream: false,
            include_usage: false,
            max_tokens: None,
            max_completion_tokens: None,
            n: None,
            best_of: None,
            prompt: None,
            system: None,
            previous_response: None,
            stored_prompt: false,
            schema_bytes: 0,
        }
    }

    /// Reads the value of `key`, which is one of those [read](read_by).
    pub(super) fn read(&mut self, source: &mut Source<'_>, key: &'static str) -> Result<(), BodyFault> {
        let place = Place::of(key);
        match (key, self.operation) {
            ("model", _) => self.model(source)?,
            ("stream", _) => self.stream = source.boolean(place)?.unwrap_or(false),
            ("stream_options", _) => self.stream_options(source)?,
            ("max_tokens" | "max_output_tokens", _) => self.max_tokens = max_tokens(source, place)?,
            ("max_completion_tokens", _) => self.max_completion_tokens = max_tokens(source, place)?,
            ("n", _) => self.n = choices(source, place)?,
            ("best_of", _) => self.best_of = choices(source, place)?,
            ("messages", Operation::Chat) => self.prompt = Some(Prompt::of_messages(source)?),
            ("messages", _) => self.prompt = Some(Prompt::of_turns(source)?),
            ("input", Operation::Responses) => {
                if !source.absent()? {
                    self.prompt = Some(Prompt::of_items(source)?);
                }
            }
            ("prompt" | "conversation", Operation::Responses) => {
                self.stored_prompt |= !source.absent()?;
                if self.stored_prompt {
                    source.reader.skip()?;
                }
            }
            ("prompt" | "input", _) => self.prompt = Some(Prompt::of_texts(source, key)?),
            ("system" | "instructions", _) => self.system = Prompt::of_system(source, key)?,
            ("previous_response_id", _) => self.previous_response = previous_response(source, place)?,
            _ => {
                if !source.absent()? {
                    self.schema_bytes += source.reader.skip()?.len() as u64;
                }
            }
        }
        Ok(())
    }

    fn model(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        const EXPECTED: &str = "a model's name: a string of 1 to 256 bytes without control characters";
        let start = source.start()?;
        let fault = source.invalid(Place::of("model"), EXPECTED);
        if source.reader.peek()? != Kind::String {
            return Err(fault);
        }
        let name = source.reader.string()?.decode();
        if name.is_empty() || name.len() > MAX_MODEL_BYTES || name.chars().any(char::is_control) {
            return Err(fault);
        }
        self.layout.model = Some(start..source.reader.offset());
        self.model = Some(name.into_owned());
        Ok(())
    }

    fn stream_options(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        let place = Place::of("stream_options");
        let start = source.start()?;
        let mut options = Options { value: start..start, inside: None, include_usage: None };
        if !source.absent()? {
            if source.reader.peek()? != Kind::Object {
                return Err(source.invalid(place, "an object or `null`"));
            }
            let keys = source.object(place, &["include_usage"], |source, key| {
                let start = source.start()?;
                self.include_usage = source.boolean(place.field(key))?.unwrap_or(false);
                options.include_usage = Some(start..source.reader.offset());
                Ok(())
            })?;
            options.inside = Some(Inside { open: start + 1, empty: keys == 0 });
        }
        options.value.end = source.reader.offset();
        self.layout.stream_options = Some(options);
        Ok(())
    }

    /// The facts of a body that ends at `end`.
    pub(super) fn into_facts(self, end: usize) -> Result<(RequestFacts, Layout), BodyFault> {
        let missing = |field| BodyFault::new(Problem::Missing, Place::of(field), end);
        let operation = self.operation;
        let model = self.model.ok_or_else(|| missing("model"))?;
        if operation == Operation::Messages && self.max_tokens.is_none() {
            return Err(missing("max_tokens"));
        }
        let stored = self.stored_prompt || self.previous_response.is_some();
        let prompt = match self.prompt {
            Some(prompt) => prompt,
            None if stored => Prompt::default(),
            None => return Err(missing(prompt_of(operation))),
        };
        let n = self.n.unwrap_or(1);
        let choices = match operation {
            Operation::TextCompletion => n.max(self.best_of.unwrap_or(1)).saturating_mul(prompt.prompts),
            _ => n,
        };
        let prompt = match self.system {
            Some(system) => prompt.after(system),
            None => prompt,
        };
        let facts = RequestFacts {
            operation,
            model,
            stream: self.stream,
            include_usage: self.include_usage,
            max_output_tokens: self.max_completion_tokens.max(self.max_tokens),
            choices,
            prompt_bytes: prompt.text_bytes,
            prompt_tokens: prompt.tokens(self.schema_bytes),
            previous_response: self.previous_response,
            prefix_ids: prompt.into_prefix_ids(),
        };
        Ok((facts, self.layout))
    }
}

fn previous_response(source: &mut Source<'_>, place: Place) -> Result<Option<u64>, BodyFault> {
    const EXPECTED: &str = "the id of an earlier response: a string that is not empty, or `null`";
    if source.absent()? {
        return Ok(None);
    }
    let fault = source.invalid(place, EXPECTED);
    if source.reader.peek()? != Kind::String {
        return Err(fault);
    }
    let id = source.reader.string()?.decode();
    if id.is_empty() { Err(fault) } else { Ok(Some(response_key(&id))) }
}

fn max_tokens(source: &mut Source<'_>, place: Place) -> Result<Option<u64>, BodyFault> {
    source.integer(place, 0..=u64::MAX, "a whole number, 0 or more")
}

fn choices(source: &mut Source<'_>, place: Place) -> Result<Option<u64>, BodyFault> {
    source.integer(place, 1..=MAX_CHOICES, "a whole number from 1 to 128")
}
