//! A request by hand: what its caller sends, and the stages up to where a test takes over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use decision::{Destination, Ending, Exchange, Gate, Head, Refusal, Settled};
use feedback_loop::Failure;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use vocabulary::admin::MemberStatus;
use vocabulary::{Moment, Operation, Reason, Usage};

use crate::draft::{CHAT, MODEL};

pub(crate) const NOW: Moment = Moment(1_000_000_000);
/// When every request of these tests arrives, in Unix milliseconds.
pub(crate) const ARRIVAL_MS: u64 = 1_795_000_000_000;

/// `seconds` after [`NOW`].
pub(crate) fn after(seconds: f64) -> Moment {
    NOW + Duration::from_secs_f64(seconds)
}

/// What a caller sends.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Caller {
    /// A small chat for [`MODEL`], as JSON and without a key.
    pub(crate) fn chat() -> Self {
        let json = HeaderValue::from_static("application/json");
        Self {
            method: Method::POST,
            path: CHAT.to_owned(),
            headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]),
            body: Bytes::from(chat_of("hello").to_string()),
        }
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    /// Adds `headers` to those that are there.
    pub(crate) fn with_all(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(crate) fn asking(mut self, method: &Method, path: &str) -> Self {
        self.method = method.clone();
        self.path = path.to_owned();
        self
    }

    pub(crate) fn saying(self, body: &Value) -> Self {
        self.saying_bytes(body.to_string())
    }

    pub(crate) fn saying_bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Asks for `model` instead.
    pub(crate) fn for_model(self, model: &str) -> Self {
        let mut body = chat_of("hello");
        body["model"] = model.into();
        self.saying(&body)
    }

    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn arrives(&self, gate: &Arc<Gate>, now: Moment) -> Exchange {
        Exchange::new(
            Arc::clone(gate),
            "request-1".to_owned(),
            self.method.clone(),
            now,
            ARRIVAL_MS * 1_000_000,
        )
    }

    /// Stage 2.
    pub(crate) fn identify(&self, gate: &Arc<Gate>) -> (Exchange, Result<Destination, Refusal>) {
        let mut exchange = self.arrives(gate, NOW);
        let identified = exchange.identify(&self.head());
        (exchange, identified)
    }

    /// Stages 2 to 5 of an AI route.
    pub(crate) fn stages(&self, gate: &Arc<Gate>, now: Moment) -> (Exchange, Result<(), Refusal>) {
        let mut exchange = self.arrives(gate, now);
        let passed = self.pass(&mut exchange, now);
        if let Err(refusal) = &passed {
            exchange.reason = Some(refusal.reason);
        }
        (exchange, passed)
    }

    /// A request that has passed stages 2 to 5.
    pub(crate) fn admitted(&self, gate: &Arc<Gate>, now: Moment) -> Exchange {
        let (exchange, passed) = self.stages(gate, now);
        passed.expect("nothing refuses this request");
        exchange
    }

    /// The refusal of a request by one of stages 2 to 5.
    pub(crate) fn refused(&self, gate: &Arc<Gate>, now: Moment) -> Refusal {
        self.stages(gate, now).1.expect_err("something refuses this request")
    }

    fn pass(&self, exchange: &mut Exchange, now: Moment) -> Result<(), Refusal> {
        let Destination::Terminate(operation) = exchange.identify(&self.head())? else {
            panic!("{} leads to no model", self.path)
        };
        exchange.admit_json(&self.headers, 1 << 20)?;
        exchange.inspect(operation, &self.body, &self.head())?;
        exchange.reserve(now)
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head { host: "gateway.example:8080", path: &self.path, query: "", headers: &self.headers }
    }
}

/// A chat that says `text`, for [`MODEL`].
pub(crate) fn chat_of(text: &str) -> Value {
    json!({"model": MODEL, "messages": [{"role": "user", "content": text}]})
}

pub(crate) fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

/// The later stages, in the words of a test.
pub(crate) trait Course {
    /// Picks and gives the deployment's name.
    fn choose_name(&mut self, now: Moment) -> String;
    /// Ends the attempt under way as a backend's error.
    fn fail(&mut self, now: Moment);
    /// Ends the attempt under way with 429.
    fn rate_limited(&mut self, now: Moment, retry_after: Duration);
    /// Ends the attempt under way as the relay does when the caller leaves: what was seen is accounted.
    fn cancel(&mut self, now: Moment, seen: Option<Usage>);
    /// Picks and is served.
    fn serve(&mut self, now: Moment, usage: Option<Usage>);
    /// Settles as the edge does, with the status of its reason.
    fn end(&mut self, now: Moment) -> Settled;
}

impl Course for Exchange {
    fn choose_name(&mut self, now: Moment) -> String {
        let choice = self.choose(now, 7).expect("a member may take it");
        self.gate.deployment(choice.deployment).expect("the pick is of this policy").name.clone()
    }

    fn fail(&mut self, now: Moment) {
        self.attempt_failed(now, Reason::BackendError, Failure::ServerError { retry_after: None });
    }

    fn rate_limited(&mut self, now: Moment, retry_after: Duration) {
        let failure = Failure::RateLimited { retry_after: Some(retry_after) };
        self.attempt_failed(now, Reason::BackendRateLimited, failure);
    }

    fn cancel(&mut self, now: Moment, seen: Option<Usage>) {
        self.usage = seen;
        self.attempt().expect("an attempt is under way").usage = seen;
        self.reason = Some(Reason::ClientClosed);
        self.attempt_failed(now, Reason::ClientClosed, Failure::Cancelled);
    }

    fn serve(&mut self, now: Moment, usage: Option<Usage>) {
        self.choose_name(now);
        self.usage = usage;
        self.first_output(now);
        self.attempt_served(now, usage);
    }

    fn end(&mut self, now: Moment) -> Settled {
        let status = self.reason.map_or(200, Reason::status);
        self.settle(&Ending { at: now, status, overhead_us: 140 })
    }
}

/// The members of a pool as operators see them, in manifest order.
pub(crate) fn members(gate: &Gate, pool: &str, now: Moment) -> Vec<MemberStatus> {
    gate.pool_status(now).into_iter().find(|status| status.pool == pool).expect("the pool exists").members
}

/// `(member, in flight)` of every member of the pool `chat`.
pub(crate) fn in_flight(gate: &Gate, now: Moment) -> Vec<(String, u32)> {
    members(gate, "chat", now).into_iter().map(|member| (member.member, member.in_flight)).collect()
}

/// What an operation's body may look like at its smallest.
pub(crate) fn smallest(operation: Operation) -> Value {
    match operation {
        Operation::Chat | Operation::ListModels => chat_of("hello"),
        Operation::Messages | Operation::CountTokens => {
            json!({"model": MODEL, "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}]})
        }
        Operation::Responses => json!({"model": MODEL, "input": "hello"}),
        Operation::TextCompletion => json!({"model": MODEL, "prompt": "hello"}),
        Operation::Embeddings => json!({"model": MODEL, "input": "hello"}),
    }
}
