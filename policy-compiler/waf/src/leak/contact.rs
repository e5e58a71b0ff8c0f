//! Where someone or something can be reached: e-mail addresses, telephone numbers, private addresses and the password
//! in a URL. It owns their shapes; it refuses file names and templates that only look like them.

use super::cursor::{Cursor, Digits, is_word};

/// Endings of files, which follow an at sign in asset names (`icon@2x.png`).
const FILE_ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "tsx", "json", "html"];

/// [`is_local`] of each byte.
const LOCAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = is_local(byte);
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// The length of the e-mail address here: at most 64 bytes, an at sign, and a dotted host that ends in letters.
/// `git@`, which names a service and not a person, is passed over.
pub(super) fn email(cursor: &Cursor<'_>) -> Option<usize> {
    if cursor.before().is_some_and(|byte| byte != b'\'' && is_local(byte)) || !is_word(cursor.at(0)?) {
        return None;
    }
    let local = cursor.run(0, 65, |byte| LOCAL.get(usize::from(byte)) == Some(&true));
    if local > 64 || cursor.at(local)? != b'@' {
        return None;
    }
    let host = local + 1;
    let count = cursor.run(host, 181, is_host);
    let text = cursor.bytes(host, host + count);
    let kept = text.len() - text.iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
    let text = text.get(..kept)?;
    let (before, ending) = text.rsplit_once_dot()?;
    let dotted = count <= 180
        && !before.is_empty()
        && before.split(|byte| *byte == b'.').all(|label| !label.is_empty());
    let letters = ending.len() >= 2 && ending.iter().all(u8::is_ascii_alphabetic);
    let file = FILE_ENDINGS.iter().any(|name| ending.eq_ignore_ascii_case(name.as_bytes()));
    (dotted && letters && !file && cursor.bytes(0, local) != b"git").then_some(host + kept)
}

trait SplitAtLastDot {
    fn rsplit_once_dot(&self) -> Option<(&[u8], &[u8])>;
}

impl SplitAtLastDot for [u8] {
    fn rsplit_once_dot(&self) -> Option<(&[u8], &[u8])> {
        let place = self.iter().rposition(|byte| *byte == b'.')?;
        Some((self.get(..place)?, self.get(place + 1..)?))
    }
}

/// The length of the telephone number here: a plus sign, then 9 to 15 digits (eleven after `+1`, ITU E.164), single
/// spaces, hyphens, dots and one pair of brackets between them.
pub(super) fn phone(cursor: &Cursor<'_>) -> Option<usize> {
    if cursor.at(0)? != b'+'
        || cursor.before().is_some_and(|byte| is_word(byte) || matches!(byte, b')' | b']' | b'+'))
    {
        return None;
    }
    let mut digits = Digits::default();
    let mut at = 1;
    let mut separators = 0;
    while digits.values().len() <= 15 {
        match cursor.at(at) {
            Some(byte @ b'0'..=b'9') => {
                digits.add(byte)?;
                digits.end = at + 1;
                separators = 0;
            }
            Some(b' ' | b'-' | b'.' | b'(' | b')') if separators < 2 && at > 1 => separators += 1,
            _ => break,
        }
        at += 1;
    }
    let count = digits.values().len();
    let first = digits.number(0, 1);
    let fits = match first {
        0 => false,
        1 => count == 11 && digits.number(1, 1) > 1 && digits.number(4, 1) > 1,
        _ => (9..=15).contains(&count),
    };
    (fits && cursor.ends(digits.end)).then_some(digits.end)
}

/// The length of the private IPv4 address here (RFC 1918).
pub(super) fn private_ipv4(cursor: &Cursor<'_>) -> Option<usize> {
    let mut parts = [0_u16; 4];
    let mut at = 0;
    for (place, part) in parts.iter_mut().enumerate() {
        if place > 0 {
            cursor.at(at).filter(|byte| *byte == b'.')?;
            at += 1;
        }
        let count = cursor.run(at, 4, |byte| byte.is_ascii_digit());
        if !(1..=3).contains(&count) {
            return None;
        }
        *part = cursor.bytes(at, at + count).iter().fold(0, |sum, byte| sum * 10 + u16::from(byte - b'0'));
        at += count;
    }
    let private = match parts {
        [10, ..] | [192, 168, ..] => true,
        [172, second, ..] => (16..=31).contains(&second),
        _ => false,
    };
    (private && parts.iter().all(|part| *part < 256) && cursor.ends(at)).then_some(at)
}

/// Where the password of the URL stands whose `://` is here, as its start and end.
pub(super) fn url_password(cursor: &Cursor<'_>) -> Option<(usize, usize)> {
    if !cursor.has(0, "://") || !cursor.before().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let user = cursor
        .run(3, 65, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'-' | b'+'));
    if user > 64 || cursor.at(3 + user)? != b':' {
        return None;
    }
    let start = 4 + user;
    let part = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'/' | b'@' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\')
    };
    let count = cursor.run(start, 129, part);
    let template = matches!(cursor.at(start), Some(b'$' | b'{' | b'*' | b'['));
    let ends = count <= 128 && cursor.at(start + count) == Some(b'@');
    let host = cursor.at(start + count + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'[');
    (ends && host && count > 0 && !template).then_some((start, start + count))
}
