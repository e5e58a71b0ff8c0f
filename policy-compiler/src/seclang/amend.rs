//! What names rules elsewhere, settled once all are known: removals, updates, defaults, skips. It owns that order;
//! it refuses to read files.

use waf::program::{Ctl, Disruption, Effect, Link, Phase, Program, Removal, Rule};

use super::actions::{Actions, Disruptive, Which, WrittenCtl, WrittenEffect};
use super::build::{Amendment, Read, WrittenRule};
use super::fault::{Fault, Wrong};
use super::variables::{Targets, targets};
use super::{Exclusion, Settings};

/// Settles everything.
pub(super) fn amend(mut read: Read, settings: &Settings) -> Result<Program, Vec<Fault>> {
    let mut faults = Vec::new();
    let amendments = std::mem::take(&mut read.amendments);
    let mut removed = vec![false; read.rules.len()];
    for (nothing, amendment) in amendments {
        if !apply(&mut read.rules, &mut removed, amendment) {
            faults.push(nothing);
        }
    }
    for exclusion in &settings.exclusions {
        if let Err(wrong) = exclude(&mut read.rules, exclusion) {
            faults.push(wrong.at("settings", 0));
        }
    }
    for (rule, removed) in read.rules.iter().zip(&mut removed) {
        let id = rule.actions.id.unwrap_or_default();
        *removed |= settings.remove_ids.iter().any(|(from, to)| (*from..=*to).contains(&id));
        *removed |= settings.remove_tags.iter().any(|tag| rule.actions.tags.contains(tag));
    }
    // Removed rules keep their place until skips are settled, then go.
    let mut settled = Vec::new();
    for (place, rule) in read.rules.iter().enumerate() {
        match settle(&read, place, rule) {
            Ok(rule) => settled.push(rule),
            Err(wrong) => faults.push(wrong.at(&rule.place.file, rule.place.line)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for (id, disruption) in &settings.actions {
        settled.iter_mut().filter(|rule| rule.id == *id).for_each(|rule| rule.disruption = *disruption);
    }
    let mut program = Program {
        mode: read.mode,
        reading: read.reading,
        setup: Vec::new(),
        rules: settled,
        signature: read.signature,
    };
    drop_rules(&mut program, &removed);
    Ok(program)
}

/// Whether it concerned any rule.
fn apply(rules: &mut [WrittenRule], removed: &mut [bool], amendment: Amendment) -> bool {
    let mut any = false;
    for (rule, removed) in rules.iter_mut().zip(removed) {
        match &amendment {
            Amendment::Remove(which) if concerns(which, &rule.actions) => *removed = true,
            Amendment::Targets(which, change) if concerns(which, &rule.actions) => retarget(rule, change),
            Amendment::Actions(which, change) if concerns(which, &rule.actions) => reaction(rule, change),
            _ => continue,
        }
        any = true;
    }
    any || matches!(amendment, Amendment::Remove(_))
}

fn concerns(which: &Which, actions: &Actions) -> bool {
    match which {
        Which::Ids(ranges) => {
            actions.id.is_some_and(|id| ranges.iter().any(|(from, to)| (*from..=*to).contains(&id)))
        }
        Which::Tag(tag) => actions.tags.contains(tag),
        Which::Message(message) => {
            let constant = actions.message.as_ref().and_then(|text| text.constant());
            constant.is_some_and(|text| text == super::lexer::bytes(message))
        }
    }
}

fn retarget(rule: &mut WrittenRule, change: &Targets) {
    if let Some(test) = rule.links.first_mut().and_then(|link| link.test.as_mut()) {
        test.targets.extend(change.targets.iter().cloned());
        test.except.extend(change.except.iter().cloned());
    }
}

fn reaction(rule: &mut WrittenRule, change: &Actions) {
    let actions = &mut rule.actions;
    actions.disruptive = change.disruptive.or(actions.disruptive);
    actions.status = change.status.or(actions.status);
    actions.severity = change.severity.or(actions.severity);
    actions.logged = change.logged.or(actions.logged);
    actions.tags.extend(change.tags.iter().cloned());
    if let Some(message) = &change.message {
        actions.message = Some(message.clone());
    }
    if let Some(test) = rule.links.first_mut().and_then(|link| link.test.as_mut())
        && (change.resets_transformations || !change.transformations.is_empty())
    {
        test.transformations = change.transformations.clone();
    }
    if let Some(link) = rule.links.first_mut() {
        link.effects.extend(change.effects.iter().cloned());
    }
}

fn exclude(rules: &mut [WrittenRule], exclusion: &Exclusion) -> Result<(), Wrong> {
    let read = targets(&exclusion.target)?;
    let change =
        Targets { targets: Vec::new(), except: read.targets.into_iter().chain(read.except).collect() };
    let everything = exclusion.ids.is_empty() && exclusion.tags.is_empty();
    let ids = Which::Ids(exclusion.ids.clone());
    for rule in rules {
        let tagged = exclusion.tags.iter().any(|tag| rule.actions.tags.contains(tag));
        if everything || tagged || concerns(&ids, &rule.actions) {
            retarget(rule, &change);
        }
    }
    Ok(())
}

fn settle(read: &Read, place: usize, rule: &WrittenRule) -> Result<Rule, Wrong> {
    let actions = &rule.actions;
    let phase = actions.phase.unwrap_or(2);
    let default = read.defaults.iter().find(|(of, _)| *of == phase).map(|(_, actions)| actions);
    let mut links = Vec::new();
    for link in &rule.links {
        let mut effects = Vec::new();
        for effect in &link.effects {
            effects.push(known(read, place, phase, effect)?);
        }
        links.push(Link { test: link.test.clone(), effects });
    }
    let logged = actions.logged.or_else(|| default.and_then(|default| default.logged)).unwrap_or(true);
    Ok(Rule {
        id: actions.id.unwrap_or_default(),
        phase: Phase::of(phase).unwrap_or(Phase::RequestBody),
        links,
        disruption: disruption(actions, default),
        message: actions.message.clone().unwrap_or_default(),
        log_data: actions.log_data.clone().unwrap_or_default(),
        severity: actions.severity,
        tags: actions.tags.clone(),
        logged,
        place: rule.place.clone(),
    })
}

fn disruption(actions: &Actions, default: Option<&Actions>) -> Disruption {
    let status = actions.status.or_else(|| default.and_then(|default| default.status)).unwrap_or(403);
    let said = match actions.disruptive {
        Some(Disruptive::Block) => default.and_then(|default| default.disruptive),
        other => other,
    };
    match said {
        None | Some(Disruptive::Pass | Disruptive::Block) => Disruption::Pass,
        Some(Disruptive::Deny) => Disruption::Deny(status),
        Some(Disruptive::Allow) => Disruption::Allow,
        Some(Disruptive::AllowPhase) => Disruption::AllowPhase,
        Some(Disruptive::AllowRequest) => Disruption::AllowRequest,
    }
}

fn known(read: &Read, place: usize, phase: u32, effect: &WrittenEffect) -> Result<Effect, Wrong> {
    Ok(match effect {
        WrittenEffect::Known(effect) => effect.clone(),
        WrittenEffect::Ctl(WrittenCtl::Known(ctl)) => Effect::Ctl(ctl.clone()),
        WrittenEffect::Ctl(WrittenCtl::Remove(which)) => {
            Effect::Ctl(Ctl::RemoveRules(places(&read.rules, which)))
        }
        WrittenEffect::Ctl(WrittenCtl::RemoveTarget(which, target)) => {
            Effect::Ctl(Ctl::RemoveTarget { rules: places(&read.rules, which), target: target.clone() })
        }
        WrittenEffect::SkipAfter(marker) => Effect::GoTo(after(read, place, marker)?),
        WrittenEffect::Skip(count) => {
            let later = read.rules.iter().enumerate().skip(place.saturating_add(1));
            let mut same = later.filter(|(_, rule)| rule.actions.phase.unwrap_or(2) == phase);
            let next = same.nth(*count as usize).map_or(read.rules.len(), |(at, _)| at);
            Effect::GoTo(next as u32)
        }
    })
}

/// Where rules go on after a marker, or after the rule of that id.
fn after(read: &Read, place: usize, marker: &str) -> Result<u32, Wrong> {
    let marked = read.markers.iter().find(|(name, at)| name == marker && *at > place).map(|(_, at)| *at);
    let numbered = || {
        let id: u32 = marker.parse().ok()?;
        let at = read.rules.iter().position(|rule| rule.actions.id == Some(id)).filter(|at| *at > place)?;
        Some(at.saturating_add(1))
    };
    marked.or_else(numbered).map(|at| at as u32).ok_or_else(|| {
        Wrong::new(
            format!("`skipAfter:{marker}` leads nowhere"),
            format!("add `SecMarker {marker}` further down, or correct the name"),
        )
    })
}

fn places(rules: &[WrittenRule], which: &Which) -> Removal {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for (place, _) in (0u32..).zip(rules).filter(|(_, rule)| concerns(which, &rule.actions)) {
        match ranges.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(place) => *to = place,
            _ => ranges.push((place, place)),
        }
    }
    Removal(ranges)
}

/// Takes rules out and moves what names places.
pub(super) fn drop_rules(program: &mut Program, dropped: &[bool]) {
    let mut moved = Vec::with_capacity(dropped.len().saturating_add(1));
    let mut kept = 0u32;
    for dropped in dropped {
        moved.push(kept);
        kept = kept.saturating_add(u32::from(!dropped));
    }
    moved.push(kept);
    let to = |place: u32| moved.get(place as usize).copied().unwrap_or(kept);
    let mut flags = dropped.iter();
    program.rules.retain(|_| !flags.next().copied().unwrap_or(false));
    let effects =
        program.rules.iter_mut().flat_map(|rule| &mut rule.links).flat_map(|link| &mut link.effects);
    for effect in effects {
        match effect {
            Effect::GoTo(place) => *place = to(*place),
            Effect::Ctl(
                Ctl::RemoveRules(Removal(ranges)) | Ctl::RemoveTarget { rules: Removal(ranges), .. },
            ) => {
                // A range of both ends included becomes one of what is left of it.
                *ranges = ranges
                    .iter()
                    .map(|(from, last)| (to(*from), to(last.saturating_add(1))))
                    .filter(|(from, end)| from < end)
                    .map(|(from, end)| (from, end.saturating_sub(1)))
                    .collect();
            }
            _ => {}
        }
    }
}
