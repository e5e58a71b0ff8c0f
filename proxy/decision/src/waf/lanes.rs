//! The texts of a streamed answer, each its own lane: what may go on, what is held back until it can be told. It owns
//! the detectors' states; it refuses to know how events are framed.

use std::sync::Arc;

use rule_table::TextAction;
use serde_json::Value;
use waf::leak::{Detector, LeakStream};
use waf::output::{Inspector, OutputStream};

use super::Firewall;
use super::answer::Found;
use super::note;

/// Which text: the answer's or block's number, the part's, and the field.
pub(super) type LaneId = (u64, u64, &'static str);

/// One text on its way.
pub(super) struct Lane {
    pub(super) id: LaneId,
    noted: Option<LeakStream<Arc<Detector>>>,
    masked: Option<LeakStream<Arc<Detector>>>,
    active: Option<(TextAction, OutputStream<Arc<Inspector>>)>,
    told: [usize; 3],
    /// The latest event of this lane with the place of its text, for what is still held when the lane ends.
    pub(super) latest: Option<(Option<String>, Value, String)>,
}

impl Lane {
    pub(super) fn new(id: LaneId, firewall: &Firewall) -> Self {
        let stream =
            |detector: &Option<Arc<Detector>>| detector.as_ref().map(|one| LeakStream::new(Arc::clone(one)));
        let active = firewall.active.as_ref();
        Self {
            id,
            noted: stream(&firewall.answers.noted),
            masked: stream(&firewall.answers.masked),
            active: active.map(|(action, inspector)| (*action, OutputStream::new(Arc::clone(inspector)))),
            told: [0; 3],
            latest: None,
        }
    }

    /// Takes the next piece, the last one where it is; gives what may go on.
    pub(super) fn push(&mut self, piece: &str, last: bool) -> String {
        let mut seen = String::new();
        if let Some(noted) = &mut self.noted {
            noted.push(piece, &mut seen);
            if last {
                noted.finish(&mut seen);
            }
        }
        let mut text = String::new();
        match &mut self.masked {
            None => text.push_str(piece),
            Some(masked) => {
                masked.push(piece, &mut text);
                if last {
                    masked.finish(&mut text);
                }
            }
        }
        let Some((action, active)) = &mut self.active else { return text };
        let mut harmless = String::new();
        active.push(&text, &mut harmless);
        if last {
            active.finish(&mut harmless);
        }
        if *action == TextAction::Log { text } else { harmless }
    }

    /// What was found since this was last asked.
    pub(super) fn found(&mut self, firewall: &Firewall, found: &mut Found) {
        let [noted, masked, active] = &mut self.told;
        for (stream, told) in [(&self.noted, noted), (&self.masked, masked)] {
            let leaks = stream.as_ref().map_or(&[][..], LeakStream::leaks);
            for leak in leaks.iter().skip(std::mem::replace(told, leaks.len())) {
                note::add(&mut found.leaks, leak.kind.name());
                found.strictest = found.strictest.max(Some(firewall.answers.action(leak.kind)));
            }
        }
        if let Some((action, stream)) = &self.active {
            let findings = stream.findings();
            for finding in findings.iter().skip(std::mem::replace(active, findings.len())) {
                note::add(&mut found.answer, finding.kind.name());
                found.strictest = found.strictest.max(Some(*action));
            }
        }
    }
}
