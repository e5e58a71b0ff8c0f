//! Which bytes can make a transformation change a value. It owns that knowledge, which lets the engine leave a
//! transformation out; where it is not sure, every byte can.

use crate::program::Transformation as T;

/// The bytes without which a transformation changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touches {
    bytes: [u64; 4],
    /// It may change any value, the empty one too.
    pub always: bool,
}

impl Touches {
    /// Whether this byte can make it change a value.
    #[must_use]
    pub fn has(&self, byte: u8) -> bool {
        self.always
            || self.bytes.get(usize::from(byte / 64)).is_some_and(|word| word & (1 << (byte % 64)) != 0)
    }

    fn those(test: impl Fn(u8) -> bool) -> Self {
        let mut bytes = [0u64; 4];
        for byte in (0..=255u8).filter(|byte| test(*byte)) {
            if let Some(word) = bytes.get_mut(usize::from(byte / 64)) {
                *word |= 1 << (byte % 64);
            }
        }
        Self { bytes, always: false }
    }
}

/// The bytes that can make the transformation change a value: a value without any of them stays as it is.
#[must_use]
pub fn touches(transformation: T) -> Touches {
    let space = |byte: u8| matches!(byte, b'\t'..=b'\r' | b' ' | 0xa0);
    match transformation {
        T::CssDecode | T::EscapeSeqDecode | T::JsDecode => Touches::those(|byte| byte == b'\\'),
        T::HtmlEntityDecode => Touches::those(|byte| byte == b'&'),
        T::Lowercase => Touches::those(|byte| byte.is_ascii_uppercase()),
        T::Uppercase => Touches::those(|byte| byte.is_ascii_lowercase()),
        T::UrlDecode | T::UrlDecodeUni => Touches::those(|byte| matches!(byte, b'%' | b'+')),
        T::Utf8toUnicode | T::ParityZero7bit => Touches::those(|byte| byte >= 0x80),
        T::RemoveNulls | T::ReplaceNulls => Touches::those(|byte| byte == 0),
        T::RemoveWhitespace | T::Trim | T::TrimLeft | T::TrimRight => Touches::those(space),
        // A single blank stays, so a blank has to touch although it mostly changes nothing.
        T::CompressWhitespace => Touches::those(space),
        T::RemoveComments => Touches::those(|byte| matches!(byte, b'/' | b'-' | b'#' | b'<')),
        T::RemoveCommentsChar => Touches::those(|byte| matches!(byte, b'/' | b'*' | b'-' | b'#' | b'<')),
        T::ReplaceComments => Touches::those(|byte| byte == b'/'),
        T::NormalisePath => Touches::those(|byte| matches!(byte, b'/' | b'.')),
        T::NormalisePathWin => Touches::those(|byte| matches!(byte, b'/' | b'.' | b'\\')),
        T::SqlHexDecode => Touches::those(|byte| matches!(byte, b'x' | b'X')),
        T::CmdLine => Touches::those(|byte| {
            matches!(
                byte,
                b'"' | b'\'' | b'\\' | b'^' | b',' | b';' | b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'('
            ) || byte.is_ascii_uppercase()
        }),
        T::Base64Decode
        | T::Base64DecodeExt
        | T::Base64Encode
        | T::HexDecode
        | T::HexEncode
        | T::Length
        | T::Md5
        | T::ParityEven7bit
        | T::ParityOdd7bit
        | T::Sha1
        | T::UrlEncode => Touches { bytes: [u64::MAX; 4], always: true },
    }
}
