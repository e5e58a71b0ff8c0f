//! A body under a reader, and the rules that hold for every object in it that is read: no key twice, no
//! key that is nearly one that counts. It owns those rules and the reading of single values; it refuses
//! to know what the fields mean.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::fault::{BodyFault, Problem};
use super::place::Place;
use crate::json::{Kind, Reader, Text};

/// Most keys in one object that is read. The longest such object in OpenAI's API has about 40.
pub(super) const MAX_KEYS: usize = 256;

pub(super) struct Source<'a> {
    pub(super) reader: Reader<'a>,
    /// The keys so far of every object that is being read, innermost last.
    keys: Vec<Cow<'a, str>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(body: &'a [u8]) -> Result<Self, BodyFault> {
        Ok(Self { reader: Reader::new(body)?, keys: Vec::with_capacity(16) })
    }

    /// Reads an object: `read` is called with each key that is in `known` and must read its value;
    /// other values are skipped. Gives the number of keys.
    pub(super) fn object(
        &mut self,
        place: Place,
        known: &[&'static str],
        mut read: impl FnMut(&mut Self, &'static str) -> Result<(), BodyFault>,
    ) -> Result<usize, BodyFault> {
        self.reader.begin_object()?;
        let base = self.keys.len();
        while let Some(key) = self.reader.next_key()? {
            match self.recognise(key, base, place, known)? {
                Some(name) => read(self, name)?,
                None => {
                    self.reader.skip()?;
                }
            }
        }
        let keys = self.keys.len() - base;
        self.keys.truncate(base);
        Ok(keys)
    }

    /// The one of `known` that `key` is.
    fn recognise(
        &mut self,
        key: Text<'a>,
        base: usize,
        place: Place,
        known: &[&'static str],
    ) -> Result<Option<&'static str>, BodyFault> {
        let key = key.decode();
        let offset = self.reader.offset();
        let seen = self.keys.get(base..).unwrap_or_default();
        if seen.contains(&key) {
            return Err(BodyFault::new(Problem::DuplicateKey, place, offset));
        }
        if seen.len() == MAX_KEYS {
            return Err(BodyFault::new(Problem::TooManyKeys, place, offset));
        }
        let near = known.iter().find(|name| name.eq_ignore_ascii_case(&key)).copied();
        if let Some(name) = near.filter(|name| *name != key) {
            return Err(BodyFault::new(Problem::Misspelt, place.field(name), offset));
        }
        self.keys.push(key);
        Ok(near)
    }

    /// Reads `null`, if that is what comes next.
    pub(super) fn absent(&mut self) -> Result<bool, BodyFault> {
        let absent = self.reader.peek()? == Kind::Null;
        if absent {
            self.reader.null()?;
        }
        Ok(absent)
    }

    /// Reads `true`, `false` or `null`.
    pub(super) fn boolean(&mut self, place: Place) -> Result<Option<bool>, BodyFault> {
        match self.reader.peek()? {
            Kind::Bool => Ok(Some(self.reader.boolean()?)),
            Kind::Null => self.absent().map(|_| None),
            _ => Err(self.invalid(place, "`true` or `false`")),
        }
    }

    /// Reads a whole number within `range`, or `null`.
    pub(super) fn integer(
        &mut self,
        place: Place,
        range: RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<Option<u64>, BodyFault> {
        if self.absent()? {
            return Ok(None);
        }
        let offset = self.reader.offset();
        let fault = || BodyFault::new(Problem::Not(expected), place, offset);
        if self.reader.peek()? != Kind::Number {
            return Err(fault());
        }
        let number: u64 = self.reader.number()?.parse().map_err(|_| fault())?;
        if range.contains(&number) { Ok(Some(number)) } else { Err(fault()) }
    }

    /// Where the next value begins, once it is known that one does.
    pub(super) fn start(&mut self) -> Result<usize, BodyFault> {
        self.reader.peek()?;
        Ok(self.reader.offset())
    }

    /// A fault of the value that comes next.
    pub(super) fn invalid(&self, place: Place, expected: &'static str) -> BodyFault {
        BodyFault::new(Problem::Not(expected), place, self.reader.offset())
    }
}
