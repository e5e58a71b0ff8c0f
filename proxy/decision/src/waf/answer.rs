//! Whole answers before their firewall. It owns which of their strings are text; streams are `stream`'s.

use bytes::Bytes;
use rule_table::TextAction;
use serde_json::Value;
use vocabulary::access_log::WafOutcome;
use vocabulary::{Operation, Reason};
use waf::request::Pair;

use super::Firewall;
use super::checks::by_rule;
use super::note;
use super::request::Guard;
use crate::{Exchange, Refusal};

/// Fields in which models write text, in every dialect.
pub(super) const TEXTS: [&str; 7] =
    ["content", "text", "reasoning_content", "reasoning", "refusal", "thinking", "output_text"];

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) leaks: Vec<String>,
    pub(super) answer: Vec<String>,
    pub(super) strictest: Option<TextAction>,
}

impl Exchange {
    /// Inspects a whole answer, and gives what the caller is to get.
    ///
    /// # Errors
    /// [`Reason::AnswerBlocked`], [`Reason::WafBlocked`].
    pub fn guard_answer(&mut self, status: u16, body: Bytes) -> Result<Bytes, Refusal> {
        let Some(mut guard) = self.guard.take() else { return Ok(body) };
        let ruled = guard.answer_rules(status, &body);
        let done = ruled.and_then(|()| guard.answer_texts(self.operation, &body));
        let enforces = guard.firewall.enforces();
        self.guard = Some(guard);
        match done {
            Ok(changed) => Ok(changed.filter(|_| enforces).unwrap_or(body)),
            Err(refusal) if enforces => {
                if let Some(guard) = &mut self.guard {
                    note::raise(&mut guard.note, WafOutcome::Refused);
                }
                Err(refusal)
            }
            Err(refusal) => {
                self.would_refuse_for(refusal.reason);
                Ok(body)
            }
        }
    }
}

impl Guard {
    /// Rules of the phases of answers.
    fn answer_rules(&mut self, status: u16, body: &Bytes) -> Result<(), Refusal> {
        let Some(inspection) = &mut self.inspection else { return Ok(()) };
        let media = Pair { name: b"content-type".to_vec(), value: b"application/json".to_vec() };
        let mut refused = inspection.response_head(status, b"HTTP/1.1", vec![media]);
        if refused.is_none() {
            let wanted = inspection.wants_response_body("application/json");
            refused = inspection.response_body(if wanted { body } else { b"" });
        }
        note::rules(&mut self.note, inspection, inspection.rules());
        refused.map_or(Ok(()), |refused| Err(by_rule(refused)))
    }

    fn answer_texts(&mut self, operation: Option<Operation>, body: &Bytes) -> Result<Option<Bytes>, Refusal> {
        // Embeddings are numbers, and many.
        if !self.firewall.reads_answers() || operation == Some(Operation::Embeddings) {
            return Ok(None);
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(body) else { return Ok(None) };
        let mut found = Found::default();
        let mut changed = false;
        each_text(&mut answer, &mut |key, text| {
            if TEXTS.contains(&key)
                && let Some(clean) = self.firewall.clean(text, &mut found)
            {
                *text = clean;
                changed = true;
            }
        });
        self.found(&found)?;
        if !changed {
            return Ok(None);
        }
        if self.firewall.enforces() {
            note::raise(&mut self.note, WafOutcome::Masked);
        }
        Ok(serde_json::to_vec(&answer).ok().map(Bytes::from))
    }

    /// Takes over what was found; what must not be answered refuses.
    pub(super) fn found(&mut self, found: &Found) -> Result<(), Refusal> {
        found.leaks.iter().for_each(|name| note::add(&mut self.note.leaks, name));
        found.answer.iter().for_each(|name| note::add(&mut self.note.answer, name));
        match found.strictest {
            None => Ok(()),
            Some(TextAction::Block) => {
                note::raise(&mut self.note, WafOutcome::Noted);
                let names: Vec<&str> = found.leaks.iter().chain(&found.answer).map(String::as_str).collect();
                let words = format!("the answer held what may not be passed on ({})", names.join(", "));
                Err(Refusal::new(Reason::AnswerBlocked, words))
            }
            Some(_) => {
                note::raise(&mut self.note, WafOutcome::Noted);
                Ok(())
            }
        }
    }
}

impl Firewall {
    /// A whole text without what is masked; nothing where it stays as it is.
    pub(super) fn clean(&self, text: &str, found: &mut Found) -> Option<String> {
        for detector in [&self.answers.noted, &self.answers.masked].into_iter().flatten() {
            for leak in detector.find(text) {
                note::add(&mut found.leaks, leak.kind.name());
                found.strictest = found.strictest.max(Some(self.answers.action(leak.kind)));
            }
        }
        let masked = self.answers.masked.as_ref().and_then(|detector| detector.mask(text));
        let Some((action, inspector)) = &self.active else { return masked };
        let whole = masked.as_deref().unwrap_or(text);
        for finding in inspector.find(whole) {
            note::add(&mut found.answer, finding.kind.name());
            found.strictest = found.strictest.max(Some(*action));
        }
        let harmless = (*action != TextAction::Log).then(|| inspector.neutralise(whole)).flatten();
        harmless.or(masked)
    }
}

/// Every string below a value, with the name of the field it stands in.
pub(super) fn each_text(value: &mut Value, with: &mut impl FnMut(&str, &mut String)) {
    below("", value, with);
}

fn below(key: &str, value: &mut Value, with: &mut impl FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => with(key, text),
        Value::Array(items) => items.iter_mut().for_each(|item| below(key, item, with)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| below(name, value, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
