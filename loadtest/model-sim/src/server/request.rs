//! Requests in OpenAI's form, read into arrivals. It owns the body's fields it understands, how their
//! text is counted and the `x-sim-…` headers; it passes over fields it does not know, as providers do.
//!
//! Counting: the tokens of a chat are the words of all its messages' text, without anything per message;
//! those of a prompt or input are its words, or its length when it is given as token ids.

use hyper::HeaderMap;
use serde::Deserialize;
use vocabulary::Operation;

use crate::backend::Arrival;
use crate::tokens;

/// Most choices, and most inputs of an embedding, in one request.
const MOST_CHOICES: u64 = 16;
const MOST_INPUTS: usize = 2_048;

/// Most output tokens a header may ask for.
const MOST_OUTPUT: u64 = 1 << 20;

/// A request, with what its answer's form depends on.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) arrival: Arrival,
    pub(super) include_usage: bool,
    /// Inputs of an embedding, hashed: equal texts have equal vectors.
    pub(super) inputs: Vec<u64>,
    pub(super) base64: bool,
    pub(super) dimensions: Option<usize>,
}

/// What is wrong with a request: the field, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest {
    pub(super) param: Option<&'static str>,
    pub(super) message: String,
}

fn bad(param: &'static str, message: impl Into<String>) -> BadRequest {
    BadRequest { param: Some(param), message: message.into() }
}

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    prompt: Option<Input>,
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    /// vLLM's floor; equal to the ceiling, it fixes the length where a gateway drops our own header.
    #[serde(default)]
    min_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    encoding_format: Option<String>,
    #[serde(default)]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u64>),
    ManyIds(Vec<Vec<u64>>),
}

impl Content {
    fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Parts(parts) => {
                parts.iter().filter_map(|part| part.text.as_deref()).map(tokens::count).sum()
            }
        }
    }
}

impl Input {
    fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Texts(texts) => texts.iter().map(|text| tokens::count(text)).sum(),
            Self::Ids(ids) => ids.len() as u64,
            Self::ManyIds(many) => many.iter().map(|ids| ids.len() as u64).sum(),
        }
    }

    fn hashes(&self) -> Vec<u64> {
        let of_ids = |ids: &[u64]| ids.iter().fold(1_u64, |hash, id| fold(hash, &id.to_le_bytes()));
        match self {
            Self::Text(text) => vec![fold(0, text.as_bytes())],
            Self::Texts(texts) => texts.iter().map(|text| fold(0, text.as_bytes())).collect(),
            Self::Ids(ids) => vec![of_ids(ids)],
            Self::ManyIds(many) => many.iter().map(|ids| of_ids(ids)).collect(),
        }
    }
}

/// FNV-1a: the same on every machine and in every version.
fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Reads a request. `deployment` is the model's name where the path has it.
pub(super) fn parse(
    operation: Operation,
    deployment: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Parsed, BadRequest> {
    let body: Body = serde_json::from_slice(body).map_err(|error| BadRequest {
        param: None,
        message: format!("We could not parse the JSON body of your request: {error}"),
    })?;
    let (prompt_tokens, inputs) = count(operation, &body)?;
    let stream = body.stream.unwrap_or(false);
    if body.stream_options.is_some() && !stream {
        return Err(bad("stream_options", "`stream_options` goes with `\"stream\": true` only."));
    }
    let choices = body.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&choices) {
        return Err(bad("n", format!("`n` must lie between 1 and {MOST_CHOICES}.")));
    }
    let model =
        deployment.map(str::to_owned).or(body.model).ok_or_else(|| bad("model", "`model` is missing."))?;
    let mut arrival = Arrival {
        operation: Some(operation),
        model,
        stream: stream && operation != Operation::Embeddings,
        prompt_tokens,
        choices,
        max_output_tokens: body.max_completion_tokens.or(body.max_tokens),
        ..Arrival::default()
    };
    read_headers(headers, &mut arrival)?;
    if arrival.output_tokens.is_none() {
        arrival.output_tokens = body.min_tokens.filter(|floor| Some(*floor) == arrival.max_output_tokens);
    }
    Ok(Parsed {
        arrival,
        include_usage: body.stream_options.is_some_and(|options| options.include_usage),
        inputs,
        base64: body.encoding_format.as_deref() == Some("base64"),
        dimensions: body.dimensions,
    })
}

fn count(operation: Operation, body: &Body) -> Result<(u64, Vec<u64>), BadRequest> {
    match operation {
        Operation::Chat => {
            let messages = body.messages.as_ref().filter(|messages| !messages.is_empty());
            let messages =
                messages.ok_or_else(|| bad("messages", "`messages` must hold at least one message."))?;
            let contents = messages.iter().filter_map(|message| message.content.as_ref());
            Ok((contents.map(Content::tokens).sum(), Vec::new()))
        }
        Operation::TextCompletion => {
            let prompt = body.prompt.as_ref().ok_or_else(|| bad("prompt", "`prompt` is missing."))?;
            Ok((prompt.tokens(), Vec::new()))
        }
        _ => {
            let input = body.input.as_ref().ok_or_else(|| bad("input", "`input` is missing."))?;
            let hashes = input.hashes();
            if hashes.is_empty() || hashes.len() > MOST_INPUTS {
                return Err(bad("input", format!("`input` must hold 1 to {MOST_INPUTS} texts.")));
            }
            Ok((input.tokens(), hashes))
        }
    }
}

fn read_headers(headers: &HeaderMap, arrival: &mut Arrival) -> Result<(), BadRequest> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(operation: Operation, body: &str) -> Result<Parsed, BadRequest> {
        parse(operation, None, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_chat_counts_the_words_of_every_kind_of_content() {
        let body = r#"{"model": "m", "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "what is\tthis"}, {"type": "image_url", "image_url": {"url": "x"}}]},
            {"role": "assistant", "content": null, "tool_calls": []}], "max_completion_tokens": 7, "max_tokens": 9}"#;
        let parsed = read(Operation::Chat, body).unwrap();
        assert_eq!((parsed.arrival.prompt_tokens, parsed.arrival.max_output_tokens), (5, Some(7)));
    }

    #[test]
    fn inputs_may_be_texts_or_token_ids() {
        for (input, tokens, texts) in
            [(r#""a b""#, 2, 1), (r#"["a b", "c"]"#, 3, 2), ("[1, 2, 3]", 3, 1), ("[[1, 2], [3]]", 3, 2)]
        {
            let parsed =
                read(Operation::Embeddings, &format!(r#"{{"model": "m", "input": {input}}}"#)).unwrap();
            assert_eq!((parsed.arrival.prompt_tokens, parsed.inputs.len()), (tokens, texts), "{input}");
        }
    }

    #[test]
    fn a_wrong_request_names_its_field() {
        for (operation, body, param) in [
            (Operation::Chat, r#"{"model": "m"}"#, Some("messages")),
            (Operation::Chat, r#"{"messages": [{"role": "user", "content": "x"}]}"#, Some("model")),
            (Operation::Chat, r#"{"model": "m", "messages": [{}], "n": 0}"#, Some("n")),
            (
                Operation::Chat,
                r#"{"model": "m", "messages": [{}], "stream_options": {}}"#,
                Some("stream_options"),
            ),
            (Operation::Embeddings, r#"{"model": "m", "input": []}"#, Some("input")),
            (Operation::TextCompletion, r#"{"model": "m"}"#, Some("prompt")),
            (Operation::Chat, "{", None),
        ] {
            assert_eq!(read(operation, body).unwrap_err().param, param, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body: Vec<u8>) {
            let _ = parse(Operation::Chat, None, &HeaderMap::new(), &body);
        }
    }
}
