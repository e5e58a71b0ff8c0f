//! The transformations of the rule language, over bytes, as libmodsecurity 3 performs them, but for its corner cases
//! that hide text from rules. It owns what each does and which bytes can make it do anything; it refuses their order
//! and remembering results.

mod decode;
mod digest;
mod path;
mod text;
mod touch;

#[cfg(test)]
mod tests;

pub use touch::{Touches, touches};

use crate::program::Transformation as T;

/// The value transformed; `None` when that changes nothing. `unicode_map` holds the code points above 255 that stand
/// for a byte, in order, for `%uXXXX`.
#[must_use]
pub fn apply(transformation: T, value: &[u8], unicode_map: &[(u32, u8)]) -> Option<Vec<u8>> {
    let made = match transformation {
        T::Base64Decode => decode::base64(value),
        T::Base64DecodeExt => decode::forgiving_base64(value),
        T::Base64Encode => digest::base64_encode(value),
        T::CmdLine => text::cmd_line(value),
        T::CompressWhitespace => text::compress_whitespace(value),
        T::CssDecode => decode::css(value),
        T::EscapeSeqDecode => decode::escape_sequences(value),
        T::HexDecode => decode::hex(value),
        T::HexEncode => digest::hex_encode(value),
        T::HtmlEntityDecode => decode::html_entities(value),
        T::JsDecode => decode::js(value),
        T::Length => value.len().to_string().into_bytes(),
        T::Lowercase => value.to_ascii_lowercase(),
        T::Md5 => digest::md5(value),
        T::NormalisePath => path::normalise(value, false),
        T::NormalisePathWin => path::normalise(value, true),
        T::ParityEven7bit => text::parity(value, |ones| ones & 1),
        T::ParityOdd7bit => text::parity(value, |ones| !ones & 1),
        T::ParityZero7bit => value.iter().map(|byte| byte & 0x7f).collect(),
        T::RemoveComments => text::remove_comments(value),
        T::RemoveCommentsChar => text::remove_comment_marks(value),
        T::RemoveNulls => value.iter().copied().filter(|byte| *byte != 0).collect(),
        T::RemoveWhitespace => text::remove_whitespace(value),
        T::ReplaceComments => text::replace_comments(value),
        T::ReplaceNulls => value.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect(),
        T::Sha1 => digest::sha1(value),
        T::SqlHexDecode => decode::sql_hex(value),
        T::Trim => text::trim(value, true, true).to_vec(),
        T::TrimLeft => text::trim(value, true, false).to_vec(),
        T::TrimRight => text::trim(value, false, true).to_vec(),
        T::Uppercase => value.to_ascii_uppercase(),
        T::UrlDecode => decode::url(value),
        T::UrlDecodeUni => decode::url_unicode(value, unicode_map),
        T::UrlEncode => digest::url_encode(value),
        T::Utf8toUnicode => decode::utf8_to_unicode(value),
    };
    (made != value).then_some(made)
}
