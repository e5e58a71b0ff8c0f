//! Every directive the language has: what it does, or that it does nothing here.

use super::super::actions::{Which, actions, mode};
use super::super::fault::Wrong;
use super::super::lexer::{Directive, characters};
use super::super::variables::targets;
use super::{Amendment, Builder, Here, joined};

/// Directives that ModSecurity knows and that need nothing of us: logs, files, limits of its own.
const WITHOUT_EFFECT: [&str; 44] = [
    "SecArgumentsLimitAction",
    "SecAuditEngine",
    "SecAuditLog",
    "SecAuditLog2",
    "SecAuditLogDirMode",
    "SecAuditLogFileMode",
    "SecAuditLogFormat",
    "SecAuditLogParts",
    "SecAuditLogPrefix",
    "SecAuditLogRelevantStatus",
    "SecAuditLogStorageDir",
    "SecAuditLogType",
    "SecCollectionTimeout",
    "SecConnEngine",
    "SecConnReadStateLimit",
    "SecConnWriteStateLimit",
    "SecContentInjection",
    "SecDataDir",
    "SecDebugLog",
    "SecDebugLogLevel",
    "SecDisableBackendCompression",
    "SecGeoLookupDb",
    "SecGsbLookupDb",
    "SecGuardianLog",
    "SecHashEngine",
    "SecHashKey",
    "SecHttpBlKey",
    "SecInterceptOnError",
    "SecPcreMatchLimit",
    "SecPcreMatchLimitRecursion",
    "SecRequestBodyInMemoryLimit",
    "SecRequestBodyLimitAction",
    "SecResponseBodyLimitAction",
    "SecRuleInheritance",
    "SecRulePerfTime",
    "SecSensorId",
    "SecServerSignature",
    "SecStatusEngine",
    "SecTmpDir",
    "SecTmpSaveUploadedFiles",
    "SecUploadDir",
    "SecUploadFileLimit",
    "SecUploadFileMode",
    "SecUploadKeepFiles",
];

/// Directives that do something.
const KNOWN: [&str; 27] = [
    "Include",
    "IncludeOptional",
    "SecAction",
    "SecArgumentSeparator",
    "SecArgumentsLimit",
    "SecComponentSignature",
    "SecCookieFormat",
    "SecDefaultAction",
    "SecMarker",
    "SecRequestBodyAccess",
    "SecRequestBodyJsonDepthLimit",
    "SecRequestBodyLimit",
    "SecRequestBodyNoFilesLimit",
    "SecResponseBodyAccess",
    "SecResponseBodyLimit",
    "SecResponseBodyMimeType",
    "SecResponseBodyMimeTypesClear",
    "SecRule",
    "SecRuleEngine",
    "SecRuleRemoveById",
    "SecRuleRemoveByMsg",
    "SecRuleRemoveByTag",
    "SecRuleUpdateActionById",
    "SecRuleUpdateTargetById",
    "SecRuleUpdateTargetByMsg",
    "SecRuleUpdateTargetByTag",
    "SecUnicodeMapFile",
];

impl Builder<'_> {
    pub(super) fn directive(&mut self, here: &Here<'_>, directive: &Directive) -> Result<(), Wrong> {
        let name = directive.name.to_ascii_lowercase();
        let is_rule = matches!(name.as_str(), "secrule" | "secaction");
        if self.chain_is_open && !is_rule {
            return Err(Wrong::new(
                format!("{} stands where a chain waits for its next SecRule", directive.name),
                "put the chain's rules together",
            ));
        }
        if name.starts_with('<') {
            return Err(Wrong::new(
                format!("the Apache section `{}` is not supported", directive.name),
                "keep what applies and remove the section's lines",
            ));
        }
        match name.as_str() {
            "secrule" => self.rule(here, directive),
            "secaction" => self.action(here, directive),
            "include" => self.include(here, directive, false),
            "includeoptional" => self.include(here, directive, true),
            _ => match WITHOUT_EFFECT.iter().find(|one| one.eq_ignore_ascii_case(&name)) {
                Some(known) => {
                    *self.read.without_effect.entry((*known).to_owned()).or_default() += 1;
                    Ok(())
                }
                None => self.setting(here, &name, directive),
            },
        }
    }

    fn include(&mut self, here: &Here<'_>, directive: &Directive, optional: bool) -> Result<(), Wrong> {
        let path = joined(here.file, argument(directive)?);
        if !path.contains(['*', '?']) {
            return match self.files.read(&path) {
                Ok(bytes) => {
                    self.contents(&path, &bytes);
                    Ok(())
                }
                Err(_) if optional => Ok(()),
                Err(why) => {
                    let what = format!("the included file `{path}` cannot be read: {why}");
                    Err(Wrong::new(what, "check the path, which begins at the folder of the including file"))
                }
            };
        }
        match self.files.glob(&path) {
            Ok(paths) if paths.is_empty() && !optional => {
                Err(Wrong::new(format!("`{path}` names no file"), "check it, or write IncludeOptional"))
            }
            Ok(paths) => {
                paths.iter().for_each(|path| self.file(path));
                Ok(())
            }
            Err(_) if optional => Ok(()),
            Err(why) => Err(Wrong::new(format!("`{path}` cannot be read: {why}"), "check the folder")),
        }
    }

    fn setting(&mut self, here: &Here<'_>, name: &str, directive: &Directive) -> Result<(), Wrong> {
        let reading = &mut self.read.reading;
        match name {
            "secruleengine" => self.read.mode = mode(argument(directive)?)?,
            "secrequestbodyaccess" => reading.request_body = on(directive)?,
            "secresponsebodyaccess" => reading.response_body = on(directive)?,
            "secrequestbodylimit" => reading.request_body_limit = number(directive)?,
            "secrequestbodynofileslimit" => reading.request_body_no_files_limit = number(directive)?,
            "secresponsebodylimit" => reading.response_body_limit = number(directive)?,
            "secrequestbodyjsondepthlimit" => reading.json_depth_limit = number(directive)?,
            "secargumentslimit" => reading.arguments_limit = number(directive)?,
            "secargumentseparator" => {
                reading.argument_separator = argument(directive)?.bytes().next().unwrap_or(b'&');
            }
            "seccookieformat" => reading.cookies_v1 = argument(directive)? == "1",
            "secresponsebodymimetype" => {
                reading.response_body_types =
                    directive.words.iter().map(|word| word.to_ascii_lowercase()).collect();
            }
            "secresponsebodymimetypesclear" => reading.response_body_types.clear(),
            "seccomponentsignature" => self.read.signature = argument(directive)?.to_owned(),
            "secmarker" => {
                let marker = argument(directive)?.to_owned();
                self.read.markers.push((marker, self.read.rules.len()));
            }
            "secunicodemapfile" => self.unicode_map(here, directive)?,
            "secdefaultaction" => self.default_action(directive)?,
            _ => self.amendment(here, name, directive)?,
        }
        Ok(())
    }

    fn default_action(&mut self, directive: &Directive) -> Result<(), Wrong> {
        let actions = actions(argument(directive)?)?;
        let phase = actions.phase.unwrap_or(2);
        if actions.id.is_some() || actions.chain || !actions.effects.is_empty() {
            return Err(Wrong::new(
                "a default action has an id, a chain or an effect",
                "keep phase, log and what to do with the request",
            ));
        }
        if self.read.defaults.iter().any(|(known, _)| *known == phase) {
            return Err(Wrong::new(
                format!("phase {phase} has a default action already"),
                "keep one SecDefaultAction for each phase",
            ));
        }
        self.read.defaults.push((phase, actions));
        Ok(())
    }

    fn amendment(&mut self, here: &Here<'_>, name: &str, directive: &Directive) -> Result<(), Wrong> {
        let first = argument(directive)?;
        let which = match name {
            "secruleremovebyid" => {
                return self.amend(
                    here,
                    directive,
                    Amendment::Remove(Which::ids(&directive.words.join(" "))?),
                );
            }
            "secruleremovebytag" => {
                return self.amend(here, directive, Amendment::Remove(Which::Tag(first.to_owned())));
            }
            "secruleremovebymsg" => {
                return self.amend(here, directive, Amendment::Remove(Which::Message(first.to_owned())));
            }
            "secruleupdatetargetbyid" | "secruleupdateactionbyid" => Which::ids(first)?,
            "secruleupdatetargetbytag" => Which::Tag(first.to_owned()),
            "secruleupdatetargetbymsg" => Which::Message(first.to_owned()),
            _ => {
                let known = KNOWN.iter().chain(&WITHOUT_EFFECT).copied();
                return Err(Wrong::unknown("directive", &directive.name, known));
            }
        };
        let second = directive.words.get(1).ok_or_else(|| {
            Wrong::new(
                format!("{} needs two arguments", directive.name),
                "say which rules, then what changes",
            )
        })?;
        let amendment = if name == "secruleupdateactionbyid" {
            Amendment::Actions(which, Box::new(actions(second)?))
        } else {
            Amendment::Targets(which, targets(second)?)
        };
        self.amend(here, directive, amendment)
    }

    fn amend(&mut self, here: &Here<'_>, directive: &Directive, amendment: Amendment) -> Result<(), Wrong> {
        let nothing = Wrong::new(
            format!("{} {} names no rule", directive.name, directive.words.join(" ")),
            "check the id or tag, or remove the line",
        );
        self.read.amendments.push((nothing.at(here.file, here.line), amendment));
        Ok(())
    }

    /// A file of blocks headed by a code page: `20127 2215:2f 2216:5c`.
    fn unicode_map(&mut self, here: &Here<'_>, directive: &Directive) -> Result<(), Wrong> {
        let bytes = self.beside(here.file, argument(directive)?)?;
        let text = characters(&bytes);
        let page = directive.words.get(1).map_or("20127", String::as_str);
        let mut block = text.lines().skip_while(|line| line.split_whitespace().next() != Some(page)).skip(1);
        let pairs = block.by_ref().take_while(|line| line.contains(':') || line.trim().is_empty());
        let mut map: Vec<(u32, u8)> = pairs
            .flat_map(str::split_whitespace)
            .filter_map(|pair| {
                let (from, to) = pair.split_once(':')?;
                Some((u32::from_str_radix(from, 16).ok()?, u8::from_str_radix(to, 16).ok()?))
            })
            .collect();
        if map.is_empty() {
            return Err(Wrong::new(format!("code page {page} is not in the file"), "name one that is"));
        }
        map.sort_unstable();
        self.read.reading.unicode_map = map;
        Ok(())
    }
}

fn argument(directive: &Directive) -> Result<&str, Wrong> {
    directive
        .words
        .first()
        .map(String::as_str)
        .ok_or_else(|| Wrong::new(format!("{} needs an argument", directive.name), "add it"))
}

fn on(directive: &Directive) -> Result<bool, Wrong> {
    match argument(directive)?.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Wrong::new(format!("{} {other}", directive.name), "write On or Off")),
    }
}

fn number<N: std::str::FromStr>(directive: &Directive) -> Result<N, Wrong> {
    let digits = argument(directive)?;
    digits
        .parse()
        .map_err(|_| Wrong::new(format!("{} {digits} is no number in range", directive.name), "write digits"))
}
