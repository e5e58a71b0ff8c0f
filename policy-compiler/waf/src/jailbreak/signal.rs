//! The signs, their names and how points add up. It owns the caps and what an origin changes; it refuses to know how
//! any sign is recognised.

use smallvec::SmallVec;

use super::{Origin, Verdict};

macro_rules! signals {
    ($($signal:ident $name:literal $cap:literal $doc:literal;)*) => {
        /// A sign of an attempt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Signal {
            $(#[doc = $doc] $signal,)*
        }

        impl Signal {
            /// Every sign.
            pub const ALL: &'static [Self] = &[$(Self::$signal,)*];

            /// Its name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$signal => $name,)* }
            }

            /// The most points it gives, however often it is seen.
            pub const fn cap(self) -> u16 {
                match self { $(Self::$signal => $cap,)* }
            }

            /// One line on what is recognised.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$signal => $doc,)* }
            }
        }
    };
}

signals! {
    Override "instruction-override" 60 "Telling the model to ignore or forget what it was told.";
    Extraction "prompt-extraction" 60 "Asking for the system prompt or the instructions before.";
    Persona "known-persona" 60 "A persona or mode known for having no limits: DAN, developer mode and their kin.";
    NoLimits "no-limits" 60 "Saying that no rules, filters or ethics apply.";
    Lexicon "unfiltered-words" 45 "Words such as uncensored, unfiltered, amoral.";
    Refusal "refusal-suppression" 50 "Forbidding the model to refuse, warn or apologise.";
    Role "role-assignment" 30 "Giving the model another identity, or holding it in character.";
    Policy "provider-policy" 45 "Speaking of the provider's policies or the model's filters as something to get around.";
    Dual "dual-response" 30 "Asking for a second answer by another self.";
    Obedience "forced-obedience" 40 "Obeying every request, or a price for not doing so.";
    Frame "fictional-frame" 20 "A fiction, a hypothesis or a study in which anything may be said.";
    Harm "harm-words" 30 "Words for what is illegal or explicit, as a list.";
    Turns "fake-turns" 60 "Chat template tokens or turns written into the text.";
    ManyShot "many-shot" 50 "A long row of made-up turns.";
    Encoded "encoded-payload" 50 "Encoded text with the demand to decode and follow it.";
    Hidden "hidden-characters" 60 "Tag, zero-width or direction characters that hide text.";
    Spelling "broken-spelling" 20 "Spelling a sign's words with digits or single letters.";
    Addressed "addressed-to-model" 50 "Instructions for an AI that reads the text.";
    Exfiltration "exfiltration" 50 "Sending the conversation, keys or files somewhere.";
    Secrecy "secrecy" 40 "Keeping something from the user.";
}

/// Signs that matter in what a tool returns as much as they would in an instruction.
const FOR_TOOLS: [Signal; 5] =
    [Signal::Override, Signal::Addressed, Signal::Exfiltration, Signal::Secrecy, Signal::Turns];

/// Points by sign.
#[derive(Debug, Default)]
pub(super) struct Points {
    by_signal: [u16; Signal::ALL.len()],
}

impl Points {
    pub(super) fn add(&mut self, signal: Signal, points: u16) {
        if let Some(sum) = self.by_signal.get_mut(signal as usize) {
            *sum = sum.saturating_add(points).min(signal.cap());
        }
    }

    /// The sum, whoever wrote the text.
    pub(super) fn sum(&self) -> u16 {
        self.by_signal.iter().sum()
    }

    /// The verdict. In what users write, signs meant for tool results count half.
    pub(super) fn verdict(&self, origin: Origin) -> Verdict {
        let mut verdict = Verdict { score: 0, signals: SmallVec::new() };
        for (&signal, &points) in Signal::ALL.iter().zip(&self.by_signal) {
            let of_tools = matches!(signal, Signal::Addressed | Signal::Exfiltration | Signal::Secrecy);
            let points = match origin {
                Origin::User if of_tools => points / 2,
                Origin::Tool if FOR_TOOLS.contains(&signal) => points.saturating_add(points / 4),
                _ => points,
            };
            if points > 0 {
                verdict.score = verdict.score.saturating_add(points).min(1000);
                verdict.signals.push((signal, points));
            }
        }
        verdict
    }
}
