//! A whole message, read and written. It owns its shape; it refuses blocks nobody asked for.

use super::{content, read_stop_reason, usage, write, write_stop, write_usage};
use crate::translate::Envelope;
use crate::translate::document::{self, Fault, Input, Read};
use crate::translate::neutral::{Completion, Counts, Lost, StopReason};
use crate::translate::writer::Writer;

/// Reads an answer.
pub(in crate::translate) fn read_answer(body: &[u8]) -> Read<Completion<'_>> {
    let mut completion =
        Completion { parts: Vec::new(), stop: StopReason::End, stop_sequence: None, counts: None };
    let mut seen = false;
    // Only requests are reported on.
    let mut lost = Lost::default();
    document::read(body, |input| {
        input.object(|input, key| {
            match key {
                "content" => {
                    seen = true;
                    input.array(|input| {
                        completion.parts.push(content::block(input, &mut lost)?);
                        Ok(())
                    })?;
                }
                "stop_reason" => {
                    let word = input.unless_null(Input::word)?;
                    completion.stop = word.map_or(StopReason::End, |word| read_stop_reason(&word));
                }
                "stop_sequence" => completion.stop_sequence = input.unless_null(Input::string)?,
                "usage" => completion.counts = input.unless_null(|input| usage(input, Counts::default()))?,
                _ => input.skip()?,
            }
            Ok(())
        })
    })?;
    if seen { Ok(completion) } else { Err(Fault::at("content", "is missing")) }
}

/// Writes an answer. Usage that nobody counted is zero: the field is no option.
pub(in crate::translate) fn write_answer(completion: &Completion<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|w| {
        w.key("id").text(&format!("msg_{}", envelope.id));
        w.key("type").text("message");
        w.key("role").text("assistant");
        w.key("model").text(&envelope.model);
        w.key("content").array(|w| completion.parts.iter().for_each(|part| write::write_part(part, w)));
        write_stop(completion.stop, completion.stop_sequence.as_ref(), w);
        write_usage(completion.counts.unwrap_or_default(), w);
    });
    writer.into_bytes()
}
