//! The search for the end of a string. It owns the speed of it; it refuses to know what a string means.

use memchr::memchr2;

/// Most strings are keys and words: up to this length, a search without any set-up is the faster one.
const SHORT: usize = 32;
const WORD: usize = size_of::<u64>();

const ONES: u64 = u64::from_ne_bytes([1; WORD]);
const HIGHS: u64 = ONES << 7;

/// Bytes at the start that are neither `"` nor `\` nor a control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (head, tail) = bytes.split_at_checked(SHORT).unwrap_or((bytes, &[]));
    let (words, rest) = head.as_chunks::<WORD>();
    let mut length = 0;
    for word in words {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            // The first byte is the lowest.
            return length + (found.trailing_zeros() / 8) as usize;
        }
        length += WORD;
    }
    let plain = rest.iter().take_while(|byte| is_plain(**byte)).count();
    if plain < rest.len() || tail.is_empty() {
        return length + plain;
    }
    SHORT + long_run(tail)
}

fn long_run(bytes: &[u8]) -> usize {
    let length = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let run = bytes.get(..length).unwrap_or_default();
    // A fold over the whole run vectorises; a search for the first one does not.
    if run.iter().fold(false, |found, byte| found | (*byte < b' ')) {
        return run.iter().take_while(|byte| **byte >= b' ').count();
    }
    length
}

fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// A word whose lowest set bit is the highest of the first byte that is not plain; 0 where all are. The
/// bytes above that one may be flagged without reason, by its borrow.
const fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero_in_quote = quote.wrapping_sub(ONES) & !quote;
    let zero_in_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (zero_in_quote | zero_in_backslash | control) & HIGHS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slowly(bytes: &[u8]) -> usize {
        bytes.iter().take_while(|byte| is_plain(**byte)).count()
    }

    #[test]
    fn every_byte_ends_a_run_that_should_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for place in 0..80 {
                for after in [b'a', b'"', 0x00, 0xFF] {
                    let mut bytes = [b'a'; 80];
                    bytes[place..].fill(after);
                    bytes[place] = byte;
                    assert_eq!(plain_run(&bytes), slowly(&bytes), "{byte:#x} at {place}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_run_is_what_a_slow_search_finds(bytes in prop::collection::vec(prop_oneof![9 => Just(b'a'), 1 => any::<u8>()], 0..120)) {
            prop_assert_eq!(plain_run(&bytes), slowly(&bytes));
        }
    }
}
