//! Reading a journal back. It owns the difference between a crash's traces and damage; it refuses to
//! repair.

use vocabulary::Moment;

use super::bytes::Rest;
use super::record::{FRAME_BYTES, Record};

const MAGIC: [u8; 8] = *b"sgledger";
const VERSION: u32 = 1;

/// Length of a file's header.
pub const HEADER_BYTES: usize = 36;

/// The beginning of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Counts up with every file.
    pub number: u64,
    /// Ledger time at its beginning.
    pub time: Moment,
}

impl FileHeader {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.time.0.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }
}

/// Why a journal is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not a journal.
    #[error(
        "it does not begin as a journal of this program does: point the gateway at its own state directory"
    )]
    NotAJournal,
    /// Written by another version.
    #[error(
        "it is of version {found}, and this program reads version {VERSION}: start the program that wrote it, or move the file away to begin counting anew"
    )]
    Version {
        /// The file's.
        found: u32,
    },
    /// Bytes that no writer wrote.
    #[error(
        "damaged at byte {at}: restore the file from a copy, or move it away to go on from the last checkpoint without what the file counted; up to byte {at} it is sound"
    )]
    Record {
        /// Where the damaged record begins.
        at: u64,
    },
}

/// How a journal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Whole,
    /// In the middle of one, as after a crash. What is whole ends at byte `at`.
    Torn {
        /// Length of what is whole.
        at: u64,
    },
}

/// Reads the records of one file.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    tail: Tail,
}

impl<'a> Reader<'a> {
    /// A reader of a whole file, and the file's header; no header where even that was torn.
    ///
    /// # Errors
    /// [`Damage::NotAJournal`], [`Damage::Version`], or a damaged header.
    pub fn new(bytes: &'a [u8]) -> Result<(Self, Option<FileHeader>), Damage> {
        if is_blank(bytes) || bytes.len() < HEADER_BYTES && begins(bytes) {
            return Ok((Self { bytes: &[], at: 0, tail: Tail::Torn { at: 0 } }, None));
        }
        let header = header(bytes)?;
        Ok((Self { bytes, at: HEADER_BYTES, tail: Tail::Whole }, Some(header)))
    }

    /// A reader of records that no header precedes.
    #[must_use]
    pub fn of_records(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, tail: Tail::Whole }
    }

    /// How it ended; to be asked after the last record.
    #[must_use]
    pub fn tail(&self) -> Tail {
        self.tail
    }

    fn torn(&mut self) -> Option<Result<Record, Damage>> {
        self.tail = Tail::Torn { at: self.at as u64 };
        self.at = self.bytes.len();
        None
    }

    fn damaged(&mut self) -> Option<Result<Record, Damage>> {
        let at = self.at as u64;
        self.at = self.bytes.len();
        Some(Err(Damage::Record { at }))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Record, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.bytes.get(self.at..).filter(|left| !left.is_empty())?;
        if is_blank(left) || left.len() < FRAME_BYTES {
            return self.torn();
        }
        let mut rest = Rest(left);
        let (length, length_check, check) = (rest.take::<4>()?, rest.u32()?, rest.u32()?);
        if crc32fast::hash(&length) != length_check {
            return self.damaged();
        }
        let length = u32::from_le_bytes(length) as usize;
        let Some(payload) = rest.0.get(..length) else { return self.torn() };
        let record = (crc32fast::hash(payload) == check).then(|| Record::decode(payload)).flatten();
        let Some(record) = record else { return self.damaged() };
        self.at += FRAME_BYTES + length;
        Some(Ok(record))
    }
}

fn header(bytes: &[u8]) -> Result<FileHeader, Damage> {
    let mut rest = Rest(bytes);
    if rest.take() != Some(MAGIC) {
        return Err(Damage::NotAJournal);
    }
    let version = rest.u32().ok_or(Damage::NotAJournal)?;
    let check = bytes.get(..HEADER_BYTES - 4).map(crc32fast::hash);
    let stated = bytes.get(HEADER_BYTES - 4..HEADER_BYTES).map(|tail| Rest(tail).u32());
    if check.is_none() || stated.flatten() != check {
        return Err(Damage::Record { at: 0 });
    }
    if version != VERSION {
        return Err(Damage::Version { found: version });
    }
    let fields = rest.u64().zip(rest.u64());
    let (number, time) = fields.ok_or(Damage::NotAJournal)?;
    Ok(FileHeader { number, time: Moment(time) })
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn begins(bytes: &[u8]) -> bool {
    bytes.iter().zip(MAGIC).all(|(byte, magic)| *byte == magic)
}
