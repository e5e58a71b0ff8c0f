//! The body of an answer. It owns the moment each byte is handed over and what is counted then; it
//! refuses to encode, which `encode` does, and to choose faults, which `steps` has done.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc::UnboundedReceiver;

use super::connection::Control;
use super::encode::Encode;
use super::shared::Ticket;
use super::steps::{Step, Steps};
use crate::engine::Emission;
use crate::log::Outcome;

/// Every answer's body.
pub(super) enum Answer {
    /// Nothing that was generated: errors, lists, the simulator's own pages.
    Plain(Option<Bytes>),
    /// What the engine generated.
    Generated(Box<Generated>),
}

/// Tokens on their way out.
pub(super) struct Generated {
    pub(super) ticket: Ticket,
    pub(super) control: Control,
    pub(super) steps: Steps,
    /// The tokens still to come and how to write them; `None` for an answer in one piece.
    pub(super) source: Option<(UnboundedReceiver<Emission>, Box<dyn Encode>)>,
    pub(super) ended: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

impl Generated {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let Some(step) = self.steps.next() else {
                std::task::ready!(self.pull(cx))?;
                continue;
            };
            match step {
                Step::Send { bytes, tokens, events } => {
                    return Poll::Ready(Some(Ok(self.send(bytes, tokens, events))));
                }
                Step::Flush => {
                    // The connection flushes whenever the body has nothing; it asks again at once.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Truncate => {
                    self.control.truncate_next_write();
                    // Settled here: the connection breaks under the write and never asks again.
                    self.ticket.end(Outcome::Failed);
                }
                Step::Break { reset } => {
                    if reset {
                        self.control.reset();
                    }
                    return Poll::Ready(Some(Err(self.fail("broken off by a fault"))));
                }
                Step::HalfClose => {
                    self.control.half_close();
                    // The connection ends with the flush that follows.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Hang => {
                    self.steps.put_back(Step::Hang);
                    return Poll::Pending;
                }
                Step::End(outcome) => self.end(outcome),
            }
        }
    }

    /// Takes the next token from the engine and writes its events down as steps.
    fn pull(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        let Some((emissions, encoder)) = &mut self.source else {
            return Poll::Ready(Err(self.fail("an answer without an end")));
        };
        match std::task::ready!(emissions.poll_recv(cx)) {
            Some(emission) => {
                encoder.write(emission, &mut self.steps);
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(self.fail("cut off by a reset of the simulator"))),
        }
    }

    fn send(&mut self, bytes: Bytes, tokens: u64, events: u64) -> Frame<Bytes> {
        if tokens > 0 && self.ticket.tokens == 0 {
            self.ticket.first_token_sent();
        }
        self.ticket.tokens += tokens;
        self.ticket.events += events;
        // Ended before the last byte leaves, so that whoever has read it finds the log complete.
        if let Some(Step::End(outcome)) = self.steps.peek() {
            let outcome = *outcome;
            self.end(outcome);
        }
        Frame::data(bytes)
    }

    fn end(&mut self, outcome: Outcome) {
        self.ended = true;
        self.ticket.end(outcome);
    }

    fn fail(&mut self, why: &'static str) -> io::Error {
        self.end(Outcome::Failed);
        io::Error::new(io::ErrorKind::ConnectionAborted, why)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match self.get_mut() {
            Self::Plain(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Generated(generated) => generated.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(bytes) => bytes.is_none(),
            Self::Generated(generated) => generated.ended,
        }
    }
}
