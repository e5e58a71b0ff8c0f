//! The simulator's own tokens. A token is a word: a run of characters between whitespace. It owns texts
//! whose count is exact by construction and the count itself; it refuses to imitate a real tokenizer.
//!
//! Words are three letters on average, so that a text has four bytes per token with its spaces and an
//! estimate of bytes / 4 comes out near the truth. A few words are not ASCII, so that a reader that
//! cuts text between bytes is found out.

use crate::random::Draws;

const WORDS: [&str; 64] = [
    "a", "an", "the", "to", "of", "in", "is", "it", "on", "we", "by", "as", "at", "or", "if", "so", "and",
    "for", "not", "you", "but", "all", "can", "her", "was", "one", "our", "out", "day", "get", "has", "him",
    "how", "man", "new", "now", "old", "see", "two", "way", "who", "its", "did", "yes", "let", "put", "say",
    "too", "use", "sea", "gate", "flow", "lock", "weir", "mill", "tide", "pond", "bank", "boat", "rain",
    "mère", "Tür", "año", "水路",
];

fn word(draw: u64) -> &'static str {
    WORDS.get((draw % WORDS.len() as u64) as usize).copied().unwrap_or("a")
}

/// The `index`-th token of the text of `seed`, with the space that parts it from the one before.
#[must_use]
pub fn token_text(seed: u64, index: u64) -> String {
    let word = word(Draws::keyed(seed, &[index]).bits());
    if index == 0 { word.to_owned() } else { format!(" {word}") }
}

/// Where the first of `stops` cuts the first `n` tokens of the text of `seed`: the whole tokens before it,
/// and which it is. `None` when none of them comes up.
#[must_use]
pub fn stop_in(seed: u64, n: u64, stops: &[String]) -> Option<(u64, usize)> {
    let (mut text, mut ends) = (String::new(), Vec::new());
    for index in 0..n {
        text.push_str(&token_text(seed, index));
        ends.push(text.len());
    }
    let found = stops.iter().enumerate().filter(|(_, stop)| !stop.is_empty());
    let (at, which) = found.filter_map(|(which, stop)| Some((text.find(stop.as_str())?, which))).min()?;
    Some((ends.partition_point(|end| *end <= at) as u64, which))
}

/// A text of exactly `n` tokens, the same for the same seed.
#[must_use]
pub fn text_of(n: u64, seed: u64) -> String {
    let mut text = String::with_capacity(usize::try_from(n.saturating_mul(4)).unwrap_or(0).min(1 << 26));
    push_words(&mut text, n, seed);
    text
}

/// A text of exactly `n` tokens that begins with one block of `block_tokens` tokens per id, so that two
/// texts share a prefix just as far as their ids agree.
#[must_use]
pub fn text_of_blocks(blocks: &[u64], block_tokens: u64, n: u64, seed: u64) -> String {
    let mut text = String::new();
    let mut left = n;
    for block in blocks {
        let here = block_tokens.min(left);
        push_words(&mut text, here, *block);
        left -= here;
    }
    push_words(&mut text, left, seed);
    text
}

fn push_words(text: &mut String, n: u64, seed: u64) {
    for index in 0..n {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word(Draws::keyed(seed, &[index]).bits()));
    }
}

/// Tokens in a text.
#[must_use]
pub fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_has_about_four_bytes_per_token() {
        let bytes = text_of(20_000, 1).len() as f64 / 20_000.0;
        assert!((3.8..4.3).contains(&bytes), "{bytes} bytes per token");
    }

    #[test]
    fn texts_share_a_prefix_as_far_as_their_blocks_agree() {
        let (a, b) = (text_of_blocks(&[1, 2, 3], 8, 30, 9), text_of_blocks(&[1, 2, 4], 8, 30, 10));
        let shared = a.split(' ').zip(b.split(' ')).take_while(|(x, y)| x == y).count();
        assert!((16..20).contains(&shared), "{shared} words shared");
    }

    #[test]
    fn a_text_is_cut_before_the_token_in_which_a_stop_begins() {
        let whole: Vec<String> = (0..40).map(|index| token_text(3, index)).collect();
        let stop = whole[7].clone();
        let first = whole.iter().position(|token| token.contains(stop.trim())).unwrap() as u64;
        let stops = ["never said".to_owned(), stop.trim().to_owned()];
        let (tokens, which) = stop_in(3, 40, &stops).unwrap();
        assert_eq!(which, 1);
        assert!(tokens <= first, "{tokens} before {first}");
        assert!(!whole[..tokens as usize].concat().contains(stop.trim()));
        assert_eq!(stop_in(3, 40, &stops[..1]), None);
        assert_eq!(stop_in(3, 0, &stops), None);
    }

    proptest! {
        #[test]
        fn counts_are_exact(n in 0_u64..3_000, seed: u64) {
            prop_assert_eq!(count(&text_of(n, seed)), n);
            let streamed: String = (0..n.min(200)).map(|i| token_text(seed, i)).collect();
            prop_assert_eq!(count(&streamed), n.min(200));
        }

        #[test]
        fn counts_of_block_texts_are_exact(n in 0_u64..600, blocks in proptest::collection::vec(any::<u64>(), 0..6)) {
            prop_assert_eq!(count(&text_of_blocks(&blocks, 64, n, 5)), n);
        }
    }
}
