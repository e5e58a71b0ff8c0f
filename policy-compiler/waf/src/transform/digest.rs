//! Encodings and digests. Well-kept libraries do the work.

use base64::Engine;
use md5::{Digest, Md5};
use sha1::Sha1;

pub(super) fn md5(value: &[u8]) -> Vec<u8> {
    Md5::digest(value).to_vec()
}

pub(super) fn sha1(value: &[u8]) -> Vec<u8> {
    Sha1::digest(value).to_vec()
}

pub(super) fn base64_encode(value: &[u8]) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.encode(value).into_bytes()
}

pub(super) fn hex_encode(value: &[u8]) -> Vec<u8> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |digit| digit as u8);
    value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Letters, digits and `*` stay, a blank becomes `+`, all else `%XX` in lower case.
pub(super) fn url_encode(value: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b' ' => made.push(b'+'),
            b'*' => made.push(b'*'),
            plain if plain.is_ascii_alphanumeric() => made.push(*plain),
            other => {
                made.push(b'%');
                made.extend(hex_encode(&[*other]));
            }
        }
    }
    made
}
