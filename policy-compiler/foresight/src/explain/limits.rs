//! What a request asks of limits. It owns the words for periods; how much is asked is `decision`'s.

use ledger::{Calendar, Period};

use super::Walk;
use crate::explanation::LimitAsked;

impl Walk<'_> {
    pub(super) fn tell_limits(&mut self) {
        let limits = &self.gate.policy().limits;
        let asked = self.exchange.stakes().into_iter().map(|stake| LimitAsked {
            limit: stake.limit.and_then(|id| limits.get(id as usize)).map(|limit| limit.name.clone()),
            scope: stake.scope,
            unit: match stake.meter {
                ledger::Meter::Streams => "streams",
                meter => meter.name(),
            },
            asks: stake.asked,
            ceiling: stake.ceiling,
            per: per(stake.period),
            shadow: stake.shadow,
            hard: stake.hard,
        });
        self.told.limits = asked.collect();
    }
}

/// As in the manifest.
fn per(period: Period) -> &'static str {
    match period {
        Period::Concurrent => "at once",
        Period::Calendar(Calendar::Day) => "day",
        Period::Calendar(Calendar::Week) => "week",
        Period::Calendar(Calendar::Month) => "month",
        Period::Window(length) => match length.as_secs() {
            0..60 => "s",
            60..3_600 => "min",
            3_600..86_400 => "hour",
            _ => "day",
        },
    }
}
