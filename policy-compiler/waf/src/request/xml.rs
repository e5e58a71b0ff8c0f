//! XML bodies: their text and their attributes. No document type is obeyed: entities beyond the five are an error.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Xml;

/// Elements inside each other.
const DEPTH: usize = 256;

/// The text and attributes, and why reading ended early.
pub(super) fn read(body: &[u8]) -> (Xml, Option<String>) {
    let mut xml = Xml::default();
    let mut reader = Reader::from_reader(body);
    let mut depth = 0usize;
    let mut elements = 0usize;
    let error = loop {
        match reader.read_event() {
            Ok(Event::Eof) if depth > 0 => break Some("an element does not end".to_owned()),
            Ok(Event::Eof) if elements == 0 => break Some("no element".to_owned()),
            Ok(Event::Eof) => break None,
            Ok(Event::DocType(_)) => break Some("document types are not read".to_owned()),
            Ok(Event::Start(start)) => {
                depth = depth.saturating_add(1);
                elements = elements.saturating_add(1);
                if depth > DEPTH {
                    break Some("nested too deep".to_owned());
                }
                if let Err(error) = attributes(&start, &mut xml) {
                    break Some(error);
                }
            }
            Ok(Event::Empty(start)) => {
                elements = elements.saturating_add(1);
                if let Err(error) = attributes(&start, &mut xml) {
                    break Some(error);
                }
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(text)) if depth > 0 => xml.text.extend_from_slice(text.as_bytes()),
            Ok(Event::CData(text)) => xml.text.extend_from_slice(text.as_bytes()),
            Ok(Event::GeneralRef(entity)) => match resolved(entity.as_bytes()) {
                Some(text) => xml.text.extend_from_slice(text.as_bytes()),
                None => break Some("an entity that is not defined".to_owned()),
            },
            Ok(_) => {}
            Err(error) => break Some(error.to_string()),
        }
    };
    (xml, error.map(|error| format!("XML: {error}")))
}

fn attributes(start: &BytesStart<'_>, xml: &mut Xml) -> Result<(), String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        xml.attributes.push(unescaped(attribute.value.as_bytes()));
    }
    Ok(())
}

/// Text with its references replaced; one that is none stays as it is.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some(at) = memchr::memchr(b'&', left) {
        made.extend_from_slice(left.get(..at).unwrap_or_default());
        let after = left.get(at.saturating_add(1)..).unwrap_or_default();
        let end = memchr::memchr(b';', after.get(..12).unwrap_or(after));
        let name = end.and_then(|end| after.get(..end));
        match (end, name.and_then(resolved)) {
            (Some(end), Some(text)) => {
                made.extend_from_slice(text.as_bytes());
                left = after.get(end.saturating_add(1)..).unwrap_or_default();
            }
            _ => {
                made.push(b'&');
                left = after;
            }
        }
    }
    made.extend_from_slice(left);
    made
}

/// What a reference stands for: `lt`, `#65`, `#x41`.
fn resolved(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let char = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code_point = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code_point.ok()?)?
        }
    };
    Some(char.to_string())
}
