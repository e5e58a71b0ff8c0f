//! Credential stuffing: an address that shows too many wrong keys is refused before its next key is looked at.

use vocabulary::access_log::WafOutcome;
use vocabulary::{Moment, Reason};

use super::note;
use super::request::Guard;
use crate::{Exchange, Refusal};

impl Exchange {
    /// Whether this address may show a key at all.
    ///
    /// # Errors
    /// [`Reason::KeyFailures`], for as long as the address is refused.
    pub fn admit_keys(&mut self, now: Moment) -> Result<(), Refusal> {
        let firewall = self.listeners_firewall().map(std::sync::Arc::clone);
        let (Some(firewall), Some(address)) = (firewall, self.peer.address) else { return Ok(()) };
        let failures = firewall.key_failures.as_ref();
        let Some(left) = failures.and_then(|failures| failures.refused(address, now)) else { return Ok(()) };
        if firewall.mode == rule_table::Mode::Shadow {
            self.would_refuse_for(Reason::KeyFailures);
            return Ok(());
        }
        let note = note::new(&firewall.name);
        let mut guard = Guard { firewall, inspection: None, note, most_tokens: None };
        note::raise(&mut guard.note, WafOutcome::Refused);
        self.guard = Some(Box::new(guard));
        let words = "too many wrong keys came from this address; wait, and check the key";
        Err(Refusal::new(Reason::KeyFailures, words).with_retry_after(Some(left)))
    }

    /// Counts a refusal, if it is one for a wrong key.
    pub fn key_refused(&self, reason: Reason, now: Moment) {
        if !matches!(reason, Reason::InvalidKey | Reason::InvalidToken) {
            return;
        }
        let failures = self.listeners_firewall().and_then(|firewall| firewall.key_failures.as_ref());
        if let (Some(failures), Some(address)) = (failures, self.peer.address) {
            failures.failed(address, now);
        }
    }
}
