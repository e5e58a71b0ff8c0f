//! Action lists: `id:1,phase:2,t:lowercase,setvar:'tx.x=+1',block`. It owns how they are written; what they mean for
//! rules elsewhere is settled when all rules are known.

mod ctl;

use waf::program::{Change, Collection, Effect, EngineMode, Text, Transformation};

pub(super) use ctl::{Which, WrittenCtl};

use super::fault::Wrong;
use super::lexer::split;
use super::text::text;

/// What a match does to the request, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disruptive {
    /// What the default action of the phase says.
    Block,
    Pass,
    Deny,
    Allow,
    AllowPhase,
    AllowRequest,
}

/// An effect, or one that names rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WrittenEffect {
    Known(Effect),
    Ctl(WrittenCtl),
    SkipAfter(String),
    Skip(u32),
}

/// A list of actions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) id: Option<u32>,
    pub(super) phase: Option<u32>,
    pub(super) disruptive: Option<Disruptive>,
    pub(super) status: Option<u16>,
    pub(super) transformations: Vec<Transformation>,
    pub(super) resets_transformations: bool,
    pub(super) multi_match: bool,
    pub(super) capture: bool,
    pub(super) chain: bool,
    pub(super) effects: Vec<WrittenEffect>,
    pub(super) message: Option<Text>,
    pub(super) log_data: Option<Text>,
    pub(super) severity: Option<u8>,
    pub(super) tags: Vec<String>,
    pub(super) logged: Option<bool>,
    /// Names of actions that are read and do nothing here.
    pub(super) without_effect: Vec<&'static str>,
}

const NAMES: [&str; 46] = [
    "accuracy",
    "allow",
    "append",
    "auditlog",
    "block",
    "capture",
    "chain",
    "ctl",
    "deny",
    "drop",
    "exec",
    "expirevar",
    "id",
    "initcol",
    "log",
    "logdata",
    "maturity",
    "msg",
    "multiMatch",
    "noauditlog",
    "nolog",
    "pass",
    "pause",
    "phase",
    "prepend",
    "proxy",
    "redirect",
    "rev",
    "sanitiseArg",
    "sanitiseMatched",
    "sanitiseMatchedBytes",
    "sanitiseRequestHeader",
    "sanitiseResponseHeader",
    "setenv",
    "setrsc",
    "setsid",
    "setuid",
    "setvar",
    "severity",
    "skip",
    "skipAfter",
    "status",
    "t",
    "tag",
    "ver",
    "xmlns",
];

/// Actions that ModSecurity knows and that need nothing of us.
const WITHOUT_EFFECT: [&str; 15] = [
    "accuracy",
    "auditlog",
    "exec",
    "maturity",
    "noauditlog",
    "pause",
    "rev",
    "sanitisearg",
    "sanitisematched",
    "sanitisematchedbytes",
    "sanitiserequestheader",
    "sanitiseresponseheader",
    "setenv",
    "ver",
    "xmlns",
];

/// Reads a list of actions.
pub(super) fn actions(written: &str) -> Result<Actions, Wrong> {
    let mut actions = Actions::default();
    for part in split(written, ',') {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (name, value) = match part.split_once(':') {
            Some((name, value)) => (name.trim(), unquoted(value.trim())),
            None => (part, String::new()),
        };
        one(&mut actions, name, &value)?;
    }
    Ok(actions)
}

/// Without the single quotes around it, `\'` inside being a quote.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        Some(inside) => inside.replace("\\'", "'"),
        None => value.to_owned(),
    }
}

fn one(actions: &mut Actions, name: &str, value: &str) -> Result<(), Wrong> {
    let lower = name.to_ascii_lowercase();
    if metadata(actions, &lower, value)? || disruptive(actions, &lower, value)? {
        return Ok(());
    }
    let effect = match lower.as_str() {
        "setvar" => WrittenEffect::Known(set(value)?),
        "expirevar" => WrittenEffect::Known(expire(value)?),
        "initcol" => WrittenEffect::Known(initialise(value)?),
        "setsid" => keyed(Collection::Session, value)?,
        "setuid" => keyed(Collection::User, value)?,
        "setrsc" => keyed(Collection::Resource, value)?,
        "ctl" => WrittenEffect::Ctl(ctl::ctl(value)?),
        "skipafter" => WrittenEffect::SkipAfter(value.to_owned()),
        "skip" => WrittenEffect::Skip(number(name, value)?),
        "append" | "prepend" | "proxy" => {
            return Err(Wrong::new(format!("`{name}` is not supported"), "remove the action"));
        }
        known => match WITHOUT_EFFECT.iter().find(|one| **one == known) {
            Some(name) => {
                actions.without_effect.push(name);
                return Ok(());
            }
            None => return Err(Wrong::unknown("action", name, NAMES.into_iter())),
        },
    };
    actions.effects.push(effect);
    Ok(())
}

/// Actions that describe the rule. Whether it was one.
fn metadata(actions: &mut Actions, name: &str, value: &str) -> Result<bool, Wrong> {
    match name {
        "id" => actions.id = Some(number(name, value)?),
        "phase" => actions.phase = Some(phase(value)?),
        "t" => transformation(actions, value)?,
        "multimatch" => actions.multi_match = true,
        "capture" => actions.capture = true,
        "chain" => actions.chain = true,
        "msg" => actions.message = Some(text(value)?),
        "logdata" => actions.log_data = Some(text(value)?),
        "severity" => actions.severity = Some(severity(value)?),
        "tag" => actions.tags.push(value.to_owned()),
        "log" => actions.logged = Some(true),
        "nolog" => actions.logged = Some(false),
        "status" => actions.status = Some(number::<u16>(name, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Actions that stop something. Whether it was one.
fn disruptive(actions: &mut Actions, name: &str, value: &str) -> Result<bool, Wrong> {
    actions.disruptive = Some(match (name, value.to_ascii_lowercase().as_str()) {
        ("block", _) => Disruptive::Block,
        ("pass", _) => Disruptive::Pass,
        ("deny" | "drop" | "redirect", _) => Disruptive::Deny,
        ("allow", "") => Disruptive::Allow,
        ("allow", "phase") => Disruptive::AllowPhase,
        ("allow", "request") => Disruptive::AllowRequest,
        ("allow", other) => {
            return Err(Wrong::new(
                format!("`allow:{other}`"),
                "write `allow`, `allow:phase` or `allow:request`",
            ));
        }
        _ => return Ok(false),
    });
    Ok(true)
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N, Wrong> {
    value.trim().parse().map_err(|_| {
        Wrong::new(format!("`{name}:{value}` is no number in range"), format!("write `{name}:` and digits"))
    })
}

fn phase(value: &str) -> Result<u32, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "request" => Ok(2),
        "response" => Ok(4),
        "logging" => Ok(5),
        digits => match digits.parse() {
            Ok(phase @ 1..=5) => Ok(phase),
            _ => Err(Wrong::new(format!("`phase:{value}`"), "write a phase from 1 to 5")),
        },
    }
}

fn severity(value: &str) -> Result<u8, Wrong> {
    const NAMES: [&str; 8] =
        ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    let named =
        NAMES.iter().zip(0u8..).find(|(name, _)| value.eq_ignore_ascii_case(name)).map(|(_, number)| number);
    named.or_else(|| value.parse().ok().filter(|number| *number < 8)).ok_or_else(|| {
        Wrong::new(format!("`severity:{value}`"), format!("write one of {}, or 0 to 7", NAMES.join(", ")))
    })
}

fn transformation(actions: &mut Actions, value: &str) -> Result<(), Wrong> {
    if value.eq_ignore_ascii_case("none") {
        actions.transformations.clear();
        actions.resets_transformations = true;
        return Ok(());
    }
    let spelled = match value.to_ascii_lowercase().as_str() {
        "normalizepath" => "normalisePath".to_owned(),
        "normalizepathwin" => "normalisePathWin".to_owned(),
        _ => value.to_owned(),
    };
    let known = Transformation::ALL.iter().map(|one| one.name());
    let one =
        Transformation::named(&spelled).ok_or_else(|| Wrong::unknown("transformation", value, known))?;
    actions.transformations.push(one);
    Ok(())
}

fn collection(name: &str) -> Result<Collection, Wrong> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "tx" => Collection::Tx,
        "ip" => Collection::Ip,
        "global" => Collection::Global,
        "session" => Collection::Session,
        "user" => Collection::User,
        "resource" => Collection::Resource,
        _ => {
            let known = ["tx", "ip", "global", "session", "user", "resource"];
            return Err(Wrong::unknown("collection", name, known.into_iter()));
        }
    })
}

/// `tx.name=value`, `tx.name=+1`, `!tx.name`; without a value it is 1.
fn set(value: &str) -> Result<Effect, Wrong> {
    let (unset, value) = match value.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let (target, change) = cut_outside_macros(value, '=');
    let (of, name) = target
        .split_once(['.', ':'])
        .ok_or_else(|| Wrong::new(format!("`setvar:{value}`"), "write it like `setvar:tx.name=value`"))?;
    let change = match change {
        _ if unset => Change::Unset,
        None => Change::Assign(Text::literal("1")),
        Some(change) => match (change.strip_prefix('+'), change.strip_prefix('-')) {
            (Some(by), _) => Change::Add(text(by)?),
            (_, Some(by)) => Change::Subtract(text(by)?),
            _ => Change::Assign(text(change)?),
        },
    };
    Ok(Effect::Set { collection: collection(of.trim())?, name: text(name.trim())?, change })
}

/// Cuts at the first such character outside of `%{…}`.
fn cut_outside_macros(text: &str, at: char) -> (&str, Option<&str>) {
    let mut inside = false;
    for (place, char) in text.char_indices() {
        match char {
            '{' => inside = true,
            '}' => inside = false,
            _ if char == at && !inside => {
                let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
                return (before, after.get(1..));
            }
            _ => {}
        }
    }
    (text, None)
}

fn expire(value: &str) -> Result<Effect, Wrong> {
    let wrong = || Wrong::new(format!("`expirevar:{value}`"), "write it like `expirevar:ip.name=60`");
    let (target, seconds) = value.split_once('=').ok_or_else(wrong)?;
    let (of, name) = target.split_once('.').ok_or_else(wrong)?;
    Ok(Effect::Expire { collection: collection(of)?, name: text(name)?, seconds: text(seconds.trim())? })
}

fn initialise(value: &str) -> Result<Effect, Wrong> {
    let wrong = || Wrong::new(format!("`initcol:{value}`"), "write it like `initcol:ip=%{REMOTE_ADDR}`");
    let (of, key) = value.split_once('=').ok_or_else(wrong)?;
    Ok(Effect::InitCollection { collection: collection(of)?, key: text(key)? })
}

fn keyed(collection: Collection, value: &str) -> Result<WrittenEffect, Wrong> {
    Ok(WrittenEffect::Known(Effect::InitCollection { collection, key: text(value)? }))
}

/// `On`, `Off`, `DetectionOnly`.
pub(super) fn mode(value: &str) -> Result<EngineMode, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(EngineMode::On),
        "off" => Ok(EngineMode::Off),
        "detectiononly" => Ok(EngineMode::DetectionOnly),
        _ => Err(Wrong::new(format!("`{value}` is no engine mode"), "write On, Off or DetectionOnly")),
    }
}
