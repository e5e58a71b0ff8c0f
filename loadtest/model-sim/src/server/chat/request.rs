//! Chats, completions and embeddings in OpenAI's form, read into arrivals. It owns the fields it
//! understands and how their text is counted; it passes over fields it does not know, as most providers
//! do and Mistral does not.
//!
//! Counting: the tokens of a chat are the words of all its messages' text, without anything per message,
//! and a fixed number per image; those of a prompt or input are its words, or its length when it is given
//! as token ids. Definitions of tools are not counted.

use hyper::StatusCode;
use serde::de::IgnoredAny;
use serde_json::Value;
use vocabulary::Operation;

use super::body::{Body, Content, ResponseFormat, Stop};
use crate::backend::Arrival;
use crate::config::Flavour;
use crate::server::asked::{Asked, Context, Form, Prefixes, read_headers, reasoning_tokens};
use crate::server::content::Shape;
use crate::server::errors::Complaint;
use crate::server::tools::{self, Demand, Offer, Tool};

/// Most choices, and most inputs of an embedding, in one request.
const MOST_CHOICES: u64 = 16;
const MOST_INPUTS: usize = 2_048;

/// Fields Mistral takes; any other is refused.
const MISTRALS_FIELDS: [&str; 22] = [
    "model",
    "messages",
    "prompt",
    "input",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "prompt_mode",
    "safe_prompt",
    "encoding_format",
    "output_dimension",
];

/// Reads a request.
pub(in crate::server) fn parse(
    operation: Operation,
    context: &Context<'_>,
    body: &[u8],
) -> Result<Asked, Complaint> {
    let mistral = context.flavour == Flavour::Mistral;
    if mistral {
        refuse_unknown_fields(body)?;
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        Complaint::bad_request(format!("We could not parse the JSON body of your request: {error}"))
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
    let model = context.deployment.map(str::to_owned).or_else(|| body.model.clone());
    let model = model.ok_or_else(|| bad("model", "`model` is missing."))?;
    let shape = if operation == Operation::Chat { shape(&body)? } else { Shape::Text };
    let mut arrival = Arrival {
        operation: Some(operation),
        stream: stream && operation != Operation::Embeddings,
        prompt_tokens,
        choices,
        max_output_tokens: body.max_completion_tokens.or(body.max_tokens),
        reasoning_tokens: reasoning_tokens(body.reasoning_effort.as_deref())?,
        cache_points: cache_points(context, &model, &body),
        stop: match body.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop],
            Some(Stop::Several(stops)) => stops,
        },
        model,
        ..Arrival::default()
    };
    arrival.natural_output_tokens = shape.natural_tokens().map(|tokens| tokens + arrival.reasoning_tokens);
    read_headers(context.headers, &mut arrival)?;
    if arrival.output_tokens.is_none() {
        arrival.output_tokens = body.min_tokens.filter(|floor| Some(*floor) == arrival.max_output_tokens);
    }
    let options = body.stream_options.as_ref();
    let form = if operation == Operation::Embeddings {
        let base64 = body.encoding_format.as_deref() == Some("base64");
        Form::Embeddings { inputs, base64, dimensions: body.dimensions }
    } else {
        Form::Chat {
            operation,
            // Mistral tells it unasked.
            include_usage: mistral || options.is_some_and(|options| options.include_usage),
            continuous_usage: context.flavour == Flavour::Vllm
                && options.is_some_and(|options| options.continuous_usage_stats),
        }
    };
    Ok(Asked { arrival, shape, form })
}

fn bad(param: &str, message: impl Into<String>) -> Complaint {
    Complaint::bad_request(message).about(param)
}

fn refuse_unknown_fields(body: &[u8]) -> Result<(), Complaint> {
    // What is no object is refused with its own words later.
    let fields: std::collections::BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(body).unwrap_or_default();
    match fields.keys().find(|name| !MISTRALS_FIELDS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message = "Extra inputs are not permitted";
            Err(Complaint::new(StatusCode::UNPROCESSABLE_ENTITY, message).about(name.as_str()))
        }
    }
}

/// What the answer to a chat is made of.
fn shape(body: &Body) -> Result<Shape, Complaint> {
    let messages = body.messages.as_deref().unwrap_or_default();
    let last_user = messages.iter().rev().find(|message| message.role == "user");
    let asked: String =
        last_user.and_then(|message| message.content.as_ref()).into_iter().flat_map(Content::texts).collect();
    let offer = Offer {
        tools: body
            .tools
            .iter()
            .filter_map(|entry| entry.function.as_ref())
            .map(|function| Tool { name: function.name.clone(), schema: function.parameters.clone() })
            .collect(),
        demand: demand(&body.tool_choice)?,
        single: body.parallel_tool_calls == Some(false),
        asked: &asked,
        after_result: messages.last().is_some_and(|message| message.role == "tool"),
    };
    let unknown = |name| bad("tool_choice", format!("Tool choice `{name}` is not among `tools`."));
    if let Some(calls) = tools::calls(&offer).map_err(unknown)? {
        return Ok(calls);
    }
    match &body.response_format {
        Some(format) if format.kind == "json_object" => Ok(tools::json_answer(None)),
        Some(ResponseFormat { kind, json_schema }) if kind == "json_schema" => {
            let schema = json_schema.as_ref().ok_or_else(|| {
                bad(
                    "response_format.json_schema",
                    "Missing required parameter: 'response_format.json_schema'.",
                )
            })?;
            Ok(tools::json_answer(Some(&schema.schema)))
        }
        _ => Ok(Shape::Text),
    }
}

/// What `tool_choice` demands, in OpenAI's and in Mistral's words.
fn demand(choice: &Value) -> Result<Demand, Complaint> {
    match choice {
        Value::Null => Ok(Demand::Free),
        Value::String(word) => match word.as_str() {
            "auto" => Ok(Demand::Free),
            "none" => Ok(Demand::Never),
            "required" | "any" => Ok(Demand::Any),
            _ => Err(bad(
                "tool_choice",
                "`tool_choice` is one of none, auto and required, or names a function.",
            )),
        },
        named => {
            let name = named.pointer("/function/name").or_else(|| named.get("name")).and_then(Value::as_str);
            let name = name.ok_or_else(|| bad("tool_choice.function.name", "Missing required parameter."))?;
            Ok(Demand::Named(name.to_owned()))
        }
    }
}

fn cache_points(context: &Context<'_>, model: &str, body: &Body) -> Vec<crate::cache::CachePoint> {
    let mut prefixes = Prefixes::new(model);
    if context.caches {
        for message in body.messages.iter().flatten() {
            for text in message.content.iter().flat_map(Content::texts) {
                prefixes.push(text);
            }
        }
    }
    prefixes.points()
}

fn count(operation: Operation, body: &Body) -> Result<(u64, Vec<u64>), Complaint> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens;
    use hyper::HeaderMap;
    use proptest::prelude::*;

    fn read_as(flavour: Flavour, operation: Operation, body: &str) -> Result<Asked, Complaint> {
        let headers = HeaderMap::new();
        let context = Context { flavour, deployment: None, headers: &headers, caches: true };
        parse(operation, &context, body.as_bytes())
    }

    fn read(operation: Operation, body: &str) -> Result<Asked, Complaint> {
        read_as(Flavour::OpenAi, operation, body)
    }

    #[test]
    fn mistral_takes_no_field_it_does_not_know() {
        for field in ["\"stream_options\": {}", "\"max_completion_tokens\": 3"] {
            let body = format!(
                r#"{{"model": "m", "messages": [{{"role": "user", "content": "x"}}], "stream": true, {field}}}"#
            );
            let refused = read_as(Flavour::Mistral, Operation::Chat, &body).unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), field.contains(refused.param.unwrap().as_str())),
                (422, true)
            );
            assert!(read(Operation::Chat, &body).is_ok());
        }
    }

    #[test]
    fn a_long_prompt_has_a_cache_point_every_128_tokens_from_1024_on() {
        let text = tokens::text_of(1_300, 4);
        let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]});
        let points = read(Operation::Chat, &body.to_string()).unwrap().arrival.cache_points;
        assert_eq!(points.iter().map(|point| point.tokens).collect::<Vec<_>>(), [1_024, 1_152, 1_280]);
    }

    #[test]
    fn a_chat_counts_the_words_of_every_kind_of_content() {
        let body = r#"{"model": "m", "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "what is\tthis"}, {"type": "image_url", "image_url": {"url": "x"}}]},
            {"role": "assistant", "content": null, "tool_calls": []}], "max_completion_tokens": 7, "max_tokens": 9}"#;
        let parsed = read(Operation::Chat, body).unwrap();
        assert_eq!((parsed.arrival.prompt_tokens, parsed.arrival.max_output_tokens), (5 + 765, Some(7)));
    }

    #[test]
    fn inputs_may_be_texts_or_token_ids() {
        for (input, tokens, texts) in
            [(r#""a b""#, 2, 1), (r#"["a b", "c"]"#, 3, 2), ("[1, 2, 3]", 3, 1), ("[[1, 2], [3]]", 3, 2)]
        {
            let parsed =
                read(Operation::Embeddings, &format!(r#"{{"model": "m", "input": {input}}}"#)).unwrap();
            let Form::Embeddings { inputs, .. } = parsed.form else { panic!("{input}") };
            assert_eq!((parsed.arrival.prompt_tokens, inputs.len()), (tokens, texts), "{input}");
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
            assert_eq!(read(operation, body).unwrap_err().param.as_deref(), param, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body: Vec<u8>) {
            let _ = read_as(Flavour::Mistral, Operation::Chat, &String::from_utf8_lossy(&body));
        }
    }
}
