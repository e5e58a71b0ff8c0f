//! What a backend's answer comes to for the caller: its stream or body in the caller's dialect, its usage,
//! its errors. It owns the pairing of the caller's operation with the one the backend served; it refuses
//! to read sockets or to time anything.

use bytes::Bytes;
use feedback_loop::Failure;
use vocabulary::facts::Dialect;
use vocabulary::{Moment, Operation, Reason, Usage, UsageSource};
use wire::sse::Tail;
use wire::stream::{EventClass, Finish, Observed, Relayed, StreamEnd};
use wire::translate::{self, Envelope, Stream, Translated};
use wire::{Event, Splitter, StreamTap};

use crate::dialects::{Pairing, format, spoken};
use crate::{Exchange, Refusal};

/// A backend's stream on its way to the caller, event by event.
#[derive(Debug)]
pub struct AnswerStream {
    from: From,
}

enum From {
    /// The caller's own dialect: bytes pass untouched.
    Same(Box<StreamTap>),
    /// Another dialect.
    Other {
        splitter: Splitter,
        stream: Box<Stream>,
        /// The backend's own error, carried over: the stream's last word.
        told: Bytes,
    },
}

/// An event that is too large, or that could not be carried into the caller's dialect. Nothing follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl AnswerStream {
    /// Adds the next bytes of the backend's body.
    pub fn push(&mut self, chunk: Bytes) {
        match &mut self.from {
            From::Same(tap) => tap.push(chunk),
            From::Other { splitter, .. } => splitter.push(chunk),
        }
    }

    /// The next event, made ready for the caller.
    ///
    /// # Errors
    /// [`Unreadable`], once.
    pub fn next_event(&mut self) -> Option<Result<Relayed, Unreadable>> {
        match &mut self.from {
            From::Same(tap) => Some(tap.next_event()?.map_err(|_| Unreadable)),
            From::Other { splitter, stream, told } => Some(match splitter.next_event()? {
                Err(_) => Err(Unreadable),
                Ok(event) => carried(stream, &event).inspect(|relayed| {
                    if relayed.class == EventClass::Error {
                        *told = relayed.bytes.clone();
                    }
                }),
            }),
        }
    }

    /// What has been seen so far.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        match &self.from {
            From::Same(tap) => tap.observed(),
            From::Other { stream, .. } => stream.observed(),
        }
    }

    /// The backend's body is over: what is still to be said to the caller, or nothing when the answer was
    /// cut short.
    pub fn finish(&mut self) -> Option<Bytes> {
        match &mut self.from {
            From::Same(tap) => {
                let Finish { last, end, terminator } = tap.finish();
                let last = last.map(|event| event.bytes).unwrap_or_default();
                match end {
                    StreamEnd::Truncated => None,
                    _ if terminator.is_empty() => Some(last),
                    // The model finished and only the terminator is missing, which clients wait for.
                    _ => Some([last, terminator].concat().into()),
                }
            }
            From::Other { splitter, stream, .. } => {
                let mut last = Bytes::new();
                if let Tail::Event(event) | Tail::Truncated(event) = splitter.finish() {
                    // Half an event cannot be read, and then what is owed stays unsaid.
                    last = carried(stream, &event).map(|event| event.bytes).unwrap_or_default();
                }
                let whole = stream.observed().finished || stream.observed().done;
                whole.then(|| [last, stream.finish()].concat().into())
            }
        }
    }

    /// The last event of a stream that broke, in the caller's dialect: an error, and nothing that could
    /// pass for completeness.
    pub fn error_event(&mut self, reason: Reason, message: &str, request_id: &str) -> Bytes {
        match &mut self.from {
            From::Same(tap) => tap.error_event(reason, message, request_id),
            From::Other { stream, told, .. } => {
                let own = stream.fail(reason, message);
                // After the backend's error the stream is over, and says nothing more by itself.
                if own.is_empty() { std::mem::take(told) } else { own }
            }
        }
    }
}

impl std::fmt::Debug for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Same(_) => "Same",
            Self::Other { .. } => "Other",
        })
    }
}

fn carried(stream: &mut Stream, event: &Event) -> Result<Relayed, Unreadable> {
    let Translated { bytes, class } = stream.event(event);
    if class == EventClass::Malformed { Err(Unreadable) } else { Ok(Relayed { bytes, class }) }
}

impl Exchange {
    /// A reader of the stream that answers the attempt under way; events of more than `max_event_bytes`
    /// are refused. `unix_seconds` stamps an answer that has to be written anew.
    #[must_use]
    pub fn answer_stream(&self, max_event_bytes: usize, unix_seconds: u64) -> AnswerStream {
        let usage_wanted = self.facts.as_ref().is_some_and(|facts| facts.include_usage);
        let from = match self.pairing() {
            Pairing::Same(operation) => {
                From::Same(Box::new(StreamTap::new(operation, max_event_bytes, usage_wanted)))
            }
            Pairing::Other(spoken, asked) => {
                let estimate = self.facts.as_ref().map_or(0, |facts| facts.prompt_tokens);
                let envelope = self.envelope(unix_seconds);
                let stream = Stream::new(spoken, asked, envelope, usage_wanted, estimate);
                From::Other {
                    splitter: Splitter::new(max_event_bytes),
                    stream: Box::new(stream),
                    told: Bytes::new(),
                }
            }
        };
        AnswerStream { from }
    }

    /// Books a whole answer to the attempt under way and gives what the caller is to get.
    ///
    /// # Errors
    /// [`Unreadable`] when the body is not an answer in the backend's dialect.
    pub fn answered(&mut self, now: Moment, body: &Bytes, unix_seconds: u64) -> Result<Bytes, Unreadable> {
        let (body, usage) = match self.pairing() {
            Pairing::Same(operation) => {
                self.remember(wire::response_id(operation, body));
                (body.clone(), wire::usage_in_body(operation, body))
            }
            Pairing::Other(spoken, asked) => {
                let answer = translate::answer(spoken, asked, body, &self.envelope(unix_seconds));
                let answer = answer.map_err(|_| Unreadable)?;
                (answer.body, answer.usage)
            }
        };
        self.usage = usage;
        self.usage_source = UsageSource::Provider;
        self.attempt_served(now, usage);
        Ok(body)
    }

    /// A response may be continued, and only its own backend can do that.
    fn remember(&self, response: Option<u64>) {
        let deployment = self.attempts.last().and_then(|attempt| self.gate.deployment(attempt.deployment));
        if let (Some(response), Some(deployment)) = (response, deployment) {
            self.gate.homes().remember(response, &deployment.name);
        }
    }

    /// What the caller asked for and what the backend speaks.
    fn pairing(&self) -> Pairing {
        let asked = self.asked();
        let served = self.attempts.last().and_then(|attempt| attempt.serves_as).unwrap_or(asked);
        match (spoken(served), format(asked)) {
            (Some(spoken), Some(asked))
                if translate::Format::from(spoken) != asked && served != self.asked() =>
            {
                Pairing::Other(spoken, asked)
            }
            _ => Pairing::Same(asked),
        }
    }

    fn envelope(&self, created_unix: u64) -> Envelope {
        let model = self.facts.as_ref().map(|facts| facts.model.clone()).unwrap_or_default();
        Envelope { id: self.request_id.clone(), created_unix, model }
    }

    /// Takes the usage of a stream: what the backend reported or, without that, what was seen to pass.
    pub fn account_stream(&mut self, stream: &AnswerStream) {
        let prompt = self.facts.as_ref().map_or(0, |facts| facts.prompt_tokens);
        let (usage, source) = stream.observed().usage_or_estimate(prompt);
        self.remember(stream.observed().response);
        self.account(usage, source);
    }

    /// The caller left. A backend that had the request has read the prompt, whatever came back of it.
    pub fn abandoned(&mut self, now: Moment) {
        self.reason = Some(Reason::ClientClosed);
        let sent = self.attempts.last().is_some_and(|attempt| {
            attempt.ended.is_none() && attempt.serves_as.is_some() && attempt.usage.is_none()
        });
        if let (true, Some(facts)) = (sent, self.facts.as_ref()) {
            let usage = Usage { input: facts.prompt_tokens, ..Usage::default() };
            self.account(usage, UsageSource::Gateway);
        }
        self.attempt_failed(now, Reason::ClientClosed, Failure::Cancelled);
    }

    fn account(&mut self, usage: Usage, source: UsageSource) {
        self.usage = Some(usage);
        self.usage_source = source;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.usage = Some(usage);
        }
    }

    /// The body of a refusal and its media type: in the dialect of model APIs below their paths, as problem
    /// details (RFC 9457) elsewhere.
    #[must_use]
    pub fn refusal_body(&self, refusal: &Refusal, path: &str) -> (&'static str, Bytes) {
        if self.operation.is_some() || path.starts_with("/v1/") {
            let body = self.error_body(refusal.reason, &refusal.message, refusal.param);
            return ("application/json", body);
        }
        let title = http::StatusCode::from_u16(refusal.status()).ok().and_then(|s| s.canonical_reason());
        let body = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": refusal.status(),
            "detail": refusal.message,
            "reason": refusal.reason.code(),
            "request_id": self.request_id,
        });
        ("application/problem+json", Bytes::from(body.to_string()))
    }

    /// The body of a refusal in the caller's dialect.
    #[must_use]
    pub fn error_body(&self, reason: Reason, message: &str, param: Option<&str>) -> Bytes {
        let dialect = self.operation.map_or(Dialect::Openai, Operation::dialect);
        wire::error_body(dialect, reason, message, param, &self.request_id)
    }

    /// The last event of a stream that broke, in the caller's dialect: an error, and nothing that could
    /// pass for completeness.
    #[must_use]
    pub fn error_event(&self, reason: Reason, message: &str) -> Bytes {
        wire::stream_error_event(self.asked(), reason, message, &self.request_id, 0)
    }

    /// A backend's own words about the request, in the caller's dialect; nothing when they are no JSON.
    #[must_use]
    pub fn backend_error(&self, status: u16, body: &Bytes) -> Option<Bytes> {
        wire::error_code(body)?;
        Some(match self.pairing() {
            Pairing::Same(_) => body.clone(),
            Pairing::Other(spoken, asked) => translate::error(spoken, asked, status, body),
        })
    }

    /// What the caller asked for.
    fn asked(&self) -> Operation {
        self.facts.as_ref().map(|facts| facts.operation).or(self.operation).unwrap_or(Operation::Chat)
    }
}
