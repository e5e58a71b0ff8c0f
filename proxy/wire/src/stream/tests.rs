mod chunks;
mod messages;
mod responses;
mod splits;

use bytes::Bytes;
use vocabulary::Operation;

use super::*;
use crate::sse::Splitter;

/// What became of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    sent: String,
    classes: Vec<EventClass>,
    observed: Observed,
    end: StreamEnd,
    terminator: Bytes,
}

fn run(operation: Operation, usage_wanted: bool, chunks: &[&[u8]]) -> Run {
    let mut tap = StreamTap::new(operation, 1 << 16, usage_wanted);
    let (mut sent, mut classes) = (Vec::new(), Vec::new());
    let mut take = |relayed: Relayed| {
        sent.extend_from_slice(&relayed.bytes);
        classes.push(relayed.class);
    };
    for chunk in chunks {
        tap.push(Bytes::copy_from_slice(chunk));
        while let Some(relayed) = tap.next_event() {
            take(relayed.unwrap());
        }
    }
    let Finish { last, end, terminator } = tap.finish();
    last.into_iter().for_each(take);
    let sent = String::from_utf8_lossy(&sent).into_owned();
    Run { sent, classes, observed: *tap.observed(), end, terminator }
}

fn classes(operation: Operation, transcript: &str) -> Vec<EventClass> {
    let mut splitter = Splitter::new(1 << 16);
    splitter.push(Bytes::copy_from_slice(transcript.as_bytes()));
    std::iter::from_fn(|| splitter.next_event()).map(|event| classify(operation, &event.unwrap())).collect()
}
