//! The bytes of one request. It owns the body and headers sent; it refuses to know when they are sent.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http_body_util::Full;
use hyper::Request;
use serde::Serialize;
use trace::Entry;

use super::Plan;
use crate::Error;

/// Tokens per prefix block of the public traces that name blocks.
const BLOCK_TOKENS: u64 = 512;

/// Tells a simulator that is asked directly how long the answer shall be; other servers ignore it, and a
/// gateway does not pass it on.
const OUTPUT_TOKENS: &str = "x-sim-output-tokens";

/// What all requests of a run have in common.
#[derive(Clone)]
pub(crate) struct RequestTemplate {
    model: String,
    path: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    further: Vec<(HeaderName, HeaderValue)>,
    stream: bool,
    exact_output: bool,
    seed: u64,
}

/// A request, ready to send.
pub(crate) struct Prepared {
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) stream: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: [Message<'a>; 1],
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens: Option<u64>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl RequestTemplate {
    pub(crate) fn of(plan: &Plan) -> Result<Self, Error> {
        let value = |text: &str, what: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| Error::Usage(format!("the {what} cannot be sent in a header")))
        };
        let authorization = match &plan.key {
            Some(key) => {
                let mut value = value(&key.authorization(), "key")?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        Ok(Self {
            model: plan.model.clone(),
            path: plan.target.path().to_owned(),
            host: value(&plan.target.authority(), "target's host")?,
            authorization,
            further: plan.headers.clone(),
            stream: plan.stream,
            exact_output: plan.exact_output,
            seed: plan.seed,
        })
    }

    /// The request of `entry`: a prompt of exactly its tokens, and room for exactly its output.
    pub(crate) fn prepare(&self, index: u64, entry: &Entry) -> Result<Prepared, Error> {
        let stream = entry.stream.unwrap_or(self.stream);
        // A trace records failures as answers of no tokens; asking for none is not a request servers take.
        let max_tokens = entry.output_tokens.max(1);
        let seed = self.seed.rotate_left(32) ^ index;
        let prompt_tokens = entry.prompt_tokens.max(1);
        let content = model_sim::tokens::text_of_blocks(&entry.prefix_ids, BLOCK_TOKENS, prompt_tokens, seed);
        let body = serde_json::to_vec(&Body {
            model: &self.model,
            messages: [Message { role: "user", content: &content }],
            max_tokens,
            min_tokens: self.exact_output.then_some(max_tokens),
            stream,
            stream_options: stream.then_some(StreamOptions { include_usage: true }),
        })
        .map_err(|error| Error::Internal(format!("a request body could not be written: {error}")))?;
        let mut request = Request::post(self.path.as_str())
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(OUTPUT_TOKENS, max_tokens);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in &self.further {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| {
            Error::Usage(format!("`{}` is not a path requests can be sent to: {error}", self.path))
        })?;
        Ok(Prepared { request, stream })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use super::*;
    use crate::load::ApiKey;

    fn template(stream: bool) -> RequestTemplate {
        let mut plan = Plan::of_entries("http://gw:8080".parse().unwrap(), "m", Vec::new());
        plan.key = Some(ApiKey::new("sk-1"));
        plan.stream = stream;
        RequestTemplate::of(&plan).unwrap()
    }

    async fn body(prepared: Prepared) -> Value {
        serde_json::from_slice(&prepared.request.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn a_prompt_has_exactly_the_tokens_of_the_trace() {
        let entry = Entry { prompt_tokens: 1234, output_tokens: 77, ..Entry::default() };
        let prepared = template(true).prepare(3, &entry).unwrap();
        assert_eq!(prepared.request.headers()["authorization"], "Bearer sk-1");
        assert_eq!(prepared.request.headers()[OUTPUT_TOKENS], "77");
        let body = body(prepared).await;
        assert_eq!(model_sim::tokens::count(body["messages"][0]["content"].as_str().unwrap()), 1234);
        assert_eq!((&body["max_tokens"], &body["stream"]), (&Value::from(77), &Value::from(true)));
        assert_eq!(body["stream_options"]["include_usage"], true);
    }

    #[tokio::test]
    async fn an_entry_decides_itself_whether_it_streams() {
        let entry = Entry { prompt_tokens: 5, output_tokens: 0, stream: Some(false), ..Entry::default() };
        let prepared = template(true).prepare(0, &entry).unwrap();
        assert!(!prepared.stream);
        let body = body(prepared).await;
        assert_eq!((&body["stream"], &body["max_tokens"]), (&Value::from(false), &Value::from(1)));
        assert!(body.get("stream_options").is_none());
    }

    #[tokio::test]
    async fn an_exact_output_is_a_floor_and_a_ceiling() {
        let entry = Entry { prompt_tokens: 5, output_tokens: 70, ..Entry::default() };
        let mut template = template(true);
        assert!(body(template.prepare(0, &entry).unwrap()).await.get("min_tokens").is_none());
        template.exact_output = true;
        let body = body(template.prepare(0, &entry).unwrap()).await;
        assert_eq!((&body["min_tokens"], &body["max_tokens"]), (&Value::from(70), &Value::from(70)));
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_without_printing_it() {
        let mut plan = Plan::of_entries("http://gw:8080".parse().unwrap(), "m", Vec::new());
        plan.key = Some(ApiKey::new("sk-canary\n"));
        let error = RequestTemplate::of(&plan).err().unwrap().to_string();
        assert!(error.contains("key") && !error.contains("canary"), "{error}");
    }
}
