//! What a backend's answer comes to for the caller: its stream or body in the caller's dialect, its usage,
//! its errors. It owns the pairing of the caller's operation with the one the backend served; it refuses
//! to read sockets or to time anything.

use bytes::Bytes;
use feedback_loop::Failure;
use vocabulary::facts::Dialect;
use vocabulary::{Moment, Operation, Reason, Usage, UsageSource};
use wire::StreamTap;
use wire::stream::{Finish, Observed, Relayed, StreamEnd};

use crate::Exchange;

/// A backend's stream on its way to the caller, event by event.
#[derive(Debug)]
pub struct AnswerStream {
    tap: StreamTap,
}

/// An event that is too large, or that could not be carried into the caller's dialect. Nothing follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl AnswerStream {
    /// Adds the next bytes of the backend's body.
    pub fn push(&mut self, chunk: Bytes) {
        self.tap.push(chunk);
    }

    /// The next event, made ready for the caller.
    ///
    /// # Errors
    /// [`Unreadable`], once.
    pub fn next_event(&mut self) -> Option<Result<Relayed, Unreadable>> {
        Some(self.tap.next_event()?.map_err(|_| Unreadable))
    }

    /// What has been seen so far.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        self.tap.observed()
    }

    /// The backend's body is over: what is still to be said to the caller, or nothing when the answer was
    /// cut short.
    pub fn finish(&mut self) -> Option<Bytes> {
        let Finish { last, end, terminator } = self.tap.finish();
        let last = last.map(|event| event.bytes).unwrap_or_default();
        match end {
            StreamEnd::Truncated => None,
            // The model finished and perhaps only the terminator is missing, which clients wait for.
            _ if terminator.is_empty() => Some(last),
            _ => Some([last, terminator].concat().into()),
        }
    }
}

impl Exchange {
    /// A reader of the stream that answers the attempt under way; events of more than `max_event_bytes`
    /// are refused.
    #[must_use]
    pub fn answer_stream(&self, max_event_bytes: usize) -> AnswerStream {
        let usage_wanted = self.facts.as_ref().is_some_and(|facts| facts.include_usage);
        AnswerStream { tap: StreamTap::new(self.asked(), max_event_bytes, usage_wanted) }
    }

    /// Books a whole answer to the attempt under way and gives what the caller is to get.
    ///
    /// # Errors
    /// [`Reason::BackendProtocol`] when the body is not an answer of the operation it was asked for.
    pub fn answered(&mut self, now: Moment, body: &Bytes) -> Result<Bytes, Reason> {
        let usage = wire::usage_in_body(self.asked(), body);
        self.usage = usage;
        self.usage_source = UsageSource::Provider;
        self.attempt_served(now, usage);
        Ok(body.clone())
    }

    /// Takes the usage of a stream: what the backend reported or, without that, what was seen to pass.
    pub fn account_stream(&mut self, stream: &AnswerStream) {
        let prompt = self.facts.as_ref().map_or(0, |facts| facts.prompt_tokens);
        let (usage, source) = stream.observed().usage_or_estimate(prompt);
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
    pub fn backend_error(&self, _status: u16, body: &Bytes) -> Option<Bytes> {
        wire::error_code(body).map(|_| body.clone())
    }

    /// What the caller asked for.
    fn asked(&self) -> Operation {
        self.facts.as_ref().map(|facts| facts.operation).or(self.operation).unwrap_or(Operation::Chat)
    }
}
