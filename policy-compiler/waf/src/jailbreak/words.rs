//! Words as they are meant: without hidden characters, look-alikes, digits for letters or spaces between letters. It
//! owns that folding; it refuses words longer than any phrase has.

use super::chain::{Chains, State};

/// Longer words are cut; no phrase has one.
const LONGEST: usize = 24;

/// The word being spelt.
#[derive(Default)]
struct Word {
    bytes: [u8; LONGEST],
    length: usize,
    digits: bool,
    letters: bool,
}

impl Word {
    fn push(&mut self, byte: u8) {
        self.digits |= byte.is_ascii_digit();
        self.letters |= byte.is_ascii_lowercase();
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    fn spelt(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Ends the word. Single letters wait in `apart` for the next: a row of them may be one word.
    fn end(&mut self, chains: &Chains, state: &mut State, apart: &mut Word) {
        if self.length == 1 && self.letters && apart.length < LONGEST {
            apart.push(self.bytes[0]);
        } else if self.length > 0 {
            apart.join(chains, state);
            self.tell(chains, state);
        }
        *self = Self::default();
    }

    fn tell(&self, chains: &Chains, state: &mut State) {
        if !chains.word(self.spelt(), state) && self.digits && self.letters {
            let mut plain = [0_u8; LONGEST];
            plain.iter_mut().zip(self.spelt()).for_each(|(slot, byte)| *slot = unleet(*byte));
            chains.word(plain.get(..self.length).unwrap_or_default(), state);
        }
    }

    /// Ends a row of single letters: four or more of them are one word.
    fn join(&mut self, chains: &Chains, state: &mut State) {
        if self.length >= 4 {
            self.tell(chains, state);
        } else {
            self.spelt().iter().for_each(|letter| {
                chains.word(&[*letter], state);
            });
        }
        *self = Self::default();
    }
}

fn unleet(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' => b'i',
        b'3' => b'e',
        b'4' => b'a',
        b'5' => b's',
        b'7' => b't',
        other => other,
    }
}

/// Tells `state` the words of `text`.
pub(super) fn read(text: &str, chains: &Chains, state: &mut State) {
    let mut word = Word::default();
    let mut apart = Word::default();
    for letter in text.chars() {
        match fold(letter) {
            Folded::Part(byte) => word.push(byte),
            Folded::Nothing => {}
            Folded::Gap => word.end(chains, state, &mut apart),
        }
    }
    word.end(chains, state, &mut apart);
    apart.join(chains, state);
}

enum Folded {
    /// A letter or digit.
    Part(u8),
    /// It stands in words without being one of their letters.
    Nothing,
    Gap,
}

fn fold(letter: char) -> Folded {
    if letter.is_ascii() {
        let byte = letter as u8;
        return match byte {
            b'a'..=b'z' | b'0'..=b'9' => Folded::Part(byte),
            b'A'..=b'Z' => Folded::Part(byte.to_ascii_lowercase()),
            b'\'' => Folded::Nothing,
            _ => Folded::Gap,
        };
    }
    match letter {
        '\u{2018}'
        | '\u{2019}'
        | '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}' => Folded::Nothing,
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => Folded::Nothing,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).map_or(Folded::Gap, fold),
        '\u{1d400}'..='\u{1d6a3}' => mathematical(letter),
        '\u{24b6}'..='\u{24e9}' => Folded::Part(b'a' + ((u32::from(letter) - 0x24b6) % 26) as u8),
        // Tag characters spell ASCII where nobody sees it.
        '\u{e0041}'..='\u{e007a}' => char::from_u32(u32::from(letter) - 0xe0000).map_or(Folded::Gap, fold),
        _ => lookalike(letter),
    }
}

/// Mathematical alphabets repeat A to Z, a to z.
fn mathematical(letter: char) -> Folded {
    Folded::Part(b'a' + ((u32::from(letter) - 0x1d400) % 26) as u8)
}

/// Letters of other alphabets that look like Latin ones, and Latin ones with an accent.
fn lookalike(letter: char) -> Folded {
    let byte = match letter {
        'а' | 'А' | 'à' | 'á' | 'â' | 'ä' | 'ã' | 'α' | 'Α' => b'a',
        'с' | 'С' | 'ç' => b'c',
        'е' | 'Е' | 'ё' | 'è' | 'é' | 'ê' | 'ë' | 'ε' | 'Ε' => b'e',
        'і' | 'І' | 'ì' | 'í' | 'î' | 'ï' | 'ι' | 'Ι' | 'ı' => b'i',
        'ј' | 'Ј' => b'j',
        'к' | 'К' | 'κ' | 'Κ' => b'k',
        'м' | 'М' | 'Μ' => b'm',
        'ñ' | 'Ν' => b'n',
        'о' | 'О' | 'ò' | 'ó' | 'ô' | 'ö' | 'õ' | 'ο' | 'Ο' => b'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => b'p',
        'ѕ' | 'Ѕ' => b's',
        'т' | 'Т' | 'τ' | 'Τ' => b't',
        'ù' | 'ú' | 'û' | 'ü' | 'υ' => b'u',
        'х' | 'Х' | 'χ' | 'Χ' => b'x',
        'у' | 'У' | 'ý' => b'y',
        _ => return Folded::Gap,
    };
    Folded::Part(byte)
}
