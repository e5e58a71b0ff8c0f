//! Whether anything can begin at a place, told from two bytes and the next at sign: it spares most words the matchers.
//! It owns that table; it refuses nothing a matcher might take, which a test compares.

use super::Kind;
use super::cursor::WINDOW;
use super::iban;
use super::keyword::{self, begins_word};
use super::token::Shape;

/// Two bytes that may begin a leak, as a set of pairs.
pub(super) struct Gate {
    pairs: Vec<u64>,
    mail: bool,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("mail", &self.mail).finish_non_exhaustive()
    }
}

/// Kinds that begin with a digit.
const NUMBERS: u64 = Kind::Card.bit()
    | Kind::UsSsn.bit()
    | Kind::PrivateIpv4.bit()
    | Kind::GermanTaxId.bit()
    | Kind::UkNhs.bit()
    | Kind::FrenchNir.bit()
    | Kind::SpanishDni.bit()
    | Kind::BrazilianCpf.bit()
    | Kind::TelegramToken.bit();

impl Gate {
    /// The gate for a set of kinds and the shapes they ask for.
    pub(super) fn new(kinds: u64, shapes: &[&Shape]) -> Self {
        let mut gate = Self { pairs: vec![0; 1024], mail: kinds & Kind::Email.bit() != 0 };
        for shape in shapes {
            gate.open(shape.prefix, false);
        }
        for (name, _) in keyword::names().filter(|(_, wanted)| kinds & wanted != 0) {
            gate.open(name, true);
        }
        for (kind, start) in [(Kind::Jwt, "ey"), (Kind::PrivateKey, "--"), (Kind::UrlPassword, ":/")] {
            if kinds & kind.bit() != 0 {
                gate.open(start, false);
            }
        }
        if kinds & Kind::Iban.bit() != 0 {
            iban::countries().for_each(|[first, second]| gate.add(first, second));
        }
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let number = first.is_ascii_digit() && kinds & NUMBERS != 0;
                let phone = first == b'+' && second.is_ascii_digit() && kinds & Kind::Phone.bit() != 0;
                let foreign = matches!(first, b'X'..=b'Z') && second.is_ascii_digit();
                let nino = first.is_ascii_uppercase() && second.is_ascii_uppercase();
                let wanted = |kind: Kind, yes: bool| yes && kinds & kind.bit() != 0;
                if number || phone || wanted(Kind::SpanishDni, foreign) || wanted(Kind::UkNino, nino) {
                    gate.add(first, second);
                }
            }
        }
        gate
    }

    fn open(&mut self, start: &str, folded: bool) {
        let mut bytes = start.bytes();
        if let (Some(first), Some(second)) = (bytes.next(), bytes.next()) {
            self.add(first, second);
            if folded {
                self.add(first.to_ascii_uppercase(), second);
                self.add(first, second.to_ascii_uppercase());
                self.add(first.to_ascii_uppercase(), second.to_ascii_uppercase());
            }
        }
    }

    fn add(&mut self, first: u8, second: u8) {
        let pair = usize::from(first) << 8 | usize::from(second);
        if let Some(word) = self.pairs.get_mut(pair >> 6) {
            *word |= 1 << (pair & 63);
        }
    }

    /// Whether something may begin at `at`, after `before`. `mail` is where the next at sign was last seen.
    pub(super) fn lets(&self, bytes: &[u8], at: usize, before: Option<u8>, mail: &mut usize) -> bool {
        let Some(&first) = bytes.get(at) else { return false };
        let word = first.is_ascii_alphanumeric();
        if if word { !begins_word(before) } else { !matches!(first, b'+' | b'-' | b':') } {
            return false;
        }
        let Some(&second) = bytes.get(at + 1) else { return true };
        let pair = usize::from(first) << 8 | usize::from(second);
        let open = self.pairs.get(pair >> 6).is_some_and(|word| word >> (pair & 63) & 1 == 1);
        open || (word && self.mail && Self::mail_near(bytes, at, mail))
    }

    /// Whether an at sign may stand near enough for an address to begin here.
    fn mail_near(bytes: &[u8], at: usize, mail: &mut usize) -> bool {
        if *mail <= at {
            let rest = bytes.get(at..).unwrap_or_default();
            *mail = at + memchr::memchr(b'@', rest).unwrap_or(rest.len());
        }
        *mail - at <= WINDOW / 2
    }
}
