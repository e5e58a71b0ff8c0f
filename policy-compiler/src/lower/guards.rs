//! Teams, hooks and the bounds at which requests are shed.

use rule_table::{Hook, HookFormat, Overload, Team};

use super::edge::{mode, on_failure, secret};
use super::{Ids, references};
use crate::manifest::{self, Manifest, Priority};
use crate::resolve::place;

pub(super) fn teams(manifest: &Manifest, limits: &Ids) -> Option<Vec<Team>> {
    let one = |(name, team): (&String, &manifest::Team)| {
        let residency = match &team.residency {
            Some(stated) => Some(place(&stated.0)?),
            None => None,
        };
        Some(Team {
            name: name.clone(),
            limits: references(&team.limit.0, limits)?,
            each: references(&team.each.0, limits)?,
            residency,
            data_class: team.data_class.as_ref().map(|class| class.0.clone()),
            priority: team.priority.map(Priority::compiled),
        })
    };
    manifest.teams.iter().map(one).collect()
}

pub(super) fn hooks(manifest: &Manifest) -> Vec<Hook> {
    let one = |(name, hook): (&String, &manifest::Hook)| Hook {
        name: name.clone(),
        url: hook.url.clone(),
        format: match hook.format {
            manifest::HookFormat::Plain => HookFormat::Plain,
            manifest::HookFormat::Opa => HookFormat::Opa,
        },
        header: hook.header.as_ref().map(|header| (header.name.to_ascii_lowercase(), secret(&header.value))),
        timeout: hook.timeout.0.0,
        cache: hook.cache.map(|cache| cache.0.0).unwrap_or_default(),
        mode: mode(hook.mode),
        on_failure: on_failure(hook.on_failure),
    };
    manifest.hooks.iter().map(one).collect()
}

pub(super) fn overload(manifest: &Manifest) -> Overload {
    let Some(overload) = &manifest.overload else { return Overload::default() };
    Overload {
        max_in_flight: overload.max_in_flight,
        max_buffered: overload.max_buffered.map(|bytes| bytes.0.0),
        mode: mode(overload.mode),
    }
}
