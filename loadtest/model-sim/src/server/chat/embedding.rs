//! Embeddings. It owns vectors that are functions of their text and the base64 clients ask for; it
//! refuses any meaning: two texts are near only when they are equal.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::random::Draws;

/// The body of an answer with one vector per input hash.
pub(in crate::server) fn body(
    model: &str,
    inputs: &[u64],
    dimensions: usize,
    base64: bool,
    prompt_tokens: u64,
) -> Bytes {
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, hash)| {
            let vector = unit_vector(*hash, dimensions);
            let embedding =
                if base64 { Value::from(in_base64(&little_endian(&vector))) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let usage = json!({"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens});
    Bytes::from(json!({"object": "list", "data": data, "model": model, "usage": usage}).to_string())
}

/// A vector of length 1 in a direction that belongs to the hash.
fn unit_vector(hash: u64, dimensions: usize) -> Vec<f32> {
    let mut draws = Draws::keyed(hash, &[]);
    let raw: Vec<f64> = (0..dimensions).map(|_| draws.normal()).collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    raw.iter().map(|x| (x / length) as f32).collect()
}

/// A vector as OpenAI's clients ask for it by default.
fn little_endian(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Base64 with padding (RFC 4648, section 4).
pub(in crate::server) fn in_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for position in 0..4 {
            let index = (bits >> (18 - 6 * position)) as usize & 63;
            let letter = ALPHABET.get(index).copied().map_or('=', char::from);
            text.push(if position > group.len() { '=' } else { letter });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_belong_to_their_text() {
        let vector = unit_vector(7, 256);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(vector, unit_vector(7, 256));
        assert_ne!(vector, unit_vector(8, 256));
    }

    #[test]
    fn base64_is_the_standard_one() {
        assert_eq!(in_base64(&little_endian(&[1.0])), "AACAPw==");
        assert_eq!(in_base64(&little_endian(&[1.0, -2.0])), "AACAPwAAAMA=");
        assert_eq!(in_base64(&little_endian(&[1.0, -2.0, 0.5])), "AACAPwAAAMAAAAA/");
    }
}
