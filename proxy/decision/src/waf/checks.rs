//! What a firewall looks for in a request: client, size, content, rules, in this order. It owns what refuses and in
//! which words; it refuses to quote anything of the request.

use std::sync::Arc;

use bytes::Bytes;
use rule_table::{Mode, OnFailure, TextAction, WafAction};
use vocabulary::access_log::WafOutcome;
use vocabulary::{Operation, Reason};
use waf::bots;
use waf::fields::{self, Bounds, Class, Fields};
use waf::jailbreak::Origin;
use waf::request::{Line, Pair, arguments_elsewhere};
use waf::run::{self, Circumstances, Inspection};
use waf::shape::{Breach, Measure, Measures, Remedy};

use super::note::{self, WafNote};
use super::request::{Guard, WafRequest};
use super::{Rules, measure};
use crate::Refusal;

impl Guard {
    /// What kind of client it is.
    pub(super) fn client(&mut self, method: &http::Method, request: &WafRequest<'_>) -> Result<(), Refusal> {
        let Some(classifier) =
            self.firewall.shared.classifier.as_ref().filter(|_| !self.firewall.bots.is_empty())
        else {
            return Ok(());
        };
        let text = |value| std::str::from_utf8(value).unwrap_or_default();
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, text(value))).collect();
        let head = bots::Head {
            method: method.as_str(),
            headers: &headers,
            secure: request.secure,
            http1: request.http1,
        };
        let class = classifier.classify(&head).class;
        let action = self.firewall.bots.iter().find(|(known, _)| *known == class).map(|(_, action)| *action);
        let Some(action) = action else { return Ok(()) };
        self.note.bot = Some(class.name().to_owned());
        note::raise(&mut self.note, WafOutcome::Noted);
        let words = "this gateway does not serve this kind of client; use a client of the API you call";
        refuse_if(action, Reason::BotBlocked, words)
    }

    pub(super) fn head(
        &mut self,
        method: &str,
        request: &WafRequest<'_>,
        circumstances: Circumstances,
    ) -> Result<(), Refusal> {
        let bytes = request.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        self.size(&Measures {
            url_bytes: request.target.len() as u64,
            header_bytes: bytes.sum::<usize>() as u64,
            headers: request.headers.len() as u64,
            ..Measures::default()
        })?;
        let engine = match &self.firewall.rules {
            Rules::None => return Ok(()),
            Rules::Broken if self.firewall.on_failure == OnFailure::Open => return Ok(()),
            Rules::Broken => {
                let words = "the firewall's rules cannot be used now; tell the gateway's operator";
                return Err(Refusal::new(Reason::WafUnavailable, words));
            }
            Rules::Ready(engine) => Arc::clone(engine),
        };
        let pairs = request.headers.iter();
        let pairs = pairs.map(|(name, value)| Pair { name: name.as_bytes().to_vec(), value: value.to_vec() });
        let line = Line {
            method: method.as_bytes(),
            target: request.target.as_bytes(),
            protocol: request.protocol.as_bytes(),
        };
        let mut inspection = Inspection::new(engine, circumstances);
        inspection.more_arguments(arguments_elsewhere(request.headers));
        let refused = inspection.request_head(&line, pairs.collect());
        let inspection = self.inspection.insert(inspection);
        conclude(&mut self.note, inspection, refused)
    }

    pub(super) fn body(
        &mut self,
        facts: Option<&vocabulary::RequestFacts>,
        operation: Option<Operation>,
        body: &Bytes,
        caller: u64,
    ) -> Result<Option<Bytes>, Refusal> {
        let firewall = Arc::clone(&self.firewall);
        let schema = firewall.schema(operation).filter(|_| !body.is_empty());
        let Some(schema) = schema else {
            self.size(&measure::of_facts(facts, body.len()))?;
            self.rules_on(|inspection| inspection.request_body(body))?;
            return Ok(None);
        };
        let fields = match fields::read(schema, body, &Bounds::default(), firewall.exempt) {
            Ok(fields) => fields,
            Err(fault) => {
                let words = format!(
                    "the body can be read in more than one way: {} at byte {}",
                    fault.problem, fault.offset
                );
                if firewall.mode == Mode::Shadow {
                    // What it would have been refused for is one thing, what rules say of it another.
                    self.rules_on(|inspection| inspection.request_body(body))?;
                }
                return Err(Refusal::new(Reason::AmbiguousBody, words));
            }
        };
        self.size(&measure::of_fields(&fields, facts, body.len()))?;
        self.fields(&fields, caller)?;
        self.attempts(&fields)?;
        let masked = self.leaks(&fields)?;
        let same = masked.is_none() && fields.canonical == *body;
        Ok((!same).then(|| masked.unwrap_or_else(|| Bytes::from(fields.canonical))))
    }

    fn size(&mut self, measures: &Measures) -> Result<(), Refusal> {
        for breach in self.firewall.limits.breaches(measures) {
            note::add(&mut self.note.shape, breach.measure.name());
            note::raise(&mut self.note, WafOutcome::Noted);
            match breach.remedy {
                Remedy::Clamp { to } if self.firewall.enforces() => self.most_tokens = Some(to),
                Remedy::Clamp { .. } => {}
                Remedy::Refuse => return Err(too_much(&breach)),
            }
        }
        Ok(())
    }

    /// Rules over the fields, but for messages of earlier turns that they let pass.
    fn fields(&mut self, fields: &Fields, caller: u64) -> Result<(), Refusal> {
        let Some(inspection) = &mut self.inspection else { return Ok(()) };
        let firewall = &self.firewall;
        let marks = firewall.history.marks(caller, &fields.fields, fields.roles.len());
        let passed = firewall.history.passed(&marks);
        let known = |message: Option<u32>| {
            let message = message.and_then(|message| usize::try_from(message).ok());
            message.and_then(|message| passed.get(message)).copied().unwrap_or(false)
        };
        let refused = if passed.contains(&true) {
            let new = fields.fields.iter().filter(|field| !known(field.message)).cloned().collect();
            let (canonical, visible) = (fields.canonical.clone(), Vec::new());
            let new = Fields { fields: new, canonical, visible, roles: Vec::new() };
            inspection.request_fields(&new, firewall.exempt)
        } else {
            inspection.request_fields(fields, firewall.exempt)
        };
        let done = conclude(&mut self.note, inspection, refused);
        if done.is_ok() && inspection.would_refuse().is_none() {
            firewall.history.remember(&marks);
        }
        done
    }

    fn rules_on(&mut self, run: impl FnOnce(&mut Inspection) -> Option<run::Refusal>) -> Result<(), Refusal> {
        let Some(inspection) = &mut self.inspection else { return Ok(()) };
        let refused = run(inspection);
        conclude(&mut self.note, inspection, refused)
    }

    /// Texts that want a model to break its instructions: those since the model last spoke.
    fn attempts(&mut self, fields: &Fields) -> Result<(), Refusal> {
        let Some((action, threshold)) = self.firewall.section.jailbreak else { return Ok(()) };
        let Some(scorer) = &self.firewall.shared.scorer else { return Ok(()) };
        let last = fields.roles.iter().rposition(|role| role == "assistant" || role == "model");
        let fresh = |field: &&fields::Field| {
            let message = field.message.and_then(|message| usize::try_from(message).ok());
            field.class == Class::Prose && (last.is_none() || message.is_none() || message > last)
        };
        let origin = |field: &fields::Field| {
            let role = field.message.and_then(|message| fields.roles.get(message as usize));
            match role.map(String::as_str) {
                Some("system" | "developer") => None,
                Some("tool" | "function") => Some(Origin::Tool),
                _ if field.path.contains(".output") || field.path.contains("tool_result") => {
                    Some(Origin::Tool)
                }
                _ => Some(Origin::User),
            }
        };
        let scores = fields.fields.iter().filter(fresh);
        let scores = scores.filter_map(|field| Some(scorer.score(&field.value, origin(field)?).score));
        let Some(score) = scores.max().filter(|score| *score >= threshold) else { return Ok(()) };
        self.note.jailbreak = Some(score);
        note::raise(&mut self.note, WafOutcome::Noted);
        let words = "the text asks the model to leave its instructions; say what you want without that";
        refuse_if(action, Reason::JailbreakBlocked, words)
    }

    /// Secrets and personal data: the body without them, where they are masked.
    fn leaks(&mut self, fields: &Fields) -> Result<Option<Bytes>, Refusal> {
        let prompts = &self.firewall.prompts;
        if !prompts.any() {
            return Ok(None);
        }
        let texts = fields.fields.iter().filter(|field| field.class != Class::Media);
        let mut strictest = None;
        for detector in [&prompts.noted, &prompts.masked].into_iter().flatten() {
            for leak in texts.clone().flat_map(|field| detector.find(&field.value)) {
                note::add(&mut self.note.leaks, leak.kind.name());
                strictest = strictest.max(Some(prompts.action(leak.kind)));
            }
        }
        let Some(strictest) = strictest else { return Ok(None) };
        note::raise(&mut self.note, WafOutcome::Noted);
        match strictest {
            TextAction::Block => {
                let kinds = self.note.leaks.join(", ");
                let words = format!("the request holds what may not leave here ({kinds}); take it out");
                Err(Refusal::new(Reason::LeakBlocked, words))
            }
            TextAction::Mask if self.firewall.enforces() => {
                let Some(detector) = &prompts.masked else { return Ok(None) };
                let Ok(mut body) = serde_json::from_slice(&fields.canonical) else { return Ok(None) };
                super::answer::each_text(&mut body, &mut |_, text| {
                    if let Some(masked) = detector.mask(text) {
                        *text = masked;
                    }
                });
                note::raise(&mut self.note, WafOutcome::Masked);
                Ok(serde_json::to_vec(&body).ok().map(Bytes::from))
            }
            TextAction::Mask | TextAction::Log => Ok(None),
        }
    }
}

fn too_much(breach: &Breach) -> Refusal {
    let mut refusal = Refusal::new(Reason::ShapeExceeded, format!("the request holds too much: {breach}"));
    refusal.stated_status = match breach.measure {
        Measure::UrlBytes => Some(414),
        Measure::HeaderBytes | Measure::Headers => Some(431),
        _ => None,
    };
    refusal
}

fn refuse_if(action: WafAction, reason: Reason, words: &'static str) -> Result<(), Refusal> {
    match action {
        WafAction::Log => Ok(()),
        WafAction::Block => Err(Refusal::new(reason, words)),
    }
}

/// Takes over what rules said.
fn conclude(
    note: &mut WafNote,
    inspection: &Inspection,
    refused: Option<run::Refusal>,
) -> Result<(), Refusal> {
    note::rules(note, inspection, inspection.rules());
    let Some(refused) = refused.or(inspection.would_refuse()) else { return Ok(()) };
    Err(by_rule(refused))
}

/// The words of a refusal by a rule.
pub(super) fn by_rule(refused: run::Refusal) -> Refusal {
    let words = format!(
        "the web application firewall refuses this (rule {}); its operator can tell why",
        refused.rule
    );
    let mut refusal = Refusal::new(Reason::WafBlocked, words);
    refusal.stated_status = Some(refused.status).filter(|status| (400..600).contains(status));
    refusal
}
