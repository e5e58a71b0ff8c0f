//! Values known by the name before them, and the names that make a bare number count. It owns those names; it refuses
//! placeholders: templates, references to the environment and calls.

use super::Kind;
use super::cursor::{Cursor, is_word};
use super::long::Class;

/// What the text has spoken of lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Card,
    Ssn,
    Nhs,
    Cpf,
}

/// How many topics there are.
pub(super) const TOPICS: usize = 4;

/// How far, in bytes, a topic reaches.
pub(super) const REACH: usize = 48;

const NAMES: [(&str, Topic); 10] = [
    ("card", Topic::Card),
    ("visa", Topic::Card),
    ("credit", Topic::Card),
    ("kreditkarte", Topic::Card),
    ("ssn", Topic::Ssn),
    ("social sec", Topic::Ssn),
    ("socialsec", Topic::Ssn),
    ("social_sec", Topic::Ssn),
    ("nhs", Topic::Nhs),
    ("cpf", Topic::Cpf),
];

const AWS: [&str; 6] = [
    "aws_secret_access_key",
    "aws_secret_key",
    "aws secret access key",
    "aws secret key",
    "secretaccesskey",
    "secret_access_key",
];

const AZURE: [&str; 3] = ["accountkey", "account_key", "azure_storage_key"];

const PASSWORD: [&str; 9] =
    ["password", "passwd", "passphrase", "pwd", "secret_key", "secret", "api_key", "apikey", "access_token"];

/// Every name, in lower case, with the set of kinds it bears on.
pub(super) fn names() -> impl Iterator<Item = (&'static str, u64)> {
    let topics = NAMES.iter().map(|(name, topic)| {
        let kind = match topic {
            Topic::Card => Kind::Card,
            Topic::Ssn => Kind::UsSsn,
            Topic::Nhs => Kind::UkNhs,
            Topic::Cpf => Kind::BrazilianCpf,
        };
        (*name, kind.bit())
    });
    let single =
        [("sig=", Kind::AzureSas), ("private_key_id", Kind::GcpServiceAccount), ("bearer", Kind::Bearer)];
    topics
        .chain(AWS.map(|name| (name, Kind::AwsSecretKey.bit())))
        .chain(AZURE.map(|name| (name, Kind::AzureStorageKey.bit())))
        .chain(PASSWORD.map(|name| (name, Kind::Password.bit())))
        .chain(single.map(|(name, kind)| (name, kind.bit())))
}

/// The topic the word here names.
pub(super) fn topic(cursor: &Cursor<'_>) -> Option<Topic> {
    if !matches!(cursor.at(0)? | 0x20, b'c' | b'v' | b'k' | b's' | b'n') {
        return None;
    }
    NAMES.iter().find_map(|(name, topic)| cursor.has_folded(0, name).then_some(*topic))
}

/// Past what stands between a name and its value: quotes, one sign of assignment, spaces, an escape's backslash.
fn assigned(cursor: &Cursor<'_>, from: usize) -> Option<usize> {
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'`' | b']');
    let before = cursor.run(from, 5, space);
    let sign = cursor.run(from + before, 3, |byte| matches!(byte, b':' | b'=' | b'>'));
    let after = cursor.run(from + before + sign, 5, space);
    (sign > 0).then_some(from + before + sign + after)
}

/// Where the secret key of an AWS access key stands.
pub(super) fn aws_secret(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    let name = AWS.iter().find(|name| cursor.has_folded(0, name))?;
    let start = assigned(cursor, name.len())?;
    let count = cursor.run(start, 41, |byte| Class::Base64.has(byte) && byte != b'=');
    (count == 40).then_some((start, start + 40))
}

/// Where the key of an Azure storage account stands: 86 letters of base64 and `==`.
pub(super) fn azure_key(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    let start =
        AZURE.iter().find(|name| cursor.has_folded(0, name)).and_then(|name| assigned(cursor, name.len()))?;
    let count = cursor.run(start, 87, |byte| Class::Base64.has(byte) && byte != b'=');
    (count == 86 && cursor.has(start + 86, "==")).then_some((start, start + 88))
}

/// Where the signature of a shared access signature stands: 32 bytes of base64, percent-encoded or not.
pub(super) fn azure_sas(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    if !cursor.has(0, "sig=")
        || !cursor.before().is_none_or(|byte| matches!(byte, b'?' | b'&' | b';' | b' ' | b'"'))
    {
        return None;
    }
    let (mut at, mut letters) = (4, 0);
    while letters < 43 {
        match cursor.at(at)? {
            b'%' if cursor.run(at + 1, 2, |byte| byte.is_ascii_hexdigit()) == 2 => at += 3,
            byte if byte != b'=' && Class::Base64.has(byte) => at += 1,
            _ => return None,
        }
        letters += 1;
    }
    let pad = if cursor.has_folded(at, "%3d") { 3 } else { usize::from(cursor.at(at) == Some(b'=')) };
    (pad > 0).then_some((4, at + pad))
}

/// Where the key id stands in a service account's JSON.
pub(super) fn service_account(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    if !cursor.has(0, "private_key_id") {
        return None;
    }
    let start = assigned(cursor, "private_key_id".len())?;
    let count = cursor.run(start, 41, |byte| Class::Hex.has(byte));
    (count == 40).then_some((start, start + 40))
}

/// Where the value of something named a password stands, and whether it goes on past the window's share.
pub(super) fn password(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    let name = PASSWORD.iter().find(|name| cursor.has_folded(0, name))?;
    let start = assigned(cursor, name.len())?;
    let count = cursor.run(start, 128, |byte| Class::Value.has(byte));
    let value = cursor.bytes(start, start + count);
    (count >= 6 && !is_placeholder(value)).then_some((start, start + count))
}

fn is_placeholder(value: &[u8]) -> bool {
    let template = matches!(value.first(), Some(b'$' | b'<' | b'{' | b'[' | b'%' | b'*'));
    let reference = value.contains(&b'(')
        || [&b"os.environ"[..], b"process.env", b"env."].iter().any(|name| value.starts_with(name));
    template || reference || !varied(value, 4)
}

/// Where the token after `Bearer` stands.
pub(super) fn bearer(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    if !cursor.has_folded(0, "bearer") {
        return None;
    }
    let spaces = cursor.run(6, 3, |byte| byte == b' ');
    let start = 6 + spaces;
    let count = cursor.run(start, 24, |byte| Class::Bearer.has(byte));
    let written = cursor.bytes(start, start + count);
    let digits = written.iter().any(u8::is_ascii_digit);
    (spaces > 0 && count >= 16 && digits && varied(written, 6)).then_some((start, start + count))
}

/// Whether there are at least `least` different bytes: a row of x is not a key.
pub(super) fn varied(bytes: &[u8], least: u32) -> bool {
    let seen = bytes.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 0x7f));
    seen.count_ones() >= least
}

/// Whether a word can begin after `before`.
pub(super) fn begins_word(before: Option<u8>) -> bool {
    !before.is_some_and(is_word)
}
