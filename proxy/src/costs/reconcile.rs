//! Our account beside the provider's, by day and model. It owns the comparison; it refuses to say whose is
//! right.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::provider::{ProviderDay, Reported};
use super::rollup::{HOUR, Hour};

/// One day and model.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// In UTC.
    pub day: Date,
    /// As the callers name it.
    pub model: String,
    /// By our account; tokens that we counted ourselves included.
    pub ours: Reported,
    /// Of those, tokens that the gateway counted, since no backend did.
    pub estimated: u64,
    /// By the provider's.
    pub theirs: Reported,
}

impl Drift {
    /// The largest relative difference of tokens and, where the provider states it, cost: a share of the
    /// larger of both accounts.
    #[must_use]
    pub fn share(&self) -> f64 {
        let apart = |ours: f64, theirs: f64| {
            let larger = ours.max(theirs);
            if larger > 0.0 { (ours - theirs).abs() / larger } else { 0.0 }
        };
        let tokens = apart(self.ours.input as f64, self.theirs.input as f64)
            .max(apart(self.ours.output as f64, self.theirs.output as f64));
        match (self.ours.cost_usd, self.theirs.cost_usd) {
            (Some(ours), Some(theirs)) => tokens.max(apart(ours, theirs)),
            _ => tokens,
        }
    }
}

/// Every day and model of either account. `of` says which deployments are the provider's.
#[must_use]
pub fn reconcile(
    hours: &BTreeMap<u64, Hour>,
    theirs: &BTreeMap<ProviderDay, Reported>,
    of: impl Fn(&str) -> bool,
) -> Vec<Drift> {
    let mut ours: BTreeMap<ProviderDay, (Reported, u64)> = BTreeMap::new();
    for (number, hour) in hours {
        let Some(day) = day(*number) else { continue };
        for (key, sums) in hour.sums.iter().filter(|(key, _)| of(&key.deployment)) {
            let place = (day, key.model.clone().unwrap_or_default());
            let (sum, estimated) = ours.entry(place).or_default();
            sum.input = sum.input.saturating_add(sums.input);
            sum.output = sum.output.saturating_add(sums.output);
            sum.cost_usd = Some(sum.cost_usd.unwrap_or_default() + sums.cost_nanos as f64 / 1e9);
            *estimated += if key.estimated { sums.tokens() } else { 0 };
        }
    }
    let places: BTreeSet<&ProviderDay> = ours.keys().chain(theirs.keys()).collect();
    let drift = |place: &ProviderDay| {
        let (ours, estimated) = ours.get(place).copied().unwrap_or_default();
        let theirs = theirs.get(place).copied().unwrap_or_default();
        Drift { day: place.0, model: place.1.clone(), ours, estimated, theirs }
    };
    places.into_iter().map(drift).collect()
}

fn day(hour: u64) -> Option<Date> {
    let seconds = i64::try_from(hour.checked_mul(HOUR)?).ok()?;
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::super::rollup::{Key, Sums};
    use super::*;

    #[test]
    fn days_of_either_account_stand_beside_each_other() {
        let key = |deployment: &str, estimated| Key {
            model: Some("gpt-4o".to_owned()),
            deployment: deployment.to_owned(),
            estimated,
            ..Key::default()
        };
        let mut hour = Hour::default();
        hour.consume(
            key("swe/std", false),
            &Sums { input: 900, output: 50, cost_nanos: 5, ..Sums::default() },
        );
        hour.consume(key("swe/std", true), &Sums { input: 100, ..Sums::default() });
        hour.consume(key("gpu/m", false), &Sums { input: 7, ..Sums::default() });
        let hours = [(498_911, hour.clone()), (498_912, hour)].into();
        let november = ("2026-11-30".parse().unwrap(), "gpt-4o".to_owned());
        let other = ("2026-11-29".parse().unwrap(), "gpt-4o".to_owned());
        let said = Reported { input: 1000, output: 100, cost_usd: None };
        let theirs = [(november, said), (other, said)].into();
        let drifts = reconcile(&hours, &theirs, |deployment| deployment.starts_with("swe/"));
        let shares: Vec<f64> = drifts.iter().map(Drift::share).collect();
        assert_eq!(shares, [1.0, 0.5, 1.0], "theirs alone, both, ours alone: {drifts:?}");
        assert_eq!((drifts[1].ours.input, drifts[1].estimated), (1000, 100));
    }
}
