//! One record: what was held, settled, given back or granted. It owns its bytes; it refuses to add up.

use std::time::Duration;

use vocabulary::Moment;

use super::bytes::Rest;
use crate::claim::{Meter, Took};
use crate::counter::{Line, Standing};
use crate::{Calendar, Period, Reservation};

/// What a record says of one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which counter.
    pub key: u64,
    /// What it counts.
    pub meter: Meter,
    /// Its period.
    pub period: Period,
    /// The window counted in.
    pub window_index: u64,
    /// What a record before this one holds.
    pub reserved: u64,
    /// What takes its place.
    pub used: u64,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A request is about to be sent; `used` is what it holds, and `reserved` is zero.
    Reserve {
        /// Ledger time.
        time: Moment,
        /// Number of the reservation.
        id: u64,
        /// Counter by counter.
        entries: Vec<Entry>,
    },
    /// It is over.
    Settle {
        /// Ledger time.
        time: Moment,
        /// Number of the reservation.
        id: u64,
        /// Counter by counter.
        entries: Vec<Entry>,
    },
    /// It was never sent.
    Release {
        /// Ledger time.
        time: Moment,
        /// Number of the reservation.
        id: u64,
        /// Counter by counter.
        entries: Vec<Entry>,
    },
    /// This replica may take so much in a window of a shared counter.
    Grant {
        /// Which counter.
        key: u64,
        /// The window.
        window_index: u64,
        /// How much in all.
        granted: u64,
    },
}

const RESERVE: u8 = 1;
const SETTLE: u8 = 2;
const RELEASE: u8 = 3;
const GRANT: u8 = 4;

/// Length, its check, and the payload's.
pub(super) const FRAME_BYTES: usize = 12;

impl Record {
    pub(crate) fn reserve(time: Moment, held: &Reservation) -> Vec<u8> {
        let lines = lasting(held).map(|line| entry(line, 0, line.reserved));
        bytes_of(RESERVE, time, held.id, lines)
    }

    pub(crate) fn settle(time: Moment, held: &Reservation, took: &Took) -> Vec<u8> {
        let lines =
            lasting(held).map(|line| entry(line, on_record(held, line), took.of(line.meter, line.reserved)));
        bytes_of(SETTLE, time, held.id, lines)
    }

    pub(crate) fn release(time: Moment, held: &Reservation) -> Vec<u8> {
        let lines = lasting(held).map(|line| entry(line, on_record(held, line), 0));
        bytes_of(RELEASE, time, held.id, lines)
    }

    /// Its bytes in the journal.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Reserve { time, id, entries } => bytes_of(RESERVE, *time, *id, entries.iter().copied()),
            Self::Settle { time, id, entries } => bytes_of(SETTLE, *time, *id, entries.iter().copied()),
            Self::Release { time, id, entries } => bytes_of(RELEASE, *time, *id, entries.iter().copied()),
            Self::Grant { key, window_index, granted } => {
                let mut payload = vec![GRANT];
                for value in [key, window_index, granted] {
                    payload.extend_from_slice(&value.to_le_bytes());
                }
                framed(payload)
            }
        }
    }

    /// The shortest records that add up to a counter: what a checkpoint keeps of it.
    #[must_use]
    pub fn of_standing(standing: &Standing, time: Moment) -> Vec<Self> {
        let Standing { key, meter, period, window_index, granted, .. } = *standing;
        let entry = Entry { key, meter, period, window_index, reserved: 0, used: standing.taken() };
        let mut records = vec![Self::Reserve { time, id: 0, entries: vec![entry] }];
        if granted > 0 {
            records.push(Self::Grant { key, window_index, granted });
        }
        records
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let mut rest = Rest(payload);
        let kind = rest.u8()?;
        let record = if kind == GRANT {
            Self::Grant { key: rest.u64()?, window_index: rest.u64()?, granted: rest.u64()? }
        } else {
            let (time, id) = (Moment(rest.u64()?), rest.u64()?);
            let entries = (0..rest.u16()?).map(|_| decode_entry(&mut rest)).collect::<Option<_>>()?;
            match kind {
                RESERVE => Self::Reserve { time, id, entries },
                SETTLE => Self::Settle { time, id, entries },
                RELEASE => Self::Release { time, id, entries },
                _ => return None,
            }
        };
        rest.0.is_empty().then_some(record)
    }
}

fn lasting(held: &Reservation) -> impl Iterator<Item = &Line> {
    held.lines.iter().filter(|line| line.lasts())
}

/// What a reader of the journal knows to be held.
fn on_record(held: &Reservation, line: &Line) -> u64 {
    if held.recorded { line.reserved } else { 0 }
}

fn entry(line: &Line, reserved: u64, used: u64) -> Entry {
    let Line { key, meter, period, window_index, .. } = *line;
    Entry { key, meter, period, window_index, reserved, used }
}

fn bytes_of(kind: u8, time: Moment, id: u64, entries: impl Iterator<Item = Entry>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(FRAME_BYTES + 192);
    payload.push(kind);
    payload.extend_from_slice(&time.0.to_le_bytes());
    payload.extend_from_slice(&id.to_le_bytes());
    let count_at = payload.len();
    payload.extend_from_slice(&[0, 0]);
    let mut count = 0_u16;
    for entry in entries {
        count = count.saturating_add(1);
        payload.extend_from_slice(&entry.key.to_le_bytes());
        payload.push(meter_code(entry.meter));
        let (code, length) = period_code(entry.period);
        payload.push(code);
        for value in [length, entry.window_index, entry.reserved, entry.used] {
            payload.extend_from_slice(&value.to_le_bytes());
        }
    }
    if let Some(place) = payload.get_mut(count_at..count_at + 2) {
        place.copy_from_slice(&count.to_le_bytes());
    }
    framed(payload)
}

fn framed(payload: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = Vec::with_capacity(FRAME_BYTES + payload.len());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&crc32fast::hash(&length).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes
}

fn decode_entry(rest: &mut Rest<'_>) -> Option<Entry> {
    let (key, meter, code) = (rest.u64()?, meter_of(rest.u8()?)?, rest.u8()?);
    let period = period_of(code, rest.u64()?)?;
    Some(Entry { key, meter, period, window_index: rest.u64()?, reserved: rest.u64()?, used: rest.u64()? })
}

const fn meter_code(meter: Meter) -> u8 {
    match meter {
        Meter::Requests => 1,
        Meter::Tokens => 2,
        Meter::Streams => 3,
        Meter::Spend => 4,
        Meter::Amortised => 5,
    }
}

const fn meter_of(code: u8) -> Option<Meter> {
    Some(match code {
        1 => Meter::Requests,
        2 => Meter::Tokens,
        3 => Meter::Streams,
        4 => Meter::Spend,
        5 => Meter::Amortised,
        _ => return None,
    })
}

fn period_code(period: Period) -> (u8, u64) {
    match period {
        Period::Window(length) => (1, u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
        Period::Calendar(Calendar::Day) => (2, 0),
        Period::Calendar(Calendar::Week) => (3, 0),
        Period::Calendar(Calendar::Month) => (4, 0),
        Period::Concurrent => (5, 0),
    }
}

const fn period_of(code: u8, length: u64) -> Option<Period> {
    Some(match code {
        1 => Period::Window(Duration::from_nanos(length)),
        2 => Period::Calendar(Calendar::Day),
        3 => Period::Calendar(Calendar::Week),
        4 => Period::Calendar(Calendar::Month),
        5 => Period::Concurrent,
        _ => return None,
    })
}
