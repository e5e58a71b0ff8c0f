//! `ctl:…`: what a rule changes about the inspection of one request.

use waf::program::{BodyProcessor, Ctl, Target};

use super::super::fault::Wrong;
use super::super::variables::targets;
use super::mode;

/// Which rules a removal or an update is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Which {
    Ids(Vec<(u32, u32)>),
    Tag(String),
    Message(String),
}

/// A `ctl` that may name rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum WrittenCtl {
    Known(Ctl),
    Remove(Which),
    RemoveTarget(Which, Target),
}

impl Which {
    /// `1`, `1-9`, several with commas or blanks between them.
    pub(in super::super) fn ids(written: &str) -> Result<Self, Wrong> {
        let wrong =
            |part: &str| Wrong::new(format!("`{part}` is no rule id"), "write `942100` or `942100-942199`");
        let range = |part: &str| -> Result<(u32, u32), Wrong> {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.trim().parse::<u32>().map_err(|_| wrong(part));
            Ok((number(from)?, number(to)?))
        };
        let parts = written.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty());
        Ok(Self::Ids(parts.map(range).collect::<Result<_, _>>()?))
    }
}

const NAMES: [&str; 18] = [
    "auditEngine",
    "auditLogParts",
    "debugLogLevel",
    "forceRequestBodyVariable",
    "hashEnforcement",
    "hashEngine",
    "parseXmlIntoArgs",
    "requestBodyAccess",
    "requestBodyLimit",
    "requestBodyProcessor",
    "responseBodyAccess",
    "responseBodyLimit",
    "ruleEngine",
    "ruleRemoveById",
    "ruleRemoveByMsg",
    "ruleRemoveByTag",
    "ruleRemoveTargetById",
    "ruleRemoveTargetByTag",
];

pub(super) fn ctl(written: &str) -> Result<WrittenCtl, Wrong> {
    let (name, value) = written
        .split_once('=')
        .ok_or_else(|| Wrong::new(format!("`ctl:{written}`"), "write it like `ctl:ruleEngine=Off`"))?;
    let value = value.trim();
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "ruleengine" => WrittenCtl::Known(Ctl::RuleEngine(mode(value)?)),
        "requestbodyaccess" => WrittenCtl::Known(Ctl::RequestBodyAccess(on(value)?)),
        "responsebodyaccess" => WrittenCtl::Known(Ctl::ResponseBodyAccess(on(value)?)),
        "forcerequestbodyvariable" => WrittenCtl::Known(Ctl::ForceRequestBodyVariable(on(value)?)),
        "requestbodyprocessor" => {
            let known = BodyProcessor::ALL.iter().map(|one| one.name());
            let processor =
                BodyProcessor::named(value).ok_or_else(|| Wrong::unknown("body processor", value, known))?;
            WrittenCtl::Known(Ctl::RequestBodyProcessor(processor))
        }
        "ruleremovebyid" => WrittenCtl::Remove(Which::ids(value)?),
        "ruleremovebytag" => WrittenCtl::Remove(Which::Tag(value.to_owned())),
        "ruleremovebymsg" => WrittenCtl::Remove(Which::Message(value.to_owned())),
        "ruleremovetargetbyid" => removed_target(value, Which::ids)?,
        "ruleremovetargetbytag" => removed_target(value, |tag| Ok(Which::Tag(tag.to_owned())))?,
        "ruleremovetargetbymsg" => removed_target(value, |message| Ok(Which::Message(message.to_owned())))?,
        "auditengine" | "auditlogparts" | "debugloglevel" | "hashengine" | "hashenforcement"
        | "parsexmlintoargs" | "requestbodylimit" | "responsebodylimit" => WrittenCtl::Known(Ctl::Nothing),
        _ => return Err(Wrong::unknown("ctl", name, NAMES.into_iter())),
    })
}

fn on(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Wrong::new(format!("`{value}` is neither On nor Off"), "write On or Off")),
    }
}

fn removed_target(value: &str, which: impl Fn(&str) -> Result<Which, Wrong>) -> Result<WrittenCtl, Wrong> {
    let wrong = || Wrong::new(format!("`{value}` names no target"), "write it like `942100;ARGS:comment`");
    let (rules, target) = value.split_once(';').ok_or_else(wrong)?;
    let target = targets(target)?.targets.into_iter().next().ok_or_else(wrong)?;
    Ok(WrittenCtl::RemoveTarget(which(rules.trim())?, target))
}
