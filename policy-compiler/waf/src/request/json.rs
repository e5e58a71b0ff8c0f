//! JSON bodies as arguments: `{"a": [1]}` is `json.a.array_0` with the value `1`. What stands before an error is
//! kept; keys may repeat, since here rules see them all.

use wire::json::{Fault, Kind, Problem, Reader};

use super::Pair;
use crate::program::Reading;

/// The arguments, and why reading ended early.
pub(super) fn read(body: &[u8], reading: &Reading) -> (Vec<Pair>, Option<String>) {
    let depth = usize::try_from(reading.json_depth_limit).unwrap_or(usize::MAX);
    let mut walk = Walk { args: Vec::new(), path: b"json".to_vec(), depth };
    let error = Reader::new(body)
        .and_then(|mut reader| {
            walk.value(&mut reader)?;
            reader.finish()
        })
        .err();
    (walk.args, error.map(|fault| format!("JSON: {fault}")))
}

struct Walk {
    args: Vec<Pair>,
    path: Vec<u8>,
    /// How many more levels are read.
    depth: usize,
}

impl Walk {
    fn value(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match reader.peek()? {
            Kind::Object => self.nested(reader, |walk, reader| {
                reader.begin_object()?;
                let end = walk.path.len();
                while let Some(key) = reader.next_key()? {
                    let key = key.decode();
                    let key = if key.is_empty() { "empty-key" } else { &key };
                    walk.path.truncate(end);
                    walk.path.push(b'.');
                    walk.path.extend_from_slice(key.as_bytes());
                    walk.value(reader)?;
                }
                Ok(())
            }),
            Kind::Array => self.nested(reader, |walk, reader| {
                reader.begin_array()?;
                let end = walk.path.len();
                let mut number = 0u64;
                while reader.next_element()? {
                    walk.path.truncate(end);
                    walk.path.extend_from_slice(format!(".array_{number}").as_bytes());
                    number = number.saturating_add(1);
                    walk.value(reader)?;
                }
                Ok(())
            }),
            Kind::String => {
                let value = reader.string()?.decode().into_owned().into_bytes();
                self.keep(value);
                Ok(())
            }
            Kind::Number => {
                let value = reader.number()?.as_bytes().to_vec();
                self.keep(value);
                Ok(())
            }
            Kind::Bool => {
                let value: &[u8] = if reader.boolean()? { b"true" } else { b"false" };
                self.keep(value.to_vec());
                Ok(())
            }
            Kind::Null => {
                reader.null()?;
                self.keep(Vec::new());
                Ok(())
            }
        }
    }

    fn nested(
        &mut self,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut Self, &mut Reader<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let too_deep = Fault { problem: Problem::Depth, offset: reader.offset() };
        self.depth = self.depth.checked_sub(1).ok_or(too_deep)?;
        let end = self.path.len();
        read(self, reader)?;
        self.path.truncate(end);
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }

    fn keep(&mut self, value: Vec<u8>) {
        self.args.push(Pair { name: self.path.clone(), value });
    }
}
